/* Numbers, durations, quantities and times: every case file of test/golden/num, rounding against
 * the compiler's own, and what printing promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "base/fmt.h"
#include "base/num.h"
#include "golden.h"

/* What a case has when it failed: the code's name; the message must hold the case's last field. */
static void expect_error(const struct golden_case *c, const struct err *e, size_t part_field)
{
    struct str part = golden_field(c, part_field);

    golden_expect(c, str_from(err_code_name(e->code)), golden_field(c, 1));
    if (part.len > 0) {
        golden_expect_part(c, str_from(e->text), part);
    }
}

static void expect_int64(const struct golden_case *c, int64_t have)
{
    char text[NUM_TEXT_BYTES];

    golden_expect(c, fmt(text, sizeof(text), "%lld", (long long)have), golden_field(c, 1));
}

static void run_int(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    int64_t out = 12345;

    if (num_int(golden_field(c, 0), INT64_MIN, INT64_MAX, &out, &e) == 0) {
        expect_int64(c, out);
        return;
    }
    expect_error(c, &e, 2);
    golden_expect_int(c, "untouched output", out, 12345);
}

static void expect_double(const struct golden_case *c, int rc, double have, const struct err *e)
{
    char text[NUM_TEXT_BYTES];

    if (rc == 0) {
        golden_expect(c, num_print_double(have, text), golden_field(c, 1));
        return;
    }
    expect_error(c, e, 2);
    golden_expect_int(c, "untouched output", (int)have, 12345);
}

static void run_double(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    double out = 12345;
    int rc = num_double(golden_field(c, 0), &out, &e);

    expect_double(c, rc, out, &e);
}

static void run_sample(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    double out = 12345;
    int rc = num_sample(golden_field(c, 0), &out, &e);

    expect_double(c, rc, out, &e);
}

static void run_float(const struct golden_case *c)
{
    struct str text = golden_field(c, 0);
    char printed[NUM_TEXT_BYTES];
    double out = 12345;
    size_t used = num_float_prefix(text, &out);

    if (used == 0) {
        golden_expect(c, golden_field(c, 1), STR("none"));
        golden_expect_int(c, "untouched output", (int)out, 12345);
        return;
    }
    golden_expect(c, str_slice(text, used, text.len), golden_field(c, 1));
    golden_expect(c, num_print_double(out, printed), golden_field(c, 2));
}

static void run_bool(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    bool out = false;

    if (num_bool(golden_field(c, 0), &out, &e) == 0) {
        golden_expect(c, out ? STR("true") : STR("false"), golden_field(c, 1));
        return;
    }
    expect_error(c, &e, 2);
}

static void run_duration(const struct golden_case *c)
{
    char text[NUM_TEXT_BYTES];
    struct err e = ERR_INIT;
    int64_t out = 12345;

    if (num_duration_ms(golden_field(c, 0), &out, &e) == 0) {
        expect_int64(c, out);
        golden_expect(c, num_print_duration(out, text), golden_field(c, 2));
        return;
    }
    expect_error(c, &e, 3);
    golden_expect_int(c, "untouched output", out, 12345);
}

static void run_quantity(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    int64_t out = 12345;

    if (num_quantity_milli(golden_field(c, 0), &out, &e) == 0) {
        expect_int64(c, out);
        return;
    }
    expect_error(c, &e, 2);
    golden_expect_int(c, "untouched output", out, 12345);
}

static void run_time(const struct golden_case *c)
{
    char text[NUM_TEXT_BYTES];
    struct err e = ERR_INIT;
    int64_t out = 12345;

    if (num_time_ms(golden_field(c, 0), &out, &e) == 0) {
        expect_int64(c, out);
        golden_expect(c, num_print_time(out, 3, text), golden_field(c, 2));
        return;
    }
    expect_error(c, &e, 3);
    golden_expect_int(c, "untouched output", out, 12345);
}

static void test_golden(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/num/int.txt", run_int);
    golden_table(GOLDEN_DIR "/num/double.txt", run_double);
    golden_table(GOLDEN_DIR "/num/sample.txt", run_sample);
    golden_table(GOLDEN_DIR "/num/float.txt", run_float);
    golden_table(GOLDEN_DIR "/num/bool.txt", run_bool);
    golden_table(GOLDEN_DIR "/num/duration.txt", run_duration);
    golden_table(GOLDEN_DIR "/num/quantity.txt", run_quantity);
    golden_table(GOLDEN_DIR "/num/time.txt", run_time);
}

