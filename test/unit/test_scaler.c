/* The scaler's core against a fake world that records every door call and answers when told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "scaler/scaler.h"

enum { CALLS_MAX = 256, TEXT_BYTES = 512 };

struct fake_event {
    enum scaler_event type;
    char reason[64], note[TEXT_BYTES];
};

struct world {
    struct scaler *core;
    struct logger log;
    struct workload *asked[CALLS_MAX];
    size_t asked_count, cancelled_queries, cancelled_scales;
    struct workload *written;
    int32_t written_replicas;
    char written_version[RESOURCE_VERSION_BYTES];
    size_t writes, reads, released, decisions;
    struct fake_event events[CALLS_MAX];
    size_t event_count;
    bool fail_query, fail_write, fail_read;
    char lines[1 << 16];
    size_t lines_len;
    struct scaler_time now;
};

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

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_dry(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    struct world *world = *state;
    scaler_free(world->core);
    free(world);
    return 0;
}

/* A Deployment as the watch would show it. */
static struct deployment shown(const char *name, const char *version, int32_t replicas,
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

static const struct kv GOOD[] = {{STR_INIT("scale.amp/query"), STR_INIT("vector(100)")},
                                 {STR_INIT("app"), STR_INIT("checkout")},
                                 {STR_INIT("scale.amp/threshold"), STR_INIT("25")}};

static void show(struct world *world, const struct deployment *d)
{
    struct err e = ERR_INIT;
    assert_int_equal(scaler_on_deployment(world->core, d, world->now, &e), 0);
}

static void show_good(struct world *world, const char *name, const char *version, int32_t replicas)
{
    struct deployment d = shown(name, version, replicas, GOOD, 3);
    show(world, &d);
}

static void run_due(struct world *world)
{
    scaler_run_due(world->core, world->now);
}

static void pass_ms(struct world *world, int64_t ms)
{
    world->now.monotonic_ms += ms;
    world->now.unix_ms += ms;
    run_due(world);
}

static struct workload *last_asked(const struct world *world)
{
    assert_true(world->asked_count > 0);
    return world->asked[world->asked_count - 1];
}

static void answer(struct world *world, struct workload *w, struct reading reading)
{
    scaler_on_reading(world->core, w, 0, &reading, world->now);
}

static void answer_value(struct world *world, double value)
{
    answer(world, last_asked(world), (struct reading){.kind = READING_VALUE, .value = value});
}

static void answer_error(struct world *world, const char *text)
{
    struct reading reading = {.kind = READING_ERROR};
    (void)fmt(reading.text, sizeof(reading.text), "%s", text);
    answer(world, last_asked(world), reading);
}

static void scaled(struct world *world, int32_t replicas, const char *version)
{
    struct scaler_scale scale = {replicas, str_from(version)};
    struct err none = ERR_INIT;
    scaler_on_scaled(world->core, world->written, &scale, &none, world->now);
}

static void scale_failed(struct world *world, enum err_code code)
{
    struct err e = ERR_INIT;
    (void)err_set(&e, code, "the server said no");
    scaler_on_scaled(world->core, world->written, NULL, &e, world->now);
}

static void scale_read(struct world *world, int32_t replicas, const char *version)
{
    struct scaler_scale scale = {replicas, str_from(version)};
    struct err none = ERR_INIT;
    scaler_on_scale_read(world->core, world->written, &scale, &none, world->now);
}

static size_t events_of(const struct world *world, const char *reason)
{
    size_t count = 0;
    for (size_t i = 0; i < world->event_count; i++) {
        count += strcmp(world->events[i].reason, reason) == 0;
    }
    return count;
}

static bool logged(const struct world *world, const char *text)
{
    return strstr(world->lines, text) != NULL;
}

static void test_first_loop(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    assert_int_equal(scaler_next_due_ms(world->core), world->now.monotonic_ms);
    run_due(world);
    assert_int_equal(world->asked_count, 1);
    answer_value(world, 100);
    assert_int_equal(world->written_replicas, 4);
    assert_string_equal(world->written_version, "7");
    scaled(world, 4, "8");
    assert_int_equal(world->event_count, 1);
    assert_string_equal(world->events[0].reason, "SuccessfulRescale");
    assert_string_equal(world->events[0].note, "Scaled from 1 to 4: default: 100/25 → 4 replicas");
    assert_true(logged(world, "\"adopted\"") && logged(world, "\"first value\""));
    assert_true(logged(world, "\"msg\":\"decision\""));
    assert_true(logged(world, "\"readings\":{\"default\":100}"));
}

static void test_ignores_what_does_not_ask(void **state)
{
    struct world *world = *state;
    struct deployment d = shown("web", "1", 1, &GOOD[1], 1);
    show(world, &d);
    assert_int_equal(scaler_count(world->core), 0);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
}

static void test_one_query_an_interval(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 4);
    run_due(world);
    answer_value(world, 100);
    int64_t first_phase = scaler_next_due_ms(world->core);
    assert_in_range(first_phase - world->now.monotonic_ms, 1, 15000);
    for (int i = 0; i < 150; i++) {
        pass_ms(world, 1000);
        if (world->asked_count > world->decisions) {
            answer_value(world, 100);
        }
    }
    assert_in_range(world->asked_count, 11, 12); /* at once, then ten in 150 s */
    assert_int_equal((scaler_next_due_ms(world->core) - first_phase) % 15000, 0);
    assert_int_equal(world->writes, 0);
}

