/* Pacing: upstream's vectors and our own as tables in test/golden/decide, then the histories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/spec_rows.h"
#include "golden.h"
#include "scaler/pace.h"

enum { RECORDS = 8192, NOW_MS = 1000000000 };

struct bench {
    struct scale_spec spec;
    struct decide_memory memory;
    struct decide_record records[RECORDS];
};

/* The next word of *rest; empty at the end. */
static struct str word(struct str *rest, char separator)
{
    struct str found = str_trim(str_cut(str_trim(*rest), separator, rest));
    if (rest->ptr == NULL) {
        *rest = (struct str){"", 0};
    }
    return found;
}

static int32_t count_of(struct str text)
{
    struct err e = ERR_INIT;
    int64_t value = 0;
    if (num_int(text, 0, INT32_MAX, &value, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return (int32_t)value;
}

static int64_t duration(struct str text)
{
    struct err e = ERR_INIT;
    int64_t value = 0;
    if (num_duration_ms(text, &value, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return value;
}

/* autoscaling/v2's defaults, or what holds without a behavior. */
static void default_spec(struct scale_spec *spec, bool given)
{
    static const struct scaling_policy UP[] = {{POLICY_PODS, 4, 15}, {POLICY_PERCENT, 100, 15}};
    *spec = (struct scale_spec){
        .min_replicas = 1, .max_replicas = INT32_MAX, .polling_interval_ms = 15000};
    spec_no_behavior(&spec->behavior);
    spec->behavior.given = given;
    spec->behavior.up.policies[0] = UP[0];
    spec->behavior.up.policies[1] = UP[1];
    spec->behavior.up.policy_count = 2;
    spec->behavior.down.policies[0] = UP[1];
    spec->behavior.down.policy_count = 1;
}

static struct bench *bench_new(const struct scale_spec *spec)
{
    struct bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    b->spec = *spec;
    assert_true(decide_memory_records(spec) <= RECORDS);
    decide_memory_init(&b->memory, spec, b->records);
    return b;
}

/* "4@2m 5@1m" into a history, AGE before NOW_MS. */
static void fill(struct decide_history *h, struct str list)
{
    while (str_trim(list).len > 0) {
        struct str item = word(&list, ' ');
        struct str age;
        struct str count = str_cut(item, '@', &age);
        assert_true(h->count < h->capacity);
        h->records[h->count++] = (struct decide_record){NOW_MS - duration(age), count_of(count)};
    }
}

static void run_stabilize(const struct golden_case *c)
{
    struct scale_spec spec;
    struct str windows = golden_field(c, 0);
    struct str counts = golden_field(c, 1);
    default_spec(&spec, !str_eq(windows, STR("none")));
    if (spec.behavior.given) {
        spec.behavior.up.window_seconds = count_of(word(&windows, '/'));
        spec.behavior.down.window_seconds = count_of(word(&windows, '/'));
        spec.behavior.up.policies[0] = (struct scaling_policy){POLICY_PODS, INT32_MAX, 15};
    }
    int32_t current = count_of(word(&counts, ' '));
    int32_t desired = count_of(word(&counts, ' '));
    struct bench *b = bench_new(&spec);
    fill(&b->memory.proposals, golden_field(c, 2));
    struct pace p = pace(&b->spec, &b->memory, current, desired, NOW_MS);
    golden_expect_int(c, "replicas", p.replicas, count_of(golden_field(c, 3)));
    golden_expect_int(c, "proposals kept", (long long)b->memory.proposals.count,
                      count_of(golden_field(c, 4)));
    struct decide_record last = b->memory.proposals.records[b->memory.proposals.count - 1];
    golden_expect_int(c, "recorded", last.replicas, desired);
    golden_expect_int(c, "recorded at", last.ms, NOW_MS);
    enum pace_limit limit = p.replicas > desired   ? PACE_STABILIZED_DOWN
                            : p.replicas < desired ? PACE_STABILIZED_UP
                                                   : PACE_FREE;
    golden_expect_int(c, "limit", (long long)p.limit, (long long)limit);
    free(b);
}

/* "Min 5p/120 150%/60"; "default" leaves what is there. */
static void read_rules(struct str text, struct scaling_rules *rules)
{
    rules->window_seconds = 0;
    if (str_eq(text, STR("default"))) {
        return;
    }
    rules->policy_count = 0;
    while (str_trim(text).len > 0) {
        struct str item = word(&text, ' ');
        struct str period;
        struct str value = str_cut(item, '/', &period);
        if (period.ptr == NULL) {
            rules->select = item.ptr[0] == 'D'   ? SELECT_DISABLED
                            : item.ptr[1] == 'i' ? SELECT_MIN
                                                 : SELECT_MAX;
            continue;
        }
        enum policy_type type = value.ptr[value.len - 1] == 'p' ? POLICY_PODS : POLICY_PERCENT;
        rules->policies[rules->policy_count++] = (struct scaling_policy){
            type, count_of(str_slice(value, 0, value.len - 1)), count_of(period)};
    }
}

static void run_rates(const struct golden_case *c)
{
    struct scale_spec spec;
    struct str counts = golden_field(c, 0), bounds = golden_field(c, 1);
    struct str changes = golden_field(c, 4);
    default_spec(&spec, true);
    read_rules(golden_field(c, 2), &spec.behavior.up);
    read_rules(golden_field(c, 3), &spec.behavior.down);
    int32_t current = count_of(word(&counts, ' '));
    int32_t desired = count_of(word(&counts, ' '));
    int32_t min = count_of(word(&bounds, ' ')), max = count_of(word(&bounds, ' '));
    struct bench *b = bench_new(&spec);
    while (str_trim(changes).len > 0) {
        struct str list = word(&changes, ';');
        bool up = str_starts(list, STR("up"));
        (void)word(&list, ' ');
        fill(up ? &b->memory.ups : &b->memory.downs, list);
    }
    struct pace p = pace(&b->spec, &b->memory, current, desired, NOW_MS);
    int32_t got = p.replicas < min ? min : p.replicas > max ? max : p.replicas;
    golden_expect_int(c, "replicas", got, count_of(golden_field(c, 5)));
    enum pace_limit limit = p.replicas > desired   ? PACE_LIMITED_DOWN
                            : p.replicas < desired ? PACE_LIMITED_UP
                                                   : PACE_FREE;
    golden_expect_int(c, "limit", (long long)p.limit, (long long)limit);
    free(b);
}

static void test_stabilize(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/decide/hpa-stabilize.txt", run_stabilize);
}

static void test_rates(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/decide/hpa-rates.txt", run_rates);
}

/* What was in the way is named, with its time: of equals, the first. */
static void test_cause(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, true);
    spec.behavior.up.window_seconds = 300;
    struct bench *b = bench_new(&spec);
    fill(&b->memory.proposals, STR("3@2m 9@1m 9@40s 4@30s"));
    struct pace down = pace(&b->spec, &b->memory, 9, 2, NOW_MS);
    assert_int_equal(down.limit, PACE_STABILIZED_DOWN);
    assert_int_equal(down.cause.replicas, 9);
    assert_int_equal(down.cause.ms, NOW_MS - 60000);
    struct pace up = pace(&b->spec, &b->memory, 1, 20, NOW_MS + 1000);
    assert_int_equal(up.limit, PACE_STABILIZED_UP);
    assert_int_equal(up.cause.replicas, 2);
    assert_int_equal(up.cause.ms, NOW_MS);
    (void)pace(&b->spec, &b->memory, 1, 2, NOW_MS + 2000);
    up = pace(&b->spec, &b->memory, 1, 20, NOW_MS + 3000);
    assert_int_equal(up.cause.ms, NOW_MS);
    free(b);
}

/* Stabilized first, then limited: the limit is what is told. */
static void test_stabilized_then_limited(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, true);
    spec.behavior.down.policies[0] = (struct scaling_policy){POLICY_PODS, 1, 15};
    struct bench *b = bench_new(&spec);
    fill(&b->memory.proposals, STR("5@1m"));
    struct pace p = pace(&b->spec, &b->memory, 9, 2, NOW_MS);
    assert_int_equal(p.replicas, 8);
    assert_int_equal(p.limit, PACE_LIMITED_DOWN);
    free(b);
}

static void test_capacity(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, false);
    assert_int_equal(decide_memory_records(&spec), 24);
    spec.polling_interval_ms = 1000;
    spec.behavior.down.window_seconds = 3600;
    assert_int_equal(decide_memory_records(&spec), 3604);
    spec.behavior.up.window_seconds = 3600;
    spec.behavior.down.window_seconds = 0;
    assert_int_equal(decide_memory_records(&spec), 3604);
    spec.behavior.given = true;
    assert_int_equal(decide_memory_records(&spec), 3604 + 19 + 19);
    spec.behavior.up.policies[0].period_seconds = 1800;
    spec.behavior.down.policies[0].period_seconds = 60;
    assert_int_equal(decide_memory_records(&spec), 3604 + 1804 + 64);
    struct bench *b = bench_new(&spec);
    struct decide_memory *m = &b->memory;
    assert_ptr_equal(m->proposals.records, b->records);
    assert_ptr_equal(m->ups.records, b->records + 3604);
    assert_ptr_equal(m->downs.records, b->records + 3604 + 1804);
    assert_int_equal(m->proposals.capacity, 3604);
    assert_int_equal(m->ups.capacity, 1804);
    assert_int_equal(m->downs.capacity, 64);
    assert_int_equal(m->proposals.count + m->ups.count + m->downs.count, 0);
    free(b);
    spec.polling_interval_ms = INT64_C(86400000);
    assert_int_equal(decide_memory_records(&spec), 12);
}

/* A full window each interval fits without a record being put together with another. */
static void test_regular_ticks_never_overflow(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, false);
    struct bench *b = bench_new(&spec);
    pace_begin(&b->spec, &b->memory, 7, NOW_MS);
    for (int32_t i = 0; i < 200; i++) {
        (void)pace(&b->spec, &b->memory, 7, 1000 - i, NOW_MS + i * INT64_C(15000));
        int32_t expected = i < 21 ? i + 2 : 21;
        expected = i == 20 ? 22 : expected;
        assert_int_equal(b->memory.proposals.count, expected);
    }
    free(b);
}

