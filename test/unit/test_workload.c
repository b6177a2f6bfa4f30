/* The workload table: found by UID, first by due time, through growth, removal and re-scheduling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/fmt.h"
#include "scaler/workload.h"

enum { MANY = 1000 };

static struct workload *add(struct workload_table *t, const char *uid)
{
    struct deployment d = {
        .name = STR("web"), .namespace_ = STR("shop"), .uid = str_from(uid), .replicas = 1};
    struct workload *w = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(table_add(t, &d, &w, &e), 0);
    return w;
}

static void test_order_of_due_times(void **state)
{
    (void)state;
    struct workload_table t;
    table_init(&t);
    uint32_t random = 1;
    for (int i = 0; i < MANY; i++) {
        char uid[16];
        (void)fmt(uid, sizeof(uid), "uid-%d", i);
        struct workload *w = add(&t, uid);
        random = random * 1664525 + 1013904223;
        table_schedule(&t, w, random % 500);
        table_schedule(&t, w, (random >> 8) % 500);
    }
    for (int i = 0; i < MANY; i += 3) {
        char uid[16];
        (void)fmt(uid, sizeof(uid), "uid-%d", i);
        struct workload *w = table_find(&t, str_from(uid));
        assert_non_null(w);
        if (i % 2 == 0) {
            table_remove(&t, w);
            assert_null(table_find(&t, str_from(uid)));
        } else {
            table_unschedule(&t, w);
        }
    }
    int64_t before = -1;
    size_t seen = 0;
    for (struct workload *w = table_first_due(&t); w != NULL; w = table_first_due(&t)) {
        assert_true(w->due_ms >= before);
        before = w->due_ms;
        table_unschedule(&t, w);
        seen++;
    }
    assert_int_equal(seen, MANY - (MANY + 2) / 3);
    table_free(&t);
}

static void test_each_visits_all_and_allows_removal(void **state)
{
    (void)state;
    struct workload_table t;
    table_init(&t);
    for (int i = 0; i < MANY; i++) {
        char uid[16];
        (void)fmt(uid, sizeof(uid), "uid-%d", i);
        (void)add(&t, uid);
    }
    struct table_cursor cursor = {0};
    size_t seen = 0;
    for (struct workload *w = table_each(&t, &cursor); w != NULL; w = table_each(&t, &cursor)) {
        seen++;
        table_remove(&t, w);
    }
    assert_int_equal(seen, MANY);
    assert_int_equal(t.count, 0);
    table_free(&t);
}

static void test_texts_are_copies_of_ours_alone(void **state)
{
    (void)state;
    struct workload_table t;
    table_init(&t);
    char value[] = "25";
    struct kv items[] = {{STR("app"), STR("x")}, {STR("scale.amp/threshold"), str_from(value)}};
    struct deployment d = {
        .name = STR("web"), .namespace_ = STR("shop"), .uid = STR("1"), .annotations = {items, 2}};
    struct workload *w = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(table_add(&t, &d, &w, &e), 0);
    assert_true(workload_same_annotations(w, &d));
    value[0] = '9';
    assert_int_equal(w->annotations.count, 1);
    assert_true(str_eq(w->annotations.items[0].value, STR("25")));
    assert_false(workload_same_annotations(w, &d));
    struct deployment fewer = d;
    fewer.annotations.count = 1;
    assert_false(workload_same_annotations(w, &fewer));
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_due_times),
        cmocka_unit_test(test_each_visits_all_and_allows_removal),
        cmocka_unit_test(test_texts_are_copies_of_ours_alone),
    };
    return cmocka_run_group_tests_name("workload", tests, NULL, NULL);
}
