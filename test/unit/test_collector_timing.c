/* When a scrape is due, and its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/timing.h"

static void the_phase_is_the_pods_own(void **state)
{
    struct timing a, b, again;
    (void)state;
    timing_init(&a, 15000, STR("checkout-7d4 10.0.0.7:8080"));
    timing_init(&b, 15000, STR("checkout-9c1 10.0.0.8:8080"));
    timing_init(&again, 15000, STR("checkout-7d4 10.0.0.7:8080"));
    assert_in_range(a.phase_ms, 0, 14999);
    assert_int_not_equal(a.phase_ms, b.phase_ms);
    assert_int_equal(a.phase_ms, again.phase_ms);
}

static void after_the_first_all_are_an_interval_apart(void **state)
{
    (void)state;
    for (int64_t phase = 0; phase < 1000; phase += 37) {
        for (int64_t begin = 0; begin < 1000; begin += 41) {
            const struct timing t = {.interval_ms = 1000, .phase_ms = phase};
            const int64_t second = timing_next(&t, begin);
            assert_in_range(second - begin, 500, 1499);
            assert_int_equal(second % 1000, phase);
            assert_int_equal(timing_next(&t, second), second + 1000);
        }
    }
}

static void what_was_missed_is_left_out(void **state)
{
    const struct timing t = {.interval_ms = 1000, .phase_ms = 300};
    (void)state;
    assert_int_equal(timing_next(&t, 5300), 6300);
    assert_int_equal(timing_next(&t, 5310), 6300); /* the loop was a little late */
    assert_int_equal(timing_next(&t, 9000), 10300);
    assert_int_equal(timing_next(&t, 8800), 9300);
}

static void an_interval_of_one_millisecond_still_goes_on(void **state)
{
    const struct timing t = {.interval_ms = 1, .phase_ms = 0};
    (void)state;
    assert_int_equal(timing_next(&t, 7), 8);
}

static void times_follow_the_clock_and_never_repeat(void **state)
{
    struct timing t = {.interval_ms = 1000};
    int64_t back = -1;
    (void)state;
    assert_int_equal(timing_stamp(&t, 1700000000000, &back), 1700000000000);
    assert_int_equal(back, 0);
    assert_int_equal(timing_stamp(&t, 1700000001000, &back), 1700000001000);
    assert_int_equal(timing_stamp(&t, 1700000001000, &back), 1700000001001);
    assert_int_equal(back, 0);
}

static void a_small_step_back_is_waited_out(void **state)
{
    struct timing t = {.interval_ms = 1000};
    int64_t back = -1;
    (void)state;
    (void)timing_stamp(&t, 1700000060000, &back);
    assert_int_equal(timing_stamp(&t, 1700000000001, &back), 1700000060001);
    assert_int_equal(timing_stamp(&t, 1700000059000, &back), 1700000060002);
    assert_int_equal(back, 0);
    assert_int_equal(timing_stamp(&t, 1700000061000, &back), 1700000061000);
}

static void a_large_one_is_followed_and_told(void **state)
{
    struct timing t = {.interval_ms = 1000};
    int64_t back = -1;
    (void)state;
    (void)timing_stamp(&t, 1700000060000, &back);
    assert_int_equal(timing_stamp(&t, 1700000000000, &back), 1700000000000);
    assert_int_equal(back, 60000);
    assert_int_equal(timing_stamp(&t, 1700000001000, &back), 1700000001000);
    assert_int_equal(back, 0);
}

static void a_jump_ahead_is_followed(void **state)
{
    struct timing t = {.interval_ms = 1000};
    int64_t back = -1;
    (void)state;
    (void)timing_stamp(&t, 1000, &back);
    assert_int_equal(timing_stamp(&t, 1700000000000, &back), 1700000000000);
    assert_int_equal(back, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_phase_is_the_pods_own),
        cmocka_unit_test(after_the_first_all_are_an_interval_apart),
        cmocka_unit_test(what_was_missed_is_left_out),
        cmocka_unit_test(an_interval_of_one_millisecond_still_goes_on),
        cmocka_unit_test(times_follow_the_clock_and_never_repeat),
        cmocka_unit_test(a_small_step_back_is_waited_out),
        cmocka_unit_test(a_large_one_is_followed_and_told),
        cmocka_unit_test(a_jump_ahead_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