static void test_slow_answer_delays_nobody_else(void **state)
{
    struct world *world = *state;
    show_good(world, "slow", "1", 1);
    run_due(world);
    struct workload *slow = last_asked(world);
    show_good(world, "quick", "2", 1);
    run_due(world);
    answer_value(world, 100);
    scaled(world, 4, "3");
    size_t before = world->asked_count;
    pass_ms(world, 15000);
    assert_int_equal(world->asked_count, before + 1);
    assert_ptr_not_equal(last_asked(world), slow);
}

static void test_unknown_holds_and_is_said_once(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 4);
    run_due(world);
    answer_value(world, 100);
    for (int i = 0; i < 5; i++) {
        pass_ms(world, 15000);
        answer_error(world, "connection refused");
    }
    assert_int_equal(events_of(world, "FailedGetMetric"), 1);
    assert_non_null(strstr(world->events[0].note, "connection refused"));
    assert_int_equal(world->events[0].type, SCALER_WARNING);
    assert_int_equal(world->writes, 0);
    pass_ms(world, 15000);
    answer_value(world, 200);
    assert_int_equal(events_of(world, "MetricRecovered"), 1);
    assert_int_equal(world->written_replicas, 8);
}

static void test_changed_annotation_asks_at_once(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 4);
    run_due(world);
    answer_value(world, 100);
    struct kv changed[] = {GOOD[0], {STR("scale.amp/threshold"), STR("10")}};
    struct deployment d = shown("checkout", "8", 4, changed, 2);
    show(world, &d);
    assert_int_equal(scaler_next_due_ms(world->core), world->now.monotonic_ms);
    run_due(world);
    answer_value(world, 100);
    assert_int_equal(world->written_replicas, 10);
    assert_true(logged(world, "annotations changed"));
}

static void test_changed_while_asking_cancels_the_old_query(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 4);
    run_due(world);
    struct kv changed[] = {{STR("scale.amp/query"), STR("up")}, GOOD[2]};
    struct deployment d = shown("checkout", "8", 4, changed, 2);
    show(world, &d);
    assert_int_equal(world->cancelled_queries, 1);
    run_due(world);
    assert_int_equal(world->asked_count, 2);
}

