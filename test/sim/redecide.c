/* A sample of decisions, made again from what the core's decision line would keep: the same inputs
 * give the same decision, and a higher reading never gives fewer replicas.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "scaler/memory_json.h"
#include "test/sim/sim.h"

enum { ONE_IN = 100, MEMORY_BYTES = 1 << 18 };

struct redecide {
    const struct workload *w; /* whose memory is kept; NULL: none */
    struct buf json;
};

struct redecide *redecide_new(void)
{
    struct redecide *r = calloc(1, sizeof(*r));
    if (r != NULL) {
        buf_init(&r->json, MEMORY_BYTES);
    }
    return r;
}

void redecide_free(struct redecide *r)
{
    if (r != NULL) {
        buf_free(&r->json);
    }
    free(r);
}

void redecide_keep(struct sim *s, const struct workload *w)
{
    struct redecide *r = s->redecide;
    struct json_writer j;
    r->w = NULL;
    if (w->pending > 1 || (!s->sweep.on && sim_random(s, ONE_IN) != 0)) {
        return;
    }
    buf_reset(&r->json);
    json_writer_init(&j, &r->json);
    memory_write(&j, &w->memory, w->spec.trigger_count);
    r->w = r->json.failed ? NULL : w;
}

/* The memory as it was, from its JSON. */
static struct decide_memory recall(const struct redecide *r, struct arena *a)
{
    const struct scale_spec *spec = &r->w->spec;
    struct decide_memory memory;
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    struct decide_record *records =
        arena_array(a, decide_memory_records(spec), sizeof(struct decide_record));
    if (records == NULL) {
        abort();
    }
    decide_memory_init(&memory, spec, records);
    if (json_parse(buf_view(&r->json), &JSON_LIMITS_API, a, &root, &e) != 0 ||
        memory_read(root, &memory, &e) != 0) {
        abort();
    }
    return memory;
}

/* Whether more of a trigger's metric can only ask for more. */
static bool grows(const struct workload *w, size_t i)
{
    const struct reading *reading = &w->readings[i];
    return reading->kind == READING_VALUE && isfinite(reading->value) && reading->value > 0 &&
           (w->spec.triggers[i].type == METRIC_AVERAGE_VALUE || w->ready == w->replicas);
}

void redecide_check(struct sim *s, const struct workload *w)
{
    struct redecide *r = s->redecide;
    if (r->w != w) {
        return;
    }
    struct arena arena;
    struct decision again, more;
    struct reading readings[SPEC_TRIGGERS_MAX];
    struct observation obs = {w->replicas, w->ready, w->readings};
    arena_init(&arena, 1 << 22);
    struct decide_memory memory = recall(r, &arena);
    decide(&w->spec, &obs, &memory, w->clock_ms, &again);
    if (again.replicas != w->decision.replicas || again.reason != w->decision.reason ||
        strcmp(again.message, workload_message(w)) != 0) {
        sim_broken(s, "%.*s: decided %d (%s), and again %d (%s)", STR_ARG(w->name),
                   w->decision.replicas, workload_message(w), again.replicas, again.message);
    }
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        readings[i] = w->readings[i];
        if (grows(w, i)) {
            readings[i].value *= 1 + (double)sim_random(s, 2000) / 1000.0;
        }
    }
    obs.readings = readings;
    memory = recall(r, &arena);
    decide(&w->spec, &obs, &memory, w->clock_ms, &more);
    if (more.replicas < again.replicas) {
        sim_broken(s, "%.*s: %d (%s), and with more of it %d (%s)", STR_ARG(w->name),
                   again.replicas, again.message, more.replicas, more.message);
    }
    s->counts.again++;
    r->w = NULL;
    arena_free(&arena);
}
