#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/num.h"
#include "test/sim/sim.h"
#include "test/sim/spec_maker.h"

enum { EVENT_EVERY_MS = 40000, KUBELET_MS = 4000 };

static struct app *app_of(struct sim *s, const struct workload *w)
{
    for (size_t i = 0; i < APPS; i++) {
        if (str_eq(str_from(s->apps[i].uid), w->uid)) {
            return &s->apps[i];
        }
    }
    return NULL; /* deleted; the core has not heard of it */
}

static void tell_watch(struct sim *s, struct app *app)
{
    if (s->watch_down || s->news_count == NEWS_MAX) {
        return; /* lost; the next list makes up for it */
    }
    struct news *n = &s->news[s->news_count];
    int64_t last_ms = s->news_count > 0 ? s->news[s->news_count - 1].due_ms : 0;
    int64_t due_ms = s->true_ms + 1 + (int64_t)sim_random(s, 400);
    *n = (struct news){.app = app->index,
                       .replicas = app->replicas,
                       .ready = app->ready,
                       .exists = app->exists,
                       .edition = app->edition,
                       .due_ms = due_ms > last_ms ? due_ms : last_ms};
    (void)fmt(n->uid, sizeof(n->uid), "%s", app->uid);
    (void)fmt(n->version, sizeof(n->version), "%llu", (unsigned long long)app->version);
    s->news_count++;
}

/* The API server stores a change. */
static void change(struct sim *s, struct app *app)
{
    app->version++;
    tell_watch(s, app);
}

static void create(struct sim *s, struct app *app)
{
    app->incarnation++;
    app->exists = true;
    app->annotated = true;
    app->replicas = 1 + (int32_t)sim_random(s, 8);
    app->ready = app->replicas;
    app->active_ms = 0;
    memset(app->conditions, 0, sizeof(app->conditions));
    (void)fmt(app->name, sizeof(app->name), "app-%zu", app->index);
    (void)fmt(app->uid, sizeof(app->uid), "uid-%zu-%u", app->index, app->incarnation);
    spec_make(s, app);
    change(s, app);
}

/* status.conditions as the API server keeps them. */
static const struct json *conditions_json(const struct app *app, struct arena *a)
{
    static const char *const statuses[] = {
        [STATUS_FALSE] = "False", [STATUS_TRUE] = "True", [STATUS_UNKNOWN] = "Unknown"};
    char text[2048], time[NUM_TEXT_BYTES];
    struct buf out;
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    buf_init(&out, sizeof(text));
    buf_append_char(&out, '[');
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        const struct condition *c = &app->conditions[i];
        if (c->status != STATUS_ABSENT) {
            buf_format(&out,
                       "%s{\"type\":\"%s\",\"status\":\"%s\",\"reason\":\"%s\","
                       "\"lastTransitionTime\":\"%.*s\"}",
                       out.len > 1 ? "," : "", SCALER_CONDITION_TYPES[i].ptr, statuses[c->status],
                       c->reason, STR_ARG(num_print_time(c->transition_ms, 0, time)));
        }
    }
    buf_append_char(&out, ']');
    struct str copy;
    if (arena_str(a, buf_view(&out), &copy, &e) != 0 ||
        json_parse(copy, &JSON_LIMITS_API, a, &root, &e) != 0) {
        abort();
    }
    buf_free(&out);
    return root;
}

/* Show one Deployment to the core as it was at `n`. */
static void show(struct sim *s, struct app *app, const struct news *n)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct deployment d = {.name = str_from(app->name),
                           .namespace_ = STR("sim"),
                           .uid = str_from(n->uid),
                           .resource_version = str_from(n->version),
                           .annotations = {app->annotations, app->annotation_count},
                           .replicas = n->replicas,
                           .ready_replicas = n->ready};
    struct err e = ERR_INIT;
    if (!app->annotated) {
        d.annotations.count = 0;
    }
    unsigned edition = app->annotated ? app->edition : 0;
    unsigned before = app->shown_edition;
    bool fresh = edition != before;
    app->shown_edition = edition;
    if (fresh) {
        oracle_fresh(s, app, before == 0); /* other annotations: the core begins anew */
    }
    if (fresh || !s->leads || s->listing) {
        d.conditions = conditions_json(app, &arena);
    }
    if (scaler_on_deployment(s->core, &d, sim_now(s), &e) != 0) {
        sim_broken(s, "a Deployment was not taken in: %s", e.text);
    }
    arena_free(&arena);
}

