/* The sweep: twenty minutes of four Deployments without any chance in them, over and over, each
 * time with one door call failing in one way, until each has failed in each.
 *
 * A fault at one door call touches one workload's tick: the decisions of all others are the ones
 * of the course without a fault, to the millisecond, and in the end every count is the same. Where
 * the process dies or is deposed with the call out, another one goes on, and only the end is.
 */
#include <stdlib.h>
#include <string.h>

#include "test/sim/sim.h"

enum { SWEPT_APPS = 4, MINUTE_MS = 60000, COURSE_MS = 22 * MINUTE_MS, CALLS = 4096 };

struct fixed_app {
    struct kv annotations[8]; /* up to the first without a key */
    double loads[10][2];      /* by minute; the last stays */
};

#define A(key, value)                                                                              \
    {                                                                                              \
        STR_INIT(SPEC_PREFIX key), STR_INIT(value)                                                 \
    }

static const struct fixed_app FIXED[SWEPT_APPS] = {
    {{A("query", "load"), A("threshold", "25"), A("max-replicas", "20")},
     {{100}, {250}, {400}, {30}, {30}, {300}, {120}, {90}, {60}, {60}}},
    {{A("query", "load"), A("threshold", "10"), A("min-replicas", "2"), A("max-replicas", "30"),
      A("behavior", "{scaleUp: {policies: [{type: Pods, value: 4, periodSeconds: 60}]}, scaleDown: "
                    "{stabilizationWindowSeconds: 60, policies: [{type: Percent, value: 50, "
                    "periodSeconds: 30}]}}")},
     {{20}, {200}, {200}, {200}, {100}, {100}, {10}, {10}, {10}, {33}}},
    {{A("query", "load"), A("threshold", "5"), A("min-replicas", "0"), A("cooldown-period", "60s"),
      A("fallback-replicas", "5"), A("fallback-after", "20s"), A("on-no-data", "fallback")},
     {{0}, {0}, {12}, {12}, {0}, {0}, {0}, {40}, {0}, {0}}},
    {{A("triggers", "[{name: a, query: load, threshold: 10}, {name: b, query: other, threshold: "
                    "50, metricType: Value}]"),
      A("min-replicas", "3"), A("idle-replicas", "1"), A("max-replicas", "12"),
      A("cooldown-period", "45s")},
     {{30, 50}, {30, 90}, {60, 20}, {60, 10}, {0, 0}, {0, 0}, {0, 0}, {80, 10}, {50, 5}, {50, 5}}},
};

static void set_loads(struct sim *s)
{
    for (size_t i = 0; i < SWEPT_APPS; i++) {
        size_t minute = s->sweep.minute < 10 ? s->sweep.minute : 9;
        s->apps[i].load[0] = FIXED[i].loads[minute][0];
        s->apps[i].load[1] = FIXED[i].loads[minute][1];
    }
    s->sweep.minute++;
}

void sweep_happen(struct sim *s)
{
    set_loads(s);
    s->next_event_ms += MINUTE_MS;
}

enum sweep_fault sweep_fault(struct sim *s, enum call_kind kind, const struct app *app)
{
    struct sweep *sweep = &s->sweep;
    if (!sweep->on) {
        return FAULT_NONE;
    }
    if (sweep->kinds != NULL && sweep->calls < CALLS) {
        sweep->kinds[sweep->calls] = kind;
    }
    bool hit = ++sweep->calls == sweep->fail_at;
    if (hit) {
        sweep->app = app != NULL ? app->index : APPS;
        return sweep->fault;
    }
    if (kind == CALL_READ && sweep->then != FAULT_NONE && sweep->app < APPS) {
        enum sweep_fault then = sweep->then;
        sweep->then = FAULT_NONE;
        return then;
    }
    return FAULT_NONE;
}

static void begin(struct sim *s)
{
    s->random = 1;
    s->true_ms = 1000000;
    s->end_ms = s->true_ms + COURSE_MS;
    s->calm_ms = INT64_MAX;
    s->next_event_ms = s->true_ms + MINUTE_MS;
    s->lease_ms = INT64_MAX;
    s->app_count = SWEPT_APPS;
    set_loads(s);
    for (size_t i = 0; i < PROCESSES; i++) {
        process_start(&s->processes[i]);
    }
    process_lead(&s->processes[0], true);
    for (size_t i = 0; i < SWEPT_APPS; i++) {
        struct app *app = &s->apps[i];
        app->index = i;
        world_create(app, 2);
        app->edition = 1;
        while (FIXED[i].annotations[app->annotation_count].key.ptr != NULL) {
            app->annotations[app->annotation_count] = FIXED[i].annotations[app->annotation_count];
            app->annotation_count++;
        }
        world_changed(s, app);
    }
}

