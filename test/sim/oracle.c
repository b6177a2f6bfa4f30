/* What must hold, judged without decide()'s memory: true time, the readings that were delivered,
 * and the spec. It knows the formula and the windows, nothing of how they are kept.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/sim.h"

enum { HOUR_MS = 3600000 };

/* Windows are counted by ticks, and each leap of the clock may pass for two intervals. */
static int64_t slack_ms(const struct sim *s, const struct workload *w)
{
    int64_t intervals = 3;
    for (size_t i = 0; i < LEAPS && i < s->leaps; i++) {
        intervals += s->true_ms - s->leaps_ms[i] < HOUR_MS ? 2 : 0;
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

/* Another process knows of past activity what the API server keeps, by its own wall clock. */
static void recall(struct process *p, struct judged *j, int64_t initial_ms,
                   const struct condition *active)
{
    int64_t now_ms = p->sim->true_ms;
    bool never =
        active->status == STATUS_ABSENT || (active->status == STATUS_UNKNOWN && initial_ms > 0) ||
        (active->status == STATUS_FALSE && strcmp(active->reason, "ScalerNeverActive") == 0);
    j->ever_active = !never;
    j->rest_from_ms = now_ms + (never ? initial_ms : 0);
    if (active->status == STATUS_FALSE) {
        int64_t known_ms = process_now(p).unix_ms - active->transition_ms;
        known_ms -= never ? initial_ms : 0;
        j->rest_from_ms = known_ms > 0 ? now_ms - known_ms : j->rest_from_ms;
    }
    j->active_ms = 0;
    j->stamp_offset_ms = p->unix_offset_ms;
    j->read = *active;
}

void oracle_fresh(struct process *p, struct app *app, bool first, const struct condition *active)
{
    struct sim *s = p->sim;
    struct judged *j = &app->judged;
    const struct view *view = &p->views[app->index];
    if (first) {
        recall(p, j, view->initial_ms, active);
        j->budgets[BUDGET_FAILED] = 1;
        j->budgets[BUDGET_CONFLICT] = 1;
    } else {
        j->rest_from_ms = s->true_ms + (j->ever_active ? 0 : view->initial_ms);
    }
    sim_watch(s, app, "process %zu begins anew, first %d, rests since %lld", p->index, first,
              (long long)j->rest_from_ms);
    j->budgets[BUDGET_COMPLAINT] = view->complains ? 1 : 0;
    j->budgets[BUDGET_READINGS] = 0;
    j->history_count = 0;
    j->edited = !first;
    j->decided_ms = s->true_ms;
    for (size_t i = 0; i < SPEC_TRIGGERS_MAX; i++) {
        j->last[i] = (struct reading){.kind = READING_NONE};
        j->unknown_since_ms[i] = 0;
    }
}

void oracle_reading(struct process *p, struct app *app, size_t trigger,
                    const struct reading *reading)
{
    struct judged *j = &app->judged;
    sim_watch(p->sim, app, "reading %zu: kind %d, %g", trigger, (int)reading->kind, reading->value);
    j->budgets[BUDGET_READINGS] += reading->kind != j->last[trigger].kind;
    j->last[trigger] = *reading;
}

/* The value that a trigger is known to have. */
static bool known(const struct workload *w, const struct judged *j, size_t i, double *value)
{
    const struct reading *r = &j->last[i];
    bool zero = r->kind == READING_EMPTY && w->spec.on_no_data == NO_DATA_ZERO;
    if (!zero && (r->kind != READING_VALUE || !isfinite(r->value))) {
        return false;
    }
    *value = zero ? 0 : r->value;
    bool ratio = w->spec.triggers[i].type == METRIC_VALUE;
    return !ratio || w->replicas == 0 || w->ready > 0;
}

/* Something that a fallback may follow: what is not known, unless it is empty and to be held. */
static bool counts_as_unknown(const struct workload *w, const struct judged *j, size_t i)
{
    double value;
    bool held = j->last[i].kind == READING_EMPTY && w->spec.on_no_data == NO_DATA_HOLD;
    return j->last[i].kind != READING_NONE && !held && !known(w, j, i, &value);
}

static bool fallback_due(const struct sim *s, const struct workload *w, const struct judged *j,
                         size_t i)
{
    return spec_has(&w->spec, KEY_FALLBACK_REPLICAS) && j->unknown_since_ms[i] > 0 &&
           s->true_ms - j->unknown_since_ms[i] + slack_ms(s, w) >= w->spec.fallback_after_ms;
}

static void weigh(struct sim *s, struct judged *j, const struct workload *w)
{
    bool active = w->spec.force_activation;
    j->all_known = true;
    j->all_say = true;
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        double value = 0;
        bool is_known = known(w, j, i, &value);
        if (!counts_as_unknown(w, j, i)) {
            j->unknown_since_ms[i] = 0;
        } else if (j->unknown_since_ms[i] == 0) {
            j->unknown_since_ms[i] = s->true_ms;
        }
        j->all_known = j->all_known && is_known;
        j->all_say = j->all_say && (is_known || fallback_due(s, w, j, i));
        active = active || (is_known && value > w->spec.triggers[i].activation);
    }
    if (active) {
        j->ever_active = true;
        j->active_ms = s->true_ms;
        j->rest_from_ms = s->true_ms;
    }
}

static void remember(struct judged *j, int64_t ms, int32_t replicas)
{
    j->history[j->history_count++ % HISTORY_MAX] = (struct proposed){ms, replicas};
}

void oracle_decided(struct process *p, struct app *app, const struct workload *w,
                    const struct decision *d)
{
    struct sim *s = p->sim;
    struct judged *j = &app->judged;
    s->counts.decisions++;
    sim_watch(s, app, "at %d of %d decided %d, active %d, phase %d: %s", w->ready, w->replicas,
              d->replicas, d->active, (int)w->phase, d->message);
    s->counts.held += p->views[app->index].hpa;
    j->decided_ms = s->true_ms;
    if (j->history_count == 0 && !j->edited) { /* another metric's count holds nothing back */
        remember(j, s->true_ms, w->replicas);
    }
    if (w->spec.paused || spec_has(&w->spec, KEY_PAUSED_REPLICAS)) {
        return;
    }
    weigh(s, j, w);
    bool wakes = j->active_ms == s->true_ms && w->replicas == 0 && !w->spec.paused_scale_out;
    if (wakes && !w->spec.behavior.given && d->replicas < 1) {
        sim_broken(s, "%s is active and stays at 0: %s", app->name, d->message);
    }
    bool bounds = w->replicas > w->spec.max_replicas || w->replicas < floor_of(&w->spec);
    bool rests = j->all_known && j->active_ms != s->true_ms && idle_of(&w->spec) >= 0;
    int32_t proposal = d->proposal;
    if (rests) { /* one that is inactive never rises, and its way to rest is no proposal */
        proposal = d->reason != REASON_COOLDOWN ? -1
                   : proposal < w->replicas     ? proposal
                                                : w->replicas;
    }
    bool doubtful =
        d->reason == REASON_PARTLY_UNKNOWN && proposal < w->replicas; /* as in the HPA */
    if (proposal >= 0 && !bounds && !doubtful) {
        remember(j, s->true_ms, proposal);
    }
}

/* Largest proposal that is surely inside the down window. */
static int32_t highest_in_window(const struct sim *s, const struct judged *j,
                                 const struct workload *w)
{
    int64_t window_ms = (int64_t)w->spec.behavior.down.window_seconds * 1000 - slack_ms(s, w);
    int32_t highest = 0;
    for (size_t i = j->history_count; i > 0 && j->history_count - i < HISTORY_MAX; i--) {
        const struct proposed *r = &j->history[(i - 1) % HISTORY_MAX];
        if (s->true_ms - r->ms >= window_ms) {
            break;
        }
        highest = r->replicas > highest ? r->replicas : highest;
    }
    return highest;
}

static void check_to_idle(struct sim *s, const struct app *app, const struct workload *w)
{
    const struct judged *j = &app->judged;
    int64_t rested_ms = s->true_ms - j->rest_from_ms;
    if (rested_ms + slack_ms(s, w) < w->spec.cooldown_ms) {
        sim_broken(s, "%s went to rest after %lld ms, cooldown %lld ms: %s", app->name,
                   (long long)rested_ms, (long long)w->spec.cooldown_ms, workload_message(w));
    }
    if (!j->all_known) {
        sim_broken(s, "%s went to rest while something was unknown", app->name);
    }
}

static void check_lower(struct sim *s, const struct app *app, const struct workload *w,
                        int32_t replicas)
{
    const struct scale_spec *spec = &w->spec;
    s->counts.lowered++;
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
    if (!app->judged.all_say) {
        sim_broken(s, "%s went from %d to %d while something was unknown", app->name, w->replicas,
                   replicas);
    }
    int32_t highest = highest_in_window(s, &app->judged, w);
    highest = highest < spec->max_replicas ? highest : spec->max_replicas;
    if (replicas < highest) {
        sim_broken(s, "%s went from %d to %d inside the window, %d was proposed: %s", app->name,
                   w->replicas, replicas, highest, workload_message(w));
    }
}

void oracle_write(struct process *p, struct app *app, const struct workload *w, int32_t replicas)
{
    struct sim *s = p->sim;
    const struct scale_spec *spec = &w->spec;
    const struct view *view = &p->views[app->index];
    s->counts.writes++;
    app->judged.written_ms = s->true_ms;
    if (s->true_ms > s->end_ms - HOUR_MS) {
        int direction = replicas > w->replicas ? 1 : -1;
        s->calm_turns += app->judged.direction == -direction;
        app->judged.direction = direction;
    }
    if (!p->leads) {
        sim_broken(s, "%s was written by one that does not lead", app->name);
    }
    if (view->edition == 0) {
        sim_broken(s, "%s was written though it asks for nothing", app->name);
    }
    if (view->hpa) {
        sim_broken(s, "%s was written while an HPA scales it", app->name);
    }
    if (view->invalid) {
        sim_broken(s, "%s was written with annotations that cannot be used", app->name);
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
                   spec->max_replicas, workload_message(w));
    }
    if (replicas < w->replicas) {
        check_lower(s, app, w, replicas);
        return;
    }
    const struct judged *j = &app->judged;
    if (spec->paused_scale_out) {
        sim_broken(s, "%s went up with paused-scale-out", app->name);
    }
    bool inactive = j->all_known && j->active_ms != j->decided_ms && idle_of(spec) >= 0;
    if (inactive && w->replicas >= floor_of(spec)) {
        sim_broken(s, "%s went from %d to %d while it is inactive: %s", app->name, w->replicas,
                   replicas, workload_message(w));
    }
}

