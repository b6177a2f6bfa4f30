#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/num.h"
#include "test/sim/sim.h"

#define HERE STR("sim")

struct scaler_time process_now(const struct process *p)
{
    return (struct scaler_time){p->sim->true_ms + p->monotonic_offset_ms,
                                p->sim->true_ms + p->unix_offset_ms};
}

static int64_t log_now(void *context)
{
    return process_now(context).unix_ms;
}

static void log_nothing(void *context, struct str line)
{
    (void)context;
    (void)line;
}

/* What watches show. */

static struct news *push(struct process *p, enum news_kind kind)
{
    struct sim *s = p->sim;
    if (p->core == NULL || p->watch_down || p->news_count == NEWS_MAX) {
        return NULL; /* lost; the next list makes up for it */
    }
    int64_t due_ms = s->true_ms + (s->sweep.on ? 30 : 1 + (int64_t)sim_random(s, 400));
    if (p->news_count > 0) {
        int64_t last_ms = p->news[(p->news_first + p->news_count - 1) % NEWS_MAX].due_ms;
        due_ms = due_ms > last_ms ? due_ms : last_ms;
    }
    struct news *n = &p->news[(p->news_first + p->news_count++) % NEWS_MAX];
    *n = (struct news){.kind = kind, .due_ms = due_ms};
    return n;
}

static void push_deployment(struct process *p, const struct app *app)
{
    struct news *n = push(p, NEWS_DEPLOYMENT);
    if (n == NULL) {
        return;
    }
    n->app = app->index;
    n->version = app->version;
    n->replicas = app->replicas;
    n->ready = app->ready;
    n->exists = app->exists;
    n->active = app->conditions[CONDITION_ACTIVE];
    memcpy(n->uid, app->uid, sizeof(n->uid));
}

static void push_hpa(struct process *p, const struct app *app)
{
    struct news *n = push(p, NEWS_HPA);
    if (n != NULL) {
        n->app = app->index;
        n->hpa = app->hpa;
    }
}

void process_tell(struct sim *s, const struct app *app)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        push_deployment(&s->processes[i], app);
    }
}

void process_tell_hpa(struct sim *s, const struct app *app)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        push_hpa(&s->processes[i], app);
    }
}

void process_list(struct process *p)
{
    struct sim *s = p->sim;
    p->news_count = 0;
    struct news *begin = push(p, NEWS_LIST_BEGIN);
    if (begin != NULL && sim_chance(s, 300)) {
        begin->due_ms += (int64_t)sim_random(s, 3000); /* what it says is old when it arrives */
    }
    for (size_t i = 0; i < s->app_count; i++) {
        if (s->apps[i].exists) {
            push_deployment(p, &s->apps[i]);
        }
        if (s->apps[i].hpa) {
            push_hpa(p, &s->apps[i]);
        }
    }
    (void)push(p, NEWS_LIST_END);
}

/* status.conditions, as much of it as is read back. */
static const struct json *conditions_json(const struct condition *active, struct arena *a)
{
    static const char *const statuses[] = {
        [STATUS_FALSE] = "False", [STATUS_TRUE] = "True", [STATUS_UNKNOWN] = "Unknown"};
    char text[256], time[NUM_TEXT_BYTES];
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    if (active->status == STATUS_ABSENT) {
        return NULL;
    }
    struct str json =
        fmt(text, sizeof(text),
            "[{\"type\":\"%s\",\"status\":\"%s\",\"reason\":\"%s\",\"lastTransitionTime\":"
            "\"%.*s\"}]",
            SCALER_CONDITION_TYPES[CONDITION_ACTIVE].ptr, statuses[active->status], active->reason,
            STR_ARG(num_print_time(active->transition_ms, 0, time)));
    if (arena_str(a, json, &json, &e) != 0 ||
        json_parse(json, &JSON_LIMITS_API, a, &root, &e) != 0) {
        abort();
    }
    return root;
}

