/* replay: the log of a scaler core that ran for a day of a fake world, fed back line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "cli/replay.h"
#include "scaler/scaler.h"

enum { LOG_BYTES = 64 << 20, OUT_BYTES = 1 << 20, CALLS_MAX = 64, STEPS = 4000 };

struct asked {
    struct workload *workload;
    size_t trigger;
};

struct world {
    struct scaler *core;
    struct logger log;
    struct buf lines;
    struct scaler_time now;
    struct asked asked[CALLS_MAX];
    size_t asked_count;
    struct workload *written;
    int32_t wanted;
    unsigned version;
    uint64_t seed;
};

static int on_query(void *context, struct workload *w, size_t trigger, int64_t timeout_ms,
                    void **call, struct err *e)
{
    struct world *world = context;
    (void)timeout_ms;
    (void)e;
    assert_true(world->asked_count < CALLS_MAX);
    world->asked[world->asked_count++] = (struct asked){w, trigger};
    *call = w;
    return 0;
}

static int on_write(void *context, struct workload *w, int32_t replicas, void **call, struct err *e)
{
    struct world *world = context;
    (void)e;
    world->written = w;
    world->wanted = replicas;
    *call = w;
    return 0;
}

static int on_read(void *context, struct workload *w, void **call, struct err *e)
{
    (void)context;
    (void)w;
    (void)call;
    return err_set(e, ERR_UNAVAILABLE, "not asked here");
}

static void on_cancel(void *context, void *call)
{
    (void)context;
    (void)call;
}

static void on_event(void *context, const struct workload *w, enum scaler_event type,
                     const char *reason, const char *note)
{
    (void)context;
    (void)w;
    (void)type;
    (void)reason;
    (void)note;
}

static int on_conditions(void *context, struct workload *w, void **call, struct err *e)
{
    (void)context;
    (void)e;
    *call = w;
    return 0;
}

static void on_decided(void *context, const struct workload *w, const struct decision *d)
{
    (void)context;
    (void)w;
    (void)d;
}

static void on_released(void *context, const struct workload *w, bool there, int32_t restore)
{
    (void)context;
    (void)w;
    (void)there;
    (void)restore;
}

static int64_t log_now(void *context)
{
    return ((struct world *)context)->now.unix_ms;
}

static void log_line(void *context, struct str line)
{
    buf_append(&((struct world *)context)->lines, line);
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof(*world));
    struct err e = ERR_INIT;
    assert_non_null(world);
    buf_init(&world->lines, LOG_BYTES);
    world->seed = 42;
    world->now = (struct scaler_time){1000000, 1700000000000};
    world->log = (struct logger){.level = LOG_DEBUG,
                                 .program = "ampscale-scaler",
                                 .context = world,
                                 .now_ms = log_now,
                                 .sink = log_line};
    const struct scaler_options options = {.log = &world->log};
    const struct scaler_io io = {.context = world,
                                 .query = on_query,
                                 .write_scale = on_write,
                                 .read_scale = on_read,
                                 .cancel_query = on_cancel,
                                 .cancel_scale = on_cancel,
                                 .event = on_event,
                                 .write_conditions = on_conditions,
                                 .cancel_conditions = on_cancel,
                                 .decided = on_decided,
                                 .released = on_released};
    assert_int_equal(scaler_new(&options, &io, &world->core, &e), 0);
    return world;
}

static void world_free(struct world *world)
{
    scaler_free(world->core);
    buf_free(&world->lines);
    free(world);
}

static uint64_t draw(struct world *world)
{
    world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return world->seed >> 33;
}

static const struct kv PLAIN[] = {{STR_INIT("scale.amp/query"), STR_INIT("sum(rate(x[2m]))")},
                                  {STR_INIT("scale.amp/threshold"), STR_INIT("0.3")},
                                  {STR_INIT("scale.amp/fallback-replicas"), STR_INIT("7")}};
static const struct kv PACED[] = {
    {STR_INIT("scale.amp/triggers"),
     STR_INIT("[{name: a, query: q, threshold: 10, activationThreshold: 3}, "
              "{name: \"b\\\"c\", query: r, threshold: 7.5, metricType: Value}]")},
    {STR_INIT("scale.amp/min-replicas"), STR_INIT("0")},
    {STR_INIT("scale.amp/cooldown-period"), STR_INIT("1m")},
    {STR_INIT("scale.amp/on-no-data"), STR_INIT("zero")},
    {STR_INIT("scale.amp/unknown"), STR_INIT("1")},
    {STR_INIT("scale.amp/behavior"),
     STR_INIT("scaleUp: {stabilizationWindowSeconds: 30, policies: [{type: Percent, value: 50, "
              "periodSeconds: 60}]}\nscaleDown: {policies: [{type: Pods, value: 2, "
              "periodSeconds: 90}], tolerance: 0.2}")}};

static void show(struct world *world, const char *name, int32_t replicas, const struct kv *items,
                 size_t count)
{
    char version[32];
    struct err e = ERR_INIT;
    (void)fmt(version, sizeof(version), "%u", ++world->version);
    const struct deployment d = {.name = str_from(name),
                                 .namespace_ = STR("shop"),
                                 .uid = str_from(name),
                                 .resource_version = str_from(version),
                                 .annotations = {items, count},
                                 .replicas = replicas,
                                 .ready_replicas = replicas > 1 ? replicas - 1 : replicas};
    assert_int_equal(scaler_on_deployment(world->core, &d, world->now, &e), 0);
}

static struct reading some_reading(struct world *world)
{
    static const struct reading ODD[] = {{.kind = READING_ERROR, .text = "503: \"try\" again\n"},
                                         {.kind = READING_EMPTY, .text = "NaN"},
                                         {.kind = READING_VALUE, .value = -1}};
    uint64_t kind = draw(world) % 8;
    if (kind < sizeof(ODD) / sizeof(ODD[0])) {
        return ODD[kind];
    }
    double value = (double)draw(world) / 1e7 * fabs(sin((double)draw(world)));
    return (struct reading){.kind = READING_VALUE, .value = value};
}

static void step(struct world *world)
{
    int64_t due_ms = scaler_next_due_ms(world->core);
    int64_t wait_ms = due_ms > world->now.monotonic_ms ? due_ms - world->now.monotonic_ms : 0;
    world->now.monotonic_ms += wait_ms;
    world->now.unix_ms += wait_ms;
    scaler_run_due(world->core, world->now);
    while (world->asked_count > 0) {
        struct asked asked = world->asked[--world->asked_count];
        struct reading reading = some_reading(world);
        scaler_on_reading(world->core, asked.workload, asked.trigger, &reading, world->now);
        if (world->written != NULL) {
            char version[32];
            const struct err none = ERR_INIT;
            (void)fmt(version, sizeof(version), "%u", ++world->version);
            const struct scaler_scale scale = {world->wanted, str_from(version)};
            struct workload *w = world->written;
            world->written = NULL;
            scaler_on_scaled(world->core, w, &scale, &none, world->now);
        }
    }
}

struct outcome {
    struct replay r;
    struct buf out;
};

static void replay_all(struct str lines, bool json, struct outcome *o)
{
    struct err e = ERR_INIT;
    buf_init(&o->out, OUT_BYTES);
    replay_begin(&o->r, json, &o->out);
    while (lines.len > 0) {
        struct str line = str_cut(lines, '\n', &lines);
        assert_int_equal(replay_line(&o->r, line, &o->out, &e), 0);
    }
    replay_end(&o->r, &o->out);
    assert_int_equal(buf_check(&o->out, &e), 0);
}

static bool has(struct str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void test_a_run_replays(void **state)
{
    struct world *world = world_new();
    struct outcome o;
    (void)state;
    show(world, "plain", 2, PLAIN, 3);
    show(world, "paced", 5, PACED, 6);
    for (int i = 0; i < STEPS; i++) {
        step(world);
    }
    assert_false(has(buf_view(&world->lines), "invalid"));
    assert_true(has(buf_view(&world->lines), "\"b\\\"c\":{\"empty\":"));
    replay_all(buf_view(&world->lines), false, &o);
    if (o.r.different != 0) {
        fail_msg("%.*s", STR_ARG(str_slice(buf_view(&o.out), 0, 4000)));
    }
    assert_in_range(o.r.decisions, 500, STEPS);
    assert_int_equal(o.r.truncated, 0);
    buf_free(&o.out);
    world_free(world);
}

/* One decision line of a fresh world. */
static struct str one_line(struct world *world)
{
    show(world, "plain", 2, PLAIN, 3);
    do {
        step(world);
    } while (!has(buf_view(&world->lines), "\"decision\""));
    struct str rest = buf_view(&world->lines), line;
    do {
        line = str_cut(rest, '\n', &rest);
    } while (!has(line, "\"decision\""));
    return line;
}