static void test_int_bounds(void **state)
{
    static const struct {
        const char *input;
        int64_t min, max;
        enum err_code want;
    } CASES[] = {
        {"1", 1, 100, ERR_NONE},      {"100", 1, 100, ERR_NONE},  {"0", 1, 100, ERR_LIMIT},
        {"101", 1, 100, ERR_LIMIT},   {"-1", 0, 100, ERR_LIMIT},  {"-5", -5, -5, ERR_NONE},
        {"x", 1, 100, ERR_INVALID},   {"1.5", 1, 2, ERR_INVALID}, {"4294967297", 1, 100, ERR_LIMIT},
        {"1e2", 1, 100, ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct err e = ERR_INIT;
        int64_t out = 0;
        int rc = num_int(str_from(CASES[i].input), CASES[i].min, CASES[i].max, &out, &e);

        assert_int_equal(e.code, CASES[i].want);
        assert_int_equal(rc, CASES[i].want == ERR_NONE ? 0 : -1);
    }
    struct err e = ERR_INIT;
    int64_t out = 0;
    assert_int_equal(num_int(STR("0"), 1, 100, &out, &e), -1);
    assert_string_equal(e.text, "\"0\": expected a whole number from 1 to 100");
}

/* The compiler rounds the same literal correctly; both must agree to the bit. */
static void test_rounding(void **state)
{
#define LITERAL(x)                                                                                 \
    {                                                                                              \
#x, x                                                                                      \
    }
    static const struct {
        const char *text;
        double want;
    } CASES[] = {
        LITERAL(9007199254740993.0),
        LITERAL(9007199254740995.0),
        LITERAL(1.00000000000000011102230246251565404236316680908203125),
        LITERAL(1.00000000000000011102230246251565404236316680908203124),
        LITERAL(1.00000000000000011102230246251565404236316680908203126),
        LITERAL(8.5e-323),
        LITERAL(2.2250738585072012e-308),
        LITERAL(6.631236846766476e-316),
        LITERAL(3.2378839133029012895883524125015321748630094490e-319),
        LITERAL(2.4703282292062328e-324),
        LITERAL(1.7976931348623158e308),
        LITERAL(0.1),
        LITERAL(123456789.123456789),
        LITERAL(7.2057594037927933e16),
    };
#undef LITERAL

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct err e = ERR_INIT;
        double out = 0;

        assert_int_equal(num_double(str_from(CASES[i].text), &out, &e), 0);
        assert_memory_equal(&out, &CASES[i].want, sizeof(out));
    }
}

/* xorshift64: the same doubles in every run. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void test_double_round_trip(void **state)
{
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits =
            next_random(&seed) & (i % 10 == 0 ? UINT64_C(0x800fffffffffffff) : ~UINT64_C(0));
        char text[NUM_TEXT_BYTES];
        struct err e = ERR_INIT;
        double value;
        double again = 0;

        memcpy(&value, &bits, sizeof(value));
        struct str printed = num_print_double(value, text);
        assert_int_equal(num_sample(printed, &again, &e), 0);
        assert_true(isnan(value) ? isnan(again)
                                 : value == again && signbit(value) == signbit(again));
        assert_true(printed.len < NUM_TEXT_BYTES && text[printed.len] == '\0');
    }
}

/* One decimal the fast ways and strtod's: the same to the bit. */
static void expect_rounded(struct str written)
{
    struct err e = ERR_INIT;
    double want = 0;
    double have = 0;
    bool overflows = num_double(written, &want, &e) != 0;

    assert_int_equal(num_float_prefix(written, &have), overflows ? 0 : written.len);
    assert_memory_equal(&have, &want, sizeof(want));
}

/* Decimals of any length and power, and those around the middle between two doubles. */
static void test_float_rounding(void **state)
{
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 40000; i++) {
        uint64_t random = next_random(&seed);
        int range = i % 4 == 0 ? 640 : i % 4 == 1 ? 60 : 24;
        int exponent = (int)(random % (unsigned)range) - (i % 4 == 0 ? 340 : range / 2);
        uint64_t digits = next_random(&seed) >> (random >> 32) % 64;
        char text[96];

        expect_rounded(fmt(text, sizeof(text), "%s%llu.%llue%d", random % 2 == 0 ? "-" : "",
                           (unsigned long long)digits, (unsigned long long)(random >> 40),
                           exponent));
        expect_rounded(fmt(text, sizeof(text), "0.%0*llu", (int)(random >> 20 & 15),
                           (unsigned long long)digits));
        uint64_t middle = (UINT64_C(1) << 53) + (digits >> 12 << 1) + 1;
        expect_rounded(fmt(text, sizeof(text), "%llu.%s", (unsigned long long)middle,
                           i % 3 == 0   ? "001"
                           : i % 3 == 1 ? "000"
                                        : "0"));
    }
    static const uint64_t QUIET = UINT64_C(0x7ff8000000000001);
    double nan_value = 0;
    assert_int_equal(num_float_prefix(STR("NaN"), &nan_value), 3);
    assert_memory_equal(&nan_value, &QUIET, sizeof(QUIET));
}