/* What the core makes of it, as far as the oracle must know. */
static void note_view(struct process *p, struct app *app, const struct news *n)
{
    struct view *v = &p->views[app->index];
    unsigned edition = app->annotated && !app->deleting ? app->edition : 0;
    bool first = v->edition == 0 || strcmp(v->uid, n->uid) != 0;
    bool fresh = first || v->edition != edition;
    memcpy(v->uid, n->uid, sizeof(v->uid));
    v->edition = edition;
    v->invalid = app->invalid;
    v->complains = app->complains;
    v->restores = app->restores;
    v->initial_ms = app->initial_ms;
    if (fresh && edition > 0 && p->leads) {
        oracle_fresh(p, app, first, &n->active);
    }
}

/* Show one Deployment as it was then; its annotations are today's. */
static void show(struct process *p, struct app *app, const struct news *n)
{
    struct arena arena;
    arena_init(&arena, 1 << 14);
    const struct view *v = &p->views[app->index];
    bool known = v->edition > 0 && strcmp(v->uid, n->uid) == 0;
    char version[24];
    struct deployment d = {
        .name = str_from(app->name),
        .namespace_ = HERE,
        .uid = str_from(n->uid),
        .resource_version = fmt(version, sizeof(version), "%llu", (unsigned long long)n->version),
        .annotations = {app->annotations, app->annotation_count},
        .replicas = n->replicas,
        .ready_replicas = n->ready,
        .deleting = app->deleting};
    char count[16];
    struct kv original = {STR(SPEC_ORIGINAL_REPLICAS),
                          fmt(count, sizeof(count), "%d", app->original)};
    if (!app->annotated) { /* by one who knows the two keys; a webhook takes all of ours */
        d.annotations = (struct kv_list){&original, app->original_stays ? 1 : 0};
    }
    if (!known || !p->leads) {
        d.conditions = conditions_json(&n->active, &arena);
    }
    struct err e = ERR_INIT;
    if (!app->annotated || app->deleting) { /* released() is judged by what was shown before */
        if (scaler_on_deployment(p->core, &d, process_now(p), &e) != 0) {
            sim_broken(p->sim, "a Deployment was not let go: %s", e.text);
        }
        note_view(p, app, n);
    } else {
        note_view(p, app, n);
        if (scaler_on_deployment(p->core, &d, process_now(p), &e) != 0) {
            sim_broken(p->sim, "a Deployment was not taken in: %s", e.text);
        }
    }
    arena_free(&arena);
}

static void deliver_deployment(struct process *p, const struct news *n)
{
    struct app *app = &p->sim->apps[n->app];
    if (!n->exists || strcmp(n->uid, app->uid) != 0) {
        scaler_on_removed(p->core, str_from(n->uid));
        if (strcmp(p->views[n->app].uid, n->uid) == 0) {
            p->views[n->app].edition = 0;
        }
    } else if (app->exists) { /* else its removal is on its way too */
        show(p, app, n);
    }
}

static void deliver_hpa(struct process *p, const struct news *n)
{
    struct app *app = &p->sim->apps[n->app];
    struct err e = ERR_INIT;
    char name[24];
    struct str target = n->hpa ? str_from(app->name) : (struct str){NULL, 0};
    if (n->hpa && !p->views[n->app].hpa) {
        app->judged.budgets[BUDGET_CONFLICT]++;
    }
    p->views[n->app].hpa = n->hpa;
    p->views[n->app].hpa_seen = true;
    if (scaler_on_hpa(p->core, HERE, fmt(name, sizeof(name), "hpa-%zu", n->app), target,
                      process_now(p), &e) != 0) {
        sim_broken(p->sim, "an HPA was not taken in: %s", e.text);
    }
}

/* What the list did not show is gone. */
static void end_list(struct process *p)
{
    scaler_list_end(p->core, HERE);
    scaler_hpa_list_end(p->core, HERE, process_now(p));
    for (size_t i = 0; i < p->sim->app_count; i++) {
        p->views[i].hpa = p->views[i].hpa && p->views[i].hpa_seen;
        if (process_workload(p, &p->sim->apps[i]) == NULL) {
            p->views[i].edition = 0;
        }
    }
}