/* What the webhook injected is not in a line, and is not missed. */
static void test_line_without_the_injected(void **state)
{
    static const struct kv annotations[] = {
        {STR_INIT("scale.amp/injected"), STR_INIT("{\"version\":1}")},
        {STR_INIT("scale.amp/query"), STR_INIT("q")},
        {STR_INIT("scale.amp/threshold"), STR_INIT("0.3")}};
    struct world *world = world_new();
    struct outcome o;
    (void)state;
    show(world, "plain", 2, annotations, 3);
    do {
        step(world);
    } while (!has(buf_view(&world->lines), "\"decision\""));
    assert_false(has(buf_view(&world->lines), "injected"));
    assert_true(has(buf_view(&world->lines), "\"spec\":{\"scale.amp/query\":\"q\""));
    replay_all(buf_view(&world->lines), false, &o);
    assert_int_equal(o.r.decisions, 1);
    assert_int_equal(o.r.different, 0);
    buf_free(&o.out);
    world_free(world);
}

/* `line` with the first `from` replaced. */
static struct str changed(struct str line, const char *from, const char *to, struct buf *out)
{
    const char *at = memmem(line.ptr, line.len, from, strlen(from));
    if (at == NULL) {
        fail_msg("no %s in %.*s", from, STR_ARG(line));
    }
    size_t before = (size_t)(at - line.ptr);
    buf_reset(out);
    buf_append(out, str_slice(line, 0, before));
    buf_append(out, str_from(to));
    buf_append(out, str_slice(line, before + strlen(from), line.len));
    return buf_view(out);
}

