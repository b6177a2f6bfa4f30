#include "scaler_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

static int fake_query(void *context, struct workload *w, size_t trigger, int64_t timeout_ms,
                      void **call, struct err *e)
{
    struct world *world = context;
    assert_true(timeout_ms > 0 && timeout_ms <= w->spec.polling_interval_ms);
    assert_int_equal(trigger, 0);
    if (world->fail_query) {
        return err_set(e, ERR_DENIED, "endpoint is not allowed");
    }
    world->asked[world->asked_count++] = w;
    *call = w;
    return 0;
}

static int fake_write(void *context, struct workload *w, int32_t replicas, void **call,
                      struct err *e)
{
    struct world *world = context;
    if (world->fail_write) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    world->writes++;
    world->written = w;
    world->written_replicas = replicas;
    memcpy(world->written_version, w->resource_version, sizeof(world->written_version));
    *call = w;
    return 0;
}

static int fake_read(void *context, struct workload *w, void **call, struct err *e)
{
    struct world *world = context;
    if (world->fail_read) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    world->reads++;
    *call = w;
    return 0;
}

static void fake_cancel_query(void *context, void *call)
{
    assert_non_null(call);
    ((struct world *)context)->cancelled_queries++;
}

static void fake_cancel_scale(void *context, void *call)
{
    assert_non_null(call);
    ((struct world *)context)->cancelled_scales++;
}

static void fake_event(void *context, const struct workload *w, enum scaler_event type,
                       const char *reason, const char *note)
{
    struct world *world = context;
    (void)w;
    assert_true(world->event_count < CALLS_MAX);
    struct fake_event *event = &world->events[world->event_count++];
    event->type = type;
    (void)fmt(event->reason, sizeof(event->reason), "%s", reason);
    (void)fmt(event->note, sizeof(event->note), "%s", note);
}

static void fake_decided(void *context, const struct workload *w, const struct decision *d)
{
    (void)w;
    assert_true(d->message[0] != '\0');
    ((struct world *)context)->decisions++;
}

static void fake_released(void *context, const struct workload *w, bool there, int32_t restore)
{
    struct world *world = context;
    (void)w;
    world->released++;
    world->released_there = there;
    world->restore = restore;
}

static int fake_write_conditions(void *context, struct workload *w, void **call, struct err *e)
{
    struct world *world = context;
    if (world->fail_conditions) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    world->condition_writes++;
    world->conditions_of = w;
    memcpy(world->conditions, w->conditions, sizeof(world->conditions));
    *call = w;
    return 0;
}

static void fake_cancel_conditions(void *context, void *call)
{
    assert_non_null(call);
    ((struct world *)context)->cancelled_conditions++;
}

static int64_t fake_now(void *context)
{
    return ((struct world *)context)->now.unix_ms;
}

static void fake_sink(void *context, struct str line)
{
    struct world *world = context;
    size_t room = sizeof(world->lines) - 1 - world->lines_len;
    size_t len = line.len < room ? line.len : room;
    memcpy(world->lines + world->lines_len, line.ptr, len);
    world->lines_len += len;
}

static int setup_with(void **state, bool dry_run, bool elects)
{
    struct world *world = calloc(1, sizeof(*world));
    world->now = (struct scaler_time){1000000, 1700000000000};
    world->log = (struct logger){.level = LOG_DEBUG,
                                 .program = "test",
                                 .context = world,
                                 .now_ms = fake_now,
                                 .sink = fake_sink};
    struct scaler_options options = {.log = &world->log, .dry_run = dry_run, .elects = elects};
    struct scaler_io io = {.context = world,
                           .query = fake_query,
                           .write_scale = fake_write,
                           .read_scale = fake_read,
                           .cancel_query = fake_cancel_query,
                           .cancel_scale = fake_cancel_scale,
                           .event = fake_event,
                           .write_conditions = fake_write_conditions,
                           .cancel_conditions = fake_cancel_conditions,
                           .decided = fake_decided,
                           .released = fake_released};
    struct err e = ERR_INIT;
    assert_int_equal(scaler_new(&options, &io, &world->core, &e), 0);
    *state = world;
    return 0;
}

int world_setup(void **state)
{
    return setup_with(state, false, false);
}

