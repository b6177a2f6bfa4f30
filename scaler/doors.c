#include "scaler/doors.h"

#include <stdlib.h>

#include "scaler/scaler_metrics.h"

enum {
    SCALES_AT_ONCE = 32,
    CONDITIONS_AT_ONCE = 4, /* few: in a crowd, counts go first */
};

struct scaler_time doors_now(const struct doors *d)
{
    return (struct scaler_time){loop_now_ms(d->loop), kube_unix_ms(d->kube)};
}

static void run_due(void *context)
{
    struct doors *d = context;
    scaler_run_due(d->core, doors_now(d));
    doors_rearm(d);
}

void doors_rearm(struct doors *d)
{
    int64_t due_ms = scaler_next_due_ms(d->core);
    struct err e = ERR_INIT;
    if (due_ms == INT64_MAX) {
        loop_timer_cancel(d->loop, &d->due);
    } else if (loop_timer_set(d->loop, &d->due, due_ms, &e) != 0) {
        LOG_AT(d->log, LOG_ERROR, "no timer, workloads wait for the next change", F_ERR(&e));
    }
}

/* One query that is out. */
struct query_call {
    struct doors *doors;
    struct workload *workload;
    size_t trigger;
    int64_t started_ms;
    struct query_ticket *ticket;
};

static void query_done(void *context, const struct prom_result *result, const struct err *e)
{
    struct query_call *q = context;
    struct doors *d = q->doors;
    struct scaler_time now = doors_now(d);
    struct reading reading;
    reading_from(result, e, now.unix_ms, &reading);
    metrics_query(d->metrics, &reading, e, now.monotonic_ms - q->started_ms);
    scaler_on_reading(d->core, q->workload, q->trigger, &reading, now);
    free(q);
    doors_rearm(d);
}

static int ask(struct doors *d, struct workload *w, size_t trigger, int64_t timeout_ms, void **call,
               struct err *e)
{
    const struct scale_spec *spec = &w->spec;
    const struct prom_wanted wanted = {.endpoint = spec->endpoint,
                                       .workspace = spec->workspace,
                                       .region = spec->region,
                                       .role_arn = spec->role_arn};
    struct prom_place place;
    bool joined;
    if (prom_resolve(d->prom, &wanted, &place, e) != 0) {
        return -1;
    }
    struct query_call *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    *q = (struct query_call){d, w, trigger, loop_now_ms(d->loop), NULL};
    if (query_pool_ask(d->pool, &place, spec->triggers[trigger].query, timeout_ms, query_done, q,
                       &q->ticket, &joined, e) != 0) {
        free(q);
        return -1;
    }
    if (joined) {
        metrics_query_shared(d->metrics);
    }
    *call = q;
    return 0;
}

static int door_query(void *context, struct workload *w, size_t trigger, int64_t timeout_ms,
                      void **call, struct err *e)
{
    struct doors *d = context;
    if (trigger == 0) { /* due_ms is this tick's until the next one is scheduled */
        metrics_lateness(d->metrics, loop_now_ms(d->loop) - w->due_ms);
    }
    if (ask(d, w, trigger, timeout_ms, call, e) != 0) {
        metrics_query_refused(d->metrics, e);
        return -1;
    }
    return 0;
}

static void door_cancel_query(void *context, void *call)
{
    (void)context;
    struct query_call *q = call;
    query_pool_cancel(q->ticket);
    free(q);
}

static void door_event(void *context, const struct workload *w, enum scaler_event type,
                       const char *reason, const char *note)
{
    struct doors *d = context;
    struct event_subject about = {w->namespace_, w->name, w->uid};
    events_send(d->events, about, type, reason, note);
}

static void door_decided(void *context, const struct workload *w, const struct decision *decision)
{
    struct doors *d = context;
    metrics_decision(d->metrics, w->namespace_, decision);
}

struct scaler_io doors_io(struct doors *d)
{
    struct scaler_io io = {.context = d,
                           .query = door_query,
                           .cancel_query = door_cancel_query,
                           .event = door_event,
                           .decided = door_decided};
    doors_kube_io(&io);
    return io;
}

int doors_open(struct doors *d, struct err *e)
{
    struct events_options events = {d->loop, d->kube, d->metrics, d->log, d->instance};
    errands_init(&d->farewells, d->kube, d->loop);
    lane_init(&d->scales, d->loop, SCALES_AT_ONCE);
    lane_init(&d->conditions, d->loop, CONDITIONS_AT_ONCE);
    return query_pool_new(d->prom, d->loop, &d->pool, e) != 0 ||
                   events_new(&events, &d->events, e) != 0
               ? -1
               : 0;
}

void doors_close(struct doors *d)
{
    errands_cancel(&d->farewells);
    lane_close(&d->scales);
    lane_close(&d->conditions);
    events_free(d->events);
    query_pool_free(d->pool);
}

int doors_attach(struct doors *d, struct scaler *core, struct err *e)
{
    d->core = core;
    metrics_workloads(d->metrics, core);
    d->due = (struct loop_timer){.fire = run_due, .context = d};
    return loop_timer_set(d->loop, &d->due, loop_now_ms(d->loop), e);
}

void doors_detach(struct doors *d)
{
    loop_timer_cancel(d->loop, &d->due);
}
