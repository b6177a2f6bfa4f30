/* What must hold, judged without decide()'s memory: true time, the readings that were delivered,
 * and the spec. It knows the formula and the windows, nothing of how they are kept.
 */
#include <math.h>

#include "test/sim/sim.h"

/* Windows are counted by ticks, and each leap of the clock may pass for two intervals. */
static int64_t slack_ms(const struct sim *s, const struct workload *w)
{
    enum { LONGEST_MS = 3600000 };
    int64_t intervals = 3;
    for (size_t i = 0; i < LEAPS && i < s->leaps; i++) {
        intervals += s->true_ms - s->leaps_ms[i] < LONGEST_MS ? 2 : 0;
    }
    return intervals * w->spec.polling_interval_ms;
}

static int32_t floor_of(const struct scale_spec *spec)
{
    return spec_has(spec, KEY_IDLE_REPLICAS) ? spec->idle_replicas : spec->min_replicas;
}

static int32_t idle_of(const struct scale_spec *spec)
{
    return spec_has(spec, KEY_IDLE_REPLICAS) ? spec->idle_replicas
           : spec->min_replicas == 0         ? 0
                                             : -1;
}

/* Another process knows of past activity what the API server keeps, and nothing more. */
static void recall_activity(const struct sim *s, struct app *app)
{
    const struct condition *active = &app->conditions[CONDITION_ACTIVE];
    if (active->status == STATUS_FALSE) {
        int64_t since_ms = active->transition_ms - UNIX_OFFSET_MS;
        app->active_ms = since_ms < s->true_ms ? since_ms : s->true_ms;
    }
}

void oracle_fresh(struct sim *s, struct app *app, bool other_process)
{
    if (other_process) {
        app->begun_ms = s->true_ms;
        recall_activity(s, app);
    }
    app->fresh_ms = s->true_ms;
    app->history_count = 0;
    app->decided_ms = s->true_ms;
    for (size_t i = 0; i < SPEC_TRIGGERS_MAX; i++) {
        app->last[i] = (struct reading){.kind = READING_NONE};
        app->unknown_since_ms[i] = 0;
    }
}

void oracle_reading(struct sim *s, struct app *app, const struct workload *w, size_t trigger,
                    const struct reading *reading)
{
    bool known = reading->kind == READING_VALUE && isfinite(reading->value);
    app->last[trigger] = *reading;
    if (known) {
        app->unknown_since_ms[trigger] = 0;
        if (reading->value > w->spec.triggers[trigger].activation) {
            app->active_ms = s->true_ms;
        }
    } else if (app->unknown_since_ms[trigger] == 0) {
        app->unknown_since_ms[trigger] = s->true_ms;
    }
}

/* Whether a trigger has a say: a value, or a fallback that is due in true time. */
static bool has_say(const struct sim *s, const struct app *app, const struct workload *w, size_t i)
{
    const struct reading *r = &app->last[i];
    if (r->kind == READING_VALUE && isfinite(r->value)) {
        return true;
    }
    if (r->kind == READING_EMPTY && w->spec.on_no_data == NO_DATA_ZERO) {
        return true;
    }
    bool fallback = spec_has(&w->spec, KEY_FALLBACK_REPLICAS) && app->unknown_since_ms[i] > 0;
    return fallback &&
           s->true_ms - app->unknown_since_ms[i] + slack_ms(s, w) >= w->spec.fallback_after_ms;
}

void oracle_decided(struct sim *s, struct app *app, const struct workload *w)
{
    const struct decision *d = &w->decision;
    s->decisions++;
    app->decided_ms = s->true_ms;
    if (w->spec.force_activation) {
        app->active_ms = s->true_ms;
    }
    if (app->history_count == 0) {
        app->history[app->history_count++] = (struct proposed){s->true_ms, w->replicas};
    }
    bool bounds = d->reason == REASON_ABOVE_MAX || d->reason == REASON_BELOW_MIN;
    if (d->proposal < 0 || bounds) {
        return; /* nothing was weighed, as in the HPA */
    }
    if (app->history_count == HISTORY_MAX) {
        for (size_t i = 0; i < HISTORY_MAX / 2; i++) {
            app->history[i] = app->history[i + HISTORY_MAX / 2];
        }
        app->history_count = HISTORY_MAX / 2;
    }
    app->history[app->history_count++] = (struct proposed){s->true_ms, d->proposal};
}

