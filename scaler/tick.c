/* One tick of one workload: gather → decide → apply.
 *
 *     IDLE ──due──► ASKING ──all answered──► decide ──equal──► IDLE
 *                                              │ differs
 *                                              ▼
 *     IDLE ◄──done, gone or failed────────── WRITING ──409──► CHECKING
 *                                              ▲                 │ same count: write again
 *                                              └─────────────────┘ other count: decide again
 *
 * A workload is in the heap when it is idle, and only then: a slow answer delays its own next tick
 * and nobody else's.
 */
#include "base/fmt.h"
#include "scaler/core.h"

enum {
    WRITE_ATTEMPTS = 4,
    TOGETHER_MS = 20, /* phases are multiples of it: of many workloads some wake us together */
};

void tick_cancel(struct scaler *s, struct workload *w)
{
    for (size_t i = 0; w->calls != NULL && i < w->spec.trigger_count; i++) {
        if (w->calls[i] != NULL) {
            s->io.cancel_query(s->io.context, w->calls[i]);
            w->calls[i] = NULL;
        }
    }
    if (w->write != NULL) {
        s->io.cancel_scale(s->io.context, w->write);
        w->write = NULL;
    }
    if (w->conditions_call != NULL) {
        s->io.cancel_conditions(s->io.context, w->conditions_call);
        w->conditions_call = NULL;
        w->conditions_dirty = true;
    }
    w->pending = 0;
    w->phase = PHASE_IDLE;
}

void tick_schedule_next(struct scaler *s, struct workload *w, struct scaler_time now)
{
    int64_t interval = w->spec.polling_interval_ms;
    int64_t phase = (int64_t)(w->hash % (unsigned long long)interval) / TOGETHER_MS * TOGETHER_MS;
    int64_t rounds = (now.monotonic_ms - phase) / interval;
    table_schedule(&s->table, w, phase + (rounds + 1) * interval);
}

static void finish(struct scaler *s, struct workload *w, struct scaler_time now)
{
    w->phase = PHASE_IDLE;
    w->write = NULL;
    conditions_publish(s, w, now.unix_ms);
    tick_schedule_next(s, w, now);
}

static void write_scale(struct scaler *s, struct workload *w, struct scaler_time now)
{
    struct err e = ERR_INIT;
    w->attempts++;
    w->phase = PHASE_WRITING;
    if (s->io.write_scale(s->io.context, w, w->decision.replicas, &w->write, &e) != 0) {
        tell_write_failed(s, w, &e);
        finish(s, w, now);
    }
}

static void apply(struct scaler *s, struct workload *w, struct scaler_time now)
{
    bool held = s->options.dry_run || w->conflict.ptr != NULL;
    if (w->decision.replicas == w->replicas || held) {
        finish(s, w, now);
        return;
    }
    write_scale(s, w, now);
}

/* decide()'s clock goes on by what passed since the tick before, at most two intervals: a clock
 * that leaps, or a machine that slept, ends no cooldown and no window. */
static void advance_clock(struct workload *w, struct scaler_time now)
{
    int64_t step = now.monotonic_ms - w->ticked_ms;
    int64_t longest = 2 * w->spec.polling_interval_ms;
    w->clock_ms += step < 0 ? 0 : step > longest ? longest : step;
    w->ticked_ms = now.monotonic_ms;
}

static void decide_and_apply(struct scaler *s, struct workload *w, struct scaler_time now)
{
    struct observation obs = {w->replicas, w->ready, w->readings};
    struct decision decision;
    w->decided_at = w->replicas;
    advance_clock(w, now);
    tell_observed(s, w);
    decide(&w->spec, &obs, &w->memory, w->clock_ms, &decision);
    workload_take_decision(w, &decision);
    tell_decision(s, w);
    s->io.decided(s->io.context, w, &decision);
    apply(s, w, now);
}

/* Take one answer. True when it was the last one that was out. */
static bool take_reading(struct scaler *s, struct workload *w, size_t trigger,
                         const struct reading *reading)
{
    w->readings[trigger] = *reading;
    w->calls[trigger] = NULL;
    tell_reading(s, w, trigger);
    return --w->pending == 0;
}

void tick_start(struct scaler *s, struct workload *w, struct scaler_time now)
{
    int64_t timeout = s->options.query_timeout_ms;
    if (timeout > w->spec.polling_interval_ms) {
        timeout = w->spec.polling_interval_ms;
    }
    bool complete = false;
    w->phase = PHASE_ASKING;
    w->attempts = 0;
    w->pending = w->spec.trigger_count;
    if (w->spec.paused || spec_has(&w->spec, KEY_PAUSED_REPLICAS)) {
        w->pending = 0; /* nothing that is asked would matter */
        decide_and_apply(s, w, now);
        return;
    }
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        struct err e = ERR_INIT;
        if (s->io.query(s->io.context, w, i, timeout, &w->calls[i], &e) != 0) {
            struct reading failed;
            reading_from(NULL, &e, now.unix_ms, &failed);
            complete = take_reading(s, w, i, &failed);
        }
    }
    if (complete) {
        decide_and_apply(s, w, now);
    }
}

void scaler_on_reading(struct scaler *s, struct workload *w, size_t trigger,
                       const struct reading *reading, struct scaler_time now)
{
    if (take_reading(s, w, trigger, reading)) {
        decide_and_apply(s, w, now);
    }
}

void scaler_on_scaled(struct scaler *s, struct workload *w, const struct scaler_scale *scale,
                      const struct err *e, struct scaler_time now)
{
    w->write = NULL;
    if (e->code == ERR_CONFLICT && w->attempts < WRITE_ATTEMPTS) {
        struct err failed = ERR_INIT;
        w->phase = PHASE_CHECKING;
        if (s->io.read_scale(s->io.context, w, &w->write, &failed) != 0) {
            tell_write_failed(s, w, &failed);
            finish(s, w, now);
        }
        return;
    }
    if (e->code == ERR_NONE) {
        /* The watch may have shown it already, and what came after it. */
        (void)workload_take_replicas(w, scale->replicas, scale->resource_version);
        w->write_failing = false;
        w->conditions_dirty = true; /* their sentences speak of the count before */
        tell_scaled(s, w);
    } else if (e->code != ERR_NOT_FOUND) { /* 404: the watch will say that it is gone */
        tell_write_failed(s, w, e);
    }
    finish(s, w, now);
}

void scaler_on_scale_read(struct scaler *s, struct workload *w, const struct scaler_scale *scale,
                          const struct err *e, struct scaler_time now)
{
    w->write = NULL;
    if (e->code != ERR_NONE) {
        if (e->code != ERR_NOT_FOUND) {
            tell_write_failed(s, w, e);
        }
        finish(s, w, now);
        return;
    }
    (void)workload_take_replicas(w, scale->replicas, scale->resource_version);
    if (w->replicas == w->decided_at) {
        apply(s, w, now); /* somebody changed something else, a status for example */
        return;
    }
    w->memory.last_to = w->memory.last_from; /* the step was not made: pacing must not count it */
    decide_and_apply(s, w, now);
}
