/* What AWS's credential services answer, and what a token says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/awsanswer.h"
#include "base/buf.h"
#include "golden.h"

static void expect_answer(const struct golden_case *c, int result, const struct aws_answer *answer,
                          const struct err *e, struct str want)
{
    struct buf have;
    buf_init(&have, 4096);
    if (result == 0) {
        buf_format(&have, "%.*s|%.*s|%.*s|", STR_ARG(answer->access_key),
                   STR_ARG(answer->secret_key), STR_ARG(answer->session_token));
        if (answer->expires_ms == INT64_MAX) {
            buf_append_char(&have, '-');
        } else {
            buf_format(&have, "%lld", (long long)answer->expires_ms);
        }
        golden_expect(c, buf_view(&have), want);
    } else if (str_eq(want, STR("JSON"))) {
        golden_expect_part(c, str_from(e->text), STR("the answer is not the JSON expected: "));
    } else {
        golden_expect(c, str_from(e->text), want);
    }
    golden_expect_int(c, "secret told", strstr(e->text, "SECRET") != NULL, false);
    buf_free(&have);
}

static void run_sts(const struct golden_case *c)
{
    struct aws_answer answer = {.expires_ms = -1};
    struct err e = ERR_INIT;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const int result = awsanswer_sts(golden_field(c, 2), golden_field(c, 1), &arena, &answer, &e);
    golden_expect_int(c, "untouched", result == 0 || answer.expires_ms == -1, true);
    expect_answer(c, result, &answer, &e, golden_field(c, 3));
    arena_wipe(&arena);
}

static void run_json(const struct golden_case *c)
{
    struct aws_answer answer = {.expires_ms = -1};
    struct err e = ERR_INIT;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const int result = awsanswer_json(golden_field(c, 1), &arena, &answer, &e);
    golden_expect_int(c, "untouched", result == 0 || answer.expires_ms == -1, true);
    expect_answer(c, result, &answer, &e, golden_field(c, 2));
    arena_wipe(&arena);
}

static void run_fault(const struct golden_case *c)
{
    struct arena arena;
    struct buf have;
    arena_init(&arena, 1 << 20);
    buf_init(&have, 4096);
    const struct aws_fault fault = awsanswer_fault(golden_field(c, 1), &arena);
    buf_format(&have, "%.*s|%.*s", STR_ARG(fault.code), STR_ARG(fault.message));
    golden_expect(c, buf_view(&have), golden_field(c, 2));
    buf_free(&have);
    arena_free(&arena);
}

static void run_claims(const struct golden_case *c)
{
    struct arena arena;
    struct buf have;
    arena_init(&arena, 1 << 20);
    buf_init(&have, 4096);
    const struct aws_claims claims = awsanswer_claims(golden_field(c, 1), &arena);
    buf_format(&have, "%.*s|%.*s|%.*s|%lld", STR_ARG(claims.issuer), STR_ARG(claims.subject),
               STR_ARG(claims.audience), (long long)claims.expires_ms);
    golden_expect(c, buf_view(&have), golden_field(c, 2));
    buf_free(&have);
    arena_free(&arena);
}

static void test_sts(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/aws/sts.txt", run_sts);
}

static void test_json(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/aws/json.txt", run_json);
}

static void test_faults(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/aws/fault.txt", run_fault);
}

static void test_claims(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/aws/claims.txt", run_claims);
}

static void test_little_memory(void **state)
{
    (void)state;
    struct aws_answer answer;
    struct err e = ERR_INIT;
    struct arena arena;
    arena_init(&arena, 32);
    const struct str body = STR("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\"}");
    assert_int_equal(awsanswer_json(body, &arena, &answer, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_null(awsanswer_fault(STR("{\"code\":\"A\"}"), &arena).code.ptr);
    assert_null(awsanswer_claims(STR("a.eyJzdWIiOiJzIn0.b"), &arena).subject.ptr);
    arena_wipe(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sts), cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_faults), cmocka_unit_test(test_claims),
                                       cmocka_unit_test(test_little_memory)};
    return cmocka_run_group_tests_name("awsanswer", tests, NULL, NULL);
}
