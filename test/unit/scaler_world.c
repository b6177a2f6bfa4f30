#include "scaler_world.h"

#include <setjmp.h>
#include <stdarg.h>

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

static void fake_released(void *context, const struct workload *w)
{
    (void)w;
    ((struct world *)context)->released++;
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

static int setup_with(void **state, bool dry_run)
{
    struct world *world = calloc(1, sizeof(*world));
    world->now = (struct scaler_time){1000000, 1700000000000};
    world->log = (struct logger){.level = LOG_DEBUG,
                                 .program = "test",
                                 .context = world,
                                 .now_ms = fake_now,
                                 .sink = fake_sink};
    struct scaler_options options = {.log = &world->log, .dry_run = dry_run};
    struct scaler_io io = {world,      fake_query,        fake_write,
                           fake_read,  fake_cancel_query, fake_cancel_scale,
                           fake_event, fake_decided,      fake_released};
    struct err e = ERR_INIT;
    assert_int_equal(scaler_new(&options, &io, &world->core, &e), 0);
    *state = world;
    return 0;
}

int world_setup(void **state)
{
    return setup_with(state, false);
}

int world_setup_dry(void **state)
{
    return setup_with(state, true);
}

int world_teardown(void **state)
{
    struct world *world = *state;
    scaler_free(world->core);
    free(world);
    return 0;
}

struct deployment shown(const char *name, const char *version, int32_t replicas,
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

const struct kv GOOD[3] = {{STR_INIT("scale.amp/query"), STR_INIT("vector(100)")},
                           {STR_INIT("app"), STR_INIT("checkout")},
                           {STR_INIT("scale.amp/threshold"), STR_INIT("25")}};

void show(struct world *world, const struct deployment *d)
{
    struct err e = ERR_INIT;
    assert_int_equal(scaler_on_deployment(world->core, d, world->now, &e), 0);
}

void show_good(struct world *world, const char *name, const char *version, int32_t replicas)
{
    struct deployment d = shown(name, version, replicas, GOOD, 3);
    show(world, &d);
}

void run_due(struct world *world)
{
    scaler_run_due(world->core, world->now);
}

void pass_ms(struct world *world, int64_t ms)
{
    world->now.monotonic_ms += ms;
    world->now.unix_ms += ms;
    run_due(world);
}

struct workload *last_asked(const struct world *world)
{
    assert_true(world->asked_count > 0);
    return world->asked[world->asked_count - 1];
}

static void answer(struct world *world, struct workload *w, struct reading reading)
{
    scaler_on_reading(world->core, w, 0, &reading, world->now);
}

void answer_value(struct world *world, double value)
{
    answer(world, last_asked(world), (struct reading){.kind = READING_VALUE, .value = value});
}

void answer_error(struct world *world, const char *text)
{
    struct reading reading = {.kind = READING_ERROR};
    (void)fmt(reading.text, sizeof(reading.text), "%s", text);
    answer(world, last_asked(world), reading);
}

void scaled(struct world *world, int32_t replicas, const char *version)
{
    struct scaler_scale scale = {replicas, str_from(version)};
    struct err none = ERR_INIT;
    scaler_on_scaled(world->core, world->written, &scale, &none, world->now);
}

void scale_failed(struct world *world, enum err_code code)
{
    struct err e = ERR_INIT;
    (void)err_set(&e, code, "the server said no");
    scaler_on_scaled(world->core, world->written, NULL, &e, world->now);
}

void scale_read(struct world *world, int32_t replicas, const char *version)
{
    struct scaler_scale scale = {replicas, str_from(version)};
    struct err none = ERR_INIT;
    scaler_on_scale_read(world->core, world->written, &scale, &none, world->now);
}

size_t events_of(const struct world *world, const char *reason)
{
    size_t count = 0;
    for (size_t i = 0; i < world->event_count; i++) {
        count += strcmp(world->events[i].reason, reason) == 0;
    }
    return count;
}

bool logged(const struct world *world, const char *text)
{
    return strstr(world->lines, text) != NULL;
}
