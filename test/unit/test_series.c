/* The table, scrape by scrape: what a receiver gets of bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "scrape_stage.h"

/* ---- reports ---- */

static const char *reports(struct stage *s, bool received)
{
    struct err e = ERR_INIT;
    struct scrape_result r = {.up = false, .received = received, .duration_s = 2.5};
    assert_int_equal(scrape_finish(s->table, &r, s->outbox, &s->counts, &e), 0);
    return stage_receive(s);
}

static void test_reports(void **state)
{
    struct stage *s = *state;
    s->reports = true;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\nb{x=\"1\"} 2\nb{x=\"1\"} 3\n");
    assert_string_equal(stage_receive(s),
                        "a{job=\"j\"} 1 @1000\n"
                        "b{job=\"j\",x=\"1\"} 2 @1000\n"
                        "up{job=\"j\"} 1 @1000\n"
                        "scrape_duration_seconds{job=\"j\"} 0.5 @1000\n"
                        "scrape_samples_scraped{job=\"j\"} 3 @1000\n"
                        "scrape_samples_post_metric_relabeling{job=\"j\"} 3 @1000\n"
                        "scrape_series_added{job=\"j\"} 2 @1000\n");
    scrape_begin(s->table, 2000);
    assert_string_equal(stage_take(s, "a 1\nc 1\n"), "");
    assert_string_equal(reports(s, false), /* nothing counts that came in part */
                        "a{job=\"j\"} stale @2000\n"
                        "b{job=\"j\",x=\"1\"} stale @2000\n"
                        "up{job=\"j\"} 0 @2000\n"
                        "scrape_duration_seconds{job=\"j\"} 2.5 @2000\n"
                        "scrape_samples_scraped{job=\"j\"} 0 @2000\n"
                        "scrape_samples_post_metric_relabeling{job=\"j\"} 0 @2000\n"
                        "scrape_series_added{job=\"j\"} 0 @2000\n");
    scrape_begin(s->table, 3000);
    assert_string_equal(stage_take(s, "a 1\nc 1\n"), "");
    assert_string_equal(reports(s, true), /* it was read as far as that */
                        "up{job=\"j\"} 0 @3000\n"
                        "scrape_duration_seconds{job=\"j\"} 2.5 @3000\n"
                        "scrape_samples_scraped{job=\"j\"} 2 @3000\n"
                        "scrape_samples_post_metric_relabeling{job=\"j\"} 2 @3000\n"
                        "scrape_series_added{job=\"j\"} 1 @3000\n");
}

/* up is what we say, whatever a target says. */
static void test_reports_are_ours(void **state)
{
    struct stage *s = *state;
    s->reports = true;
    stage_open(s);
    stage_scrape(s, 1000, "up 7\nup{a=\"1\"} 8\nscrape_series_added 9 500\n");
    assert_string_equal(stage_receive(s),
                        "up{a=\"1\",job=\"j\"} 8 @1000\n"
                        "up{job=\"j\"} 1 @1000\n"
                        "scrape_duration_seconds{job=\"j\"} 0.5 @1000\n"
                        "scrape_samples_scraped{job=\"j\"} 3 @1000\n"
                        "scrape_samples_post_metric_relabeling{job=\"j\"} 3 @1000\n"
                        "scrape_series_added{job=\"j\"} 1 @1000\n");
    assert_int_equal(s->counts.dropped[SERIES_DUPLICATE], 2);
}

/* Known after a failed scrape: nothing was added, as Prometheus' cache has it. */
static void test_added(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\nb 1\n");
    assert_int_equal(s->counts.added, 2);
    stage_scrape(s, 2000, "a 1\nb 1\nc 1\n");
    assert_int_equal(s->counts.added, 1);
    stage_fail(s, 3000);
    assert_int_equal(s->counts.added, 0);
    assert_int_equal(s->counts.stale, 3);
    stage_fail(s, 4000);
    assert_int_equal(s->counts.stale, 0);
    stage_scrape(s, 5000, "a 1\nb 1\nc 1\n");
    assert_int_equal(s->counts.added, 0);
    stage_scrape(s, 6000, "a 1\n");
    stage_scrape(s, 7000, "a 1\nb 1\n");
    assert_int_equal(s->counts.added, 1);
}

/* ---- staleness ---- */