/* A wall clock that was set back must not make inactivity look old to the next process. */
void oracle_conditions(struct process *p, struct app *app, const struct workload *w)
{
    enum { LAG_MS = 120000 }; /* ticks that took longer than two intervals are counted as two */
    const struct judged *j = &app->judged;
    const struct condition *active = &w->conditions[CONDITION_ACTIVE];
    bool ours = active->transition_ms / 1000 != j->read.transition_ms / 1000;
    if (!p->leads) {
        sim_broken(p->sim, "%s got conditions from one that does not lead", app->name);
    }
    if (active->status == STATUS_FALSE && ours && j->active_ms > 0 &&
        active->transition_ms - j->stamp_offset_ms + LAG_MS + slack_ms(p->sim, w) < j->active_ms) {
        sim_broken(p->sim, "%s is said to rest since %lld ms before it was active", app->name,
                   (long long)(j->active_ms + j->stamp_offset_ms - active->transition_ms));
    }
}

/* What is told once, whatever lasts. */
static const struct told {
    const char *reason;
    enum budget budget;
} TOLD[] = {
    {"FailedGetMetric", BUDGET_READINGS},    {"EmptyMetric", BUDGET_READINGS},
    {"MetricRecovered", BUDGET_READINGS},    {"SuccessfulRescale", BUDGET_RESCALED},
    {"FailedRescale", BUDGET_FAILED},        {"InvalidAnnotations", BUDGET_COMPLAINT},
    {"UnknownAnnotation", BUDGET_COMPLAINT}, {"ConflictingAutoscaler", BUDGET_CONFLICT},
};

