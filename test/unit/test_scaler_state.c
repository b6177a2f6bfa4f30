/* What the core does besides one tick: conditions, other autoscalers, leadership, restarts, clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fmt.h"
#include "scaler_world.h"

static const struct kv TO_ZERO[] = {{STR_INIT("scale.amp/query"), STR_INIT("sum(rate(x[1m]))")},
                                    {STR_INIT("scale.amp/threshold"), STR_INIT("25")},
                                    {STR_INIT("scale.amp/min-replicas"), STR_INIT("0")}};
static const char AT[] = "2023-11-14T22:13:20Z"; /* unix 1700000000, where the world begins */

static struct condition written(const struct world *world, enum scaler_condition which)
{
    return world->conditions[which];
}

static void assert_condition(const struct world *world, enum scaler_condition which,
                             enum condition_status status, const char *reason)
{
    struct condition c = written(world, which);
    assert_int_equal(c.status, status);
    assert_string_equal(c.reason, reason);
}

/* Pass so many intervals, answering each tick's query. */
static void ticks(struct world *world, int count, double value)
{
    for (int i = 0; i < count; i++) {
        world_pass_ms(world, 15000);
        world_answer_value(world, value);
    }
}

/* status.conditions with one of ours, parsed into an arena that lives as long as the test. */
static const struct json *one_condition(struct arena *a, const char *status, const char *reason,
                                        const char *since)
{
    struct err e = ERR_INIT;
    struct str text;
    const struct json *root;
    assert_int_equal(arena_format(a, &text, &e,
                                  "[{\"type\":\"Available\",\"status\":\"True\"},"
                                  "{\"type\":\"scale.amp/Active\",\"status\":\"%s\","
                                  "\"reason\":\"%s\",\"lastTransitionTime\":\"%s\"}]",
                                  status, reason, since),
                     0);
    assert_int_equal(json_parse(text, &JSON_LIMITS_API, a, &root, &e), 0);
    return root;
}

/* ---- conditions ---- */

static void test_conditions_are_written_on_change_only(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    assert_int_equal(world->condition_writes, 0); /* nothing is decided yet */
    world_answer_value(world, 100);
    assert_int_equal(world->condition_writes, 1);
    assert_condition(world, CONDITION_ACTIVE, STATUS_TRUE, "ScalerActive");
    assert_condition(world, CONDITION_ABLE_TO_SCALE, STATUS_TRUE, "ReadyForNewScale");
    assert_int_equal(written(world, CONDITION_ACTIVE).transition_ms, world->now.unix_ms);
    world_conditions_written(world, ERR_NONE);
    ticks(world, 5, 100);
    assert_int_equal(world->condition_writes, 1);
    world_pass_ms(world, 15000);
    world_answer_error(world, "connection refused");
    assert_int_equal(world->condition_writes, 2);
    assert_condition(world, CONDITION_ACTIVE, STATUS_UNKNOWN, "FailedGetMetric");
    assert_int_equal(written(world, CONDITION_ACTIVE).transition_ms, world->now.unix_ms);
    assert_true(written(world, CONDITION_ABLE_TO_SCALE).transition_ms < world->now.unix_ms);
}

static void test_conditions_that_failed_are_tried_again(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    world_conditions_written(world, ERR_UNAVAILABLE);
    ticks(world, 1, 100);
    assert_int_equal(world->condition_writes, 2);
    world_conditions_written(world, ERR_DENIED); /* not allowed: no use in asking each tick */
    ticks(world, 3, 100);
    assert_int_equal(world->condition_writes, 2);
    world->fail_conditions = true;
    world_pass_ms(world, 15000);
    world_answer_error(world, "connection refused");
    world->fail_conditions = false;
    world_pass_ms(world, 15000);
    world_answer_error(world, "connection refused");
    assert_int_equal(world->condition_writes, 3);
}