/* Ticks faster than the interval: down no earlier than the window, no later than an interval more;
 * what is remembered stays within its memory (the sanitizer would say). */
static void test_fast_ticks_hold_as_long(void **state)
{
    (void)state;
    static const int64_t STEPS_MS[] = {1, 7, 250, 1000, 5000, 14000, 14999};
    for (size_t s = 0; s < sizeof(STEPS_MS) / sizeof(STEPS_MS[0]); s++) {
        struct scale_spec spec;
        default_spec(&spec, false);
        struct bench *b = bench_new(&spec);
        int64_t start = NOW_MS + 4321, high_until = start + 40000, t = start;
        int32_t replicas = 9;
        for (; t <= high_until; t += STEPS_MS[s]) {
            replicas = pace(&b->spec, &b->memory, replicas, 9, t).replicas;
        }
        int64_t last_high = t - STEPS_MS[s];
        for (; replicas == 9; t += STEPS_MS[s]) {
            replicas = pace(&b->spec, &b->memory, replicas, 3, t).replicas;
        }
        int64_t fell = t - STEPS_MS[s];
        assert_true(fell - last_high > 300000);
        assert_true(fell - last_high <= 300000 + 15000 + STEPS_MS[s]);
        free(b);
    }
}

/* Changes faster than the interval add up: never more than the policy in any of its periods, and
 * on again when it has passed. */
