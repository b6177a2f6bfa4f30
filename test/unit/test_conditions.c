/* Conditions: made from a decision, compared with what stands there, read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "scaler/workload.h"

enum { NOW = 1000 };

/* A workload that was decided on: 4 replicas there, 4 wanted. */
static struct workload decided(enum decide_reason reason, int active)
{
    static char because[] = "default: because";
    struct workload w = {.usable = true, .replicas = 4, .message = because};
    w.memory.ever_active = true;
    w.decision = (struct decided){.made = true, .replicas = 4, .reason = reason, .active = active};
    return w;
}

struct row {
    enum decide_reason reason;
    int active;
    const char *active_reason, *able_reason, *limited_reason;
    enum condition_status active_status, limited_status;
};

static const struct row ROWS[] = {
    {REASON_METRIC, 1, "ScalerActive", "ReadyForNewScale", "DesiredWithinRange", STATUS_TRUE,
     STATUS_FALSE},
    {REASON_WITHIN_TOLERANCE, 0, "ScalerNotActive", "ReadyForNewScale", "DesiredWithinRange",
     STATUS_FALSE, STATUS_FALSE},
    {REASON_COOLDOWN, 0, "ScalerCooldown", "ReadyForNewScale", "DesiredWithinRange", STATUS_FALSE,
     STATUS_FALSE},
    {REASON_UNKNOWN, -1, "FailedGetMetric", "ReadyForNewScale", "FailedGetMetric", STATUS_UNKNOWN,
     STATUS_UNKNOWN},
    {REASON_TOO_MANY, 1, "ScalerActive", "ReadyForNewScale", "TooManyReplicas", STATUS_TRUE,
     STATUS_TRUE},
    {REASON_BELOW_MIN, 1, "ScalerActive", "ReadyForNewScale", "TooFewReplicas", STATUS_TRUE,
     STATUS_TRUE},
    {REASON_STABILIZED_DOWN, 1, "ScalerActive", "ScaleDownStabilized", "DesiredWithinRange",
     STATUS_TRUE, STATUS_FALSE},
    {REASON_LIMITED_UP, 1, "ScalerActive", "ReadyForNewScale", "ScaleUpLimit", STATUS_TRUE,
     STATUS_TRUE},
    {REASON_SCALE_IN_PAUSED, 1, "ScalerActive", "ReadyForNewScale", "ScaleInPaused", STATUS_TRUE,
     STATUS_TRUE},
};

static void each_reason_has_its_conditions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct workload w = decided(ROWS[i].reason, ROWS[i].active);
        assert_true(conditions_update(&w, NOW));
        assert_int_equal(w.conditions[CONDITION_ACTIVE].status, ROWS[i].active_status);
        assert_string_equal(w.conditions[CONDITION_ACTIVE].reason, ROWS[i].active_reason);
        assert_int_equal(w.conditions[CONDITION_ABLE_TO_SCALE].status, STATUS_TRUE);
        assert_string_equal(w.conditions[CONDITION_ABLE_TO_SCALE].reason, ROWS[i].able_reason);
        assert_int_equal(w.conditions[CONDITION_SCALING_LIMITED].status, ROWS[i].limited_status);
        assert_string_equal(w.conditions[CONDITION_SCALING_LIMITED].reason, ROWS[i].limited_reason);
        assert_string_equal(w.conditions[CONDITION_PAUSED].reason, "NotPaused");
        assert_int_equal(w.conditions[CONDITION_FALLBACK].status, STATUS_ABSENT);
    }
}

static void the_time_is_that_of_the_status(void **state)
{
    (void)state;
    struct workload w = decided(REASON_COOLDOWN, 0);
    assert_true(conditions_update(&w, NOW));
    assert_false(conditions_update(&w, NOW + 1));
    w.decision.reason = REASON_INACTIVE; /* another reason, the same status */
    assert_true(conditions_update(&w, NOW + 2));
    assert_int_equal(w.conditions[CONDITION_ACTIVE].transition_ms, NOW);
    w.decision.active = 1;
    assert_true(conditions_update(&w, NOW + 3));
    assert_int_equal(w.conditions[CONDITION_ACTIVE].transition_ms, NOW + 3);
    assert_int_equal(w.conditions[CONDITION_PAUSED].transition_ms, NOW);
}

static void before_a_decision_only_ability_is_known(void **state)
{
    (void)state;
    struct workload w = {.usable = false};
    assert_true(conditions_update(&w, NOW));
    assert_string_equal(w.conditions[CONDITION_ABLE_TO_SCALE].reason, "InvalidAnnotations");
    for (int i = 0; i < CONDITION_COUNT; i++) {
        assert_int_equal(w.conditions[i].status != STATUS_ABSENT, i == CONDITION_ABLE_TO_SCALE);
    }
}

static void pausing_leaves_what_was_known_of_activity(void **state)
{
    (void)state;
    struct workload w = decided(REASON_METRIC, 1);
    (void)conditions_update(&w, NOW);
    w.spec.paused = true;
    w.decision.reason = REASON_PAUSED;
    w.decision.active = -1;
    assert_true(conditions_update(&w, NOW + 1));
    assert_string_equal(w.conditions[CONDITION_ACTIVE].reason, "ScalerActive");
    assert_int_equal(w.conditions[CONDITION_PAUSED].status, STATUS_TRUE);
    w.spec.paused = false;
    w.spec.paused_scale_out = true;
    (void)conditions_update(&w, NOW + 2);
    assert_string_equal(w.conditions[CONDITION_PAUSED].reason, "ScaleOutPaused");
}

