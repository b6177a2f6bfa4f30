/* The scaler's core against a fake world: who is in the table, ticks, writes, what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "scaler_world.h"

static void test_first_loop(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    assert_int_equal(scaler_next_due_ms(world->core), world->now.monotonic_ms);
    world_run_due(world);
    assert_int_equal(world->asked_count, 1);
    world_answer_value(world, 100);
    assert_int_equal(world->written_replicas, 4);
    assert_string_equal(world->written_version, "7");
    world_scaled(world, 4, "8");
    assert_int_equal(world->event_count, 1);
    assert_string_equal(world->events[0].reason, "SuccessfulRescale");
    assert_string_equal(world->events[0].note, "Scaled from 1 to 4: default: 100/25 → 4 replicas");
    assert_true(world_logged(world, "\"adopted\"") && world_logged(world, "\"first value\""));
    assert_true(world_logged(world, "\"msg\":\"decision\""));
    assert_true(world_logged(world, "\"readings\":{\"default\":100}"));
}

static void test_ignores_what_does_not_ask(void **state)
{
    struct world *world = *state;
    struct deployment d = world_shown("web", "1", 1, &WORLD_GOOD[1], 1);
    world_show(world, &d);
    assert_int_equal(scaler_count(world->core), 0);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
}

static void test_one_query_an_interval(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    int64_t first_phase = scaler_next_due_ms(world->core);
    assert_in_range(first_phase - world->now.monotonic_ms, 1, 15000);
    for (int i = 0; i < 150; i++) {
        world_pass_ms(world, 1000);
        if (world->asked_count > world->decisions) {
            world_answer_value(world, 100);
        }
    }
    assert_in_range(world->asked_count, 11, 12); /* at once, then ten in 150 s */
    assert_int_equal((scaler_next_due_ms(world->core) - first_phase) % 15000, 0);
    assert_int_equal(world->writes, 0);
}

static void test_slow_answer_delays_nobody_else(void **state)
{
    struct world *world = *state;
    world_show_good(world, "slow", "1", 1);
    world_run_due(world);
    struct workload *slow = world_last_asked(world);
    world_show_good(world, "quick", "2", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scaled(world, 4, "3");
    size_t before = world->asked_count;
    world_pass_ms(world, 15000);
    assert_int_equal(world->asked_count, before + 1);
    assert_ptr_not_equal(world_last_asked(world), slow);
}

static void test_unknown_holds_and_is_said_once(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    for (int i = 0; i < 5; i++) {
        world_pass_ms(world, 15000);
        world_answer_error(world, "connection refused");
    }
    assert_int_equal(world_events_of(world, "FailedGetMetric"), 1);
    assert_string_equal(world->events[0].note,
                        "Held at 4 replicas: trigger default: connection refused");
    assert_int_equal(world->events[0].type, SCALER_WARNING);
    assert_int_equal(world->writes, 0);
    world_pass_ms(world, 15000);
    world_answer_value(world, 200);
    assert_int_equal(world_events_of(world, "MetricRecovered"), 1);
    assert_int_equal(world->written_replicas, 8);
}

static void test_one_replica_is_held_in_words(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_error(world, "no route");
    assert_string_equal(world->events[0].note, "Held at 1 replica: trigger default: no route");
}

static void test_changed_annotation_asks_at_once(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    struct kv changed[] = {WORLD_GOOD[0], {STR("scale.amp/threshold"), STR("10")}};
    struct deployment d = world_shown("checkout", "8", 4, changed, 2);
    world_show(world, &d);
    assert_int_equal(scaler_next_due_ms(world->core), world->now.monotonic_ms);
    world_run_due(world);
    world_answer_value(world, 100);
    assert_int_equal(world->written_replicas, 10);
    assert_true(world_logged(world, "annotations changed"));
}

/* Both ways: what was proposed for the old metric does not hold the new one back. */
static void test_changed_metric_takes_effect_downwards_too(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    struct kv changed[] = {WORLD_GOOD[0], {STR("scale.amp/threshold"), STR("50")}};
    struct deployment d = world_shown("checkout", "8", 4, changed, 2);
    world_show(world, &d);
    world_run_due(world);
    world_answer_value(world, 100);
    assert_int_equal(world->written_replicas, 2);
}

static void test_other_changes_open_no_way_down(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    struct kv changed[] = {WORLD_GOOD[0], WORLD_GOOD[2], {STR("scale.amp/max-replicas"), STR("9")}};
    struct deployment d = world_shown("checkout", "8", 4, changed, 3);
    world_show(world, &d);
    world_run_due(world);
    world_answer_value(world, 25);
    assert_int_equal(world->writes, 0);
}

static void test_changed_while_asking_cancels_the_old_query(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    struct kv changed[] = {{STR("scale.amp/query"), STR("up")}, WORLD_GOOD[2]};
    struct deployment d = world_shown("checkout", "8", 4, changed, 2);
    world_show(world, &d);
    assert_int_equal(world->cancelled_queries, 1);
    world_run_due(world);
    assert_int_equal(world->asked_count, 2);
}

static void test_deleted_between_query_and_write(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    scaler_on_removed(world->core, STR("checkout"));
    assert_int_equal(world->cancelled_queries, 1);
    assert_int_equal(scaler_count(world->core), 0);
    assert_int_equal(world->released, 1);
    world_show_good(world, "checkout", "9", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    scaler_on_removed(world->core, STR("checkout"));
    assert_int_equal(world->cancelled_scales, 1);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
}

static void test_write_to_a_deployment_that_is_gone_is_quiet(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_NOT_FOUND);
    assert_int_equal(world->event_count, 0);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_annotations_removed(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    struct deployment bare = world_shown("checkout", "8", 1, &WORLD_GOOD[1], 1);
    world_show(world, &bare);
    assert_int_equal(scaler_count(world->core), 0);
    assert_int_equal(world->released, 1);
}

static void test_conflict_with_the_same_count_writes_again(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_CONFLICT);
    assert_int_equal(world->reads, 1);
    world_scale_read(world, 1, "9");
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "9");
    world_scaled(world, 4, "10");
    assert_int_equal(world_events_of(world, "SuccessfulRescale"), 1);
}

