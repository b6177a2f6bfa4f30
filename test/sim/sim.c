/* sim [--seed N] [--runs N] [--decisions N] [--hours N] [--sweep STRIDE] [--watch N]: runs from
 * seed N on until that many runs or decisions, then the sweep of faults of every STRIDE-th door
 * call (0: none). Exit 1 at the first broken invariant. --watch N: print the course of the N-th
 * app. */
#include "test/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

enum { HOUR_MS = 3600000, CALM_MS = 3 * HOUR_MS, START_MS = 1000000 };

uint64_t sim_random(struct sim *s, uint64_t below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return below == 0 ? 0 : s->random % below;
}

bool sim_chance(struct sim *s, unsigned per_mille)
{
    return !s->sweep.on && sim_random(s, 1000) < per_mille;
}

void sim_broken(struct sim *s, const char *format, ...)
{
    if (!s->broken) {
        va_list args;
        va_start(args, format);
        (void)fprintf(stderr, "broken at %lld ms: ", (long long)s->true_ms);
        (void)vfprintf(stderr, format, args);
        if (s->sweep.on) {
            (void)fprintf(stderr, "\nwith door call %llu failing as %d; repeat with: %s\n",
                          (unsigned long long)s->sweep.fail_at, (int)s->sweep.fault,
                          "./run sim --runs 0 --sweep 1");
        } else {
            (void)fprintf(stderr, "\nrepeat with: ./run sim --seed %llu --runs 1 --hours %lld\n",
                          (unsigned long long)s->seed,
                          (long long)((s->end_ms - START_MS) / HOUR_MS));
        }
        va_end(args);
    }
    s->broken = true;
}

void sim_watch(const struct sim *s, const struct app *app, const char *format, ...)
{
    if (s->watched == app->index + 1) {
        va_list args;
        va_start(args, format);
        (void)printf("%lld ", (long long)s->true_ms);
        (void)vprintf(format, args);
        (void)printf("\n");
        va_end(args);
    }
}

/* Whatever is next: a core's due time or the world's. */
static void step(struct sim *s)
{
    int64_t next_ms = world_next_ms(s);
    for (size_t i = 0; i < PROCESSES; i++) {
        const struct process *p = &s->processes[i];
        int64_t due_ms = p->core == NULL ? INT64_MAX : scaler_next_due_ms(p->core);
        if (due_ms != INT64_MAX && due_ms - p->monotonic_offset_ms < next_ms) {
            next_ms = due_ms - p->monotonic_offset_ms;
        }
    }
    if (next_ms > s->true_ms) {
        s->true_ms = next_ms;
    }
    world_step(s);
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        if (p->core != NULL) {
            scaler_run_due(p->core, process_now(p));
        }
    }
}

void sim_course(struct sim *s, void (*begin)(struct sim *s))
{
    for (size_t i = 0; i < PROCESSES; i++) {
        s->processes[i].sim = s;
        s->processes[i].index = i;
        s->processes[i].starts_ms = INT64_MAX;
    }
    s->lease_ms = INT64_MAX;
    doors_init(s);
    begin(s);
    while (!s->broken && s->true_ms < s->end_ms) {
        step(s);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        if (p->leads && !s->broken && !s->sweep.on) {
            oracle_settled(p);
        }
        scaler_free(p->core);
        p->core = NULL;
    }
}

static void run(struct sim *s, uint64_t seed, int64_t hours)
{
    s->seed = seed;
    s->random = seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL;
    s->random = s->random == 0 ? 1 : s->random;
    s->true_ms = START_MS;
    s->end_ms = s->true_ms + hours * HOUR_MS;
    s->calm_ms = s->end_ms - CALM_MS; /* longer than any window or cooldown here */
    sim_course(s, world_init);
    if (!s->broken && s->calm_turns > 0) {
        sim_broken(s, "%llu writes undo the one before in the last hour of a constant load",
                   (unsigned long long)s->calm_turns);
    }
}