/* How each kind of call may fail. */
static const bool MAY[4][FAULT_COUNT] = {
    [CALL_QUERY] = {[FAULT_STUCK] = true,
                    [FAULT_AWAY] = true,
                    [FAULT_EMPTY] = true,
                    [FAULT_ODD] = true,
                    [FAULT_LATE] = true,
                    [FAULT_KILLED] = true,
                    [FAULT_DEPOSED] = true},
    [CALL_WRITE] = {[FAULT_STUCK] = true,
                    [FAULT_AWAY] = true,
                    [FAULT_LOST] = true,
                    [FAULT_DENIED] = true,
                    [FAULT_GONE] = true,
                    [FAULT_CONFLICT] = true,
                    [FAULT_LATE] = true,
                    [FAULT_KILLED] = true,
                    [FAULT_KILLED_LATE] = true,
                    [FAULT_DEPOSED] = true},
    [CALL_READ] = {[FAULT_STUCK] = true,
                   [FAULT_AWAY] = true,
                   [FAULT_DENIED] = true,
                   [FAULT_GONE] = true,
                   [FAULT_CONFLICT] = true,
                   [FAULT_LATE] = true,
                   [FAULT_KILLED] = true,
                   [FAULT_DEPOSED] = true},
    [CALL_CONDITIONS] = {[FAULT_STUCK] = true,
                         [FAULT_AWAY] = true,
                         [FAULT_LOST] = true,
                         [FAULT_DENIED] = true,
                         [FAULT_GONE] = true,
                         [FAULT_CONFLICT] = true,
                         [FAULT_LATE] = true,
                         [FAULT_KILLED] = true,
                         [FAULT_KILLED_LATE] = true,
                         [FAULT_DEPOSED] = true},
};

struct outcome {
    uint64_t traces[SWEPT_APPS];
    int32_t replicas[SWEPT_APPS];
};

static bool ends_process(enum sweep_fault fault)
{
    return fault == FAULT_KILLED || fault == FAULT_KILLED_LATE || fault == FAULT_DEPOSED;
}

static void compare(struct sim *s, const struct outcome *plain, bool whole)
{
    for (size_t i = 0; i < SWEPT_APPS && !s->broken; i++) {
        const struct app *app = &s->apps[i];
        if (app->replicas != plain->replicas[i]) {
            sim_broken(s, "%s ends at %d, not %d", app->name, app->replicas, plain->replicas[i]);
        }
        if (whole && i != s->sweep.app && app->trace != plain->traces[i]) {
            sim_broken(s, "%s was decided on otherwise because of a fault at app-%zu", app->name,
                       s->sweep.app);
        }
    }
}

/* One course; false: something was broken. */
static bool course(struct sim *s, struct sweep sweep, const struct outcome *plain,
                   struct counts *total)
{
    struct redecide *redecide = s->redecide;
    memset(s, 0, sizeof(*s));
    s->redecide = redecide;
    s->sweep = sweep;
    s->sweep.on = true;
    s->sweep.app = APPS;
    sim_course(s, begin);
    if (plain != NULL) {
        compare(s, plain, !ends_process(sweep.fault) && !ends_process(sweep.then));
    }
    total->again++;
    total->decisions += s->counts.decisions;
    total->writes += s->counts.writes;
    return !s->broken;
}

static bool fail_each_way(struct sim *s, uint64_t call, enum call_kind kind,
                          const struct outcome *plain, struct counts *total)
{
    bool fine = true;
    for (enum sweep_fault f = FAULT_STUCK; fine && f < FAULT_COUNT; f++) {
        struct sweep sweep = {.fail_at = call, .fault = f};
        fine = !MAY[kind][f] || course(s, sweep, plain, total);
    }
    for (enum sweep_fault f = FAULT_STUCK; fine && kind == CALL_WRITE && f < FAULT_COUNT; f++) {
        struct sweep sweep = {.fail_at = call, .fault = FAULT_CONFLICT, .then = f};
        fine = !MAY[CALL_READ][f] || course(s, sweep, plain, total);
    }
    return fine;
}

int sweep_run(struct sim *s, uint64_t stride, struct counts *total)
{
    struct outcome plain;
    enum call_kind *kinds = calloc(CALLS, sizeof(*kinds));
    if (kinds == NULL || !course(s, (struct sweep){.kinds = kinds}, NULL, total)) {
        free(kinds);
        return 1;
    }
    uint64_t calls = s->sweep.calls < CALLS ? s->sweep.calls : CALLS;
    for (size_t i = 0; i < SWEPT_APPS; i++) {
        plain.traces[i] = s->apps[i].trace;
        plain.replicas[i] = s->apps[i].replicas;
    }
    bool fine = true;
    for (uint64_t call = 1; fine && call <= calls; call += stride) {
        fine = fail_each_way(s, call, kinds[call - 1], &plain, total);
    }
    free(kinds);
    return fine ? 0 : 1;
}
