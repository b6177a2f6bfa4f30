/* decide(): every rule as a row of a table, each bound from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/spec_rows.h"
#include "scaler/decide.h"

#define V(x)                                                                                       \
    {                                                                                              \
        .kind = READING_VALUE, .value = (x)                                                        \
    }
#define EMPTY                                                                                      \
    {                                                                                              \
        .kind = READING_EMPTY, .text = "empty result"                                              \
    }
#define FAILED                                                                                     \
    {                                                                                              \
        .kind = READING_ERROR, .text = "connection refused"                                        \
    }
#define UNASKED                                                                                    \
    {                                                                                              \
        .kind = READING_NONE                                                                       \
    }

struct decide_case {
    const char *name;
    double threshold;
    int32_t min, max, replicas, ready;
    struct reading reading;
    int32_t want;
    enum decide_reason reason;
};

static const struct decide_case CASES[] = {
    /* the formula */
    {"walkthrough", 25, 1, 30, 1, 1, V(100), 4, REASON_METRIC},
    {"rounds up", 25, 1, 30, 1, 1, V(100.01), 5, REASON_METRIC},
    {"exact in decimal, not in binary", 0.3, 1, 30, 1, 1, V(2.1), 7, REASON_METRIC},
    {"a hair above an integer counts", 1, 1, 30, 1, 1, V(3.00001), 4, REASON_METRIC},
    {"one poll, one hundred replicas", 1, 1, 100, 1, 1, V(100), 100, REASON_METRIC},
    {"down", 10, 1, 30, 8, 8, V(30), 3, REASON_METRIC},
    {"ready pods do not matter for an average", 10, 1, 30, 8, 0, V(30), 3, REASON_METRIC},
    {"saturates", 1e-300, 1, INT32_MAX, 1, 1, V(1e300), INT32_MAX, REASON_METRIC},
    /* bounds by the metric */
    {"at max", 25, 1, 4, 1, 1, V(100), 4, REASON_METRIC},
    {"one above max", 25, 1, 4, 1, 1, V(100.5), 4, REASON_TOO_MANY},
    {"far above max", 25, 1, 4, 1, 1, V(1e9), 4, REASON_TOO_MANY},
    {"at min", 25, 3, 30, 10, 10, V(75), 3, REASON_METRIC},
    {"one below min", 25, 3, 30, 10, 10, V(50), 3, REASON_TOO_FEW},
    {"zero with min 1", 25, 1, 30, 10, 10, V(0), 1, REASON_TOO_FEW},
    {"negative counts as zero", 25, 2, 30, 10, 10, V(-7), 2, REASON_TOO_FEW},
    {"min equals max", 25, 5, 5, 5, 5, V(1000), 5, REASON_TOO_MANY},
    /* bounds without a metric */
    {"above max, unknown", 25, 1, 4, 5, 5, FAILED, 4, REASON_ABOVE_MAX},
    {"above max beats the metric", 25, 1, 4, 9, 9, V(1), 4, REASON_ABOVE_MAX},
    {"at max, unknown", 25, 1, 4, 4, 4, FAILED, 4, REASON_UNKNOWN},
    {"below min, unknown", 25, 3, 30, 2, 2, FAILED, 3, REASON_BELOW_MIN},
    {"below min beats the metric", 25, 3, 30, 1, 1, V(1e6), 3, REASON_BELOW_MIN},
    {"at min, unknown", 25, 3, 30, 3, 3, FAILED, 3, REASON_UNKNOWN},
    {"somebody scaled to 0", 25, 1, 30, 0, 0, V(100), 1, REASON_BELOW_MIN},
    /* unknown holds */
    {"empty is not zero", 25, 1, 30, 7, 7, EMPTY, 7, REASON_UNKNOWN},
    {"error", 25, 1, 30, 7, 7, FAILED, 7, REASON_UNKNOWN},
    {"not asked yet", 25, 1, 30, 7, 7, UNASKED, 7, REASON_UNKNOWN},
    {"NaN that slipped through", 25, 1, 30, 7, 7, V(NAN), 7, REASON_UNKNOWN},
    {"infinity that slipped through", 25, 1, 30, 7, 7, V(INFINITY), 7, REASON_UNKNOWN},
    {"empty with min 0", 25, 0, 30, 7, 7, EMPTY, 7, REASON_UNKNOWN},
    /* tolerance: 10 % either way of threshold * replicas */
    {"on target", 25, 1, 30, 4, 4, V(100), 4, REASON_WITHIN_TOLERANCE},
    {"upper edge", 10, 1, 30, 10, 10, V(110), 10, REASON_WITHIN_TOLERANCE},
    {"past the upper edge", 10, 1, 30, 10, 10, V(110.1), 12, REASON_METRIC},
    {"lower edge", 10, 1, 30, 10, 10, V(90), 10, REASON_WITHIN_TOLERANCE},
    {"past the lower edge", 10, 1, 30, 10, 10, V(89.9), 9, REASON_METRIC},
    /* zero */
    {"wakes at once", 25, 0, 30, 0, 0, V(100), 4, REASON_METRIC},
    {"wakes on a trace", 25, 0, 30, 0, 0, V(1e-12), 1, REASON_METRIC},
    {"sleeps on", 25, 0, 30, 0, 0, V(0), 0, REASON_INACTIVE},
    {"asleep and unknown", 25, 0, 30, 0, 0, FAILED, 0, REASON_UNKNOWN},
    {"inactive falls to 1 during the cooldown", 25, 0, 30, 7, 7, V(0), 1, REASON_COOLDOWN},
};