static void test_fast_changes_add_up(void **state)
{
    (void)state;
    for (int direction = -1; direction <= 1; direction += 2) {
        struct scale_spec spec;
        default_spec(&spec, true);
        spec.behavior.down.window_seconds = 0;
        struct scaling_rules *rules = direction < 0 ? &spec.behavior.down : &spec.behavior.up;
        rules->policies[0] = (struct scaling_policy){POLICY_PODS, 30, 60};
        rules->policy_count = 1;
        struct bench *b = bench_new(&spec);
        int32_t counts[601] = {10000};
        for (int i = 1; i <= 600; i++) {
            int64_t t = NOW_MS + i * INT64_C(1000);
            int32_t now = counts[i - 1];
            counts[i] = pace(&b->spec, &b->memory, now, now + direction, t).replicas;
            pace_changed(&b->spec, &b->memory, now, counts[i], t);
            int32_t before = i >= 60 ? counts[i - 60] : counts[0];
            assert_true(abs(counts[i] - before) <= 30);
        }
        assert_true(abs(counts[600] - counts[0]) >= 30 * 600 / 75);
        free(b);
    }
}

static void test_changes(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, true);
    struct bench *b = bench_new(&spec);
    struct decide_memory *m = &b->memory;
    pace_changed(&b->spec, m, 5, 5, NOW_MS);
    assert_int_equal(m->ups.count + m->downs.count, 0);
    pace_changed(&b->spec, m, 5, 8, NOW_MS);
    pace_changed(&b->spec, m, 8, 1, NOW_MS + 1);
    assert_int_equal(m->ups.count, 1);
    assert_int_equal(m->ups.records[0].replicas, 3);
    assert_int_equal(m->downs.count, 1);
    assert_int_equal(m->downs.records[0].replicas, 7);
    assert_int_equal(m->downs.records[0].ms, NOW_MS + 1);
    free(b);
    spec.behavior.given = false;
    b = bench_new(&spec);
    pace_changed(&b->spec, &b->memory, 5, 8, NOW_MS);
    assert_int_equal(b->memory.ups.count, 0);
    free(b);
}

