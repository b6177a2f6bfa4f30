/* Which events are sent, repeated or dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fmt.h"
#include "scaler/event_series.h"

static const int64_t MINUTE_MS = 60000;

static struct event_id id;
static int64_t count;

static int setup(void **state)
{
    struct err e = ERR_INIT;
    return event_series_new((struct event_series **)state, &e);
}

static int teardown(void **state)
{
    event_series_free(*state);
    return 0;
}

static enum event_step next(struct event_series *s, const char *uid, const char *note,
                            int64_t now_ms)
{
    return event_series_next(s, str_from(uid), STR("Warning"), STR("FailedGetMetric"),
                             str_from(note), now_ms, 1700000000000 + now_ms, &id, &count);
}

static void an_equal_one_within_six_minutes_is_a_repeat(void **state)
{
    assert_int_equal(next(*state, "u", "no data", 0), EVENT_CREATE);
    assert_int_equal(count, 1);
    struct event_id first = id;
    assert_int_equal(next(*state, "u", "no data", 6 * MINUTE_MS - 1), EVENT_REPEAT);
    assert_int_equal(count, 2);
    assert_int_equal(id.unix_ms, first.unix_ms);
    assert_int_equal(id.serial, first.serial);
    assert_int_equal(next(*state, "u", "no data", 11 * MINUTE_MS), EVENT_REPEAT); /* of the last */
    assert_int_equal(count, 3);
    assert_int_equal(next(*state, "u", "no data", 17 * MINUTE_MS), EVENT_CREATE);
    assert_int_equal(count, 1);
    assert_int_not_equal(id.serial, first.serial);
}

static void another_object_note_reason_or_type_is_another_event(void **state)
{
    struct event_series *s = *state;
    assert_int_equal(next(s, "u", "no data", 0), EVENT_CREATE);
    assert_int_equal(next(s, "v", "no data", 0), EVENT_CREATE);
    assert_int_equal(next(s, "u", "no data ", 0), EVENT_CREATE);
    assert_int_equal(event_series_next(s, STR("u"), STR("Normal"), STR("FailedGetMetric"),
                                       STR("no data"), 0, 0, &id, &count),
                     EVENT_CREATE);
    assert_int_equal(event_series_next(s, STR("u"), STR("Warning"), STR("FailedRescale"),
                                       STR("no data"), 0, 0, &id, &count),
                     EVENT_CREATE);
}

static void one_object_cannot_flood(void **state)
{
    char note[32];
    for (int i = 0; i < 25; i++) {
        (void)fmt(note, sizeof(note), "note %d", i);
        assert_int_equal(next(*state, "u", note, 0), EVENT_CREATE);
    }
    assert_int_equal(next(*state, "u", "one more", 0), EVENT_DROP);
    assert_int_equal(next(*state, "u", "note 24", 1), EVENT_DROP); /* counted all the same */
    assert_int_equal(next(*state, "v", "another's", 0), EVENT_CREATE);
    assert_int_equal(next(*state, "u", "note 24", 5 * MINUTE_MS), EVENT_REPEAT);
    assert_int_equal(count, 3);
    assert_int_equal(next(*state, "u", "one more", 5 * MINUTE_MS), EVENT_DROP);
    assert_int_equal(next(*state, "u", "one more", 10 * MINUTE_MS), EVENT_CREATE);
    assert_int_equal(count, 1); /* what was dropped made no series */
}

static void what_is_not_in_the_cluster_is_made_anew(void **state)
{
    assert_int_equal(next(*state, "u", "no data", 0), EVENT_CREATE);
    event_series_forget(*state, id);
    assert_int_equal(next(*state, "u", "no data", 1), EVENT_CREATE);
    event_series_forget(*state, (struct event_id){1, 99}); /* unknown: nothing */
    assert_int_equal(next(*state, "u", "no data", 2), EVENT_REPEAT);
}

static void the_tables_are_bounded_and_forget_the_oldest(void **state)
{
    char uid[32];
    int created = 0;
    for (int i = 0; i < 20000; i++) {
        (void)fmt(uid, sizeof(uid), "object %d", i);
        created += next(*state, uid, "no data", i) == EVENT_CREATE;
    }
    assert_int_equal(created, 20000);
    int repeated = 0;
    for (int i = 19000; i < 20000; i++) {
        (void)fmt(uid, sizeof(uid), "object %d", i);
        repeated += next(*state, uid, "no data", 20000) == EVENT_REPEAT;
    }
    assert_in_range(repeated, 900, 1000); /* the last ones are still known */
}

#define SERIES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERIES_TEST(an_equal_one_within_six_minutes_is_a_repeat),
        SERIES_TEST(another_object_note_reason_or_type_is_another_event),
        SERIES_TEST(one_object_cannot_flood),
        SERIES_TEST(what_is_not_in_the_cluster_is_made_anew),
        SERIES_TEST(the_tables_are_bounded_and_forget_the_oldest),
    };
    return cmocka_run_group_tests_name("event_series", tests, NULL, NULL);
}
