/* Deployments, HPAs, the API server that keeps them, and what happens to them by itself. */
#include <string.h>

#include "base/fmt.h"
#include "test/sim/sim.h"
#include "test/sim/spec_maker.h"

enum { EVENT_EVERY_MS = 20000, UID_LETTER = 4 };

/* "uid-c-7": the seventh Deployment of the third app. */
struct app *world_app(struct sim *s, const struct workload *w)
{
    size_t index = (size_t)(w->uid.ptr[UID_LETTER] - 'a');
    struct app *app = &s->apps[index];
    return str_eq(str_from(app->uid), w->uid) ? app : NULL; /* deleted; the core did not hear */
}

void world_changed(struct sim *s, struct app *app)
{
    app->version++;
    process_tell(s, app);
}

void world_set_replicas(struct sim *s, struct app *app, int32_t replicas)
{
    app->replicas = replicas;
    app->ready = app->ready < replicas ? app->ready : replicas;
    world_changed(s, app);
}

void world_create(struct app *app, int32_t replicas)
{
    app->incarnation++;
    app->exists = true;
    app->annotated = true;
    app->replicas = replicas;
    app->ready = replicas;
    app->original = replicas;
    memset(app->conditions, 0, sizeof(app->conditions));
    (void)fmt(app->name, sizeof(app->name), "app-%zu", app->index);
    (void)fmt(app->uid, sizeof(app->uid), "uid-%c-%u", (char)('a' + (char)app->index),
              app->incarnation);
}

static void create(struct sim *s, struct app *app)
{
    world_create(app, 1 + (int32_t)sim_random(s, 8));
    spec_make(s, app);
    world_changed(s, app);
}

static void set_hpa(struct sim *s, struct app *app, bool there)
{
    if (app->hpa != there) {
        app->hpa = there;
        process_tell_hpa(s, app);
    }
}

/* What happens by itself. */

static void jump(struct sim *s)
{
    struct process *p = &s->processes[sim_random(s, PROCESSES)];
    int64_t by_ms = (int64_t)sim_random(s, 7200000) - 3600000;
    s->counts.jumps++;
    p->unix_offset_ms += by_ms;
    if (sim_chance(s, 150)) {
        p->monotonic_offset_ms += by_ms; /* the machine slept, or somebody fakes its clock */
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
    if (app->deleting) {
        return; /* nobody can keep it */
    }
    if (app->hpa && sim_chance(s, 300)) {
        set_hpa(s, app, false);
    } else if (!app->exists) {
        create(s, app);
    } else if (what < 58) {
        change_load(s, app);
    } else if (what < 72) {
        world_set_replicas(s, app, (int32_t)sim_random(s, 12)); /* kubectl scale, or its HPA */
    } else if (what < 82) {
        spec_make(s, app);
        app->annotated = true;
        world_changed(s, app);
    } else if (what < 87) {
        app->annotated = !app->annotated;
        app->original_stays = sim_chance(s, 500);
        world_changed(s, app);
    } else if (what < 93) {
        set_hpa(s, app, !app->hpa && sim_chance(s, 100));
    } else if (sim_chance(s, 300)) {
        app->deleting = true;
        world_changed(s, app);
    } else {
        app->exists = false;
        world_changed(s, app);
        if (sim_chance(s, 500)) {
            create(s, app); /* under the same name, at once */
        }
    }
}

void world_coincide(struct sim *s, struct app *app)
{
    if (s->true_ms < s->calm_ms && sim_chance(s, 60)) {
        if (sim_chance(s, 300)) {
            set_hpa(s, app, true);
        } else {
            happen_to(s, app);
        }
    }
}

static struct process *any_process(struct sim *s)
{
    return &s->processes[sim_random(s, PROCESSES)];
}

static void happen(struct sim *s)
{
    uint64_t what = sim_random(s, 100);
    s->next_event_ms = s->true_ms + 1 + (int64_t)sim_random(s, UINT64_C(2) * EVENT_EVERY_MS);
    if (what < 60) {
        happen_to(s, &s->apps[sim_random(s, s->app_count)]);
    } else if (what < 72) {
        s->mood = sim_chance(s, 500) ? MOOD_FINE : (enum prometheus_mood)sim_random(s, 5);
    } else if (what < 80) {
        s->api_down = sim_chance(s, 400);
    } else if (what < 88) {
        struct process *p = any_process(s);
        bool was_down = p->watch_down;
        p->watch_down = sim_chance(s, 400);
        if ((was_down && !p->watch_down) || sim_chance(s, 100)) {
            process_list(p);
        }
    } else if (what < 93) {
        jump(s);
    } else if (what < 97) {
        process_lead(any_process(s), false);
    } else {
        process_kill(any_process(s), 1 + (int64_t)sim_random(s, 20000));
    }
}

static void calm_down(struct sim *s)
{
    s->mood = MOOD_FINE;
    s->api_down = false;
    s->next_event_ms = INT64_MAX;
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        if (p->watch_down) {
            p->watch_down = false;
            process_list(p);
        }
    }
}

/* Pods become ready a while after they were asked for. */
static void kubelet(struct sim *s)
{
    for (size_t i = 0; i < s->app_count; i++) {
        struct app *app = &s->apps[i];
        bool now = s->sweep.on || sim_random(s, 1000) < 400;
        if (app->deleting && now) {
            app->exists = false;
            app->deleting = false;
            world_changed(s, app);
        } else if (app->exists && app->ready != app->replicas && now) {
            app->ready = app->replicas;
            world_changed(s, app);
        }
    }
}

/* Whoever lives takes the Lease when it is free. */
static void take_lease(struct sim *s)
{
    size_t first = s->sweep.on ? 1 : sim_random(s, PROCESSES);
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[(first + i) % PROCESSES];
        if (p->core != NULL) {
            process_lead(p, true);
            return;
        }
    }
    s->lease_ms = s->true_ms + 1000;
}

void world_init(struct sim *s)
{
    s->app_count = APPS;
    s->next_event_ms = s->true_ms + EVENT_EVERY_MS;
    s->lease_ms = s->true_ms + 1;
    for (size_t i = 0; i < APPS; i++) {
        s->apps[i].index = i;
        create(s, &s->apps[i]);
        change_load(s, &s->apps[i]);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        process_start(&s->processes[i]);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t world_next_ms(const struct sim *s)
{
    int64_t next_ms = earlier(s->next_event_ms, s->lease_ms);
    next_ms = s->true_ms < s->calm_ms ? earlier(next_ms, s->calm_ms) : next_ms;
    next_ms = earlier(next_ms, s->end_ms);
    for (size_t i = 0; i < PROCESSES; i++) {
        next_ms = earlier(next_ms, process_next_ms(&s->processes[i]));
    }
    return earlier(next_ms, doors_next_ms(s));
}

void world_step(struct sim *s)
{
    doors_answer(s);
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        process_deliver(p);
        if (p->starts_ms <= s->true_ms) {
            process_start(p);
        }
    }
    if (s->lease_ms <= s->true_ms) {
        take_lease(s);
    }
    if (s->true_ms >= s->calm_ms && s->next_event_ms != INT64_MAX && !s->sweep.on) {
        calm_down(s);
    }
    if (s->true_ms >= s->next_event_ms) {
        if (s->sweep.on) {
            sweep_happen(s);
        } else {
            happen(s);
        }
        for (size_t i = 0; i < PROCESSES; i++) {
            oracle_alive(&s->processes[i]);
        }
    }
    if (s->sweep.on || sim_random(s, 1000) < 50) {
        kubelet(s);
    }
}