static struct decide_record records[4096];

static struct decide_memory fresh(const struct scale_spec *spec)
{
    struct decide_memory memory;
    assert_true(decide_memory_records(spec) <= sizeof(records) / sizeof(records[0]));
    decide_memory_init(&memory, spec, records);
    return memory;
}

/* Pacing is another test's: no window, so what is proposed is what comes out. */
static struct scale_spec one_trigger(double threshold, int32_t min, int32_t max)
{
    struct scale_spec spec = {.trigger_count = 1,
                              .min_replicas = min,
                              .max_replicas = max,
                              .polling_interval_ms = 15000,
                              .cooldown_ms = 300000,
                              .initial_cooldown_ms = 300000};
    spec_no_behavior(&spec.behavior);
    spec.behavior.down.window_seconds = 0;
    spec.triggers[0] = (struct trigger){.name = STR("default"), .threshold = threshold};
    return spec;
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct decide_case *c = &CASES[i];
        struct scale_spec spec = one_trigger(c->threshold, c->min, c->max);
        struct observation obs = {c->replicas, c->ready, &c->reading};
        struct decide_memory memory = fresh(&spec);
        struct decision got = {0};
        decide(&spec, &obs, &memory, 1000000, &got);
        if (got.replicas != c->want || got.reason != c->reason) {
            fail_msg("%s: %d %s (%s), want %d %s", c->name, got.replicas,
                     decide_reason_name(got.reason), got.message, c->want,
                     decide_reason_name(c->reason));
        }
        assert_true(got.message[0] != '\0');
    }
}

static void test_message_shows_the_formula(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 1, 30);
    struct reading reading = V(100);
    struct observation obs = {1, 1, &reading};
    struct decide_memory memory = fresh(&spec);
    struct decision got;
    decide(&spec, &obs, &memory, 1, &got);
    assert_string_equal(got.message, "default: 100/25 → 4 replicas");
    assert_int_equal(got.trigger, 0);
}

/* One tick of a workload with min-replicas 0 and its count as decided so far. */
static void tick(const struct scale_spec *spec, struct decide_memory *memory, int64_t now_ms,
                 double value, struct decision *d)
{
    struct reading reading = V(value);
    struct observation obs = {d->replicas, d->replicas, &reading};
    decide(spec, &obs, memory, now_ms, d);
}

