/* decide(): its rules as courses of events in test/golden/decide, and what holds whatever the
 * course. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/fmt.h"
#include "base/spec_rows.h"
#include "decide_cases.h"
#include "scaler/decide.h"

static void test_file(void **state)
{
    char path[512];
    (void)fmt(path, sizeof(path), "%s/decide/%s.txt", GOLDEN_DIR, (const char *)*state);
    decide_cases(path);
}

static struct scale_spec one_trigger(double threshold, int32_t min, int32_t max)
{
    struct scale_spec spec = {.trigger_count = 1,
                              .min_replicas = min,
                              .max_replicas = max,
                              .polling_interval_ms = 15000,
                              .cooldown_ms = 300000};
    spec_no_behavior(&spec.behavior);
    spec.triggers[0] = (struct trigger){.name = STR("default"), .threshold = threshold};
    return spec;
}

/* A first sight: what one reading alone makes of `replicas`. */
static int32_t decide_once(const struct scale_spec *spec, int32_t replicas, double value)
{
    struct decide_record records[64];
    struct reading reading = {.kind = READING_VALUE, .value = value};
    struct observation obs = {replicas, replicas, &reading};
    struct decide_memory memory;
    struct decision got;
    assert_true(decide_memory_records(spec) <= sizeof(records) / sizeof(records[0]));
    decide_memory_init(&memory, spec, records);
    decide(spec, &obs, &memory, 1, &got);
    return got.replicas;
}

/* A higher reading never gives fewer, whatever the count is now. */
static void test_monotone(void **state)
{
    (void)state;
    static const enum metric_type TYPES[] = {METRIC_AVERAGE_VALUE, METRIC_VALUE};
    for (int32_t replicas = 0; replicas <= 90; replicas++) {
        struct scale_spec spec = one_trigger(7, 2, 40);
        spec.behavior.down.window_seconds = -1; /* the first sight does not count */
        spec.triggers[0].type = TYPES[replicas % 2];
        int32_t before = 0;
        for (int tenth = 0; tenth < 4000; tenth += 7) {
            int32_t got = decide_once(&spec, replicas / 2, tenth / 10.0);
            assert_true(got >= before);
            assert_in_range(got, 2, 40);
            before = got;
        }
    }
}

/* What decide() leaves of its inputs, and that it reads no more than they say. */
static void test_same_inputs_same_decision(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 1, 30);
    struct decide_record records[2][64] = {0};
    struct decide_memory memory[2];
    struct decision got[2];
    memset(got, 0x55, sizeof(got[0]));
    memset(&got[1], 0xaa, sizeof(got[1]));
    for (size_t i = 0; i < 2; i++) {
        decide_memory_init(&memory[i], &spec, records[i]);
        for (int64_t t = 1; t < 600000; t += 15000) {
            struct reading reading = {.kind = READING_VALUE, .value = (double)(t % 977)};
            struct observation obs = {7, 7, &reading};
            decide(&spec, &obs, &memory[i], t, &got[i]);
        }
    }
    assert_int_equal(got[0].replicas, got[1].replicas);
    assert_int_equal(got[0].reason, got[1].reason);
    assert_string_equal(got[0].message, got[1].message);
    assert_memory_equal(records[0], records[1], sizeof(records[0]));
}

static void test_no_trigger(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    struct decide_record records[64];
    struct observation obs = {7, 7, NULL};
    struct decide_memory memory;
    struct decision got;
    spec.trigger_count = 0;
    spec.cooldown_ms = 0;
    decide_memory_init(&memory, &spec, records);
    decide(&spec, &obs, &memory, 1, &got);
    assert_int_equal(got.replicas, 7);
    assert_int_equal(got.reason, REASON_UNKNOWN);
    assert_int_equal(got.trigger, -1);
    assert_string_equal(got.message, "held at 7: there is no trigger");
}

/* A value that is no number is named for what it is, also where the fallback follows it. */
static void test_no_number(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 1, 30);
    struct decide_record records[64];
    struct reading reading = {.kind = READING_VALUE, .value = (double)NAN};
    struct observation obs = {7, 7, &reading};
    struct decide_memory memory;
    struct decision got;
    decide_memory_init(&memory, &spec, records);
    decide(&spec, &obs, &memory, 1, &got);
    assert_string_equal(got.message, "held at 7: default is unknown: NaN");
    spec.present |= UINT64_C(1) << KEY_FALLBACK_REPLICAS;
    spec.fallback_replicas = 9;
    decide(&spec, &obs, &memory, 60000, &got);
    assert_string_equal(got.message, "default: fallback after NaN → 9 replicas");
}

/* After a restart the scaler knows that it was active before; the first sight is no inactivity. */
static void test_first_sight_of_one_active_before(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    struct decide_record records[64];
    struct reading reading = {.kind = READING_VALUE, .value = 0};
    struct observation obs = {7, 7, &reading};
    struct decide_memory memory;
    struct decision got;
    decide_memory_init(&memory, &spec, records);
    memory.ever_active = true;
    memory.inactive_ms = 200000;
    decide(&spec, &obs, &memory, 1000000000, &got);
    assert_int_equal(got.reason, REASON_COOLDOWN);
    assert_int_equal(memory.inactive_ms, 200000);
    decide(&spec, &obs, &memory, 1000099999, &got);
    assert_int_equal(got.reason, REASON_COOLDOWN);
    decide(&spec, &obs, &memory, 1000100000, &got);
    assert_int_equal(got.replicas, 0);
}

static void test_formula_alone(void **state)
{
    (void)state;
    struct trigger average = {.threshold = 25}, value = {.threshold = 25, .type = METRIC_VALUE};
    assert_int_equal(decide_formula(&average, 100, 0), 4);
    assert_int_equal(decide_formula(&average, 0, 9), 0);
    assert_int_equal(decide_formula(&average, -1, 9), 0);
    assert_int_equal(decide_formula(&value, 50, 3), 6);
    assert_int_equal(decide_formula(&value, 50, 0), 0);
    assert_int_equal(decide_formula(&value, 50, -3), 0);
    assert_int_equal(decide_formula(&value, 1e300, INT32_MAX), INT32_MAX);
}

/* Every reason has a name, CamelCase, and no two the same. */
static void test_reason_names(void **state)
{
    (void)state;
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *name = decide_reason_name((enum decide_reason)i);
        assert_non_null(name);
        assert_in_range(name[0], 'A', 'Z');
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(name, decide_reason_name((enum decide_reason)j));
        }
    }
}

#define RULE(file)                                                                                 \
    {                                                                                              \
        .name = "rule " file, .test_func = test_file, .initial_state = (void *)(uintptr_t)(file)   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE("paused"),
        RULE("hpa-formula"),
        RULE("bounds"),
        RULE("formula"),
        RULE("unknown"),
        RULE("fallback"),
        RULE("activation"),
        RULE("cooldown"),
        RULE("pacing"),
        RULE("gates"),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_same_inputs_same_decision),
        cmocka_unit_test(test_no_trigger),
        cmocka_unit_test(test_no_number),
        cmocka_unit_test(test_first_sight_of_one_active_before),
        cmocka_unit_test(test_formula_alone),
        cmocka_unit_test(test_reason_names),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