void oracle_event(struct process *p, struct app *app, const char *reason, const char *note)
{
    for (size_t i = 0; i < sizeof(TOLD) / sizeof(TOLD[0]); i++) {
        if (strcmp(TOLD[i].reason, reason) == 0) {
            if (app->judged.budgets[TOLD[i].budget]-- <= 0) {
                sim_broken(p->sim, "%s was told twice: %s: %s", app->name, reason, note);
            }
            return;
        }
    }
    sim_broken(p->sim, "%s was told what nobody knows: %s", app->name, reason);
}

void oracle_released(struct process *p, struct app *app, const struct workload *w, bool there,
                     int32_t restore)
{
    const struct view *view = &p->views[app->index];
    bool asked = there && view->restores && !view->invalid && !view->hpa && app->original_stays;
    int32_t wanted = asked ? app->original : -1;
    bool gone = !app->exists || app->deleting || app->annotated;
    (void)w;
    if (there && (!p->leads || gone)) {
        sim_broken(p->sim, "%s was let go as if its annotations were gone", app->name);
    }
    if (p->leads && restore != wanted) {
        sim_broken(p->sim, "%s was let go at %d, not %d", app->name, restore, wanted);
    }
}

struct look {
    struct process *process;
    void (*at)(struct process *p, struct app *app, const struct workload *w);
};