static void test_one_write_of_conditions_at_a_time(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 4);
    world_run_due(world);
    world_answer_value(world, 100);
    world_pass_ms(world, 15000);
    world_answer_error(world, "connection refused");
    assert_int_equal(world->condition_writes, 1); /* the first is still out */
    world_conditions_written(world, ERR_NONE);
    world_pass_ms(world, 15000);
    world_answer_error(world, "connection refused");
    assert_int_equal(world->condition_writes, 2);
    scaler_on_removed(world->core, STR("checkout"));
    assert_int_equal(world->cancelled_conditions, 1);
}

static void test_invalid_annotations_show_in_a_condition(void **state)
{
    struct world *world = *state;
    struct kv invalid[] = {WORLD_GOOD[0], {STR("scale.amp/threshold"), STR("0")}};
    struct deployment d = world_shown("checkout", "7", 5, invalid, 2);
    world_show(world, &d);
    assert_int_equal(world->condition_writes, 1);
    assert_condition(world, CONDITION_ABLE_TO_SCALE, STATUS_FALSE, "InvalidAnnotations");
    assert_int_equal(written(world, CONDITION_ACTIVE).status, STATUS_ABSENT);
}

static void test_dry_run_tells_nobody(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    ticks(world, 4, 100);
    assert_int_equal(world->writes + world->condition_writes + world->event_count, 0);
    const char *first = strstr(world->lines, "\"msg\":\"decision\"");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"msg\":\"decision\"")); /* the same one, each tick */
}

/* ---- other autoscalers ---- */

static void test_an_hpa_with_the_same_target_holds(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_hpa(world, "other", "search");
    world_hpa(world, "rival", "checkout");
    world_hpa(world, "rival", "checkout"); /* its status changed */
    assert_int_equal(world_events_of(world, "ConflictingAutoscaler"), 1);
    assert_condition(world, CONDITION_ABLE_TO_SCALE, STATUS_FALSE, "AmbiguousSelector");
    /* told before anything was decided: nothing is known of the rest */
    assert_int_equal(written(world, CONDITION_ACTIVE).status, STATUS_ABSENT);
    world_conditions_written(world, ERR_NONE);
    world_run_due(world);
    world_answer_value(world, 100);
    ticks(world, 3, 100);
    assert_int_equal(world->writes, 0);
    world_hpa(world, "rival", NULL);
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    assert_int_equal(world->written_replicas, 4);
    world_conditions_written(world, ERR_NONE);
    world_scaled(world, 4, "8");
    assert_condition(world, CONDITION_ABLE_TO_SCALE, STATUS_TRUE, "ReadyForNewScale");
}

static void test_an_hpa_that_changes_its_target_lets_go(void **state)
{
    struct world *world = *state;
    world_hpa(world, "rival", "checkout");
    world_show_good(world, "checkout", "7", 1);
    world_show_good(world, "search", "8", 1);
    world_hpa(world, "rival", "search");
    assert_int_equal(world_events_of(world, "ConflictingAutoscaler"), 1); /* search's */
    scaler_hpa_list_begin(world->core, STR("shop"));
    scaler_hpa_list_end(world->core, STR("shop"), world->now); /* gone while nobody looked */
    world_run_due(world);
    world_answer(world, world->asked[0], (struct reading){.kind = READING_VALUE, .value = 100});
    assert_int_equal(world->writes, 1);
    world_answer(world, world->asked[1], (struct reading){.kind = READING_VALUE, .value = 100});
    assert_int_equal(world->writes, 2);
}

/* ---- leadership ---- */

static void test_without_leading_nothing_is_asked_or_told(void **state)
{
    struct world *world = *state;
    struct kv invalid[] = {WORLD_GOOD[0], {STR("scale.amp/threshold"), STR("0")}};
    struct deployment wrong = world_shown("wrong", "6", 5, invalid, 2);
    world_show(world, &wrong);
    world_show_good(world, "checkout", "7", 1);
    world_hpa(world, "rival", "checkout");
    world_pass_ms(world, 60000);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
    assert_int_equal(world->asked_count + world->event_count + world->condition_writes, 0);
    world_hpa(world, "rival", NULL);
    world_lead(world, "shop", true);
    assert_int_equal(world_events_of(world, "InvalidAnnotations"), 1);
    world_run_due(world);
    world_answer_value(world, 100);
    assert_int_equal(world->written_replicas, 4);
}