static void test_vanishing(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\nb 2\n");
    stage_scrape(s, 2000, "b 3\n");
    stage_scrape(s, 3000, "b 4\n"); /* told once */
    stage_scrape(s, 4000, "a 5\nb 6\n");
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @1000\nb{job=\"j\"} 2 @1000\n"
                                          "b{job=\"j\"} 3 @2000\na{job=\"j\"} stale @2000\n"
                                          "b{job=\"j\"} 4 @3000\n"
                                          "a{job=\"j\"} 5 @4000\nb{job=\"j\"} 6 @4000\n");
    assert_int_equal(series_live(s->table), 2 + 5);
}

static void test_failing(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\nb 2\n");
    stage_fail(s, 2000);
    stage_fail(s, 3000);
    stage_scrape(s, 4000, "b 3\n");
    stage_scrape(s, 5000, "b 4\n");
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @1000\nb{job=\"j\"} 2 @1000\n"
                                          "a{job=\"j\"} stale @2000\nb{job=\"j\"} stale @2000\n"
                                          "b{job=\"j\"} 3 @4000\nb{job=\"j\"} 4 @5000\n");
}

/* What scrape_take refused decides, whatever the caller says of the scrape. */
static void test_refused_line(void **state)
{
    struct stage *s = *state;
    s->reports = true;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\n");
    (void)stage_receive(s);
    scrape_begin(s->table, 2000);
    assert_non_null(strstr(stage_take(s, "a 2\nb 3\nc{x=\"1\",x=\"2\"} 4\n"), "c{x="));
    stage_finish(s, true);
    const char *received = stage_receive(s);
    assert_non_null(strstr(received, "a{job=\"j\"} stale @2000\nup{job=\"j\"} 0 @2000\n"));
    assert_null(strstr(received, "b{"));
}

static void test_everything_stale(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    s->reports = true;
    stage_open(s);
    assert_int_equal(series_all_stale(s->table, 500, s->outbox, &e), 0);
    assert_string_equal(stage_receive(s), "");
    scrape_begin(s->table, 1000);
    assert_string_equal(stage_take(s, "a 1\nb 2 999\n"), "");
    assert_int_equal(scrape_add_own(s->table, STR("own"), 3, &e), 0);
    stage_finish(s, true);
    (void)stage_receive(s);
    assert_int_equal(series_all_stale(s->table, 1000, s->outbox, &e), 0); /* the next ms */
    assert_string_equal(stage_receive(s),
                        "up{job=\"j\"} stale @1001\n"
                        "scrape_duration_seconds{job=\"j\"} stale @1001\n"
                        "scrape_samples_scraped{job=\"j\"} stale @1001\n"
                        "scrape_samples_post_metric_relabeling{job=\"j\"} stale @1001\n"
                        "scrape_series_added{job=\"j\"} stale @1001\n"
                        "a{job=\"j\"} stale @1001\n"
                        "own{job=\"j\"} stale @1001\n");
    assert_int_equal(series_live(s->table), 0);
    assert_int_equal(series_all_stale(s->table, 2000, s->outbox, &e), 0);
    assert_string_equal(stage_receive(s), "");
    s->reports = false;
    stage_scrape(s, 3000, "a 1\n"); /* it came back */
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @3000\n");
}

/* Markers that wait keep their series; a clock that was set back while a scrape ran is followed. */
static void test_everything_stale_waits(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    stage_open(s);
    stage_scrape(s, 100000, "a 1\nb 2\n");
    (void)stage_receive(s);
    scrape_begin(s->table, 2000);
    assert_string_equal(stage_take(s, "a 1\n"), "");
    assert_int_equal(series_all_stale(s->table, 2500, s->outbox, &e), 0);
    stage_scrape(s, 3000, "c 3\n");
    stage_scrape(s, 4000, "c 4\nd 5\ne 6\n");
    assert_string_equal(stage_receive(s), "a{job=\"j\"} stale @2500\nb{job=\"j\"} stale @2500\n"
                                          "c{job=\"j\"} 3 @3000\nc{job=\"j\"} 4 @4000\n"
                                          "d{job=\"j\"} 5 @4000\ne{job=\"j\"} 6 @4000\n");
}

/* ---- one series, several texts ---- */

