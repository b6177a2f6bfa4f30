/* Each allocation fails once, and all from it on: a scrape that cannot be had leaves the table and
 * the outbox as they were, so that the same one, begun anew, gives what it would have given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "scrape_stage.h"

/* ---- malloc and its kin, which the linker leads here ---- */

static struct {
    long left; /* allocations until one fails; negative: none does */
    bool for_good;
    bool failed;
} starved = {.left = -1};

static bool fails(void)
{
    if (starved.left < 0 || starved.left-- > 0) {
        return false;
    }
    starved.left = starved.for_good ? 0 : -1;
    starved.failed = true;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_reallocarray(void *at, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_reallocarray(void *at, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return fails() ? NULL : __real_realloc(at, size);
}

void *__wrap_reallocarray(void *at, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(at, count, size);
}

/* ---- */

enum { KNOWN = 300, ADDED = 1200 };

enum text { PLAIN, OTHER_ORDER, NOT_KEPT };

static int take(struct stage *s, struct err *e, enum text kind, int i)
{
    char text[256];
    struct exposed_sample sample = {.value = i};
    switch (kind) {
    case PLAIN: sample.series = fmt(text, sizeof(text), "m{a=\"%d\",b=\"\\\"2\\\"\"}", i); break;
    case OTHER_ORDER:
        sample.series = fmt(text, sizeof(text), "m{b=\"\\\"2\\\"\",a=\"%d\"}", i);
        break;
    case NOT_KEPT: sample.series = fmt(text, sizeof(text), "n{a=\"%d\"}", i); break;
    }
    sample.has_timestamp = i % 7 == 0;
    sample.timestamp_ms = 100000 + i;
    return scrape_take(s->table, EXPOSITION_TEXT, &sample, e);
}

/* Half of what is known in the other order, some twice, as much again and more that is new, some
 * not kept, and some of ours. */
static int scrape(struct stage *s, int64_t time, struct err *e)
{
    struct scrape_result r = {.up = true, .received = true, .duration_s = 0.25};
    scrape_begin(s->table, time);
    for (int i = 0; i < KNOWN / 2; i++) {
        if (take(s, e, OTHER_ORDER, i) != 0 || (i % 5 == 0 && take(s, e, PLAIN, i) != 0)) {
            return -1;
        }
    }
    for (int i = KNOWN; i < KNOWN + ADDED; i++) {
        if (take(s, e, i % 3 == 0 ? NOT_KEPT : PLAIN, i) != 0) {
            return -1;
        }
    }
    if (scrape_add_own(s->table, STR("own{a=\"1\"}"), 1, e) != 0) {
        return -1;
    }
    return scrape_finish(s->table, &r, s->outbox, &s->counts, e);
}

static void open_stage(struct stage *s)
{
    static const struct str KEEP[] = {STR_INIT("m")};
    stage_init(s);
    s->options.keep = KEEP;
    s->options.keep_count = 1;
    s->reports = true;
    stage_open(s);
    scrape_begin(s->table, 1000);
    for (int i = 0; i < KNOWN; i++) {
        struct err e = ERR_INIT;
        assert_int_equal(take(s, &e, PLAIN, i), 0);
    }
    stage_finish(s, true);
}

/* A scrape and its requests while the n-th allocation fails; then again, where it was in vain. */
static void attempt(struct stage *s, long n, bool for_good)
{
    struct err e = ERR_INIT;
    starved.left = n;
    starved.for_good = for_good;
    starved.failed = false;
    int status = scrape(s, 200000, &e);
    starved.left = -1;
    if (status == 0) {
        return;
    }
    assert_true(starved.failed);
    if (e.code != ERR_MEMORY) {
        fail_msg("at allocation %ld: %s", n, e.text);
    }
    if (scrape(s, 200000, &e) != 0) {
        fail_msg("after allocation %ld: %s", n, e.text);
    }
}

static char *run(long n, bool for_good, bool *failed)
{
    struct stage s;
    open_stage(&s);
    attempt(&s, n, for_good);
    *failed = starved.failed;
    stage_fail(&s, 300000);
    char *received = strdup(stage_receive(&s));
    assert_non_null(received);
    stage_close(&s);
    return received;
}

static void starve(bool for_good)
{
    bool failed;
    char *want = run(-1, false, &failed);
    assert_false(failed);
    failed = true;
    for (long n = 0; failed; n++) {
        char *have = run(n, for_good, &failed);
        if (strcmp(have, want) != 0) {
            fail_msg("allocation %ld failed, and what was sent afterwards differs", n);
        }
        free(have);
        assert_true(n < 1000);
        assert_true(failed || n > 12); /* there are as many as that at least */
    }
    free(want);
}

static void test_once(void **state)
{
    (void)state;
    starve(false);
}

static void test_for_good(void **state)
{
    (void)state;
    starve(true);
}

/* Requests, and the markers of all. */
static void test_requests(void **state)
{
    struct stage s;
    struct err e = ERR_INIT;
    struct outbox_request request;
    bool failed = true;
    (void)state;
    for (long n = 0; failed; n++) {
        open_stage(&s);
        starved.left = n;
        starved.failed = false;
        int status = outbox_front(s.outbox, &request, &e);
        starved.left = -1;
        failed = starved.failed;
        assert_int_equal(status, failed ? -1 : 0);
        assert_true(!failed || e.code == ERR_MEMORY);
        assert_int_equal(outbox_front(s.outbox, &request, &e), 0);
        assert_int_equal(request.samples, KNOWN + 5);
        stage_close(&s);
    }
    failed = true;
    for (long n = 0; failed; n++) {
        open_stage(&s);
        (void)stage_receive(&s);
        size_t live = series_live(s.table);
        starved.left = n;
        starved.failed = false;
        int status = series_all_stale(s.table, 2000, s.outbox, &e);
        starved.left = -1;
        failed = status != 0;
        assert_int_equal(series_live(s.table), failed ? live : 0);
        assert_int_equal(outbox_samples(s.outbox), failed ? 0 : live);
        stage_close(&s);
    }
}

/* Nothing is made, or all of it. */
static void test_making(void **state)
{
    static const struct str KEEP[] = {STR_INIT("m")}, MATCH[] = {STR_INIT("{a=\"1\"}")};
    struct stage s;
    struct err e = ERR_INIT;
    bool failed = true;
    (void)state;
    stage_init(&s);
    s.options.keep = KEEP;
    s.options.keep_count = 1;
    s.options.match = MATCH;
    s.options.match_count = 1;
    for (long n = 0; failed; n++) {
        struct series_table *table = NULL;
        struct outbox *outbox = NULL;
        starved.left = n;
        starved.failed = false;
        int status = series_table_new(&s.options, &table, &e);
        if (status == 0) {
            status = outbox_new(&s.limits, table, &outbox, &e);
        }
        starved.left = -1;
        failed = starved.failed;
        assert_int_equal(status, failed ? -1 : 0);
        assert_true(!failed || e.code == ERR_MEMORY);
        assert_true(!failed || outbox == NULL);
        outbox_free(outbox);
        series_table_free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_for_good),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_making),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
