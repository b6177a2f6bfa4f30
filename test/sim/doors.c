/* The doors of a process, and what comes back through them. Every call takes a while, may not even
 * start, may fail with or without having had its effect, and may arrive after it was cancelled.
 */
#include <math.h>
#include <string.h>

#include "base/fmt.h"
#include "test/sim/sim.h"

/* Calls on their way, the earliest first. */

void doors_init(struct sim *s)
{
    s->call_count = 0;
    s->unused_count = CALLS_MAX;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        s->unused[i] = &s->calls[i];
    }
}

static bool before(const struct call *a, const struct call *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->serial < b->serial;
}

static void push(struct sim *s, struct call *c)
{
    size_t slot = ++s->call_count;
    while (slot > 1 && before(c, s->heap[slot / 2])) {
        s->heap[slot] = s->heap[slot / 2];
        slot /= 2;
    }
    s->heap[slot] = c;
}

static struct call *pop(struct sim *s)
{
    struct call *first = s->heap[1], *last = s->heap[s->call_count--];
    size_t slot = 1;
    for (size_t child = 2; child <= s->call_count; child = slot * 2) {
        if (child < s->call_count && before(s->heap[child + 1], s->heap[child])) {
            child++;
        }
        if (!before(s->heap[child], last)) {
            break;
        }
        s->heap[slot] = s->heap[child];
        slot = child;
    }
    s->heap[slot] = last;
    return first;
}

int64_t doors_next_ms(const struct sim *s)
{
    return s->call_count > 0 ? s->heap[1]->due_ms : INT64_MAX;
}

/* Starting. */

static bool calm(const struct sim *s)
{
    return s->true_ms >= s->calm_ms;
}

static int start_call(struct process *p, struct call call, int64_t delay_ms, void **out,
                      struct err *e)
{
    struct sim *s = p->sim;
    call.app = world_app(s, call.w);
    call.process = p;
    call.fault = sweep_fault(s, call.kind, call.app);
    call.serial = s->serial++;
    call.due_ms = s->true_ms + (call.fault == FAULT_LATE ? 4900 : delay_ms);
    (void)fmt(call.uid, sizeof(call.uid), "%.*s", STR_ARG(call.w->uid));
    if (call.fault == FAULT_STUCK || (!calm(s) && sim_chance(s, 4))) {
        s->counts.faults++;
        return err_set(e, ERR_MEMORY, "the door is stuck");
    }
    if (s->unused_count == 0) {
        return err_set(e, ERR_LIMIT, "too many calls");
    }
    struct call *slot = s->unused[--s->unused_count];
    *slot = call;
    push(s, slot);
    *out = slot;
    return 0;
}

static int64_t delay(struct sim *s, int64_t most_ms)
{
    return s->sweep.on ? most_ms / 2 : 1 + (int64_t)sim_random(s, (uint64_t)most_ms);
}

static int door_query(void *context, struct workload *w, size_t trigger, int64_t timeout_ms,
                      void **call, struct err *e)
{
    struct process *p = context;
    struct sim *s = p->sim;
    struct app *app = world_app(s, w);
    struct call c = {.kind = CALL_QUERY, .w = w, .trigger = trigger};
    if (!p->leads) {
        sim_broken(s, "%.*s was asked for by one that does not lead", STR_ARG(w->name));
    }
    if (app != NULL && p->views[app->index].invalid) {
        sim_broken(s, "%s was asked for with annotations that cannot be used", app->name);
    }
    bool silent = s->mood == MOOD_SILENT && !calm(s);
    if (start_call(p, c, silent ? timeout_ms : delay(s, 80), call, e) == 0) {
        return 0;
    }
    struct reading failed = {.kind = READING_ERROR};
    if (app != NULL) {
        oracle_reading(p, app, trigger, &failed);
    }
    return -1;
}

static uint64_t version_of(const struct workload *w)
{
    uint64_t version = 0;
    for (const char *c = w->resource_version; *c >= '0' && *c <= '9'; c++) {
        version = version * 10 + (uint64_t)(*c - '0');
    }
    return version;
}

static int door_write(void *context, struct workload *w, int32_t replicas, void **call,
                      struct err *e)
{
    struct process *p = context;
    struct app *app = world_app(p->sim, w);
    struct call c = {.kind = CALL_WRITE, .w = w, .from = w->replicas, .replicas = replicas};
    c.version = version_of(w);
    if (app != NULL) {
        oracle_write(p, app, w, replicas);
        world_coincide(p->sim, app);
    }
    return start_call(p, c, delay(p->sim, 60), call, e);
}

static int door_read(void *context, struct workload *w, void **call, struct err *e)
{
    struct process *p = context;
    return start_call(p, (struct call){.kind = CALL_READ, .w = w}, delay(p->sim, 60), call, e);
}