static void test_other_order(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    stage_scrape(s, 1000, "a{x=\"1\",y=\"2\"} 1\n");
    stage_scrape(s, 2000, "a{y=\"2\",x=\"1\"} 2\n");
    assert_int_equal(s->counts.stale, 0);
    assert_int_equal(s->counts.added, 0);
    stage_scrape(s, 3000, "a{y=\"2\",x=\"1\",z=\"\"} 3\na{x=\"1\",y=\"2\"} 4\n");
    assert_int_equal(s->counts.dropped[SERIES_DUPLICATE], 1);
    assert_string_equal(stage_receive(s), "a{job=\"j\",x=\"1\",y=\"2\"} 1 @1000\n"
                                          "a{job=\"j\",x=\"1\",y=\"2\"} 2 @2000\n"
                                          "a{job=\"j\",x=\"1\",y=\"2\"} 3 @3000\n");
}

/* The same text may mean another series in the other format. */
static void test_formats(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    struct exposed_sample sample = {.series = STR("a{x=\"1\"}"), .value = 1};
    stage_open(s);
    for (int64_t time = 1000; time < 4000; time += 1000) {
        enum exposition_format format = time == 2000 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
        scrape_begin(s->table, time);
        assert_int_equal(scrape_take(s->table, format, &sample, &e), 0);
        stage_finish(s, true);
        assert_int_equal(s->counts.stale, 0);
    }
    assert_string_equal(stage_receive(s), "a{job=\"j\",x=\"1\"} 1 @1000\n"
                                          "a{job=\"j\",x=\"1\"} 1 @2000\n"
                                          "a{job=\"j\",x=\"1\"} 1 @3000\n");
}

/* ---- times of their own ---- */

static void test_own_times(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    stage_scrape(s, 1000, "a 1 900\na 2 950\na 3 950\na 4 940\nb 5 99000\nc 6 5\n");
    assert_int_equal(s->counts.dropped[SERIES_OUT_OF_ORDER], 2);
    assert_true(str_eq(s->counts.example[SERIES_OUT_OF_ORDER], STR("a")));
    /* a says the same again, which is no loss; b was sent for later than that */
    stage_scrape(s, 2000, "a 2 950\nb 8\nb 9 100000\n");
    assert_int_equal(s->counts.dropped[SERIES_OUT_OF_ORDER], 1);
    assert_int_equal(s->counts.stale, 0); /* c had a time of its own */
    stage_scrape(s, 3000, "a 10\na 11 2999\na 12 4000\n");
    stage_scrape(s, 4000, "d 13 5000\n");
    stage_scrape(s, 5000, "d 14\n"); /* another of that time */
    assert_int_equal(s->counts.dropped[SERIES_OUT_OF_ORDER], 1);
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @900\na{job=\"j\"} 2 @950\n"
                                          "b{job=\"j\"} 5 @99000\nc{job=\"j\"} 6 @5\n"
                                          "b{job=\"j\"} 9 @100000\n"
                                          "a{job=\"j\"} 10 @3000\n"
                                          "d{job=\"j\"} 13 @5000\na{job=\"j\"} stale @4000\n");
}

/* The time of a sample that was rolled back was not sent. */
static void test_own_time_rolled_back(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    stage_scrape(s, 1000, "a 1 900\n");
    scrape_begin(s->table, 2000);
    assert_string_equal(stage_take(s, "a 2 1900\na 3 1901\n"), "");
    stage_finish(s, false);
    stage_scrape(s, 3000, "a 2 1900\n");
    scrape_begin(s->table, 4000);
    assert_string_equal(stage_take(s, "a 4 3900\n"), "");
    stage_scrape(s, 4001, "a 4 3900\n"); /* begun anew */
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @900\na{job=\"j\"} 2 @1900\n"
                                          "a{job=\"j\"} 4 @3900\n");
}