void process_deliver(struct process *p)
{
    while (p->core != NULL && p->news_count > 0 &&
           p->news[p->news_first].due_ms <= p->sim->true_ms) {
        struct news n = p->news[p->news_first];
        p->news_first = (p->news_first + 1) % NEWS_MAX;
        p->news_count--;
        switch (n.kind) {
        case NEWS_LIST_BEGIN:
            scaler_list_begin(p->core, HERE);
            scaler_hpa_list_begin(p->core, HERE);
            for (size_t i = 0; i < APPS; i++) {
                p->views[i].hpa_seen = false;
            }
            break;
        case NEWS_DEPLOYMENT: deliver_deployment(p, &n); break;
        case NEWS_HPA: deliver_hpa(p, &n); break;
        case NEWS_LIST_END: end_list(p); break;
        }
    }
}

int64_t process_next_ms(const struct process *p)
{
    int64_t next_ms = p->starts_ms;
    if (p->news_count > 0 && p->news[p->news_first].due_ms < next_ms) {
        next_ms = p->news[p->news_first].due_ms;
    }
    return next_ms;
}

/* Life. */

void process_start(struct process *p)
{
    struct scaler_io io = doors_of(p);
    p->log = (struct logger){
        .level = LOG_ERROR, .program = "sim", .context = p, .now_ms = log_now, .sink = log_nothing};
    struct scaler_options options = {.log = &p->log, .elects = true};
    struct err e = ERR_INIT;
    p->starts_ms = INT64_MAX;
    p->unix_offset_ms = UNIX_OFFSET_MS; /* across processes only the wall clock is left to trust */
    p->monotonic_offset_ms = 0;
    p->watch_down = false;
    memset(p->views, 0, sizeof(p->views));
    if (scaler_new(&options, &io, &p->core, &e) != 0) {
        abort();
    }
    process_list(p);
}

void process_kill(struct process *p, int64_t back_in_ms)
{
    struct sim *s = p->sim;
    struct scaler *core = p->core;
    if (core == NULL) {
        return;
    }
    s->counts.restarts++;
    p->core = NULL;
    p->news_count = 0;
    p->starts_ms = s->true_ms + back_in_ms;
    if (p->leads) { /* its Lease runs out */
        p->leads = false;
        s->leader = NULL;
        s->lease_ms = s->true_ms + (s->sweep.on ? 15000 : 1 + (int64_t)sim_random(s, 17000));
    }
    scaler_free(core);
}

struct finding {
    const struct app *app;
    const struct workload *found;
};

static void match(void *context, const struct workload *w)
{
    struct finding *f = context;
    if (str_eq(w->uid, str_from(f->app->uid))) {
        f->found = w;
    }
}

const struct workload *process_workload(const struct process *p, const struct app *app)
{
    struct finding f = {.app = app};
    if (p->core != NULL) {
        scaler_each(p->core, match, &f);
    }
    return f.found;
}

void process_lead(struct process *p, bool leads)
{
    struct sim *s = p->sim;
    struct err e = ERR_INIT;
    if (p->core == NULL || p->leads == leads) {
        return;
    }
    if (leads && s->leader != NULL) {
        abort(); /* two at once: the world itself is broken */
    }
    p->leads = leads;
    s->leader = leads ? p : NULL;
    s->lease_ms = leads ? INT64_MAX : s->true_ms + (int64_t)sim_random(s, 5000);
    s->counts.hand_overs += leads;
    p->unix_offset_ms = leads ? UNIX_OFFSET_MS : p->unix_offset_ms;
    for (size_t i = 0; leads && i < s->app_count; i++) {
        struct app *app = &s->apps[i];
        const struct workload *w = process_workload(p, app);
        if (w != NULL && strcmp(p->views[i].uid, app->uid) == 0) {
            oracle_fresh(p, app, true, &w->conditions[CONDITION_ACTIVE]);
        }
    }
    if (scaler_lead(p->core, HERE, leads, process_now(p), &e) != 0) {
        sim_broken(s, "leading failed: %s", e.text);
    }
}