static void test_losing_the_lead_cancels_all(void **state)
{
    struct world *world = *state;
    world_show_good(world, "asks", "7", 1);
    world_lead(world, NULL, true);
    world_run_due(world);
    world_show_good(world, "writes", "8", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_lead(world, NULL, false);
    assert_int_equal(world->cancelled_queries, 1);
    assert_int_equal(world->cancelled_scales, 1);
    assert_int_equal(scaler_next_due_ms(world->core), INT64_MAX);
    struct deployment bare = world_shown("writes", "9", 4, &WORLD_GOOD[1], 1);
    world_show(world, &bare);
    assert_int_equal(world->released, 1);
    assert_false(world->released_there); /* the leader says farewell */
}

static void test_each_namespace_has_its_own_word(void **state)
{
    struct world *world = *state;
    struct deployment elsewhere = world_shown("elsewhere", "3", 1, WORLD_GOOD, 3);
    elsewhere.namespace_ = STR("other");
    world_show(world, &elsewhere);
    world_show_good(world, "checkout", "7", 1);
    world_lead(world, "other", false); /* it has a scaler of its own */
    world_lead(world, NULL, true);
    world_run_due(world);
    assert_int_equal(world->asked_count, 1);
    assert_true(str_eq(world_last_asked(world)->name, STR("checkout")));
    world_lead(world, "other", true);
    world_run_due(world);
    assert_int_equal(world->asked_count, 2);
    world_lead(world, "other", false);
    assert_int_equal(world->cancelled_queries, 1);
}

static void test_a_word_that_is_taken_back(void **state)
{
    struct world *world = *state;
    struct deployment elsewhere = world_shown("elsewhere", "3", 1, WORLD_GOOD, 3);
    struct err e = ERR_INIT;
    char name[16];
    elsewhere.namespace_ = STR("ns-40");
    world_show(world, &elsewhere);
    world_lead(world, NULL, true);
    for (int i = 0; i < 100; i++) { /* in no order of names */
        (void)fmt(name, sizeof(name), "ns-%d", i * 37 % 100);
        world_lead(world, name, false);
    }
    world_run_due(world);
    assert_int_equal(world->asked_count, 0);
    size_t led = 0;
    for (int i = 0; i < 100; i++) {
        struct str back = fmt(name, sizeof(name), "ns-%d", i * 61 % 100);
        assert_int_equal(scaler_lead_as_rest(world->core, back, world->now, &e), 0);
        world_run_due(world);
        led += str_eq(back, elsewhere.namespace_);
        assert_int_equal(world->asked_count, led);
    }
    assert_int_equal(scaler_lead_as_rest(world->core, STR("ns-40"), world->now, &e), 0);
    assert_int_equal(world->cancelled_queries, 0);
    world_lead(world, NULL, false);
    assert_int_equal(world->cancelled_queries, 1);
}

/* ---- restart, take-over, clocks ---- */

/* Ticks until a count of 0 is written, one each 15 s, for a workload that shows this Active
 * condition at first sight. */
static int ticks_to_zero(struct world *world, const char *status, const char *reason,
                         const char *since)
{
    struct arena a;
    arena_init(&a, 1 << 16);
    struct deployment d = world_shown("checkout", "7", 1, TO_ZERO, 3);
    d.conditions = one_condition(&a, status, reason, since);
    world_show(world, &d);
    arena_free(&a);
    world_run_due(world);
    world_answer_value(world, 0);
    int count = 0;
    while (world->writes == 0 && count < 100) {
        ticks(world, 1, 0);
        count++;
    }
    assert_int_equal(world->written_replicas, 0);
    return count;
}

static void test_a_restart_goes_on_with_the_cooldown(void **state)
{
    /* inactive since 240 of 300 s */
    assert_in_range(ticks_to_zero(*state, "False", "ScalerCooldown", "2023-11-14T22:09:20Z"), 4, 5);
}

static void test_a_restart_does_not_make_cooldown_of_activity(void **state)
{
    /* active since yesterday */
    assert_in_range(ticks_to_zero(*state, "True", "ScalerActive", "2023-11-13T00:00:00Z"), 20, 21);
}

static void test_a_restart_after_unknown_begins_anew(void **state)
{
    assert_in_range(ticks_to_zero(*state, "Unknown", "FailedGetMetric", "2023-11-13T00:00:00Z"), 20,
                    21);
}

static void test_a_transition_in_the_future_counts_as_now(void **state)
{
    assert_in_range(ticks_to_zero(*state, "False", "ScalerCooldown", "2024-01-01T00:00:00Z"), 20,
                    21);
}

static void test_never_active_keeps_its_initial_cooldown(void **state)
{
    struct world *world = *state;
    struct arena a;
    const struct kv patient[] = {TO_ZERO[0],
                                 TO_ZERO[1],
                                 TO_ZERO[2],
                                 {STR("scale.amp/cooldown-period"), STR("0s")},
                                 {STR("scale.amp/initial-cooldown-period"), STR("1h")}};
    struct deployment d = world_shown("checkout", "7", 1, patient, 5);
    arena_init(&a, 1 << 16);
    d.conditions = one_condition(&a, "False", "ScalerNeverActive", "2023-11-14T22:03:20Z");
    world_show(world, &d);
    arena_free(&a);
    world_run_due(world);
    world_answer_value(world, 0);
    ticks(world, 40, 0);
    assert_int_equal(world->writes, 0);
    assert_condition(world, CONDITION_ACTIVE, STATUS_FALSE, "ScalerNeverActive");
}

static void test_a_take_over_reads_what_the_leader_wrote(void **state)
{
    struct world *world = *state;
    struct arena a;
    arena_init(&a, 1 << 16);
    struct deployment d = world_shown("checkout", "7", 1, TO_ZERO, 3);
    d.conditions = one_condition(&a, "True", "ScalerActive", AT);
    world_show(world, &d);
    d.resource_version = STR("8");
    d.conditions = one_condition(&a, "False", "ScalerCooldown", AT);
    world_show(world, &d);
    arena_free(&a);
    world->now.monotonic_ms += 290000;
    world->now.unix_ms += 290000;
    world_lead(world, NULL, true);
    world_run_due(world);
    world_answer_value(world, 0);
    assert_int_equal(world->writes, 0);
    ticks(world, 1, 0);
    assert_int_equal(world->writes, 1);
}

static void test_a_clock_that_leaps_lowers_nothing(void **state)
{
    struct world *world = *state;
    struct deployment d = world_shown("checkout", "7", 4, TO_ZERO, 3);
    world_show(world, &d);
    world_run_due(world);
    world_answer_value(world, 100);
    ticks(world, 1, 0);
    world->now.unix_ms += 3600000; /* the wall clock */
    ticks(world, 1, 0);
    world->now.unix_ms -= 7200000;
    ticks(world, 1, 0);
    assert_int_equal(world->writes, 0);
    world->now.monotonic_ms += 3600000; /* the machine slept */
    ticks(world, 1, 0);
    assert_int_equal(world->writes, 0);
}

/* ---- the rest ---- */

static void test_paused_asks_nothing(void **state)
{
    struct world *world = *state;
    const struct kv paused[] = {
        WORLD_GOOD[0], WORLD_GOOD[2], {STR("scale.amp/paused"), STR("true")}};
    struct deployment d = world_shown("checkout", "7", 1, paused, 3);
    world_show(world, &d);
    world_run_due(world);
    world_pass_ms(world, 15000);
    assert_int_equal(world->asked_count, 0);
    assert_int_equal(world->decisions, 2);
    assert_int_equal(world->writes, 0);
    assert_condition(world, CONDITION_PAUSED, STATUS_TRUE, "Paused");
    const struct kv at_two[] = {
        WORLD_GOOD[0], WORLD_GOOD[2], {STR("scale.amp/paused-replicas"), STR("2")}};
    d = world_shown("checkout", "8", 1, at_two, 3);
    world_show(world, &d);
    world_run_due(world);
    assert_int_equal(world->asked_count, 0);
    assert_int_equal(world->written_replicas, 2);
}

static void test_restores_only_what_was_asked_for(void **state)
{
    struct world *world = *state;
    const struct kv kept[] = {{STR("scale.amp/original-replicas"), STR("3")}};
    const struct kv asks[] = {
        WORLD_GOOD[0], WORLD_GOOD[2], {STR("scale.amp/restore-replicas"), STR("true")}, kept[0]};
    struct deployment d = world_shown("checkout", "7", 8, asks, 4);
    world_show(world, &d);
    struct deployment bare = world_shown("checkout", "8", 8, kept, 1);
    world_show(world, &bare);
    assert_true(world->released_there);
    assert_int_equal(world->restore, 3);
    world_show(world, &d);
    bare = world_shown("checkout", "9", 8, &WORLD_GOOD[1], 1); /* the webhook was there */
    world_show(world, &bare);
    assert_int_equal(world->restore, -1);
    world_show(world, &d);
    world_hpa(world, "rival", "checkout"); /* the count is the HPA's now */
    bare = world_shown("checkout", "10", 8, kept, 1);
    world_show(world, &bare);
    assert_int_equal(world->restore, -1);
}

static void test_a_watch_that_is_faster_than_the_answer(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_show_good(world, "checkout", "8", 4); /* what our write made */
    world_scaled(world, 4, "8");
    assert_string_equal(world->events[0].note, "Scaled from 1 to 4: default: 100/25 → 4 replicas");
    world_show_good(world, "checkout", "9", 2); /* news, not the past */
    world_pass_ms(world, 15000);
    world_answer_value(world, 100);
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "9");
    world_show_good(world, "checkout", "11", 6); /* 10 was ours, 11 is newer */
    world_scaled(world, 4, "10");
    world_pass_ms(world, 15000);
    assert_int_equal(world_last_asked(world)->replicas, 6);
}