static void test_deleted_between_query_and_write(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    scaler_on_removed(world->core, STR("checkout"));
    assert_int_equal(world->cancelled_queries, 1);
    assert_int_equal(scaler_count(world->core), 0);
    assert_int_equal(world->released, 1);
    show_good(world, "checkout", "9", 1);
    run_due(world);
    answer_value(world, 100);
    scaler_on_removed(world->core, STR("checkout"));
    assert_int_equal(world->cancelled_scales, 1);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
}

static void test_write_to_a_deployment_that_is_gone_is_quiet(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    scale_failed(world, ERR_NOT_FOUND);
    assert_int_equal(world->event_count, 0);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_annotations_removed(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    struct deployment bare = shown("checkout", "8", 1, &GOOD[1], 1);
    show(world, &bare);
    assert_int_equal(scaler_count(world->core), 0);
    assert_int_equal(world->released, 1);
}

static void test_conflict_with_the_same_count_writes_again(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    scale_failed(world, ERR_CONFLICT);
    assert_int_equal(world->reads, 1);
    scale_read(world, 1, "9");
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "9");
    scaled(world, 4, "10");
    assert_int_equal(events_of(world, "SuccessfulRescale"), 1);
}

static void test_conflict_with_another_count_decides_again(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    scale_failed(world, ERR_CONFLICT);
    scale_read(world, 4, "9"); /* somebody set what we wanted */
    assert_int_equal(world->writes, 1);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_conflicts_without_end_give_up_until_the_next_tick(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    for (int i = 0; i < 3; i++) {
        scale_failed(world, ERR_CONFLICT);
        scale_read(world, 1, "9");
    }
    assert_int_equal(world->writes, 4);
    scale_failed(world, ERR_CONFLICT);
    assert_int_equal(world->reads, 3);
    assert_int_equal(events_of(world, "FailedRescale"), 1);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_old_news_after_a_write_is_passed_over(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    scaled(world, 4, "10");
    show_good(world, "checkout", "9", 1); /* was under way before our write */
    pass_ms(world, 15000);
    answer_value(world, 100);
    assert_int_equal(world->writes, 1);
    show_good(world, "checkout", "10", 4);
    show_good(world, "checkout", "11", 2); /* somebody's own scale, after ours */
    pass_ms(world, 15000);
    answer_value(world, 100);
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "11");
}

static void test_watch_overtakes_the_answer_to_a_write(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    show_good(world, "checkout", "10", 4); /* our write */
    show_good(world, "checkout", "11", 2); /* somebody's own scale, after it */
    scaled(world, 4, "10");
    assert_string_equal(world->events[0].note, "Scaled from 1 to 4: default: 100/25 → 4 replicas");
    pass_ms(world, 15000);
    answer_value(world, 100);
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "11");
}

static void test_failed_write_is_told_once_and_tried_again(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    scale_failed(world, ERR_DENIED);
    pass_ms(world, 15000);
    answer_value(world, 100);
    scale_failed(world, ERR_DENIED);
    assert_int_equal(events_of(world, "FailedRescale"), 1);
    pass_ms(world, 15000);
    answer_value(world, 100);
    scaled(world, 4, "10");
    assert_int_equal(events_of(world, "SuccessfulRescale"), 1);
}