static int door_conditions(void *context, struct workload *w, void **call, struct err *e)
{
    struct process *p = context;
    struct app *app = world_app(p->sim, w);
    struct call c = {.kind = CALL_CONDITIONS, .w = w};
    memcpy(c.conditions, w->conditions, sizeof(c.conditions));
    if (app != NULL) {
        oracle_conditions(p, app, w);
    }
    return start_call(p, c, delay(p->sim, 60), call, e);
}

/* What was sent before may arrive all the same, and later than whoever sent it lives. */
static void door_cancel(void *context, void *call)
{
    struct process *p = context;
    struct call *c = call;
    if (c->cancelled || c->process != p) {
        sim_broken(p->sim, "a call was cancelled that is over");
    }
    c->cancelled = true;
    c->arrives = c->kind != CALL_QUERY && (calm(p->sim) || sim_chance(p->sim, 500));
}

static void door_event(void *context, const struct workload *w, enum scaler_event type,
                       const char *reason, const char *note)
{
    struct process *p = context;
    struct app *app = world_app(p->sim, w);
    (void)type;
    if (app != NULL) {
        oracle_event(p, app, reason, note);
    }
}

static void door_decided(void *context, const struct workload *w, const struct decision *d)
{
    struct process *p = context;
    struct app *app = world_app(p->sim, w);
    if (app != NULL) {
        oracle_decided(p, app, w, d);
        app->trace = app->trace * 1099511628211ULL + (uint64_t)p->sim->true_ms * 31 +
                     (uint64_t)d->replicas * 7 + (uint64_t)d->reason;
    }
    redecide_check(p->sim, w);
}

static void door_released(void *context, const struct workload *w, bool there, int32_t restore)
{
    struct process *p = context;
    struct sim *s = p->sim;
    struct app *app = world_app(s, w);
    if (app == NULL) {
        return;
    }
    oracle_released(p, app, w, there, restore);
    if (there && app->exists && !s->api_down && !sim_chance(s, 100)) {
        memset(app->conditions, 0, sizeof(app->conditions));
        world_changed(s, app);
        if (restore >= 0) {
            s->counts.restored++;
            world_set_replicas(s, app, restore);
        }
    }
}

struct scaler_io doors_of(struct process *p)
{
    return (struct scaler_io){.context = p,
                              .query = door_query,
                              .write_scale = door_write,
                              .read_scale = door_read,
                              .cancel_query = door_cancel,
                              .cancel_scale = door_cancel,
                              .event = door_event,
                              .write_conditions = door_conditions,
                              .cancel_conditions = door_cancel,
                              .decided = door_decided,
                              .released = door_released};
}

/* Answering. */

static struct reading read_load(struct sim *s, const struct call *c)
{
    struct reading r = {.kind = READING_VALUE, .time_ms = process_now(c->process).unix_ms};
    enum prometheus_mood mood = calm(s) ? MOOD_FINE : s->mood;
    if (!calm(s) && sim_chance(s, 10)) {
        mood = MOOD_EMPTY + (enum prometheus_mood)sim_random(s, 4);
        s->counts.faults++;
    }
    if (c->fault == FAULT_EMPTY || c->fault == FAULT_ODD) {
        mood = c->fault == FAULT_EMPTY ? MOOD_EMPTY : MOOD_ODD;
    } else if (c->fault != FAULT_NONE && c->fault != FAULT_LATE) {
        mood = MOOD_ERROR;
    }
    switch (mood) {
    case MOOD_FINE: r.value = c->app != NULL ? c->app->load[c->trigger] : 1; break;
    case MOOD_ODD: r.value = sim_chance(s, 500) ? (double)INFINITY : (double)NAN; break;
    case MOOD_EMPTY: r.kind = READING_EMPTY; break;
    case MOOD_ERROR:
    case MOOD_SILENT: r.kind = READING_ERROR; break;
    }
    if (mood != MOOD_FINE) {
        (void)fmt(r.text, sizeof(r.text), "no answer to use");
    }
    return r;
}

static void answer_query(struct sim *s, const struct call *c)
{
    struct reading r = read_load(s, c);
    if (c->app != NULL) {
        oracle_reading(c->process, c->app, c->trigger, &r);
    }
    redecide_keep(s, c->w);
    scaler_on_reading(c->process->core, c->w, c->trigger, &r, process_now(c->process));
}

/* How it fails, if it does; *stored: that it had its effect all the same. */
static struct err failure(struct sim *s, const struct call *c, bool *stored)
{
    static const enum err_code faults[FAULT_COUNT] = {[FAULT_AWAY] = ERR_UNAVAILABLE,
                                                      [FAULT_LOST] = ERR_TIMEOUT,
                                                      [FAULT_DENIED] = ERR_DENIED,
                                                      [FAULT_GONE] = ERR_NOT_FOUND,
                                                      [FAULT_CONFLICT] = ERR_CONFLICT};
    struct err e = ERR_INIT;
    enum err_code code = faults[c->fault];
    *stored = code == ERR_NONE || c->fault == FAULT_LOST;
    if (s->api_down || (!calm(s) && sim_chance(s, 8))) {
        code = sim_chance(s, 500) ? ERR_UNAVAILABLE : sim_chance(s, 800) ? ERR_TIMEOUT : ERR_DENIED;
        *stored = !s->api_down && code == ERR_TIMEOUT && sim_chance(s, 500);
    }
    if (code != ERR_NONE) {
        s->counts.faults++;
        (void)err_set(&e, code, "the API server does not do it");
    }
    return e;
}

