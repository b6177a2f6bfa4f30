/* Shared queries and the patience with endpoints that fail (scaler/query_pool.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "calls.h"
#include "scaler/query_pool.h"

enum { TIMEOUT_MS = 5000 };

struct asked {
    struct query_ticket *ticket;
    bool joined, done;
    struct err e;
    struct query_ticket *rival; /* to be cancelled in the callback */
    struct asked *again;        /* to be asked in the callback */
};

struct stage {
    struct prom *prom;
    struct query_pool *pool;
    const char *here, *elsewhere; /* two places */
};

static struct stage stage;

static int setup(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    stage.here = calls_url("http", calls.server.http, "/workspaces/ws-a");
    const struct prom_config c = {.endpoint = str_from(stage.here)};
    assert_int_equal(prom_new(calls.client, &c, &stage.prom, &e), 0);
    assert_int_equal(query_pool_new(stage.prom, calls.loop, &stage.pool, &e), 0);
    stage.here = calls_url("http", calls.server.http, "/workspaces/ws-a");
    stage.elsewhere = calls_url("http", calls.server.http, "/workspaces/ws-b");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    query_pool_free(stage.pool);
    prom_free(stage.prom);
    return 0;
}

static void ask(const char *url, const char *query, int64_t timeout_ms, struct asked *a);

static void answered(void *context, const struct prom_result *result, const struct err *e)
{
    struct asked *a = context;
    (void)result;
    assert_false(a->done);
    a->done = true;
    a->e = *e;
    if (a->rival != NULL) {
        query_pool_cancel(a->rival);
    }
    if (a->again != NULL) {
        ask(stage.here, "vector(100)", TIMEOUT_MS, a->again);
    }
}

static int try_ask(const char *url, const char *region, const char *query, int64_t timeout_ms,
                   struct asked *a)
{
    struct prom_place place = {.region = str_from(region)};
    (void)fmt(place.url, sizeof place.url, "%s", url);
    a->e.code = ERR_NONE;
    return query_pool_ask(stage.pool, &place, str_from(query), timeout_ms, answered, a, &a->ticket,
                          &a->joined, &a->e);
}

static void ask(const char *url, const char *query, int64_t timeout_ms, struct asked *a)
{
    if (try_ask(url, NULL, query, timeout_ms, a) != 0) {
        fail_msg("%s", a->e.text);
    }
}

/* Again and again until the place may be asked. */
static void ask_when_allowed(const char *url, const char *query, struct asked *a)
{
    const int64_t end_ms = loop_now_ms(calls.loop) + 5000;
    while (try_ask(url, NULL, query, TIMEOUT_MS, a) != 0) {
        assert_true(loop_now_ms(calls.loop) < end_ms);
        turn_for(calls.loop, 10);
    }
}

static enum err_code outcome(const char *url, const char *query)
{
    struct asked a = {.done = false};
    if (try_ask(url, NULL, query, TIMEOUT_MS, &a) == 0) {
        turn_until(calls.loop, &a.done);
    }
    return a.e.code;
}

static void refused(const char *url, enum err_code code, const char *how)
{
    struct asked a = {.done = false};
    assert_int_equal(try_ask(url, NULL, "vector(1)", TIMEOUT_MS, &a), -1);
    assert_int_equal(a.e.code, code);
    if (strncmp(a.e.text, how, strlen(how)) != 0) {
        fail_msg("%s, expected %s", a.e.text, how);
    }
}

/* ---- sharing ---- */

static void equal_queries_are_asked_once(void **state)
{
    (void)state;
    struct asked a[5] = {{.done = false}};
    ask(stage.here, "vector(100)", TIMEOUT_MS, &a[0]);
    ask(stage.here, "vector(100)", TIMEOUT_MS, &a[1]);
    ask(stage.here, "vector(101)", TIMEOUT_MS, &a[2]);
    ask(stage.elsewhere, "vector(100)", TIMEOUT_MS, &a[3]);
    assert_int_equal(try_ask(stage.here, "us-east-1", "vector(100)", TIMEOUT_MS, &a[4]), 0);
    assert_false(a[0].joined || a[2].joined || a[3].joined || a[4].joined);
    assert_true(a[1].joined);
    assert_int_equal(query_pool_out(stage.pool), 4);
    for (size_t i = 0; i < 5; i++) {
        turn_until(calls.loop, &a[i].done);
        assert_int_equal(a[i].e.code, ERR_NONE);
    }
    assert_int_equal(query_pool_out(stage.pool), 0);
}