static void test_clock(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    struct scrape_result r = {.up = true};
    stage_open(s);
    stage_scrape(s, 100000, "a 1\nb 1 100000\n");
    scrape_begin(s->table, 100000);
    assert_string_equal(stage_take(s, "a 2\n"), "");
    assert_int_equal(scrape_finish(s->table, &r, s->outbox, &s->counts, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    stage_scrape(s, 2000, "a 3\nb 3 2000\n"); /* set back, and followed */
    stage_scrape(s, 3000, "");
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @100000\nb{job=\"j\"} 1 @100000\n"
                                          "a{job=\"j\"} 3 @2000\nb{job=\"j\"} 3 @2000\n"
                                          "a{job=\"j\"} stale @3000\n");
}

/* ---- values ---- */

static void test_values(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    struct exposed_sample sample = {.series = STR("a"), .value = series_stale_marker()};
    uint64_t bits;
    double marker = series_stale_marker();
    memcpy(&bits, &marker, sizeof(bits));
    assert_true(bits == UINT64_C(0x7ff0000000000002));
    stage_open(s);
    scrape_begin(s->table, 1000);
    assert_int_equal(scrape_take(s->table, EXPOSITION_TEXT, &sample, &e), 0);
    assert_string_equal(stage_take(s, "b -Inf\nc -0\nd 1.7976931348623157e308\ne 4.9e-324\n"), "");
    stage_finish(s, true);
    assert_string_equal(stage_receive(s), "a{job=\"j\"} NaN @1000\nb{job=\"j\"} -Inf @1000\n"
                                          "c{job=\"j\"} -0 @1000\n"
                                          "d{job=\"j\"} 1.7976931348623157e+308 @1000\n"
                                          "e{job=\"j\"} 5e-324 @1000\n");
}

/* ---- our own ---- */

static void own_scrape(struct stage *s, int64_t time, bool up, const char *body, double value)
{
    struct err e = ERR_INIT;
    scrape_begin(s->table, time);
    assert_int_equal(scrape_add_own(s->table, STR("own{k=\"v\"}"), value, &e), 0);
    assert_string_equal(stage_take(s, body), "");
    stage_finish(s, up);
}

static void test_own_series(void **state)
{
    static const struct str KEEP[] = {STR_INIT("a")};
    struct stage *s = *state;
    s->options.keep = KEEP;
    s->options.keep_count = 1;
    stage_open(s);
    own_scrape(s, 1000, true, "a 1\n", 10);
    assert_int_equal(outbox_samples(s->outbox), 2 + 5);
    own_scrape(s, 2000, false, "a 2\n", 11); /* sent all the same */
    own_scrape(s, 3000, false, "", 12);
    own_scrape(s, 4000, true, "a 3\n", 13);
    stage_fail(s, 5000); /* without ours */
    own_scrape(s, 6000, true, "a 4\n", 14);
    assert_string_equal(stage_receive(s),
                        "a{job=\"j\"} 1 @1000\nown{job=\"j\",k=\"v\"} 10 @1000\n"
                        "a{job=\"j\"} stale @2000\nown{job=\"j\",k=\"v\"} 11 @2000\n"
                        "own{job=\"j\",k=\"v\"} 12 @3000\n"
                        "a{job=\"j\"} 3 @4000\nown{job=\"j\",k=\"v\"} 13 @4000\n"
                        "own{job=\"j\",k=\"v\"} stale @5000\na{job=\"j\"} stale @5000\n"
                        "a{job=\"j\"} 4 @6000\nown{job=\"j\",k=\"v\"} 14 @6000\n");
}

/* The scraper's second try: the scrape is written as failed, with ours. */
static void test_own_series_of_a_scrape_that_does_not_fit(void **state)
{
    struct stage *s = *state;
    struct scrape_result r = {.up = true, .received = true};
    struct err e = ERR_INIT;
    s->limits.bytes_max = 400;
    stage_open(s);
    own_scrape(s, 1000, true, "a 1\n", 10);
    scrape_begin(s->table, 2000);
    assert_string_equal(
        stage_take(
            s, "a 2\nb 2\nc 2\nd 2\ne 2\nf 2\ng 2\nh 2\ni 2\nj 2\n"
               "k 2\nl 2\nm 2\nn 2\no 2\np 2\nq 2\nr 2\ns 2\nt 2\nu 2\nv 2\nw 2\nx 2\ny 2\nz 2\n"),
        "");
    assert_int_equal(scrape_add_own(s->table, STR("own{k=\"v\"}"), 11, &e), 0);
    assert_int_equal(scrape_finish(s->table, &r, s->outbox, &s->counts, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(scrape_add_own(s->table, STR("own{k=\"v\"}"), 11, &e), 0);
    stage_finish(s, false);
    assert_string_equal(stage_receive(s),
                        "a{job=\"j\"} 1 @1000\nown{job=\"j\",k=\"v\"} 10 @1000\n"
                        "a{job=\"j\"} stale @2000\nown{job=\"j\",k=\"v\"} 11 @2000\n");
}

/* Whoever has it first in a scrape. */
static void test_own_series_of_the_target(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    stage_open(s);
    own_scrape(s, 1000, true, "own{k=\"v\"} 1\n", 10);
    assert_int_equal(s->counts.dropped[SERIES_DUPLICATE], 1);
    scrape_begin(s->table, 2000);
    assert_string_equal(stage_take(s, "own{k=\"v\"} 2\n"), "");
    assert_int_equal(scrape_add_own(s->table, STR("own{k=\"v\"}"), 20, &e), 0);
    assert_int_equal(scrape_add_own(s->table, STR("up"), 7, &e), 0);
    stage_finish(s, true);
    scrape_begin(s->table, 3000);
    assert_string_equal(stage_take(s, "own{k=\"v\"} 3\n"), "");
    assert_int_equal(scrape_add_own(s->table, STR("own{k=\"v\"}"), 30, &e), 0);
    stage_finish(s, false); /* the target's was left out, and ours came too late */
    own_scrape(s, 4000, true, "", 40);
    stage_scrape(s, 4100, "own{k=\"v\"} 4 4500\n");
    own_scrape(s, 4200, true, "", 41); /* it was sent for later than that */
    own_scrape(s, 5000, true, "", 50);
    assert_string_equal(stage_receive(s),
                        "own{job=\"j\",k=\"v\"} 10 @1000\nown{job=\"j\",k=\"v\"} 2 @2000\n"
                        "own{job=\"j\",k=\"v\"} stale @3000\nown{job=\"j\",k=\"v\"} 40 @4000\n"
                        "own{job=\"j\",k=\"v\"} 4 @4500\nown{job=\"j\",k=\"v\"} 50 @5000\n");
}

/* ---- limits ---- */

static void test_many_samples(void **state)
{
    struct stage *s = *state;
    s->options.limits.samples_max = 2;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\nb 2\n");
    scrape_begin(s->table, 2000);
    assert_string_equal(stage_take(s, "a 1\nb 2\nc 3\n"), "more than 2 samples in one scrape");
    stage_finish(s, true);
    stage_scrape(s, 3000, "a 1\nb 2\n");
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 1 @1000\nb{job=\"j\"} 2 @1000\n"
                                          "a{job=\"j\"} stale @2000\nb{job=\"j\"} stale @2000\n"
                                          "a{job=\"j\"} 1 @3000\nb{job=\"j\"} 2 @3000\n");
}

/* Only the series that is too long is dropped; and what is dropped is remembered, counted anew. */
static void test_long_labels(void **state)
{
    static char body[1 << 20];
    struct stage *s = *state;
    s->options.limits.label_bytes_max = 100;
    stage_open(s);
    memset(body, 'v', sizeof(body));
    memcpy(body, "a{x=\"", 5);
    memcpy(body + sizeof(body) - 20, "\"} 1\nb 2\n", 10);
    for (int64_t time = 1000; time <= 2000; time += 1000) {
        stage_scrape(s, time, body);
        assert_int_equal(s->counts.dropped[SERIES_LABELS_TOO_LONG], 1);
        assert_true(str_eq(s->counts.example[SERIES_LABELS_TOO_LONG], STR("a")));
        assert_int_equal(s->counts.kept, 1);
    }
    assert_true(series_table_bytes(s->table) < (1 << 21));
    stage_scrape(s, 3000, "b 2\nc{x=\"\\\"\"} 3\n"); /* scratch for a long one is given back */
    assert_true(series_table_bytes(s->table) < (1 << 17));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reports),
        TEST(test_reports_are_ours),
        TEST(test_added),
        TEST(test_vanishing),
        TEST(test_failing),
        TEST(test_refused_line),
        TEST(test_everything_stale),
        TEST(test_everything_stale_waits),
        TEST(test_other_order),
        TEST(test_formats),
        TEST(test_own_times),
        TEST(test_own_time_rolled_back),
        TEST(test_clock),
        TEST(test_values),
        TEST(test_own_series),
        TEST(test_own_series_of_a_scrape_that_does_not_fit),
        TEST(test_own_series_of_the_target),
        TEST(test_many_samples),
        TEST(test_long_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