int world_setup_dry(void **state)
{
    return setup_with(state, true, false);
}

int world_setup_elects(void **state)
{
    return setup_with(state, false, true);
}

int world_teardown(void **state)
{
    struct world *world = *state;
    scaler_free(world->core);
    free(world);
    return 0;
}

/* A Deployment as the watch would show it. */
struct deployment world_shown(const char *name, const char *version, int32_t replicas,
                              const struct kv *annotations, size_t count)
{
    return (struct deployment){.name = str_from(name),
                               .namespace_ = STR("shop"),
                               .uid = str_from(name),
                               .resource_version = str_from(version),
                               .annotations = {annotations, count},
                               .replicas = replicas,
                               .ready_replicas = replicas};
}

const struct kv WORLD_GOOD[3] = {{STR_INIT("scale.amp/query"), STR_INIT("vector(100)")},
                                 {STR_INIT("app"), STR_INIT("checkout")},
                                 {STR_INIT("scale.amp/threshold"), STR_INIT("25")}};

void world_show(struct world *world, const struct deployment *d)
{
    struct err e = ERR_INIT;
    assert_int_equal(scaler_on_deployment(world->core, d, world->now, &e), 0);
}

void world_show_good(struct world *world, const char *name, const char *version, int32_t replicas)
{
    struct deployment d = world_shown(name, version, replicas, WORLD_GOOD, 3);
    world_show(world, &d);
}

void world_run_due(struct world *world)
{
    scaler_run_due(world->core, world->now);
}

void world_pass_ms(struct world *world, int64_t ms)
{
    world->now.monotonic_ms += ms;
    world->now.unix_ms += ms;
    world_run_due(world);
}

struct workload *world_last_asked(const struct world *world)
{
    assert_true(world->asked_count > 0);
    return world->asked[world->asked_count - 1];
}

void world_answer(struct world *world, struct workload *w, struct reading reading)
{
    scaler_on_reading(world->core, w, 0, &reading, world->now);
}

void world_answer_value(struct world *world, double value)
{
    world_answer(world, world_last_asked(world),
                 (struct reading){.kind = READING_VALUE, .value = value});
}

void world_answer_error(struct world *world, const char *text)
{
    struct reading reading = {.kind = READING_ERROR};
    (void)fmt(reading.text, sizeof(reading.text), "%s", text);
    world_answer(world, world_last_asked(world), reading);
}

void world_scaled(struct world *world, int32_t replicas, const char *version)
{
    struct scaler_scale scale = {replicas, str_from(version)};
    struct err none = ERR_INIT;
    scaler_on_scaled(world->core, world->written, &scale, &none, world->now);
}

void world_scale_failed(struct world *world, enum err_code code)
{
    struct err e = ERR_INIT;
    (void)err_set(&e, code, "the server said no");
    scaler_on_scaled(world->core, world->written, NULL, &e, world->now);
}

void world_scale_read(struct world *world, int32_t replicas, const char *version)
{
    struct scaler_scale scale = {replicas, str_from(version)};
    struct err none = ERR_INIT;
    scaler_on_scale_read(world->core, world->written, &scale, &none, world->now);
}

void world_conditions_written(struct world *world, enum err_code code)
{
    struct err e = ERR_INIT;
    if (code != ERR_NONE) {
        (void)err_set(&e, code, "the server said no");
    }
    scaler_on_conditions_written(world->core, world->conditions_of, &e);
}

void world_lead(struct world *world, const char *namespace_, bool leads)
{
    struct err e = ERR_INIT;
    assert_int_equal(scaler_lead(world->core, str_from(namespace_), leads, world->now, &e), 0);
}

void world_hpa(struct world *world, const char *hpa, const char *deployment)
{
    struct err e = ERR_INIT;
    assert_int_equal(scaler_on_hpa(world->core, STR("shop"), str_from(hpa), str_from(deployment),
                                   world->now, &e),
                     0);
}

size_t world_events_of(const struct world *world, const char *reason)
{
    size_t count = 0;
    for (size_t i = 0; i < world->event_count; i++) {
        count += strcmp(world->events[i].reason, reason) == 0;
    }
    return count;
}

bool world_logged(const struct world *world, const char *text)
{
    return strstr(world->lines, text) != NULL;
}
