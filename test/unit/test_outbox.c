/* What waits, and the requests made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "scrape_stage.h"

enum { REPORTS = 5, BODY_BYTES = 1 << 20 };

/* `count` series m{i="…"} with this value. */
static void scrape_many(struct stage *s, int64_t time, size_t count, const char *label, int value)
{
    static char body[BODY_BYTES];
    size_t length = 0;
    body[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        length +=
            fmt(body + length, sizeof(body) - length, "m{i=\"%zu%s\"} %d\n", i, label, value).len;
    }
    stage_scrape(s, time, body);
}

static struct outbox_request front(struct stage *s)
{
    struct err e = ERR_INIT;
    struct outbox_request request;
    assert_int_equal(outbox_front(s->outbox, &request, &e), 0);
    assert_true(request.samples <= s->limits.request_samples);
    assert_true(request.samples <= 1 || request.plain_bytes <= s->limits.request_bytes);
    assert_true(request.samples <= 1 || request.body.len <= s->limits.request_bytes);
    return request;
}

/* Numbers of samples, request by request. */
static void expect_requests(struct stage *s, const size_t *want, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(front(s).samples, want[i]);
        outbox_sent(s->outbox, false);
    }
    assert_int_equal(front(s).samples, 0);
    assert_int_equal(front(s).body.len, 0);
    assert_int_equal(outbox_samples(s->outbox), 0);
    assert_int_equal(outbox_bytes(s->outbox), 0);
    assert_int_equal(outbox_oldest_ms(s->outbox), 0);
}

static void test_scrapes_stay_whole(void **state)
{
    static const size_t WANT[] = {9, 9, 9}, TORN[] = {10, 10, 10, 10, 10};
    struct stage *s = *state;
    s->limits.request_samples = 10;
    stage_open(s);
    for (int64_t i = 1; i <= 3; i++) {
        scrape_many(s, i * 1000, 4, "", (int)i);
    }
    assert_int_equal(outbox_samples(s->outbox), 27);
    assert_int_equal(outbox_oldest_ms(s->outbox), 1000);
    expect_requests(s, WANT, 3);
    scrape_many(s, 4000, 20, "", 4); /* too many for one: in pieces */
    scrape_many(s, 5000, 4, "", 5);  /* and 16 stale markers */
    expect_requests(s, TORN, 5);
}

/* A buffer that drains sends as much at once as it may. */
static void test_many_scrapes_at_once(void **state)
{
    static const size_t WANT[] = {45, 18};
    struct stage *s = *state;
    s->limits.request_samples = 50;
    stage_open(s);
    for (int64_t i = 1; i <= 7; i++) {
        scrape_many(s, i * 1000, 4, "", (int)i);
    }
    expect_requests(s, WANT, 2);
}

static void test_bytes(void **state)
{
    static const char VALUE[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct stage *s = *state;
    s->limits.request_bytes = 1000;
    stage_open(s);
    scrape_many(s, 1000, 40, VALUE, 1); /* 115 bytes each */
    size_t samples = 0, requests = 0;
    for (; outbox_samples(s->outbox) > 0; requests++) {
        samples += front(s).samples;
        stage_read(s, front(s).body);
        outbox_sent(s->outbox, false);
    }
    assert_int_equal(samples, 40 + REPORTS);
    assert_true(requests >= 5 && requests <= 7);
    stage_close(s);
    stage_init(s);
    s->limits.request_bytes = 1; /* each is larger than that: one at a time */
    stage_open(s);
    scrape_many(s, 1000, 3, "", 1);
    (void)stage_receive(s);
    assert_int_equal(s->requests, 3 + REPORTS);
}

static void test_same_until_sent(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    scrape_many(s, 1000, 4, "", 1);
    struct outbox_request one = front(s);
    scrape_many(s, 2000, 4, "", 2); /* a scrape meanwhile leaves the body alone */
    stage_read(s, one.body);
    struct outbox_request again = front(s);
    assert_ptr_equal(again.body.ptr, one.body.ptr);
    assert_int_equal(again.samples, 9);
    assert_int_equal(again.oldest_ms, 1000);
    outbox_sent(s->outbox, true);
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_REFUSED), 9);
    outbox_sent(s->outbox, true); /* about nothing */
    assert_int_equal(outbox_samples(s->outbox), 9);
    assert_int_equal(front(s).oldest_ms, 2000);
    assert_string_equal(stage_receive(s),
                        "m{i=\"0\",job=\"j\"} 2 @2000\nm{i=\"1\",job=\"j\"} 2 @2000\n"
                        "m{i=\"2\",job=\"j\"} 2 @2000\nm{i=\"3\",job=\"j\"} 2 @2000\n");
}