/* Store a count if the Deployment is still at the version that was decided on. */
static enum err_code store_scale(struct sim *s, const struct call *c)
{
    struct app *app = c->app;
    if (app == NULL || !app->exists) {
        return ERR_NOT_FOUND;
    }
    if (app->version != c->version) {
        s->counts.conflicts++;
        world_coincide(s, app);
        return ERR_CONFLICT;
    }
    if (app->replicas != c->from) {
        sim_broken(s, "%s is at %d, but a write from %d to %d got through", app->name,
                   app->replicas, c->from, c->replicas);
    }
    world_set_replicas(s, app, c->replicas);
    return ERR_NONE;
}

static void answer_scale(struct sim *s, const struct call *c)
{
    bool stored;
    struct err e = failure(s, c, &stored);
    struct scaler_scale scale = {0};
    char version[24];
    if (c->kind == CALL_WRITE && stored) {
        enum err_code code = store_scale(s, c);
        if (e.code == ERR_NONE && code != ERR_NONE) {
            (void)err_set(&e, code, "not now");
        }
    }
    struct app *app = c->app != NULL && c->app->exists ? c->app : NULL;
    if (e.code == ERR_NONE && app == NULL) {
        (void)err_set(&e, ERR_NOT_FOUND, "gone");
    }
    if (e.code == ERR_NONE && app != NULL) {
        scale.replicas = app->replicas;
        scale.resource_version =
            fmt(version, sizeof(version), "%llu", (unsigned long long)app->version);
    }
    if (c->kind == CALL_WRITE) {
        if (e.code == ERR_NONE && app != NULL) {
            app->judged.budgets[BUDGET_RESCALED]++;
            app->judged.budgets[BUDGET_FAILED] = 1;
        }
        scaler_on_scaled(c->process->core, c->w, &scale, &e, process_now(c->process));
    } else {
        scaler_on_scale_read(c->process->core, c->w, &scale, &e, process_now(c->process));
    }
}

static void store_conditions(struct sim *s, const struct call *c)
{
    if (c->app != NULL && c->app->exists) {
        memcpy(c->app->conditions, c->conditions, sizeof(c->app->conditions));
        world_changed(s, c->app);
    }
}

static void answer_conditions(struct sim *s, const struct call *c)
{
    bool stored;
    struct err e = failure(s, c, &stored);
    if (stored) {
        store_conditions(s, c);
    }
    scaler_on_conditions_written(c->process->core, c->w, &e);
}

/* It reaches the other side, and nobody hears of it. */
static void arrive(struct sim *s, const struct call *c)
{
    if (s->api_down) {
        return;
    }
    switch (c->kind) {
    case CALL_WRITE: (void)store_scale(s, c); return;
    case CALL_CONDITIONS: store_conditions(s, c); return;
    case CALL_QUERY:
    case CALL_READ: return;
    }
}

/* The process ends, or stops leading, with this call out. True: it is dealt with. */
static bool cut_off(struct call *slot)
{
    switch ((enum sweep_fault)slot->fault) {
    case FAULT_KILLED:
    case FAULT_KILLED_LATE:
        process_kill(slot->process, 5000);
        slot->arrives = slot->fault == FAULT_KILLED_LATE;
        return true;
    case FAULT_DEPOSED: process_lead(slot->process, false); return true;
    case FAULT_NONE:
    case FAULT_STUCK:
    case FAULT_AWAY:
    case FAULT_LOST:
    case FAULT_DENIED:
    case FAULT_GONE:
    case FAULT_CONFLICT:
    case FAULT_EMPTY:
    case FAULT_ODD:
    case FAULT_LATE:
    case FAULT_COUNT: break;
    }
    return false;
}

static void answer(struct sim *s, struct call *slot)
{
    bool cut = !slot->cancelled && cut_off(slot);
    struct call c = *slot;
    s->unused[s->unused_count++] = slot;
    if (c.app != NULL && strcmp(c.app->uid, c.uid) != 0) {
        c.app = NULL; /* another one of that name by now; writes name the UID or the version */
    }
    if (c.cancelled || cut) {
        if (c.arrives) {
            arrive(s, &c);
        }
        return;
    }
    switch (c.kind) {
    case CALL_QUERY: answer_query(s, &c); return;
    case CALL_WRITE:
    case CALL_READ: answer_scale(s, &c); return;
    case CALL_CONDITIONS: answer_conditions(s, &c); return;
    }
}

void doors_answer(struct sim *s)
{
    while (s->call_count > 0 && s->heap[1]->due_ms <= s->true_ms) {
        answer(s, pop(s));
    }
}
