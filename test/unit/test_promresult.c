/* Query answers: every outcome, every way an answer can fail to be one, and the reading made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/promresult.h"
#include "golden.h"

enum { ARENA_BYTES = 1 << 20 };

static void print_result(const struct prom_result *r, struct buf *out)
{
    static const char *const words[] = {
        [PROM_VALUE] = "value", [PROM_EMPTY] = "empty", [PROM_NAN] = "nan",
        [PROM_INF] = "inf",     [PROM_MANY] = "many",   [PROM_MATRIX] = "matrix",
    };
    char what[64];

    buf_format(out, "%s, %.*s %lld: %.*s", words[r->outcome], STR_ARG(r->type),
               (long long)r->time_ms, STR_ARG(prom_result_describe(r, what, sizeof what)));
    for (size_t i = 0; i < 2 && r->examples[i].ptr != NULL; i++) {
        buf_format(out, " %.*s", STR_ARG(r->examples[i]));
    }
    for (size_t i = 0; i < r->warning_count; i++) {
        buf_format(out, "; %.*s", STR_ARG(r->warnings[i]));
    }
}

static void run_query_case(const struct golden_case *c)
{
    struct str body = golden_field(c, 2);
    struct prom_result result = {0};
    struct err e = ERR_INIT;
    int64_t status = 0;
    struct arena a;
    struct buf out;
    int rc;

    assert_int_equal(num_int(golden_field(c, 1), 0, 999, &status, &e), 0);
    arena_init(&a, ARENA_BYTES);
    buf_init(&out, ARENA_BYTES);
    rc = prom_result_parse((int)status, body, &a, &result, &e);
    golden_expect(c, rc == 0 ? STR("ok") : str_from(err_code_name(e.code)), golden_field(c, 3));
    if (rc == 0) {
        print_result(&result, &out);
        golden_expect(c, buf_view(&out), golden_field(c, 4));
    } else {
        golden_expect(c, str_from(e.text), golden_field(c, 4));
        golden_expect_int(c, "status", e.http_status, status);
        golden_expect_int(c, "result untouched", result.type.ptr == NULL, 1);
    }
    buf_free(&out);
    arena_free(&a);
}

static void test_query_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/prom/query.txt", run_query_case);
}

static void test_limits(void **state)
{
    struct prom_result result = {0};
    struct err e = ERR_INIT;
    struct arena a;
    char deep[256];

    (void)state;
    arena_init(&a, 64);
    assert_int_equal(prom_result_parse(200, STR("{\"status\":\"success\"}"), &a, &result, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    arena_free(&a);
    arena_init(&a, 64 << 10);
    memset(deep, '[', sizeof deep);
    assert_int_equal(prom_result_parse(200, (struct str){deep, sizeof deep}, &a, &result, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(e.http_status, 200);
    arena_free(&a);
}

/* A long error page is cut, at a character's boundary. */
static void test_long_text(void **state)
{
    struct prom_result result = {0};
    struct err e = ERR_INIT;
    struct arena a;
    char text[1000];

    (void)state;
    text[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xc3\xa9", 2);
    }
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(prom_result_parse(500, (struct str){text, sizeof text}, &a, &result, &e), -1);
    assert_true(str_is_utf8(str_from(e.text)));
    assert_in_range(strlen(e.text), 200, 210);
    arena_free(&a);
}

static void test_reading(void **state)
{
    static const struct {
        struct prom_result result;
        enum reading_kind kind;
        const char *text;
    } cases[] = {
        {{.outcome = PROM_VALUE, .value = 2.5}, READING_VALUE, ""},
        {{.outcome = PROM_EMPTY}, READING_EMPTY, "empty result"},
        {{.outcome = PROM_NAN, .value = NAN}, READING_EMPTY, "NaN"},
        {{.outcome = PROM_INF, .value = -INFINITY}, READING_EMPTY, "-Inf"},
        {{.outcome = PROM_MANY, .series = 3},
         READING_ERROR,
         "3 series, expected a scalar or one series"},
        {{.outcome = PROM_MATRIX, .type = STR_INIT("matrix")},
         READING_ERROR,
         "a range vector (matrix), expected a scalar or one series"},
    };
    struct err e = ERR_INIT;
    struct reading r;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reading_from(&cases[i].result, &e, 1234, &r);
        assert_int_equal(r.kind, cases[i].kind);
        assert_string_equal(r.text, cases[i].text);
        assert_int_equal(r.time_ms, 1234);
        assert_true(r.value >= 0 && r.value == (cases[i].kind == READING_VALUE ? 2.5 : 0));
    }
    assert_int_equal(err_set(&e, ERR_DENIED, "HTTP 403: no"), -1);
    reading_from(&cases[0].result, &e, 5, &r);
    assert_int_equal(r.kind, READING_ERROR);
    assert_string_equal(r.text, "HTTP 403: no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_cases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_reading),
    };

    return cmocka_run_group_tests_name("promresult", tests, NULL, NULL);
}
