/* Log lines in both formats: escaping, what is left out, and that each is one whole line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/log_batch.h"

struct capture {
    struct buf lines;
    size_t count;
};

static int64_t fixed_now(void *context)
{
    (void)context;
    return INT64_C(1709210096789);
}

static void capture_line(void *context, struct str line)
{
    struct capture *c = context;

    assert_true(str_ends(line, STR("\n")));
    assert_int_equal(str_find_char(line, '\n'), line.len - 1);
    assert_true(line.len <= 16384);
    buf_append(&c->lines, line);
    c->count++;
}

static struct logger logger_to(struct capture *c, enum log_format format)
{
    *c = (struct capture){.count = 0};
    buf_init(&c->lines, 1 << 16);
    return (struct logger){.level = LOG_INFO,
                           .format = format,
                           .program = "ampscale-test",
                           .context = c,
                           .now_ms = fixed_now,
                           .sink = capture_line};
}

static void expect(struct capture *c, const char *want)
{
    if (!str_eq(buf_view(&c->lines), str_from(want))) {
        fail_msg("have «%.*s», want «%s»", STR_ARG(buf_view(&c->lines)), want);
    }
    buf_free(&c->lines);
}

static void write_all_kinds(const struct logger *lg)
{
    LOG_AT(lg, LOG_INFO, "scaled up", F_STR("name", STR("a \"b\"\n\x01\xff")),
           F_STR("plain", STR("shop/checkout")), F_STR("absent", str_from(NULL)), F_INT("from", -1),
           F_STR("pair", STR("a=b")), F_NUM("value", 0.3), F_NUM("nan", (double)NAN),
           F_NUM("inf", -(double)INFINITY), F_BOOL("dry", true), F_RAW("raw", STR("{\"a\":[1]}")),
           F_RAW("none", str_from(NULL)));
}

static void test_json(void **state)
{
    struct capture c;
    struct logger lg = logger_to(&c, LOG_JSON);

    (void)state;
    write_all_kinds(&lg);
    expect(&c, "{\"time\":\"2024-02-29T12:34:56.789Z\",\"level\":\"info\","
               "\"program\":\"ampscale-test\",\"msg\":\"scaled up\","
               "\"name\":\"a \\\"b\\\"\\n\\u0001\xef\xbf\xbd\",\"plain\":\"shop/checkout\","
               "\"absent\":\"\",\"from\":-1,\"pair\":\"a=b\",\"value\":0.3,\"nan\":\"NaN\",\"inf\":"
               "\"-Inf\","
               "\"dry\":true,\"raw\":{\"a\":[1]},\"none\":null}\n");
}

static void test_text(void **state)
{
    struct capture c;
    struct logger lg = logger_to(&c, LOG_TEXT);

    (void)state;
    write_all_kinds(&lg);
    expect(
        &c,
        "2024-02-29T12:34:56.789Z info  scaled up name=\"a \\\"b\\\"\\n\\u0001\xef\xbf\xbd\" "
        "plain=shop/checkout absent=\"\" from=-1 pair=\"a=b\" value=0.3 nan=\"NaN\" inf=\"-Inf\" "
        "dry=true raw={\"a\":[1]} none=null\n");
}

static void test_no_fields_and_control_characters(void **state)
{
    struct capture c;
    struct logger lg = logger_to(&c, LOG_TEXT);

    (void)state;
    log_write(&lg, LOG_WARN, "two\nlines\x1b[0m", NULL, 0);
    expect(&c, "2024-02-29T12:34:56.789Z warn  two lines [0m\n");
}

static void test_level(void **state)
{
    static const enum log_level LEVELS[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
    struct capture c;
    struct logger lg = logger_to(&c, LOG_JSON);

    (void)state;
    for (size_t set = 0; set < 4; set++) {
        lg.level = LEVELS[set];
        c.count = 0;
        for (size_t at = 0; at < 4; at++) {
            log_write(&lg, LEVELS[at], "m", NULL, 0);
        }
        assert_int_equal(c.count, set + 1);
    }
    buf_free(&c.lines);
}

static void test_level_names(void **state)
{
    static const enum log_level LEVELS[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
    static const char *const BAD[] = {"", "INFO", "warning", "info ", "trace"};
    struct err e = ERR_INIT;
    enum log_level out = LOG_DEBUG;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(log_level_parse(str_from(log_level_name(LEVELS[i])), &out, &e), 0);
        assert_int_equal(out, LEVELS[i]);
    }
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        assert_int_equal(log_level_parse(str_from(BAD[i]), &out, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(out, LOG_DEBUG);
    }
    assert_int_equal(log_level_parse(STR("loud"), &out, &e), -1);
    assert_string_equal(e.text, "\"loud\": expected error, warn, info or debug");
}

/* Around the ceiling: the line is JSON at every length, and whole exactly when it fits. */
static void test_truncation(void **state)
{
    char filler[20000];

    (void)state;
    memset(filler, 'x', sizeof(filler));
    for (size_t len = 16100; len < 16400; len++) {
        struct capture c;
        struct logger lg = logger_to(&c, LOG_JSON);
        struct arena a;
        struct err e = ERR_INIT;
        const struct json *tree = NULL;

        arena_init(&a, 1 << 20);
        LOG_AT(&lg, LOG_INFO, "m", F_INT("first", 1), F_STR("big", ((struct str){filler, len})),
               F_INT("last", 2));
        assert_int_equal(json_parse(buf_view(&c.lines), &JSON_LIMITS_API, &a, &tree, &e), 0);
        bool truncated = json_is_true(json_get(tree, STR("truncated")));
        assert_non_null(json_get(tree, STR("first")));
        assert_int_equal(json_get(tree, STR("last")) == NULL, truncated);
        assert_true(len > 16140 || !truncated);
        assert_true(len < 16300 || (truncated && json_get(tree, STR("big")) == NULL));
        arena_free(&a);
        buf_free(&c.lines);
    }
}

