/* Answers of receivers, pauses, and reasons as keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "collector/sending.h"

static void test_verdicts(void **state)
{
    static const struct {
        int status;
        enum send_verdict want;
    } CASES[] = {
        {200, SEND_DONE},    {204, SEND_DONE},    {299, SEND_DONE},    {0, SEND_AGAIN},
        {429, SEND_AGAIN},   {403, SEND_AGAIN},   {500, SEND_AGAIN},   {503, SEND_AGAIN},
        {599, SEND_AGAIN},   {413, SEND_SPLIT},   {400, SEND_REFUSED}, {401, SEND_REFUSED},
        {404, SEND_REFUSED}, {408, SEND_REFUSED}, {415, SEND_REFUSED}, {422, SEND_REFUSED},
        {301, SEND_REFUSED}, {101, SEND_REFUSED}, {199, SEND_REFUSED}, {600, SEND_REFUSED},
        {999, SEND_REFUSED}, {-1, SEND_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct sending s = {.pause_ms = 60, .attempts = 2, .random = 7};
        assert_int_equal(sending_answer(&s, CASES[i].status, 0, 1000), CASES[i].want);
        if (CASES[i].want == SEND_AGAIN) {
            assert_int_equal(s.attempts, 3);
            assert_int_equal(s.pause_ms, 120);
            assert_in_range(s.not_before_ms, 1108, 1132);
        } else {
            assert_int_equal(s.attempts, 0);
            assert_int_equal(s.pause_ms, 0);
            assert_int_equal(s.not_before_ms, 1000);
        }
    }
}

/* From 30 ms doubling to 5 s, ±10 %, never less than 0.8 of the one before, and not all alike. */
static void test_pauses(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sending s = {.random = seed};
        int64_t before = 0, least = INT64_MAX, most = 0;
        for (int64_t i = 0, want = 30; i < 60; i++, want = want * 2 < 5000 ? want * 2 : 5000) {
            assert_int_equal(sending_answer(&s, 503, 0, 1000000), SEND_AGAIN);
            int64_t pause = s.not_before_ms - 1000000;
            assert_in_range(pause, want * 9 / 10, want * 11 / 10);
            assert_true(pause * 10 >= before * 8);
            before = pause;
            least = want == 5000 && pause < least ? pause : least;
            most = pause > most ? pause : most;
        }
        assert_true(least < 4750 && most > 5250);
    }
}

static void test_retry_after(void **state)
{
    struct sending s = {.random = 1};
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sending_answer(&s, 429, 10000, 0), SEND_AGAIN);
        assert_in_range(s.not_before_ms, 10000, 11000); /* never earlier than asked */
    }
    assert_int_equal(sending_answer(&s, 503, INT64_MAX, 0), SEND_AGAIN);
    assert_in_range(s.not_before_ms, 60000, 66000);
    assert_int_equal(sending_answer(&s, 503, -1, 0), SEND_AGAIN);
    assert_in_range(s.not_before_ms, 4500, 5500);
    s = (struct sending){.random = 1};
    assert_int_equal(sending_answer(&s, 429, 1, 0), SEND_AGAIN);
    assert_int_equal(s.not_before_ms, 1);
}

static void test_reasons(void **state)
{
    static const struct {
        int status;
        const char *body, *want;
    } CASES[] = {
        {400, "", "400"},
        {400, " \r\n ", "400"},
        {429, "ingestion rate limit (70000) exceeded while adding 499 samples and 0 metadata",
         "429: ingestion rate limit (N) exceeded while adding N samples and N metadata"},
        {400, "\nfirst line 12.5\r\nsecond\n", "400: first line N.N"},
        {400, "a\tb\x01\x7f", "400: a?b??"},
        {400, "\xff\xc3", "400: ??"},
        {400, "za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87", "400: za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87"},
        {413, "1", "413: N"},
    };
    char out[128], body[1000];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str have = sending_reason(CASES[i].status, str_from(CASES[i].body), out);
        if (!str_eq(have, str_from(CASES[i].want))) {
            fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(have), CASES[i].want);
        }
    }
    memset(body, 'x', sizeof(body));
    assert_int_equal(sending_reason(400, (struct str){body, sizeof(body)}, out).len, 128);
    for (size_t i = 0; i < sizeof(body); i += 2) {
        memcpy(body + i, "\xc3\xb3", 2);
    }
    struct str cut = sending_reason(400, (struct str){body, sizeof(body)}, out);
    assert_int_equal(cut.len, 127); /* at a character's end */
    assert_true(str_is_utf8(cut));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