static void test_zero_after_the_cooldown_and_not_before(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    struct decide_memory memory = fresh(&spec);
    struct decision d = {.replicas = 3};
    int64_t start = 5000000;
    for (int64_t t = 0; t < 300000; t += 15000) {
        tick(&spec, &memory, start + t, 0, &d);
        assert_int_equal(d.replicas, 1);
        assert_int_equal(d.reason, REASON_COOLDOWN);
    }
    tick(&spec, &memory, start + 300000, 0, &d);
    assert_int_equal(d.replicas, 0);
    assert_int_equal(d.reason, REASON_INACTIVE);
}

static void test_activity_starts_the_cooldown_again(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    struct decide_memory memory = fresh(&spec);
    struct decision d = {.replicas = 1};
    for (int64_t t = 0; t <= 285000; t += 15000) {
        tick(&spec, &memory, 1000 + t, 0, &d);
    }
    tick(&spec, &memory, 1000 + 290000, 1, &d);
    tick(&spec, &memory, 1000 + 305000, 0, &d);
    assert_int_equal(d.replicas, 1);
    assert_int_equal(d.reason, REASON_COOLDOWN);
}

static void test_jumping_clock_does_not_end_the_cooldown(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    struct decide_memory memory = fresh(&spec);
    struct decision d = {.replicas = 1};
    int64_t hour = 3600000;
    tick(&spec, &memory, 100 * hour, 0, &d);
    tick(&spec, &memory, 101 * hour, 0, &d);
    assert_int_equal(d.reason, REASON_COOLDOWN);
    tick(&spec, &memory, 10 * hour, 0, &d);
    assert_int_equal(d.reason, REASON_COOLDOWN);
    assert_true(memory.inactive_ms <= 30000);
}

static void test_unknown_does_not_count_as_inactive(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    struct decide_memory memory = fresh(&spec);
    struct decision d = {.replicas = 1};
    struct reading failed = FAILED;
    for (int64_t t = 0; t <= 900000; t += 15000) {
        struct observation obs = {d.replicas, 1, &failed};
        decide(&spec, &obs, &memory, 1000 + t, &d);
    }
    assert_int_equal(d.replicas, 1);
    assert_int_equal(memory.inactive_ms, 0);
}

struct pair_case {
    const char *name;
    struct reading first, second;
    int32_t replicas, want;
    enum decide_reason reason;
};

static const struct pair_case PAIRS[] = {
    {"largest wins", V(100), V(300), 1, 12, REASON_METRIC},
    {"largest wins, other order", V(300), V(100), 1, 12, REASON_METRIC},
    {"known one may raise", V(300), FAILED, 1, 12, REASON_METRIC},
    {"known one may not lower", V(100), FAILED, 20, 20, REASON_PARTLY_UNKNOWN},
    {"known one may not lower, other order", EMPTY, V(100), 20, 20, REASON_PARTLY_UNKNOWN},
    {"known one may hold, but says so", V(500), FAILED, 20, 20, REASON_PARTLY_UNKNOWN},
    {"nobody knows", EMPTY, FAILED, 20, 20, REASON_UNKNOWN},
};

static void test_two_triggers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
        const struct pair_case *c = &PAIRS[i];
        struct scale_spec spec = one_trigger(25, 1, 30);
        spec.trigger_count = 2;
        spec.triggers[1] = spec.triggers[0];
        spec.triggers[1].name = STR("second");
        struct reading readings[2] = {c->first, c->second};
        struct observation obs = {c->replicas, c->replicas, readings};
        struct decide_memory memory = fresh(&spec);
        struct decision got = {0};
        decide(&spec, &obs, &memory, 1, &got);
        if (got.replicas != c->want || got.reason != c->reason) {
            fail_msg("%s: %d %s", c->name, got.replicas, decide_reason_name(got.reason));
        }
    }
}