static void test_long_message(void **state)
{
    char message[20001];
    struct capture c;
    struct logger lg = logger_to(&c, LOG_JSON);

    (void)state;
    memset(message, '\x01', sizeof(message) - 1); /* each becomes six bytes */
    message[sizeof(message) - 1] = '\0';
    LOG_AT(&lg, LOG_INFO, message, F_INT("after", 1));
    assert_true(str_ends(buf_view(&c.lines), STR("\\u0001\",\"after\":1}\n")));
    buf_free(&c.lines);
}

/* A sink that is given several lines at once: how often, and all of them. */
static void capture_lines(void *context, struct str lines)
{
    struct capture *c = context;

    assert_true(str_ends(lines, STR("\n")));
    buf_append(&c->lines, lines);
    c->count++;
}

static void test_batch(void **state)
{
    static const char WANT[] = "2024-02-29T12:34:56.789Z info  one\n"
                               "2024-02-29T12:34:56.789Z warn  two key=3\n"
                               "2024-02-29T12:34:56.789Z info  behind it\n";
    struct capture c;
    struct log_batch b;
    struct logger lg = logger_to(&c, LOG_TEXT);
    const struct logger before = lg;

    (void)state;
    lg.sink = capture_lines;
    log_batch_begin(&b, &lg);
    LOG_AT(&lg, LOG_DEBUG, "nobody asked", F_INT("key", 3));
    log_batch_write(&b);
    assert_int_equal(c.count, 0);
    log_write(&lg, LOG_INFO, "one", NULL, 0);
    LOG_AT(&lg, LOG_WARN, "two", F_INT("key", 3));
    assert_int_equal(c.count, 0);
    log_batch_write(&b);
    assert_int_equal(c.count, 1);
    log_batch_write(&b);
    assert_int_equal(c.count, 1);
    log_write(&lg, LOG_INFO, "behind it", NULL, 0);
    log_batch_end(&b);
    assert_int_equal(c.count, 2);
    assert_true(lg.sink == capture_lines && lg.context == before.context);
    assert_true(lg.now_ms == before.now_ms);
    expect(&c, WANT);
}

/* What no longer fits does not wait, and nothing is lost or goes ahead of what came first. */
static void test_batch_that_is_full(void **state)
{
    enum { LINES = 3000 };
    struct capture c;
    struct log_batch b;
    struct logger lg = logger_to(&c, LOG_JSON);
    size_t seen = 0;
    struct str rest;

    (void)state;
    buf_init(&c.lines, 1 << 20);
    lg.sink = capture_lines;
    log_batch_begin(&b, &lg);
    for (int i = 0; i < LINES; i++) {
        LOG_AT(&lg, LOG_INFO, "line", F_INT("number", i));
        assert_true(b.held.len > 0 && b.held.len <= LOG_BATCH_MAX_BYTES);
    }
    log_batch_end(&b);
    assert_int_equal(c.count, c.lines.len / (LOG_BATCH_MAX_BYTES - 100) + 1);
    for (rest = buf_view(&c.lines); rest.len > 0; seen++) {
        char want[32];
        (void)snprintf(want, sizeof want, "\"number\":%zu}", seen);
        assert_true(str_ends(str_cut(rest, '\n', &rest), str_from(want)));
    }
    assert_int_equal(seen, LINES);
    buf_free(&c.lines);
}

/* What cannot be held goes out at once, behind what was. */
static void test_batch_without_memory(void **state)
{
    struct capture c;
    struct log_batch b;
    struct logger lg = logger_to(&c, LOG_TEXT);

    (void)state;
    lg.sink = capture_lines;
    log_batch_begin(&b, &lg);
    log_write(&lg, LOG_INFO, "one", NULL, 0);
    b.held.max = b.held.len; /* as if no more were to be had */
    log_write(&lg, LOG_INFO, "two", NULL, 0);
    assert_int_equal(c.count, 2);
    log_write(&lg, LOG_INFO, "three", NULL, 0);
    log_batch_end(&b);
    expect(&c, "2024-02-29T12:34:56.789Z info  one\n"
               "2024-02-29T12:34:56.789Z info  two\n"
               "2024-02-29T12:34:56.789Z info  three\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_no_fields_and_control_characters),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_that_is_full),
        cmocka_unit_test(test_batch_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
