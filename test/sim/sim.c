/* sim [--seed N] [--runs N] [--decisions N] [--hours N]: runs from seed N on until that many runs
 * or decisions. Exit 1 at the first broken invariant. */
#include "test/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

uint64_t sim_random(struct sim *s, uint64_t below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return below == 0 ? 0 : s->random % below;
}

bool sim_chance(struct sim *s, unsigned per_mille)
{
    return sim_random(s, 1000) < per_mille;
}

struct scaler_time sim_now(const struct sim *s)
{
    return (struct scaler_time){s->true_ms + s->monotonic_offset_ms,
                                s->true_ms + s->unix_offset_ms};
}

void sim_broken(struct sim *s, const char *format, ...)
{
    if (!s->broken) {
        va_list args;
        va_start(args, format);
        (void)fprintf(stderr, "broken at %lld ms: ", (long long)s->true_ms);
        (void)vfprintf(stderr, format, args);
        (void)fprintf(stderr, "\nrepeat with: sim --seed %llu --runs 1\n",
                      (unsigned long long)s->seed);
        va_end(args);
    }
    s->broken = true;
}

static int64_t log_now(void *context)
{
    return sim_now(context).unix_ms;
}

static void log_nothing(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void finish_core(struct sim *s)
{
    scaler_free(s->core);
    s->core = NULL;
}

/* Whatever is next: the core's due time or the world's. */
static void step(struct sim *s)
{
    int64_t due_ms = scaler_next_due_ms(s->core);
    int64_t core_ms = due_ms == INT64_MAX ? INT64_MAX : due_ms - s->monotonic_offset_ms;
    int64_t world_ms = world_next_ms(s);
    int64_t next_ms = core_ms < world_ms ? core_ms : world_ms;
    if (next_ms > s->true_ms) {
        s->true_ms = next_ms;
    }
    world_step(s);
    scaler_run_due(s->core, sim_now(s));
}

static void run(struct sim *s, uint64_t seed, int64_t hours)
{
    s->seed = seed;
    s->random = seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL;
    s->random = s->random == 0 ? 1 : s->random;
    s->log = (struct logger){
        .level = LOG_ERROR, .program = "sim", .context = s, .now_ms = log_now, .sink = log_nothing};
    s->true_ms = 1000000;
    s->unix_offset_ms = UNIX_OFFSET_MS;
    s->end_ms = s->true_ms + hours * 3600000;
    s->calm_ms = s->end_ms - 3 * 3600000; /* longer than any window or cooldown here */
    world_init(s);
    while (!s->broken && s->true_ms < s->end_ms) {
        step(s);
    }
    if (!s->broken && s->calm_writes > 0) {
        sim_broken(s, "%llu writes in the last hour of a constant load",
                   (unsigned long long)s->calm_writes);
    }
    finish_core(s);
}

static uint64_t number(const char *text)
{
    struct err e = ERR_INIT;
    int64_t value = 0;
    if (num_int(str_from(text), 0, INT64_MAX, &value, &e) != 0) {
        (void)fprintf(stderr, "sim: %s\n", e.text);
        exit(2);
    }
    return (uint64_t)value;
}

int main(int argc, char *argv[])
{
    uint64_t seed = 1, runs = UINT64_MAX, wanted = 200000, hours = 30;
    for (int i = 1; i + 1 < argc; i += 2) {
        struct str name = str_from(argv[i]);
        uint64_t *out = str_eq(name, STR("--seed"))        ? &seed
                        : str_eq(name, STR("--runs"))      ? &runs
                        : str_eq(name, STR("--decisions")) ? &wanted
                        : str_eq(name, STR("--hours"))     ? &hours
                                                           : NULL;
        if (out == NULL) {
            (void)fprintf(stderr, "sim: unknown %s\n", argv[i]);
            return 2;
        }
        *out = number(argv[i + 1]);
    }
    uint64_t decisions = 0, writes = 0, lowered = 0, restarts = 0, jumps = 0, conflicts = 0,
             faults = 0, done = 0;
    struct sim *s = malloc(sizeof(*s));
    bool broken = s == NULL;
    while (!broken && done < runs && (runs != UINT64_MAX || decisions < wanted)) {
        *s = (struct sim){0};
        run(s, seed + done, (int64_t)hours);
        broken = s->broken;
        done++;
        decisions += s->decisions, writes += s->writes, lowered += s->lowered;
        restarts += s->restarts, jumps += s->jumps, conflicts += s->conflicts, faults += s->faults;
    }
    free(s);
    (void)printf("%llu runs of %llu h: %llu decisions, %llu writes (%llu down), %llu restarts, "
                 "%llu clock jumps, %llu conflicts, %llu faults\n",
                 (unsigned long long)done, (unsigned long long)hours, (unsigned long long)decisions,
                 (unsigned long long)writes, (unsigned long long)lowered,
                 (unsigned long long)restarts, (unsigned long long)jumps,
                 (unsigned long long)conflicts, (unsigned long long)faults);
    return broken ? 1 : 0;
}