static void what_keeps_the_count_from_being_set(void **state)
{
    (void)state;
    char text[256];
    struct workload w = decided(REASON_METRIC, 1);
    w.write_failing = true;
    (void)conditions_update(&w, NOW);
    assert_string_equal(w.conditions[CONDITION_ABLE_TO_SCALE].reason, "FailedUpdateScale");
    w.conflict = STR("web-hpa");
    (void)conditions_update(&w, NOW);
    assert_string_equal(w.conditions[CONDITION_ABLE_TO_SCALE].reason, "AmbiguousSelector");
    assert_non_null(
        strstr(conditions_message(&w, CONDITION_ABLE_TO_SCALE, text, sizeof(text)).ptr, "web-hpa"));
    w.usable = false;
    w.conflict = (struct str){NULL, 0};
    (void)conditions_update(&w, NOW);
    assert_non_null(strstr(conditions_message(&w, CONDITION_ABLE_TO_SCALE, text, sizeof(text)).ptr,
                           "annotations"));
    assert_string_equal(conditions_message(&w, CONDITION_ACTIVE, text, sizeof(text)).ptr,
                        "default: because");
}

static void never_active_is_told_apart(void **state)
{
    (void)state;
    struct workload w = decided(REASON_INACTIVE, 0);
    w.memory.ever_active = false;
    (void)conditions_update(&w, NOW);
    assert_string_equal(w.conditions[CONDITION_ACTIVE].reason, "ScalerNeverActive");
    w.spec.force_activation = true;
    (void)conditions_update(&w, NOW);
    assert_string_equal(w.conditions[CONDITION_ACTIVE].reason, "ForcedActivation");
}

static void a_fallback_that_is_declared_has_a_condition(void **state)
{
    (void)state;
    struct workload w = decided(REASON_FALLBACK, -1);
    w.spec.present = (uint64_t)1 << KEY_FALLBACK_REPLICAS;
    w.decision.fallback = true;
    (void)conditions_update(&w, NOW);
    assert_string_equal(w.conditions[CONDITION_FALLBACK].reason, "FallbackExists");
    w.spec.present = 0; /* the annotation goes, and with it the condition */
    assert_true(conditions_update(&w, NOW));
    assert_int_equal(w.conditions[CONDITION_FALLBACK].status, STATUS_ABSENT);
}

static void read(struct workload *w, const char *text)
{
    struct arena a;
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    arena_init(&a, 1 << 16);
    if (text != NULL) {
        assert_int_equal(json_parse(str_from(text), &JSON_LIMITS_API, &a, &root, &e), 0);
    }
    conditions_read(w, root);
    arena_free(&a);
}

static void what_stands_there_is_read_back(void **state)
{
    (void)state;
    struct workload w = decided(REASON_METRIC, 1);
    read(&w, "[{\"type\":\"Available\",\"status\":\"True\"},"
             "{\"type\":\"scale.amp/Active\",\"status\":\"False\",\"reason\":\"ScalerNeverActive\","
             "\"lastTransitionTime\":\"1970-01-01T00:00:05Z\"},"
             "{\"type\":\"scale.amp/Paused\",\"status\":\"True\",\"reason\":\"OfALaterVersion\","
             "\"lastTransitionTime\":\"yesterday\"},{\"type\":7},null]");
    assert_int_equal(w.conditions[CONDITION_ACTIVE].status, STATUS_FALSE);
    assert_int_equal(w.conditions[CONDITION_ACTIVE].transition_ms, 5000);
    assert_string_equal(w.conditions[CONDITION_ACTIVE].reason, "ScalerNeverActive");
    assert_int_equal(w.conditions[CONDITION_PAUSED].status, STATUS_TRUE);
    assert_string_equal(w.conditions[CONDITION_PAUSED].reason, "");
    assert_int_equal(w.conditions[CONDITION_PAUSED].transition_ms, 0);
    assert_int_equal(w.conditions[CONDITION_ABLE_TO_SCALE].status, STATUS_ABSENT);
    read(&w, "[]"); /* somebody took them away */
    assert_int_equal(w.conditions[CONDITION_ACTIVE].status, STATUS_ABSENT);
    read(&w, "{\"type\":\"scale.amp/Active\"}");
    read(&w, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason_has_its_conditions),
        cmocka_unit_test(the_time_is_that_of_the_status),
        cmocka_unit_test(before_a_decision_only_ability_is_known),
        cmocka_unit_test(pausing_leaves_what_was_known_of_activity),
        cmocka_unit_test(what_keeps_the_count_from_being_set),
        cmocka_unit_test(never_active_is_told_apart),
        cmocka_unit_test(a_fallback_that_is_declared_has_a_condition),
        cmocka_unit_test(what_stands_there_is_read_back),
    };
    return cmocka_run_group_tests_name("conditions", tests, NULL, NULL);
}