static void deliver(struct sim *s, const struct news *n)
{
    struct app *app = &s->apps[n->app];
    if (!n->exists || !str_eq(str_from(n->uid), str_from(app->uid))) {
        scaler_on_removed(s->core, str_from(n->uid));
        return;
    }
    if (!app->exists) {
        return; /* its removal is on its way too */
    }
    show(s, app, n);
}

static void list(struct sim *s)
{
    s->news_count = 0;
    s->listing = true;
    scaler_list_begin(s->core, STR("sim"));
    for (size_t i = 0; i < APPS; i++) {
        struct app *app = &s->apps[i];
        if (app->exists) {
            struct news n = {.app = i, .replicas = app->replicas, .ready = app->ready};
            (void)fmt(n.uid, sizeof(n.uid), "%s", app->uid);
            (void)fmt(n.version, sizeof(n.version), "%llu", (unsigned long long)app->version);
            show(s, app, &n);
        }
    }
    scaler_list_end(s->core, STR("sim"));
    s->listing = false;
}

/* Doors. */

static int start_call(struct sim *s, struct call call, int64_t delay_ms, void **out, struct err *e)
{
    (void)fmt(call.uid, sizeof(call.uid), "%.*s", STR_ARG(call.w->uid));
    if (s->true_ms < s->calm_ms && sim_chance(s, 4)) {
        s->faults++;
        return err_set(e, ERR_MEMORY, "the door is stuck");
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (!s->calls[i].used) {
            s->calls[i] = call;
            s->calls[i].used = true;
            s->calls[i].due_ms = s->true_ms + delay_ms;
            *out = &s->calls[i];
            return 0;
        }
    }
    return err_set(e, ERR_LIMIT, "too many calls");
}

static int64_t delay(struct sim *s, int64_t most_ms)
{
    return 1 + (int64_t)sim_random(s, (uint64_t)most_ms);
}

static int door_query(void *context, struct workload *w, size_t trigger, int64_t timeout_ms,
                      void **call, struct err *e)
{
    struct sim *s = context;
    struct app *app = app_of(s, w);
    struct call c = {.kind = CALL_QUERY, .w = w, .app = app, .trigger = trigger};
    if (!s->leads) {
        sim_broken(s, "a query of one that does not lead");
    }
    bool silent = s->mood == MOOD_SILENT;
    int64_t delay_ms = silent ? timeout_ms : delay(s, 80);
    if (start_call(s, c, delay_ms, call, e) == 0) {
        return 0;
    }
    struct reading failed = {.kind = READING_ERROR};
    if (app != NULL) {
        oracle_reading(s, app, w, trigger, &failed);
    }
    return -1;
}

static int door_write(void *context, struct workload *w, int32_t replicas, void **call,
                      struct err *e)
{
    struct sim *s = context;
    struct app *app = app_of(s, w);
    struct call c = {.kind = CALL_WRITE, .w = w, .app = app, .replicas = replicas};
    memcpy(c.version, w->resource_version, sizeof(c.version));
    if (app != NULL) {
        oracle_write(s, app, w, replicas);
    }
    return start_call(s, c, delay(s, 60), call, e);
}

static int door_read(void *context, struct workload *w, void **call, struct err *e)
{
    struct sim *s = context;
    return start_call(s, (struct call){.kind = CALL_READ, .w = w, .app = app_of(s, w)},
                      delay(s, 60), call, e);
}