static void look_at(void *context, const struct workload *w)
{
    struct look *look = context;
    struct app *app = world_app(look->process->sim, w);
    const struct view *view = app != NULL ? &look->process->views[app->index] : NULL;
    if (app != NULL && view->edition > 0 && !view->invalid && strcmp(view->uid, app->uid) == 0) {
        look->at(look->process, app, w);
    }
}

/* A fault touches one tick of one workload: everybody else goes on in time. */
static void check_alive(struct process *p, struct app *app, const struct workload *w)
{
    int64_t limit_ms = 3 * w->spec.polling_interval_ms + 60000;
    if (p->sim->true_ms - app->judged.decided_ms > limit_ms) {
        sim_broken(p->sim, "%s was not decided on for %lld ms", app->name,
                   (long long)(p->sim->true_ms - app->judged.decided_ms));
    }
}

void oracle_alive(struct process *p)
{
    struct look look = {p, check_alive};
    for (size_t i = 0; p->leads && i < p->sim->app_count; i++) {
        const struct app *app = &p->sim->apps[i];
        bool shown = p->views[i].edition > 0 && strcmp(p->views[i].uid, app->uid) == 0;
        if (shown && p->views[i].complains && app->judged.budgets[BUDGET_COMPLAINT] > 0) {
            sim_broken(p->sim, "%s was not told what is wrong with its annotations", app->name);
        }
    }
    if (p->leads) {
        scaler_each(p->core, look_at, &look);
    }
}

/* One trigger alone, nothing that holds it: the count is the formula's, or near enough. */
static void check_settled(struct process *p, struct app *app, const struct workload *w)
{
    const struct scale_spec *spec = &w->spec;
    const struct trigger *t = &spec->triggers[0];
    const int64_t longest_ms = 300000; /* period of a policy here: one may still be under way */
    bool moves = p->sim->true_ms - app->judged.written_ms < 2 * longest_ms;
    bool held = moves || spec->paused || spec_has(spec, KEY_PAUSED_REPLICAS) ||
                spec->paused_scale_in || spec->paused_scale_out || p->views[app->index].hpa ||
                spec->trigger_count > 1 || t->type != METRIC_AVERAGE_VALUE ||
                spec->behavior.down.select == SELECT_DISABLED ||
                spec->behavior.up.select == SELECT_DISABLED;
    if (held) {
        return;
    }
    double value = app->load[0];
    bool rests = !(value > t->activation) && !spec->force_activation && idle_of(spec) >= 0;
    double least = rests ? idle_of(spec) : spec->min_replicas > 1 ? spec->min_replicas : 1;
    double most = rests ? idle_of(spec) : spec->max_replicas;
    double exact = value / t->threshold;
    double low = fmin(fmax(exact / (1 + spec->behavior.up.tolerance) - 1e-6, least), most);
    double high = fmin(fmax(ceil(exact / (1 - spec->behavior.down.tolerance) + 1e-6), least), most);
    if (app->replicas < low || app->replicas > high) {
        sim_broken(p->sim, "%s ends at %d for a load of %g and a threshold of %g: %s", app->name,
                   app->replicas, value, t->threshold, workload_message(w));
    }
}

void oracle_settled(struct process *p)
{
    struct look look = {p, check_settled};
    scaler_each(p->core, look_at, &look);
}