/* What stands behind the digits that a double can depend on still rounds it up. */
static void test_float_length(void **state)
{
    static char text[5000];
    double have = 0;

    (void)state;
    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    assert_int_equal(num_float_prefix((struct str){text, sizeof(text)}, &have), sizeof(text));
    assert_true(have == 9007199254740992.0);
    text[sizeof(text) - 1] = '1';
    assert_int_equal(num_float_prefix((struct str){text, sizeof(text)}, &have), sizeof(text));
    assert_true(have == 9007199254740994.0);
    memset(text, '0', 17);
    memcpy(text + sizeof(text) - 6, "1e4999", 6);
    text[1] = '.';
    assert_int_equal(num_float_prefix((struct str){text, sizeof(text)}, &have), sizeof(text));
    assert_true(have == 1e6);
}

static void test_print_int(void **state)
{
    static const struct {
        int64_t value;
        const char *want;
    } CASES[] = {
        {0, "0"},
        {7, "7"},
        {-1, "-1"},
        {10, "10"},
        {200, "200"},
        {-1234567890, "-1234567890"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char text[NUM_TEXT_BYTES];
        const struct str printed = num_print_int(CASES[i].value, text);

        assert_string_equal(printed.ptr, CASES[i].want);
        assert_int_equal(printed.len, strlen(CASES[i].want));
    }
}

static void test_print_double(void **state)
{
    static const struct {
        double value;
        const char *want;
    } CASES[] = {
        {0, "0"},
        {-0.0, "-0"},
        {25, "25"},
        {-25.5, "-25.5"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100, "100"},
        {1e6, "1000000"},
        {1e21, "1e+21"},
        {-1.5e300, "-1.5e+300"},
        {1e-7, "1e-7"},
        {0.000001, "0.000001"},
        {-1.2345678901234567e-6, "-0.0000012345678901234567"},
        {1234567890123456.7, "1234567890123456.8"},
        {123456.789, "123456.789"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {DBL_TRUE_MIN, "5e-324"},
        {(double)NAN, "NaN"},
        {(double)INFINITY, "+Inf"},
        {-(double)INFINITY, "-Inf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char text[NUM_TEXT_BYTES];

        assert_string_equal(num_print_double(CASES[i].value, text).ptr, CASES[i].want);
    }
    char text[NUM_TEXT_BYTES];
    assert_string_equal(num_print_double(-(double)NAN, text).ptr, "NaN");
}

static void test_print_duration(void **state)
{
    char text[NUM_TEXT_BYTES];

    (void)state;
    assert_string_equal(num_print_duration(-1500, text).ptr, "-1s500ms");
    assert_string_equal(num_print_duration(INT64_MAX, text).ptr, "106751991167d7h12m55s807ms");
    assert_string_equal(num_print_duration(INT64_MIN, text).ptr, "-106751991167d7h12m55s808ms");
}

static void test_print_time(void **state)
{
    static const struct {
        int64_t ms;
        int digits;
        const char *want;
    } CASES[] = {
        {1709210096789, 0, "2024-02-29T12:34:56Z"},
        {1709210096789, 3, "2024-02-29T12:34:56.789Z"},
        {1709210096789, 6, "2024-02-29T12:34:56.789000Z"},
        {1709210096007, 6, "2024-02-29T12:34:56.007000Z"},
        {-1, 0, "1969-12-31T23:59:59Z"},
        {-86400000, 0, "1969-12-31T00:00:00Z"},
        {INT64_MIN, 0, "0000-01-01T00:00:00Z"},
        {INT64_MAX, 6, "9999-12-31T23:59:59.999000Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char text[NUM_TEXT_BYTES];

        assert_string_equal(num_print_time(CASES[i].ms, CASES[i].digits, text).ptr, CASES[i].want);
    }
}

/* Each day of the calendar follows the one before it, and parses back. */
static void test_every_day(void **state)
{
    const int64_t day_ms = INT64_C(86400000);

    (void)state;
    for (int64_t ms = INT64_C(-62167219200000); ms <= INT64_C(253402300799999); ms += 17 * day_ms) {
        char text[NUM_TEXT_BYTES];
        struct err e = ERR_INIT;
        int64_t again = 0;

        assert_int_equal(num_time_ms(num_print_time(ms, 0, text), &again, &e), 0);
        assert_int_equal(again, ms);
    }
}

/* A long text is shown cut at a character boundary, with a mark. */
static void test_message_is_cut(void **state)
{
    char input[200];
    struct err e = ERR_INIT;
    int64_t out = 0;

    (void)state;
    memset(input, 'a', sizeof(input));
    memcpy(input + 63, "é", 2);
    assert_int_equal(num_int((struct str){input, sizeof(input)}, 0, 9, &out, &e), -1);
    assert_true(str_is_utf8(str_from(e.text)));
    assert_non_null(strstr(e.text, "aaa…\": expected a whole number"));
    assert_null(strstr(e.text, "é"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_int_bounds),
        cmocka_unit_test(test_rounding),       cmocka_unit_test(test_double_round_trip),
        cmocka_unit_test(test_float_rounding), cmocka_unit_test(test_float_length),
        cmocka_unit_test(test_print_int),      cmocka_unit_test(test_print_double),
        cmocka_unit_test(test_print_duration), cmocka_unit_test(test_print_time),
        cmocka_unit_test(test_every_day),      cmocka_unit_test(test_message_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