static int door_conditions(void *context, struct workload *w, void **call, struct err *e)
{
    struct sim *s = context;
    return start_call(s, (struct call){.kind = CALL_CONDITIONS, .w = w, .app = app_of(s, w)},
                      delay(s, 60), call, e);
}

/* Store a count if the Deployment is still at the version that was decided on. */
static enum err_code store_scale(struct sim *s, const struct call *c)
{
    struct app *app = c->app;
    char version[RESOURCE_VERSION_BYTES];
    if (app == NULL || !app->exists) {
        return ERR_NOT_FOUND;
    }
    (void)fmt(version, sizeof(version), "%llu", (unsigned long long)app->version);
    if (strcmp(version, c->version) != 0) {
        s->conflicts++;
        return ERR_CONFLICT;
    }
    app->replicas = c->replicas;
    app->ready = app->ready < app->replicas ? app->ready : app->replicas;
    change(s, app);
    return ERR_NONE;
}

static void door_cancel(void *context, void *call)
{
    struct sim *s = context;
    struct call *c = call;
    if (!c->used) {
        sim_broken(s, "a call was cancelled that is over");
    }
    c->used = false;
    if (c->kind == CALL_WRITE && !s->api_down && sim_chance(s, 500)) {
        (void)store_scale(s, c); /* it had arrived already */
    }
}

static void door_event(void *context, const struct workload *w, enum scaler_event type,
                       const char *reason, const char *note)
{
    (void)context;
    (void)w;
    (void)type;
    (void)reason;
    (void)note;
}

static void door_decided(void *context, const struct workload *w, const struct decision *d)
{
    struct sim *s = context;
    struct app *app = app_of(s, w);
    (void)d;
    if (app != NULL) {
        oracle_decided(s, app, w);
    }
}

static void door_released(void *context, const struct workload *w, bool there, int32_t restore)
{
    (void)context;
    (void)w;
    (void)there;
    (void)restore;
}

