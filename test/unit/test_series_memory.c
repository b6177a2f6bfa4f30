/* Memory of the table over many scrapes: it follows what is live, whatever comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "scrape_stage.h"

static const int64_t MANY = 1000, SCRAPES = 120;

/* `count` samples of series numbered from `from`; 0, or -1 where one was refused. */
static int take_many(struct stage *s, const char *format, int64_t from, int64_t count)
{
    struct err e = ERR_INIT;
    for (int64_t i = from; i < from + count; i++) {
        char text[256];
        struct exposed_sample sample = {
            .series = fmt(text, sizeof(text), "m{i=\"%lld\",%s\"}", (long long)i, format),
            .value = (double)i};
        if (scrape_take(s->table, EXPOSITION_TEXT, &sample, &e) != 0) {
            assert_int_equal(e.code, ERR_LIMIT);
            return -1;
        }
    }
    return 0;
}

static void drain(struct stage *s)
{
    struct err e = ERR_INIT;
    struct outbox_request request;
    do {
        assert_int_equal(outbox_front(s->outbox, &request, &e), 0);
        outbox_sent(s->outbox, false);
    } while (request.samples > 0);
}

/* Each scrape has other series; `drained`: each is sent at once. */
static void churn(struct stage *s, bool drained, bool up, size_t kept)
{
    size_t early = 0;
    for (int64_t n = 1; n <= SCRAPES; n++) {
        scrape_begin(s->table, n * 1000);
        assert_int_equal(take_many(s, "path=\"/some/longer/path", n * MANY, MANY), 0);
        stage_finish(s, up);
        if (drained) {
            drain(s);
        }
        assert_int_equal(series_live(s->table), (up ? kept : 0) + 5);
        early = n == SCRAPES / 4 ? series_table_bytes(s->table) : early;
    }
    assert_true(early > 0 && series_table_bytes(s->table) <= early + early / 20);
}

static void test_churn(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    churn(s, true, true, (size_t)MANY);
    assert_true(series_table_bytes(s->table) <
                (size_t)MANY * 3 * 256); /* two scrapes' worth and slack */
}

/* Nobody takes what is sent: the outbox drops the oldest, and the table lets go of theirs. */
static void test_churn_unsent(void **state)
{
    struct stage *s = *state;
    s->limits.bytes_max = (size_t)MANY * 20 * 12;
    stage_open(s);
    churn(s, false, true, (size_t)MANY);
    assert_true(outbox_dropped(s->outbox, OUTBOX_FULL) > 0);
    assert_true(outbox_bytes(s->outbox) <= s->limits.bytes_max);
}

static void test_churn_not_kept(void **state)
{
    static const struct str KEEP[] = {STR_INIT("none")};
    struct stage *s = *state;
    s->options.keep = KEEP;
    s->options.keep_count = 1;
    stage_open(s);
    churn(s, true, true, 0);
}

/* Scrapes that fail leave nothing, not even what was learnt on the way. */
static void test_churn_failing(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    churn(s, true, false, 0);
    assert_true(series_table_bytes(s->table) < 200000);
}

/* Other texts of series that are known, in scrapes that fail. */
static void test_spellings_failing(void **state)
{
    struct stage *s = *state;
    size_t before;
    stage_open(s);
    scrape_begin(s->table, 1000);
    assert_int_equal(take_many(s, "x=\"", 0, MANY), 0);
    stage_finish(s, true);
    before = series_table_bytes(s->table);
    for (int64_t n = 2; n < SCRAPES; n++) {
        char format[64];
        scrape_begin(s->table, n * 1000);
        (void)fmt(format, sizeof(format), "empty%lld=\"\",x=\"", (long long)n);
        assert_int_equal(take_many(s, format, 0, MANY / 2), 0);
        stage_finish(s, false);
        drain(s);
    }
    assert_true(series_table_bytes(s->table) <= before * 2);
    scrape_begin(s->table, SCRAPES * 1000);
    assert_int_equal(take_many(s, "x=\"", 0, MANY), 0);
    stage_finish(s, true);
    assert_int_equal(s->counts.added, 0);
}

/* Those that stay lie between those that go: the store is compacted, and they keep their labels. */
static void test_mixed(void **state)
{
    struct stage *s = *state;
    size_t early = 0;
    stage_open(s);
    for (int64_t n = 1; n <= SCRAPES; n++) {
        scrape_begin(s->table, n * 1000);
        for (int i = 0; i < MANY; i += 20) {
            assert_int_equal(take_many(s, "stays=\"here", i, 1), 0);
            assert_int_equal(take_many(s, "goes=\"by/and/is/not/seen/again", n * MANY + i, 19), 0);
        }
        stage_finish(s, true);
        if (n < SCRAPES) {
            drain(s);
        }
        early = n == SCRAPES / 4 ? series_table_bytes(s->table) : early;
    }
    assert_true(series_table_bytes(s->table) <= early + early / 20);
    const char *received = stage_receive(s);
    for (int i = 0; i < MANY; i += 20) {
        char line[128];
        (void)fmt(line, sizeof(line), "m{i=\"%d\",job=\"j\",stays=\"here\"} %d @%lld\n", i, i,
                  (long long)SCRAPES * 1000);
        assert_non_null(strstr(received, line));
    }
}

static void test_shrinks(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    scrape_begin(s->table, 1000);
    assert_int_equal(take_many(s, "x=\"", 0, 30000), 0);
    stage_finish(s, true);
    assert_true(series_table_bytes(s->table) > 3000000);
    for (int64_t n = 2; n < 5; n++) {
        drain(s);
        scrape_begin(s->table, n * 1000);
        assert_int_equal(take_many(s, "x=\"", 0, 10), 0);
        stage_finish(s, true);
    }
    assert_true(series_table_bytes(s->table) < 200000);
    assert_int_equal(s->counts.added, 0);
}

static void test_ceiling(void **state)
{
    struct stage *s = *state;
    s->options.limits.table_bytes_max = 1000000;
    stage_open(s);
    scrape_begin(s->table, 1000);
    assert_int_equal(take_many(s, "x=\"", 0, 100), 0);
    stage_finish(s, true);
    for (int64_t n = 2; n < 6; n++) {
        scrape_begin(s->table, n * 1000);
        assert_int_equal(take_many(s, "x=\"", 0, 100000), -1);
        assert_true(series_table_bytes(s->table) <= 1000000);
        stage_finish(s, true);
        assert_int_equal(s->counts.stale, n == 2 ? 100 : 0);
        drain(s);
    }
    scrape_begin(s->table, 7000);
    assert_int_equal(take_many(s, "x=\"", 0, 100), 0);
    stage_finish(s, true);
    assert_int_equal(s->counts.added, 0);
    assert_int_equal(series_live(s->table), 100 + 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_churn),         TEST(test_churn_unsent),      TEST(test_churn_not_kept),
        TEST(test_churn_failing), TEST(test_spellings_failing), TEST(test_mixed),
        TEST(test_shrinks),       TEST(test_ceiling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