static void test_conflict_with_an_hpa_that_came_meanwhile_holds(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_CONFLICT);
    world_hpa(world, "rival", "checkout");
    world_scale_read(world, 1, "8");
    assert_int_equal(world->writes, 1);
}

static void test_conflict_with_another_count_decides_again(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_CONFLICT);
    world_scale_read(world, 4, "9"); /* somebody set what we wanted */
    assert_int_equal(world->writes, 1);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_conflicts_without_end_give_up_until_the_next_tick(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    for (int i = 0; i < 3; i++) {
        world_scale_failed(world, ERR_CONFLICT);
        world_scale_read(world, 1, "9");
    }
    assert_int_equal(world->writes, 4);
    world_scale_failed(world, ERR_CONFLICT);
    assert_int_equal(world->reads, 3);
    assert_int_equal(world_events_of(world, "FailedRescale"), 1);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_old_news_after_a_write_is_passed_over(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scaled(world, 4, "10");
    world_show_good(world, "checkout", "9", 1); /* was under way before our write */
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    assert_int_equal(world->writes, 1);
    world_show_good(world, "checkout", "10", 4);
    world_show_good(world, "checkout", "11", 2); /* somebody's own scale, after ours */
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "11");
}

static void test_failed_write_is_told_once_and_tried_again(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_DENIED);
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_DENIED);
    assert_int_equal(world_events_of(world, "FailedRescale"), 1);
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    world_scaled(world, 4, "10");
    assert_int_equal(world_events_of(world, "SuccessfulRescale"), 1);
}

static void test_doors_that_fail_at_once(void **state)
{
    struct world *world = *state;
    world->fail_query = true;
    world_show_good(world, "checkout", "7", 3);
    world_run_due(world);
    assert_int_equal(world->decisions, 1);
    assert_int_equal(world_events_of(world, "FailedGetMetric"), 1);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
    world->fail_query = false;
    world->fail_write = true;
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    assert_int_equal(world_events_of(world, "FailedRescale"), 1);
    world->fail_write = false;
    world->fail_read = true;
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    world_scale_failed(world, ERR_CONFLICT);
    assert_true(scaler_next_due_ms(world->core) > world->now.monotonic_ms);
}

static void test_invalid_annotations_hold(void **state)
{
    struct world *world = *state;
    struct kv invalid[] = {WORLD_GOOD[0], {STR("scale.amp/threshold"), STR("0")}};
    struct deployment d = world_shown("checkout", "7", 5, invalid, 2);
    world_show(world, &d);
    world_show(world, &d);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
    assert_int_equal(world_events_of(world, "InvalidAnnotations"), 1);
    world_show_good(world, "checkout", "8", 5);
    world_run_due(world);
    assert_int_equal(world->asked_count, 1);
}