struct scaler_io world_io(struct sim *s)
{
    return (struct scaler_io){.context = s,
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

/* Answers. */

static void answer_query(struct sim *s, const struct call *c)
{
    struct reading r = {.kind = READING_VALUE, .time_ms = sim_now(s).unix_ms};
    bool calm = s->true_ms >= s->calm_ms;
    enum prometheus_mood mood = calm ? MOOD_FINE : s->mood;
    if (!calm && sim_chance(s, 10)) {
        mood = sim_chance(s, 500) ? MOOD_ERROR : MOOD_EMPTY;
        s->faults++;
    }
    if (mood == MOOD_FINE && c->app != NULL) {
        r.value = c->app->load[c->trigger];
    } else {
        r.kind = mood == MOOD_EMPTY ? READING_EMPTY : READING_ERROR;
        (void)fmt(r.text, sizeof(r.text), "no answer to use");
    }
    if (c->app != NULL) {
        oracle_reading(s, c->app, c->w, c->trigger, &r);
    }
    scaler_on_reading(s->core, c->w, c->trigger, &r, sim_now(s));
}

static struct err failure(struct sim *s)
{
    struct err e = ERR_INIT;
    bool calm = s->true_ms >= s->calm_ms;
    if (s->api_down || (!calm && sim_chance(s, 8))) {
        s->faults++;
        (void)err_set(&e, sim_chance(s, 500) ? ERR_UNAVAILABLE : ERR_TIMEOUT, "the API is away");
    }
    return e;
}

static void answer_scale(struct sim *s, const struct call *c)
{
    struct err e = failure(s);
    struct scaler_scale scale = {0};
    char version[RESOURCE_VERSION_BYTES];
    bool lost = e.code != ERR_NONE;
    if (c->kind == CALL_WRITE && (!lost || (!s->api_down && sim_chance(s, 500)))) {
        enum err_code code = store_scale(s, c); /* stored, though the answer may be lost */
        if (!lost && code != ERR_NONE) {
            (void)err_set(&e, code, "not now");
        }
    }
    if (e.code == ERR_NONE && (c->app == NULL || !c->app->exists)) {
        (void)err_set(&e, ERR_NOT_FOUND, "gone");
    }
    if (e.code == ERR_NONE) {
        scale.replicas = c->app->replicas;
        scale.resource_version =
            fmt(version, sizeof(version), "%llu", (unsigned long long)c->app->version);
    }
    if (c->kind == CALL_WRITE) {
        scaler_on_scaled(s->core, c->w, &scale, &e, sim_now(s));
    } else {
        scaler_on_scale_read(s->core, c->w, &scale, &e, sim_now(s));
    }
}

static void answer_conditions(struct sim *s, const struct call *c)
{
    struct err e = failure(s);
    if (e.code == ERR_NONE && c->app != NULL && c->app->exists) {
        memcpy(c->app->conditions, c->w->conditions, sizeof(c->app->conditions));
        change(s, c->app);
    }
    scaler_on_conditions_written(s->core, c->w, &e);
}

static void answer(struct sim *s, struct call *slot)
{
    struct call c = *slot;
    slot->used = false;
    if (c.app != NULL && strcmp(c.app->uid, c.uid) != 0) {
        c.app =
            NULL; /* another one of that name by now; every write names the UID or the version */
    }
    switch (c.kind) {
    case CALL_QUERY: answer_query(s, &c); return;
    case CALL_WRITE:
    case CALL_READ: answer_scale(s, &c); return;
    case CALL_CONDITIONS: answer_conditions(s, &c); return;
    }
}

/* What happens by itself. */

void world_restart(struct sim *s)
{
    struct scaler_io io = world_io(s);
    struct scaler_options options = {.log = &s->log};
    struct err e = ERR_INIT;
    scaler_free(s->core);
    s->core = NULL;
    s->leads = true;
    s->unix_offset_ms = UNIX_OFFSET_MS; /* across processes only the wall clock is left to trust */
    s->restarts++;
    if (scaler_new(&options, &io, &s->core, &e) != 0) {
        abort();
    }
    for (size_t i = 0; i < APPS; i++) {
        oracle_fresh(s, &s->apps[i], true);
    }
    list(s);
}

static void lead(struct sim *s, bool leads)
{
    struct err e = ERR_INIT;
    if (s->leads == leads) {
        return;
    }
    s->leads = leads;
    s->unix_offset_ms = leads ? UNIX_OFFSET_MS : s->unix_offset_ms;
    if (scaler_lead(s->core, STR("sim"), leads, sim_now(s), &e) != 0) {
        sim_broken(s, "leading failed: %s", e.text);
    }
    for (size_t i = 0; leads && i < APPS; i++) {
        oracle_fresh(s, &s->apps[i], false); /* the same process: it remembers by itself */
    }
}

static void jump(struct sim *s)
{
    int64_t by_ms = (int64_t)sim_random(s, 7200000) - 3600000;
    s->jumps++;
    s->unix_offset_ms += by_ms;
    if (sim_chance(s, 300)) {
        s->monotonic_offset_ms += by_ms < 0 ? -by_ms : by_ms; /* the machine slept */
        s->leaps_ms[s->leaps++ % LEAPS] = s->true_ms;
    }
}

static void change_load(struct sim *s, struct app *app)
{
    for (size_t i = 0; i < SPEC_TRIGGERS_MAX; i++) {
        uint64_t kind = sim_random(s, 10);
        if (kind < 2) {
            app->load[i] = 0;
        } else if (kind < 5) {
            app->load[i] = (double)sim_random(s, 100000) / 100.0;
        } else {
            app->load[i] *= 0.7 + (double)sim_random(s, 600) / 1000.0;
        }
    }
}

static void happen_to(struct sim *s, struct app *app)
{
    uint64_t what = sim_random(s, 100);
    if (!app->exists) {
        create(s, app);
    } else if (what < 60) {
        change_load(s, app);
    } else if (what < 75) {
        app->replicas = (int32_t)sim_random(s, 12); /* kubectl scale */
        app->ready = app->ready < app->replicas ? app->ready : app->replicas;
        change(s, app);
    } else if (what < 85) {
        spec_make(s, app);
        app->annotated = true;
        change(s, app);
    } else if (what < 90) {
        app->annotated = !app->annotated;
        change(s, app);
    } else {
        app->exists = false;
        change(s, app);
        if (sim_chance(s, 500)) {
            create(s, app); /* under the same name, at once */
        }
    }
}

static void happen(struct sim *s)
{
    uint64_t what = sim_random(s, 100);
    s->next_event_ms = s->true_ms + 1 + (int64_t)sim_random(s, 2 * EVENT_EVERY_MS);
    if (what < 60) {
        happen_to(s, &s->apps[sim_random(s, APPS)]);
    } else if (what < 72) {
        s->mood = sim_chance(s, 500) ? MOOD_FINE : (enum prometheus_mood)sim_random(s, 4);
    } else if (what < 80) {
        s->api_down = sim_chance(s, 400);
    } else if (what < 88) {
        bool was_down = s->watch_down;
        s->watch_down = sim_chance(s, 400);
        if (was_down && !s->watch_down) {
            list(s);
        }
    } else if (what < 94) {
        jump(s);
    } else if (what < 97) {
        lead(s, sim_chance(s, 700));
    } else {
        world_restart(s);
    }
}

static void calm_down(struct sim *s)
{
    bool was_down = s->watch_down;
    s->mood = MOOD_FINE;
    s->api_down = false;
    s->watch_down = false;
    s->next_event_ms = INT64_MAX;
    lead(s, true);
    if (was_down) {
        list(s);
    }
}

/* Pods become ready a while after they were asked for. */
static void kubelet(struct sim *s)
{
    for (size_t i = 0; i < APPS; i++) {
        struct app *app = &s->apps[i];
        if (app->exists && app->ready != app->replicas && sim_chance(s, 400)) {
            app->ready = app->replicas;
            change(s, app);
        }
    }
}

void world_init(struct sim *s)
{
    struct scaler_io io = world_io(s);
    struct scaler_options options = {.log = &s->log};
    struct err e = ERR_INIT;
    if (scaler_new(&options, &io, &s->core, &e) != 0) {
        abort();
    }
    s->leads = true;
    s->next_event_ms = s->true_ms + EVENT_EVERY_MS;
    for (size_t i = 0; i < APPS; i++) {
        s->apps[i].index = i;
        oracle_fresh(s, &s->apps[i], true);
        create(s, &s->apps[i]);
        change_load(s, &s->apps[i]);
    }
}

int64_t world_next_ms(const struct sim *s)
{
    int64_t next_ms = s->next_event_ms;
    next_ms = s->true_ms < s->calm_ms && s->calm_ms < next_ms ? s->calm_ms : next_ms;
    next_ms = s->end_ms < next_ms ? s->end_ms : next_ms;
    if (s->news_count > 0 && s->news[0].due_ms < next_ms) {
        next_ms = s->news[0].due_ms;
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (s->calls[i].used && s->calls[i].due_ms < next_ms) {
            next_ms = s->calls[i].due_ms;
        }
    }
    return next_ms;
}

void world_step(struct sim *s)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (s->calls[i].used && s->calls[i].due_ms <= s->true_ms) {
            answer(s, &s->calls[i]);
        }
    }
    while (s->news_count > 0 && s->news[0].due_ms <= s->true_ms) {
        struct news n = s->news[0];
        s->news_count--;
        memmove(s->news, s->news + 1, s->news_count * sizeof(s->news[0]));
        deliver(s, &n);
    }
    if (s->true_ms >= s->calm_ms && s->next_event_ms != INT64_MAX) {
        calm_down(s);
    }
    if (s->true_ms >= s->next_event_ms) {
        happen(s);
    }
    if (sim_chance(s, 50)) {
        kubelet(s);
    }
}