/* Largest proposal that is surely inside the down window. */
static int32_t highest_in_window(const struct sim *s, const struct app *app,
                                 const struct workload *w)
{
    int64_t window_ms = (int64_t)w->spec.behavior.down.window_seconds * 1000 - slack_ms(s, w);
    int32_t highest = 0;
    for (size_t i = app->history_count; i > 0; i--) {
        const struct proposed *p = &app->history[i - 1];
        if (s->true_ms - p->ms >= window_ms) {
            break;
        }
        highest = p->replicas > highest ? p->replicas : highest;
    }
    return highest;
}

static void check_to_idle(struct sim *s, struct app *app, const struct workload *w)
{
    int64_t since_ms = app->active_ms > 0 ? app->active_ms : app->begun_ms;
    int64_t needs_ms = w->spec.cooldown_ms;
    if (s->true_ms - since_ms + slack_ms(s, w) < needs_ms) {
        sim_broken(s, "%s went to rest %lld ms after it was active, cooldown %lld ms: %s",
                   app->name, (long long)(s->true_ms - since_ms), (long long)needs_ms,
                   w->decision.message);
    }
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        bool zero = app->last[i].kind == READING_EMPTY && w->spec.on_no_data == NO_DATA_ZERO;
        if (app->last[i].kind != READING_VALUE && !zero) {
            sim_broken(s, "%s went to rest while trigger %zu was unknown", app->name, i);
        }
    }
}

static void check_lower(struct sim *s, struct app *app, const struct workload *w, int32_t replicas)
{
    const struct scale_spec *spec = &w->spec;
    s->lowered++;
    if (spec->paused_scale_in) {
        sim_broken(s, "%s went down with paused-scale-in", app->name);
    }
    if (w->replicas > spec->max_replicas && replicas == spec->max_replicas) {
        return;
    }
    if (replicas == idle_of(spec) && replicas < spec->min_replicas + (spec->min_replicas == 0)) {
        check_to_idle(s, app, w);
        return;
    }
    for (size_t i = 0; i < spec->trigger_count; i++) {
        if (!has_say(s, app, w, i)) {
            sim_broken(s, "%s went from %d to %d while trigger %zu was unknown", app->name,
                       w->replicas, replicas, i);
        }
    }
    int32_t highest = highest_in_window(s, app, w);
    highest = highest < spec->max_replicas ? highest : spec->max_replicas;
    if (replicas < highest && replicas < w->replicas) {
        sim_broken(s, "%s went from %d to %d inside the window, %d was proposed: %s", app->name,
                   w->replicas, replicas, highest, w->decision.message);
    }
}

void oracle_write(struct sim *s, struct app *app, const struct workload *w, int32_t replicas)
{
    const struct scale_spec *spec = &w->spec;
    s->writes++;
    if (s->true_ms > s->end_ms - 3600000) {
        s->calm_writes++;
    }
    if (!s->leads) {
        sim_broken(s, "%s was written by one that does not lead", app->name);
    }
    if (replicas == w->replicas) {
        sim_broken(s, "%s was written with the count it has, %d", app->name, replicas);
    }
    if (spec_has(spec, KEY_PAUSED_REPLICAS)) {
        if (replicas != spec->paused_replicas) {
            sim_broken(s, "%s got %d with paused-replicas %d", app->name, replicas,
                       spec->paused_replicas);
        }
        return;
    }
    if (spec->paused) {
        sim_broken(s, "%s was written while paused", app->name);
    }
    if (replicas < floor_of(spec) || replicas > spec->max_replicas) {
        sim_broken(s, "%s got %d outside [%d, %d]: %s", app->name, replicas, floor_of(spec),
                   spec->max_replicas, w->decision.message);
    }
    if (replicas < w->replicas) {
        check_lower(s, app, w, replicas);
    } else if (spec->paused_scale_out) {
        sim_broken(s, "%s went up with paused-scale-out", app->name);
    }
}

/* A fault touches one tick of one workload: everybody else goes on in time. */
void oracle_alive(struct sim *s, struct app *app, const struct workload *w)
{
    if (!w->usable || !w->leads) {
        return;
    }
    int64_t limit_ms = 3 * w->spec.polling_interval_ms + 60000;
    if (s->true_ms - app->decided_ms > limit_ms) {
        sim_broken(s, "%s was not decided on for %lld ms", app->name,
                   (long long)(s->true_ms - app->decided_ms));
    }
}