static const struct {
    const char *from, *to;
    size_t decisions, different, truncated;
    const char *said;
} CHANGES[] = {
    {"{\"time\"", "pod/x 2026-01-01T00:00:00Z {\"time\"", 1, 0, 0, "1 decision, all the same\n"},
    {"\"to\":", "\"to\":9", 1, 1, 0, "1 decision, 1 not the same\n"},
    {"\"from\":2", "\"from\":3", 1, 1, 0, "line 1: shop/plain\n- 3 → "},
    {"\"reason\":\"", "\"reason\":\"x", 1, 1, 0, "1 not the same"},
    {"\"message\":\"", "\"message\":\"x", 1, 1, 0, "1 not the same"},
    {"\"replicas\":2", "\"replicas\":50", 1, 1, 0, "1 not the same"},
    {"\"memory\"", "\"truncated\":true,\"memory\"", 0, 0, 1,
     "0 decisions, all the same; 1 line cut off by the log's limit was not replayed\n"},
    {"\"msg\":\"decision\"", "\"msg\":\"scaled\"", 0, 0, 0, "0 decisions, all the same\n"},
    {"{\"time\"", "[{\"time\"", 1, 0, 0, "1 decision, all the same\n"},
    {"{\"time\"", "{\"time", 0, 0, 0, "0 decisions"},
    {"\"memory\"", "\"memery\"", 1, 1, 0, "cannot be replayed: memory: missing"},
    {"\"observation\"", "\"x\"", 1, 1, 0, "cannot be replayed: observation: missing"},
    {"\"spec\"", "\"x\"", 1, 1, 0, "cannot be replayed: spec: expected an object"},
    {"\"0.3\"", "0.3", 1, 1, 0, "cannot be replayed: spec.scale.amp/threshold: expected a string"},
    {"\"0.3\"", "\"x\"", 1, 1, 0, "cannot be replayed: spec: scale.amp/threshold"},
    {"\"t\":", "\"t\":-", 1, 1, 0, "cannot be replayed: observation: expected t > 0"},
    {"\"ready\"", "\"raedy\"", 1, 1, 0, "cannot be replayed: observation: raedy: unknown"},
    {"\"unknownMs\"", "\"x\"", 1, 1, 0, "cannot be replayed: memory.unknownMs"},
    {"\"to\"", "\"x\"", 1, 1, 0, "cannot be replayed: from, to, reason and message"},
};

static void test_changed_lines(void **state)
{
    struct world *world = world_new();
    struct buf line;
    (void)state;
    buf_init(&line, 1 << 16);
    struct str sound = one_line(world);
    for (size_t i = 0; i < sizeof(CHANGES) / sizeof(CHANGES[0]); i++) {
        struct outcome o;
        replay_all(changed(sound, CHANGES[i].from, CHANGES[i].to, &line), false, &o);
        buf_append_char(&o.out, '\0');
        if (o.r.decisions != CHANGES[i].decisions || o.r.different != CHANGES[i].different ||
            o.r.truncated != CHANGES[i].truncated || strstr(o.out.ptr, CHANGES[i].said) == NULL) {
            fail_msg("%s → %s: %s", CHANGES[i].from, CHANGES[i].to, o.out.ptr);
        }
        buf_free(&o.out);
    }
    buf_free(&line);
    world_free(world);
}

static void test_json(void **state)
{
    struct world *world = world_new();
    struct buf line;
    struct outcome o;
    struct arena arena;
    struct err e = ERR_INIT;
    const struct json *root;
    int64_t number;
    (void)state;
    buf_init(&line, 1 << 16);
    arena_init(&arena, 1 << 20);
    struct str sound = one_line(world);
    replay_all(changed(sound, "\"to\":", "\"to\":9", &line), true, &o);
    assert_int_equal(json_parse(buf_view(&o.out), &JSON_LIMITS_USER, &arena, &root, &e), 0);
    assert_true(json_int(json_get(root, STR("different")), &number) && number == 1);
    const struct json *first = json_get(root, STR("differences"))->child;
    assert_true(str_eq(json_str(json_get(first, STR("name"))), STR("plain")));
    assert_true(json_int(json_path(first, "logged/to"), &number) && number > 90);
    assert_true(json_int(json_path(first, "recomputed/to"), &number) && number < 90);
    buf_free(&o.out);
    replay_all(changed(sound, "\"spec\"", "\"x\"", &line), true, &o);
    assert_int_equal(json_parse(buf_view(&o.out), &JSON_LIMITS_USER, &arena, &root, &e), 0);
    first = json_get(root, STR("differences"))->child;
    assert_true(json_str(json_get(first, STR("error"))).len > 0);
    buf_free(&o.out);
    arena_free(&arena);
    buf_free(&line);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_replays),
        cmocka_unit_test(test_line_without_the_injected),
        cmocka_unit_test(test_changed_lines),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("cli_replay", tests, NULL, NULL);
}