static void test_split(void **state)
{
    struct stage *s = *state;
    s->limits.request_samples = 64;
    stage_open(s);
    scrape_many(s, 1000, 123, "", 1);
    assert_true(outbox_split(s->outbox)); /* about nothing */
    assert_int_equal(front(s).samples, 64);
    for (size_t half = 32; half > 0; half /= 2) {
        assert_true(outbox_split(s->outbox));
        assert_int_equal(front(s).samples, half);
    }
    assert_false(outbox_split(s->outbox));
    assert_int_equal(front(s).samples, 1);
    outbox_sent(s->outbox, true);
    size_t last = 1, samples = 1;
    for (size_t now; (now = front(s).samples) > 0; last = now) {
        assert_true(now <= last + last / 8 + 1);
        samples += now;
        outbox_sent(s->outbox, false);
    }
    assert_int_equal(samples, 123 + REPORTS);
    for (int64_t i = 2; i < 40; i++) {
        scrape_many(s, i * 1000, 123, "", (int)i);
        (void)stage_receive(s);
    }
    scrape_many(s, 50000, 123, "", 2);
    assert_int_equal(front(s).samples, 64); /* as many as ever */
}

static void test_full(void **state)
{
    struct stage *s = *state;
    struct err e = ERR_INIT;
    struct scrape_result r = {.up = true};
    s->limits.bytes_max = 1000; /* a chunk of 9 samples has about 200 */
    stage_open(s);
    for (int64_t i = 1; i <= 20; i++) {
        scrape_many(s, i * 1000, 4, "", (int)i);
        assert_true(outbox_bytes(s->outbox) <= 1000);
        assert_int_equal(outbox_samples(s->outbox) + outbox_dropped(s->outbox, OUTBOX_FULL), 9 * i);
    }
    size_t waiting = outbox_samples(s->outbox) / 9;
    assert_in_range(waiting, 3, 6);
    assert_int_equal(outbox_oldest_ms(s->outbox), 21000 - (int)waiting * 1000);
    assert_int_equal(outbox_first(s->outbox), 21 - waiting);
    assert_int_equal(outbox_next(s->outbox), 21);

    scrape_begin(s->table, 21000); /* larger than all of it: nothing comes, nothing goes */
    assert_string_equal(stage_take(s, "m{i=\"0\"} 1\n"), "");
    for (int i = 0; i < 100; i++) {
        char line[64];
        (void)fmt(line, sizeof(line), "x{i=\"%d\"} 1\n", i);
        assert_string_equal(stage_take(s, line), "");
    }
    assert_int_equal(scrape_finish(s->table, &r, s->outbox, &s->counts, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(outbox_samples(s->outbox), waiting * 9);
    (void)stage_receive(s);
    scrape_many(s, 22000, 4, "", 22);
    assert_int_equal(s->counts.stale, 0);
    assert_int_equal(s->counts.added, 0);
    scrape_many(s, 23000, 3, "", 23);
    assert_string_equal(stage_receive(s),
                        "m{i=\"0\",job=\"j\"} 22 @22000\nm{i=\"1\",job=\"j\"} 22 @22000\n"
                        "m{i=\"2\",job=\"j\"} 22 @22000\nm{i=\"3\",job=\"j\"} 22 @22000\n"
                        "m{i=\"0\",job=\"j\"} 23 @23000\nm{i=\"1\",job=\"j\"} 23 @23000\n"
                        "m{i=\"2\",job=\"j\"} 23 @23000\nm{i=\"3\",job=\"j\"} stale @23000\n");
}

/* What is on its way is dropped meanwhile: what is left of it is over when it arrived. */
static void test_dropped_on_its_way(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    scrape_many(s, 1000, 4, "", 1);
    scrape_many(s, 2000, 4, "", 2);
    struct outbox_request request = front(s);
    assert_int_equal(request.samples, 18);
    scrape_many(s, 3000, 4, "", 3);
    outbox_expire(s->outbox, 1001 + s->limits.age_max_ms);
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_TOO_OLD), 9);
    stage_read(s, request.body); /* still there for who sends it */
    outbox_sent(s->outbox, false);
    assert_int_equal(outbox_samples(s->outbox), 9);
    assert_int_equal(outbox_oldest_ms(s->outbox), 3000);

    assert_int_equal(front(s).samples, 9);
    outbox_expire(s->outbox, 3001 + s->limits.age_max_ms);
    scrape_many(s, 4000, 4, "", 4);
    outbox_sent(s->outbox, true); /* all of it is gone already */
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_REFUSED), 0);
    assert_int_equal(outbox_samples(s->outbox), 9);

    scrape_many(s, 5000, 4, "", 5); /* to be tried again, it is made anew without the dropped */
    assert_int_equal(front(s).samples, 18);
    outbox_expire(s->outbox, 4001 + s->limits.age_max_ms);
    assert_int_equal(front(s).samples, 9);
    assert_int_equal(front(s).oldest_ms, 5000);
    outbox_sent(s->outbox, true);
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_REFUSED), 9);
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_TOO_OLD), 27);
    assert_int_equal(outbox_samples(s->outbox), 0);
}