static void one_with_less_time_asks_for_itself(void **state)
{
    (void)state;
    struct asked patient = {.done = false}, hasty = {.done = false};
    ask(stage.here, "slow/400", TIMEOUT_MS, &patient);
    ask(stage.here, "slow/400", 100, &hasty);
    assert_false(hasty.joined);
    turn_until(calls.loop, &hasty.done);
    assert_int_equal(hasty.e.code, ERR_TIMEOUT);
    assert_false(patient.done);
    turn_until(calls.loop, &patient.done);
}

static void each_may_give_up_alone(void **state)
{
    (void)state;
    struct asked a[3] = {{.done = false}};
    for (size_t i = 0; i < 3; i++) {
        ask(stage.here, "vector(100)", TIMEOUT_MS, &a[i]);
    }
    query_pool_cancel(a[0].ticket);
    query_pool_cancel(a[2].ticket);
    turn_until(calls.loop, &a[1].done);
    assert_false(a[0].done || a[2].done);
    ask(stage.here, "vector(100)", TIMEOUT_MS, &a[0]);
    query_pool_cancel(a[0].ticket);
    assert_int_equal(query_pool_out(stage.pool), 0);
}

static void in_a_callback_one_may_cancel_and_ask_anew(void **state)
{
    (void)state;
    struct asked a[3] = {{.done = false}}, again = {.done = false};
    for (size_t i = 0; i < 3; i++) {
        ask(stage.here, "vector(100)", TIMEOUT_MS, &a[i]);
    }
    /* Whichever is told first takes the second's ticket away. */
    a[2].rival = a[1].ticket;
    a[2].again = &again;
    turn_until(calls.loop, &again.done);
    assert_true(a[0].done && a[2].done);
    assert_false(a[1].done || again.joined);
}

static void what_is_out_is_given_up_with_the_pool(void **state)
{
    (void)state;
    struct asked a = {.done = false}, b = {.done = false};
    ask(stage.here, "slow/300", TIMEOUT_MS, &a);
    ask(stage.here, "slow/300", TIMEOUT_MS, &b);
    query_pool_free(stage.pool);
    stage.pool = NULL;
    turn_for(calls.loop, 400);
    assert_false(a.done || b.done);
}

enum { CROWD = 200 };

static void a_crowd_waits_its_turn(void **state)
{
    (void)state;
    static struct asked crowd[CROWD];
    char query[CROWD][32];
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct asked){.done = false};
        (void)snprintf(query[i], sizeof query[i], "vector(%zu)", i);
        ask(stage.here, query[i], 300, &crowd[i]); /* sent, each has this long */
    }
    query_pool_cancel(crowd[CROWD - 1].ticket); /* waiting */
    query_pool_cancel(crowd[0].ticket);         /* out */
    query_pool_cancel(crowd[100].ticket);
    for (size_t i = 1; i < CROWD - 1; i++) {
        if (i != 100) {
            turn_until(calls.loop, &crowd[i].done);
            assert_int_equal(crowd[i].e.code, ERR_NONE);
        }
    }
    assert_false(crowd[0].done || crowd[100].done || crowd[CROWD - 1].done);
    assert_int_equal(query_pool_out(stage.pool), 0);
}

/* ---- patience ---- */

static void who_waits_at_a_place_that_fails_is_told_at_once(void **state)
{
    (void)state;
    static struct asked crowd[CROWD];
    char query[CROWD][32];
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct asked){.done = false};
        (void)snprintf(query[i], sizeof query[i], "html/503/%zu", i);
        ask(stage.here, query[i], TIMEOUT_MS, &crowd[i]);
    }
    size_t told = 0;
    for (size_t i = 0; i < CROWD; i++) {
        turn_until(calls.loop, &crowd[i].done);
        assert_int_equal(crowd[i].e.code, ERR_UNAVAILABLE);
        told += strncmp(crowd[i].e.text, "not asked again for 1s", 22) == 0;
    }
    assert_in_range(told, CROWD - 80, CROWD - 64); /* the others had been sent */
}

static void a_throttled_place_is_left_alone_for_as_long_as_it_says(void **state)
{
    (void)state;
    assert_int_equal(outcome(stage.here, "429/7"), ERR_THROTTLED);
    refused(stage.here, ERR_THROTTLED, "not asked again for 7s, after: ");
    assert_int_equal(outcome(stage.elsewhere, "vector(100)"), ERR_NONE);
}