static void test_unknown_annotations_are_told_and_ignored(void **state)
{
    struct world *world = *state;
    struct kv later[] = {WORLD_GOOD[0], WORLD_GOOD[2], {STR("scale.amp/of-the-future"), STR("1")}};
    struct deployment d = world_shown("checkout", "7", 1, later, 3);
    world_show(world, &d);
    assert_int_equal(world_events_of(world, "UnknownAnnotation"), 1);
    world_run_due(world);
    world_answer_value(world, 100);
    assert_int_equal(world->written_replicas, 4);
}

static void test_relist_lets_go_of_what_is_missing(void **state)
{
    struct world *world = *state;
    world_show_good(world, "stays", "1", 1);
    world_show_good(world, "goes", "2", 1);
    struct kv other[] = {WORLD_GOOD[0], WORLD_GOOD[2]};
    struct deployment elsewhere = world_shown("elsewhere", "3", 1, other, 2);
    elsewhere.namespace_ = STR("other");
    world_show(world, &elsewhere);
    scaler_list_begin(world->core, STR("shop")); /* breaks off: nobody goes */
    scaler_list_begin(world->core, STR("shop"));
    assert_int_equal(scaler_count(world->core), 3);
    world_show_good(world, "stays", "4", 1);
    scaler_on_unreadable(world->core, STR("nobody"));
    scaler_list_end(world->core, STR("shop"));
    assert_int_equal(scaler_count(world->core), 2);
    assert_int_equal(world->released, 1);
}

static void test_one_that_cannot_be_read_stays(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    struct str uid = world_last_asked(world)->uid;
    scaler_list_begin(world->core, STR("shop"));
    scaler_on_unreadable(world->core, uid);
    scaler_list_end(world->core, STR("shop"));
    assert_int_equal(scaler_count(world->core), 1);
    assert_int_equal(world->released, 0);
}

static void test_dry_run_writes_nothing(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    assert_int_equal(world->writes, 0);
    assert_true(world_logged(world, "\"to\":4"));
}

static void test_clock_jumps_do_not_stall_or_hurry(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    world->now.unix_ms -= 86400000;
    world_pass_ms(world, 15000);
    assert_int_equal(world->asked_count, 2);
    world_answer_value(world, 100);
    world->now.unix_ms += 10 * (int64_t)86400000;
    world_run_due(world);
    assert_int_equal(world->asked_count, 2);
}

#define CORE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(test_first_loop),
        CORE_TEST(test_ignores_what_does_not_ask),
        CORE_TEST(test_one_query_an_interval),
        CORE_TEST(test_slow_answer_delays_nobody_else),
        CORE_TEST(test_unknown_holds_and_is_said_once),
        CORE_TEST(test_one_replica_is_held_in_words),
        CORE_TEST(test_changed_annotation_asks_at_once),
        CORE_TEST(test_changed_metric_takes_effect_downwards_too),
        CORE_TEST(test_other_changes_open_no_way_down),
        CORE_TEST(test_changed_while_asking_cancels_the_old_query),
        CORE_TEST(test_deleted_between_query_and_write),
        CORE_TEST(test_write_to_a_deployment_that_is_gone_is_quiet),
        CORE_TEST(test_annotations_removed),
        CORE_TEST(test_conflict_with_the_same_count_writes_again),
        CORE_TEST(test_conflict_with_an_hpa_that_came_meanwhile_holds),
        CORE_TEST(test_conflict_with_another_count_decides_again),
        CORE_TEST(test_conflicts_without_end_give_up_until_the_next_tick),
        CORE_TEST(test_old_news_after_a_write_is_passed_over),
        CORE_TEST(test_failed_write_is_told_once_and_tried_again),
        CORE_TEST(test_doors_that_fail_at_once),
        CORE_TEST(test_invalid_annotations_hold),
        CORE_TEST(test_unknown_annotations_are_told_and_ignored),
        CORE_TEST(test_relist_lets_go_of_what_is_missing),
        CORE_TEST(test_one_that_cannot_be_read_stays),
        cmocka_unit_test_setup_teardown(test_dry_run_writes_nothing, world_setup_dry,
                                        world_teardown),
        CORE_TEST(test_clock_jumps_do_not_stall_or_hurry),
    };
    return cmocka_run_group_tests_name("scaler", tests, NULL, NULL);
}