/* As the HPA's storeScaleEvent: the last slot that its own direction's policies have outlived. */
static void test_slots_of_changes(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, true);
    spec.behavior.up.policies[1].period_seconds = 60;
    struct bench *b = bench_new(&spec);
    struct decide_history *ups = &b->memory.ups;
    fill(ups, STR("1@90s 2@60001ms 3@60s 4@10s"));
    pace_changed(&b->spec, &b->memory, 10, 15, NOW_MS);
    assert_int_equal(ups->count, 4);
    assert_int_equal(ups->records[0].replicas, 1);
    assert_int_equal(ups->records[1].replicas, 5);
    assert_int_equal(ups->records[1].ms, NOW_MS);
    assert_int_equal(ups->records[2].replicas, 3);
    pace_changed(&b->spec, &b->memory, 15, 21, NOW_MS);
    assert_int_equal(ups->records[0].replicas, 6);
    pace_changed(&b->spec, &b->memory, 21, 28, NOW_MS);
    assert_int_equal(ups->count, 5);
    assert_int_equal(ups->records[4].replicas, 7);
    free(b);
}

/* Records of one interval become one: as young as the youngest; the larger, or the sum. */
static void test_putting_together(void **state)
{
    (void)state;
    struct scale_spec spec;
    default_spec(&spec, true);
    struct bench *b = bench_new(&spec);
    struct decide_history *h = &b->memory.ups; /* 5 of them */
    assert_int_equal(h->capacity, 5);
    int64_t cell = NOW_MS / 15000 * 15000 + 15000;
    int64_t at[] = {cell - 1, cell, cell + 2, cell + 1, cell - 1};
    for (size_t i = 0; i < 5; i++) {
        h->records[h->count++] = (struct decide_record){at[i], 10 + (int32_t)i};
    }
    pace_changed(&b->spec, &b->memory, 1, 101, cell + 3);
    assert_int_equal(h->count, 3);
    assert_int_equal(h->records[0].ms, cell - 1);
    assert_int_equal(h->records[0].replicas, 10 + 14);
    assert_int_equal(h->records[1].ms, cell + 2);
    assert_int_equal(h->records[1].replicas, 11 + 12 + 13);
    assert_int_equal(h->records[2].replicas, 100);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stabilize),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_cause),
        cmocka_unit_test(test_stabilized_then_limited),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_regular_ticks_never_overflow),
        cmocka_unit_test(test_fast_ticks_hold_as_long),
        cmocka_unit_test(test_fast_changes_add_up),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_slots_of_changes),
        cmocka_unit_test(test_putting_together),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