static void a_failed_place_is_tried_by_a_few(void **state)
{
    (void)state;
    struct asked tries[4] = {{.done = false}};
    static const char *const QUERIES[] = {"vector(1)", "vector(2)", "vector(3)", "vector(4)"};
    assert_int_equal(outcome(stage.here, "503"), ERR_UNAVAILABLE);
    refused(stage.here, ERR_UNAVAILABLE, "not asked again for 1s, after: ");
    ask_when_allowed(stage.here, QUERIES[0], &tries[0]);
    for (size_t i = 1; i < 4; i++) {
        ask(stage.here, QUERIES[i], TIMEOUT_MS, &tries[i]);
    }
    struct asked joins = {.done = false}, one_more = {.done = false};
    ask(stage.here, "vector(4)", TIMEOUT_MS, &joins); /* joining costs the place nothing */
    assert_true(joins.joined);
    assert_int_equal(try_ask(stage.here, NULL, "vector(5)", TIMEOUT_MS, &one_more), -1);
    assert_non_null(strstr(one_more.e.text, "being tried again by others, after: "));
    for (size_t i = 0; i < 4; i++) {
        turn_until(calls.loop, &tries[i].done);
    }
    turn_until(calls.loop, &joins.done);
    ask(stage.here, "vector(5)", TIMEOUT_MS, &one_more);
    turn_until(calls.loop, &one_more.done);
}

static void failures_in_a_row_double_the_wait(void **state)
{
    (void)state;
    assert_int_equal(outcome(stage.here, "503"), ERR_UNAVAILABLE);
    struct asked second = {.done = false};
    ask_when_allowed(stage.here, "503", &second);
    turn_until(calls.loop, &second.done);
    refused(stage.here, ERR_UNAVAILABLE, "not asked again for 2s, after: ");
}

static void a_crowd_that_fails_together_counts_once(void **state)
{
    (void)state;
    struct asked a[3] = {{.done = false}};
    static const char *const QUERIES[] = {"html/502", "html/503", "503"};
    for (size_t i = 0; i < 3; i++) {
        ask(stage.here, QUERIES[i], TIMEOUT_MS, &a[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        turn_until(calls.loop, &a[i].done);
    }
    refused(stage.here, ERR_UNAVAILABLE, "not asked again for 1s, after: ");
}

static void a_wrong_query_is_not_the_places_fault(void **state)
{
    (void)state;
    assert_int_equal(outcome(stage.here, "sum("), ERR_INVALID);
    assert_int_equal(outcome(stage.here, "403/403"), ERR_DENIED);
    assert_int_equal(outcome(stage.here, "vector(100)"), ERR_NONE);
}

static void silence_is_the_places_fault_unless_it_answered_others(void **state)
{
    (void)state;
    struct asked slow = {.done = false};
    ask(stage.here, "slow/1000", 300, &slow);
    assert_int_equal(outcome(stage.here, "vector(100)"), ERR_NONE);
    turn_until(calls.loop, &slow.done);
    assert_int_equal(slow.e.code, ERR_TIMEOUT);
    assert_int_equal(outcome(stage.here, "vector(100)"), ERR_NONE);
    slow.done = false;
    ask(stage.elsewhere, "slow/1000", 100, &slow);
    turn_until(calls.loop, &slow.done);
    refused(stage.elsewhere, ERR_TIMEOUT, "not asked again for 1s, after: ");
    assert_int_equal(outcome(stage.here, "vector(100)"), ERR_NONE);
}

static void a_dead_place_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(outcome("http://127.0.0.1:1", "vector(100)"), ERR_UNAVAILABLE);
    refused("http://127.0.0.1:1", ERR_UNAVAILABLE, "not asked again for 1s, after: ");
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(equal_queries_are_asked_once),
        POOL_TEST(one_with_less_time_asks_for_itself),
        POOL_TEST(each_may_give_up_alone),
        POOL_TEST(in_a_callback_one_may_cancel_and_ask_anew),
        POOL_TEST(what_is_out_is_given_up_with_the_pool),
        POOL_TEST(a_crowd_waits_its_turn),
        POOL_TEST(who_waits_at_a_place_that_fails_is_told_at_once),
        POOL_TEST(a_throttled_place_is_left_alone_for_as_long_as_it_says),
        POOL_TEST(a_failed_place_is_tried_by_a_few),
        POOL_TEST(failures_in_a_row_double_the_wait),
        POOL_TEST(a_crowd_that_fails_together_counts_once),
        POOL_TEST(a_wrong_query_is_not_the_places_fault),
        POOL_TEST(silence_is_the_places_fault_unless_it_answered_others),
        POOL_TEST(a_dead_place_is_left_alone),
    };
    return cmocka_run_group_tests_name("scaler_pool", tests, calls_start, calls_stop);
}