static void test_a_conflict_that_the_watch_explains_decides_again(void **state)
{
    struct world *world = *state;
    world_show_good(world, "checkout", "7", 1);
    world_run_due(world);
    world_answer_value(world, 100);
    world_show_good(world, "checkout", "9", 3);
    world_scale_failed(world, ERR_CONFLICT);
    size_t decisions = world->decisions;
    world_scale_read(world, 3, "9");
    assert_int_equal(world->decisions, decisions + 1);
    assert_int_equal(world->writes, 2);
    assert_string_equal(world->written_version, "9");
}

#define CORE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define ELECTED_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_elects, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(test_conditions_are_written_on_change_only),
        CORE_TEST(test_conditions_that_failed_are_tried_again),
        CORE_TEST(test_one_write_of_conditions_at_a_time),
        CORE_TEST(test_invalid_annotations_show_in_a_condition),
        cmocka_unit_test_setup_teardown(test_dry_run_tells_nobody, world_setup_dry, world_teardown),
        CORE_TEST(test_an_hpa_with_the_same_target_holds),
        CORE_TEST(test_an_hpa_that_changes_its_target_lets_go),
        ELECTED_TEST(test_without_leading_nothing_is_asked_or_told),
        ELECTED_TEST(test_losing_the_lead_cancels_all),
        ELECTED_TEST(test_each_namespace_has_its_own_word),
        ELECTED_TEST(test_a_word_that_is_taken_back),
        CORE_TEST(test_a_restart_goes_on_with_the_cooldown),
        CORE_TEST(test_a_restart_does_not_make_cooldown_of_activity),
        CORE_TEST(test_a_restart_after_unknown_begins_anew),
        CORE_TEST(test_a_transition_in_the_future_counts_as_now),
        CORE_TEST(test_never_active_keeps_its_initial_cooldown),
        ELECTED_TEST(test_a_take_over_reads_what_the_leader_wrote),
        CORE_TEST(test_a_clock_that_leaps_lowers_nothing),
        CORE_TEST(test_paused_asks_nothing),
        CORE_TEST(test_restores_only_what_was_asked_for),
        CORE_TEST(test_a_watch_that_is_faster_than_the_answer),
        CORE_TEST(test_a_conflict_that_the_watch_explains_decides_again),
    };
    return cmocka_run_group_tests_name("scaler_state", tests, NULL, NULL);
}