static uint64_t number(const char *text)
{
    struct err e = ERR_INIT;
    int64_t value = 0;
    if (num_int(str_from(text), 0, INT64_MAX / 100 / HOUR_MS, &value, &e) != 0) {
        (void)fprintf(stderr, "sim: %s\n", e.text);
        exit(2);
    }
    return (uint64_t)value;
}

static void add(struct counts *total, const struct counts *one)
{
    total->decisions += one->decisions;
    total->writes += one->writes;
    total->lowered += one->lowered;
    total->restarts += one->restarts;
    total->hand_overs += one->hand_overs;
    total->jumps += one->jumps;
    total->conflicts += one->conflicts;
    total->faults += one->faults;
    total->held += one->held;
    total->restored += one->restored;
    total->again += one->again;
}

static void print(uint64_t runs, uint64_t hours, const struct counts *c)
{
    (void)printf("%llu runs of %llu h: %llu decisions (%llu made again), %llu writes (%llu down), "
                 "%llu restarts, %llu hand-overs, %llu clock jumps, %llu conflicts, %llu faults, "
                 "%llu held for an HPA, %llu restored\n",
                 (unsigned long long)runs, (unsigned long long)hours,
                 (unsigned long long)c->decisions, (unsigned long long)c->again,
                 (unsigned long long)c->writes, (unsigned long long)c->lowered,
                 (unsigned long long)c->restarts, (unsigned long long)c->hand_overs,
                 (unsigned long long)c->jumps, (unsigned long long)c->conflicts,
                 (unsigned long long)c->faults, (unsigned long long)c->held,
                 (unsigned long long)c->restored);
}

struct arguments {
    uint64_t seed, runs, decisions, hours, sweep, watch;
};

static bool read_arguments(int argc, char *const argv[], struct arguments *out)
{
    const struct {
        const char *name;
        uint64_t *number;
    } rows[] = {{"--seed", &out->seed},           {"--runs", &out->runs},
                {"--decisions", &out->decisions}, {"--hours", &out->hours},
                {"--sweep", &out->sweep},         {"--watch", &out->watch}};
    for (int i = 1; i < argc; i += 2) {
        uint64_t *to = NULL;
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
            to = strcmp(rows[k].name, argv[i]) == 0 ? rows[k].number : to;
        }
        if (to == NULL || i + 1 == argc) {
            (void)fprintf(stderr, "sim: %s is unknown, or lacks its number\n", argv[i]);
            return false;
        }
        *to = number(argv[i + 1]);
    }
    return true;
}

int main(int argc, char *argv[])
{
    struct arguments given = {.seed = 1, .runs = UINT64_MAX, .decisions = 200000, .hours = 30};
    if (!read_arguments(argc, argv, &given)) {
        return 2;
    }
    struct counts total = {0};
    struct sim *s = malloc(sizeof(*s));
    struct redecide *redecide = redecide_new();
    bool broken = s == NULL || redecide == NULL;
    uint64_t done = 0;
    while (!broken && done < given.runs &&
           (given.runs != UINT64_MAX || total.decisions < given.decisions)) {
        memset(s, 0, sizeof(*s));
        s->redecide = redecide;
        s->watched = given.watch;
        run(s, given.seed + done, (int64_t)given.hours);
        broken = s->broken;
        done++;
        add(&total, &s->counts);
    }
    if (done > 0) {
        print(done, given.hours, &total);
    }
    if (!broken && given.sweep > 0) {
        struct counts swept = {0};
        s->redecide = redecide;
        broken = sweep_run(s, given.sweep, &swept) != 0;
        (void)printf("%llu courses, each with one fault at one door call: %llu decisions, %llu "
                     "writes\n",
                     (unsigned long long)swept.again, (unsigned long long)swept.decisions,
                     (unsigned long long)swept.writes);
    }
    redecide_free(redecide);
    free(s);
    return broken ? 1 : 0;
}