/* By the scrape's time, whole; by a sample's own, one by one. */
static void test_too_old(void **state)
{
    struct stage *s = *state;
    int64_t age = s->limits.age_max_ms;
    stage_open(s);
    stage_scrape(s, age, "a 1\n");
    stage_scrape(s, 2 * age, "a 2\nold 3 1\nolder 4 2\nb 5 100\nold 6 101\n");
    outbox_expire(s->outbox, 2 * age + 99);
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_TOO_OLD), 1 + REPORTS);
    assert_string_equal(stage_receive(s), "a{job=\"j\"} 2 @6600000\n");
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_TOO_OLD), 1 + REPORTS + 4);
    stage_close(s);

    stage_init(s);
    s->limits.request_samples = 1;
    stage_open(s);
    stage_scrape(s, age, "a 1 1\nb 2 2\nc 3 3\n");
    outbox_expire(s->outbox, age + 2); /* and of nothing but old ones no request is made */
    (void)stage_receive(s);
    assert_int_equal(s->requests, 2 + REPORTS);
    assert_int_equal(outbox_dropped(s->outbox, OUTBOX_TOO_OLD), 1);
}

/* Several segments, and own times at each place in them. */
static void test_many_own_times(void **state)
{
    struct stage *s = *state;
    stage_open(s);
    scrape_begin(s->table, 1000);
    for (int i = 0; i < 5000; i++) {
        char line[64];
        (void)fmt(line, sizeof(line), i % 3 == 0 ? "m{i=\"%d\"} %d\n" : "m{i=\"%d\"} %d 77\n", i,
                  i);
        assert_string_equal(stage_take(s, line), "");
    }
    stage_finish(s, true);
    struct str rest = str_from(stage_receive(s));
    for (int i = 0; i < 5000; i++) {
        char line[64];
        struct str want =
            fmt(line, sizeof(line), "m{i=\"%d\",job=\"j\"} %d @%d", i, i, i % 3 == 0 ? 1000 : 77);
        assert_true(str_eq(str_cut(rest, '\n', &rest), want));
    }
    assert_int_equal(rest.len, 0);
    assert_int_equal(s->requests, 3);
}

static void test_wrong_limits(void **state)
{
    struct stage *s = *state;
    struct outbox *outbox = NULL;
    struct err e = ERR_INIT;
    stage_open(s);
    s->limits.request_samples = 0;
    assert_int_equal(outbox_new(&s->limits, s->table, &outbox, &e), -1);
    s->limits.request_samples = 1;
    s->limits.request_bytes = 0;
    assert_int_equal(outbox_new(&s->limits, s->table, &outbox, &e), -1);
    assert_null(outbox);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scrapes_stay_whole),
        TEST(test_many_scrapes_at_once),
        TEST(test_bytes),
        TEST(test_same_until_sent),
        TEST(test_split),
        TEST(test_full),
        TEST(test_dropped_on_its_way),
        TEST(test_too_old),
        TEST(test_many_own_times),
        TEST(test_wrong_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