static void test_doors_that_fail_at_once(void **state)
{
    struct world *world = *state;
    world->fail_query = true;
    show_good(world, "checkout", "7", 3);
    run_due(world);
    assert_int_equal(world->decisions, 1);
    assert_int_equal(events_of(world, "FailedGetMetric"), 1);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
    world->fail_query = false;
    world->fail_write = true;
    pass_ms(world, 15000);
    answer_value(world, 100);
    assert_int_equal(events_of(world, "FailedRescale"), 1);
    world->fail_write = false;
    world->fail_read = true;
    pass_ms(world, 15000);
    answer_value(world, 100);
    scale_failed(world, ERR_CONFLICT);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_invalid_annotations_hold(void **state)
{
    struct world *world = *state;
    struct kv invalid[] = {GOOD[0], {STR("scale.amp/threshold"), STR("0")}};
    struct deployment d = shown("checkout", "7", 5, invalid, 2);
    show(world, &d);
    show(world, &d);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
    assert_int_equal(events_of(world, "InvalidAnnotations"), 1);
    show_good(world, "checkout", "8", 5);
    run_due(world);
    assert_int_equal(world->asked_count, 1);
}

static void test_unknown_annotations_are_told_and_ignored(void **state)
{
    struct world *world = *state;
    struct kv later[] = {GOOD[0], GOOD[2], {STR("scale.amp/of-the-future"), STR("1")}};
    struct deployment d = shown("checkout", "7", 1, later, 3);
    show(world, &d);
    assert_int_equal(events_of(world, "UnknownAnnotation"), 1);
    run_due(world);
    answer_value(world, 100);
    assert_int_equal(world->written_replicas, 4);
}

static void test_relist_lets_go_of_what_is_missing(void **state)
{
    struct world *world = *state;
    show_good(world, "stays", "1", 1);
    show_good(world, "goes", "2", 1);
    struct kv other[] = {GOOD[0], GOOD[2]};
    struct deployment elsewhere = shown("elsewhere", "3", 1, other, 2);
    elsewhere.namespace_ = STR("other");
    show(world, &elsewhere);
    scaler_list_begin(world->core, STR("shop"));
    show_good(world, "stays", "4", 1);
    scaler_list_end(world->core, STR("shop"));
    assert_int_equal(scaler_count(world->core), 2);
    assert_int_equal(world->released, 1);
}

static void test_dry_run_writes_nothing(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 1);
    run_due(world);
    answer_value(world, 100);
    assert_int_equal(world->writes, 0);
    assert_true(logged(world, "\"to\":4"));
}

static void test_clock_jumps_do_not_stall_or_hurry(void **state)
{
    struct world *world = *state;
    show_good(world, "checkout", "7", 4);
    run_due(world);
    answer_value(world, 100);
    world->now.unix_ms -= 86400000;
    pass_ms(world, 15000);
    assert_int_equal(world->asked_count, 2);
    answer_value(world, 100);
    world->now.unix_ms += 10 * (int64_t)86400000;
    run_due(world);
    assert_int_equal(world->asked_count, 2);
}

#define CORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(test_first_loop),
        CORE_TEST(test_ignores_what_does_not_ask),
        CORE_TEST(test_one_query_an_interval),
        CORE_TEST(test_slow_answer_delays_nobody_else),
        CORE_TEST(test_unknown_holds_and_is_said_once),
        CORE_TEST(test_changed_annotation_asks_at_once),
        CORE_TEST(test_changed_while_asking_cancels_the_old_query),
        CORE_TEST(test_deleted_between_query_and_write),
        CORE_TEST(test_write_to_a_deployment_that_is_gone_is_quiet),
        CORE_TEST(test_annotations_removed),
        CORE_TEST(test_conflict_with_the_same_count_writes_again),
        CORE_TEST(test_conflict_with_another_count_decides_again),
        CORE_TEST(test_conflicts_without_end_give_up_until_the_next_tick),
        CORE_TEST(test_old_news_after_a_write_is_passed_over),
        CORE_TEST(test_watch_overtakes_the_answer_to_a_write),
        CORE_TEST(test_failed_write_is_told_once_and_tried_again),
        CORE_TEST(test_doors_that_fail_at_once),
        CORE_TEST(test_invalid_annotations_hold),
        CORE_TEST(test_unknown_annotations_are_told_and_ignored),
        CORE_TEST(test_relist_lets_go_of_what_is_missing),
        cmocka_unit_test_setup_teardown(test_dry_run_writes_nothing, setup_dry, teardown),
        CORE_TEST(test_clock_jumps_do_not_stall_or_hurry),
    };
    return cmocka_run_group_tests_name("scaler", tests, NULL, NULL);
}