static void test_first_of_equals_and_nobody_for_a_bound(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 1, 30);
    spec.trigger_count = 2;
    spec.triggers[1] = spec.triggers[0];
    struct reading readings[2] = {V(100), V(100)};
    struct observation obs = {1, 1, readings};
    struct decide_memory memory = fresh(&spec);
    struct decision got;
    decide(&spec, &obs, &memory, 1, &got);
    assert_int_equal(got.trigger, 0);
    obs.replicas = 31;
    decide(&spec, &obs, &memory, 2, &got);
    assert_int_equal(got.reason, REASON_ABOVE_MAX);
    assert_int_equal(got.trigger, -1);
}

static void test_one_unknown_trigger_keeps_it_awake(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(25, 0, 30);
    spec.trigger_count = 2;
    spec.triggers[1] = spec.triggers[0];
    struct reading readings[2] = {FAILED, V(0)};
    struct observation obs = {7, 7, readings};
    struct decide_memory memory = fresh(&spec);
    struct decision got;
    for (int64_t t = 0; t <= 900000; t += 15000) {
        decide(&spec, &obs, &memory, 1000 + t, &got);
        assert_int_equal(got.replicas, 7);
        assert_int_equal(got.reason, REASON_PARTLY_UNKNOWN);
    }
    assert_int_equal(memory.inactive_ms, 0);
    assert_int_equal(got.trigger, 0);
}

static void test_value_metric_uses_ready_pods(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(8800, 1, 30);
    spec.triggers[0].type = METRIC_VALUE;
    struct reading reading = V(17600);
    struct observation obs = {3, 3, &reading};
    struct decide_memory memory = fresh(&spec);
    struct decision got;
    decide(&spec, &obs, &memory, 1, &got);
    assert_int_equal(got.replicas, 6);
    obs.ready = 0;
    decide(&spec, &obs, &memory, 2, &got);
    assert_int_equal(got.replicas, 3);
    assert_int_equal(got.reason, REASON_UNKNOWN);
    obs.ready = 1; /* over the target with one of three pods ready: not fewer */
    decide(&spec, &obs, &memory, 3, &got);
    assert_int_equal(got.replicas, 3);
    assert_int_equal(got.reason, REASON_METRIC);
    reading.value = 7000; /* under it while a rollout surges: not more */
    obs.ready = 6;
    decide(&spec, &obs, &memory, 3, &got);
    assert_int_equal(got.replicas, 3);
    reading.value = 17600;
    obs.replicas = 0;
    spec.min_replicas = 0;
    decide(&spec, &obs, &memory, 3, &got);
    assert_int_equal(got.replicas, 2);
}

/* A higher reading never gives fewer, whatever the count is now. */
static void test_monotone(void **state)
{
    (void)state;
    struct scale_spec spec = one_trigger(7, 2, 40);
    for (int32_t replicas = 0; replicas <= 45; replicas++) {
        int32_t before = 0;
        for (int tenth = 0; tenth < 4000; tenth++) {
            struct reading reading = V(tenth / 10.0);
            struct observation obs = {replicas, replicas, &reading};
            struct decide_memory memory = fresh(&spec);
            struct decision got;
            decide(&spec, &obs, &memory, 1, &got);
            assert_true(got.replicas >= before);
            assert_in_range(got.replicas, 2, 40);
            before = got.replicas;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_message_shows_the_formula),
        cmocka_unit_test(test_zero_after_the_cooldown_and_not_before),
        cmocka_unit_test(test_activity_starts_the_cooldown_again),
        cmocka_unit_test(test_jumping_clock_does_not_end_the_cooldown),
        cmocka_unit_test(test_unknown_does_not_count_as_inactive),
        cmocka_unit_test(test_two_triggers),
        cmocka_unit_test(test_first_of_equals_and_nobody_for_a_bound),
        cmocka_unit_test(test_one_unknown_trigger_keeps_it_awake),
        cmocka_unit_test(test_value_metric_uses_ready_pods),
        cmocka_unit_test(test_monotone),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
