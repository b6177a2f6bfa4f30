/* Bodies in the text format and OpenMetrics: every case file of test/golden/exposition (the cases
 * of Prometheus' textparse among them), content types, and what a line or series says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "base/num.h"
#include "collector/exposition.h"
#include "collector/lines.h"
#include "golden.h"

enum { OUT_MAX = 1 << 20 };

/* A body being read; `out` has its samples, one a line. */
struct body {
    struct exposition at;
    struct buf scratch;
    struct buf out;
};

static void print_value(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c == '\\' || c == '"' || c == '\n') {
            buf_append_char(out, '\\');
        }
        buf_append_char(out, c == '\n' ? 'n' : c);
    }
}

/* {labels} in the order of their names; nothing where there are none. */
static void print_labels(struct buf *out, const struct exposed_series *series)
{
    struct str last = {0};

    for (size_t printed = 0; printed < series->label_count; printed++) {
        const struct exposed_label *next = NULL;

        for (size_t i = 0; i < series->label_count; i++) {
            const struct exposed_label *label = &series->labels[i];

            if ((printed == 0 || str_compare(label->name, last) > 0) &&
                (next == NULL || str_compare(label->name, next->name) < 0)) {
                next = label;
            }
        }
        assert_non_null(next);
        buf_format(out, "%c%.*s=\"", printed == 0 ? '{' : ',', STR_ARG(next->name));
        print_value(out, next->value);
        buf_append_char(out, '"');
        last = next->name;
    }
    buf_append(out, series->label_count > 0 ? STR("}") : STR(""));
}

static int print_sample(struct body *b, const struct exposed_sample *s, struct err *e)
{
    struct exposed_series series;
    char number[NUM_TEXT_BYTES];

    buf_reset(&b->scratch);
    if (exposition_labels(b->at.format, s->series, &b->scratch, &series, e) != 0) {
        return err_prefix(e, "line %llu", (unsigned long long)b->at.lines);
    }
    buf_format(&b->out, "%s%.*s", b->out.len > 0 ? "\n" : "", STR_ARG(series.name));
    print_labels(&b->out, &series);
    buf_append_char(&b->out, ' ');
    buf_append(&b->out, num_print_double(s->value, number));
    if (s->has_timestamp) {
        buf_format(&b->out, " @%lld", (long long)s->timestamp_ms);
    }
    return 0;
}

static int take(void *context, struct str line, struct err *e)
{
    struct body *b = context;
    struct exposed_sample sample;
    enum exposition_line kind;

    if (exposition_take(&b->at, line, &kind, &sample, e) != 0) {
        return -1;
    }
    return kind == EXPOSITION_SAMPLE ? print_sample(b, &sample, e) : 0;
}

static int read_body(struct body *b, struct str text, struct err *e)
{
    struct lines lines;

    lines_init(&lines, OUT_MAX, take, b);
    int failed = lines_feed(&lines, text, e) != 0 || lines_end(&lines, e) != 0 ||
                 exposition_end(&b->at, e) != 0;
    lines_free(&lines);
    return failed != 0 ? -1 : 0;
}

static void body_begin(struct body *b, enum exposition_format format)
{
    *b = (struct body){.at = {.format = format}};
    buf_init(&b->scratch, OUT_MAX);
    buf_init(&b->out, OUT_MAX);
}

static void body_free(struct body *b)
{
    buf_free(&b->scratch);
    buf_free(&b->out);
}

static enum exposition_format format_named(struct str name)
{
    bool openmetrics = str_eq(name, STR("openmetrics"));

    assert_true(openmetrics || str_eq(name, STR("text")));
    return openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

static void run_accept(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    struct body b;

    body_begin(&b, format_named(golden_field(c, 1)));
    if (read_body(&b, golden_field(c, 2), &e) == 0) {
        golden_expect(c, buf_view(&b.out), golden_field(c, 3));
    } else {
        golden_expect(c, str_from(e.text), golden_field(c, 3));
    }
    body_free(&b);
}

static void run_refuse(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    struct body b;

    body_begin(&b, format_named(golden_field(c, 1)));
    int failed = read_body(&b, golden_field(c, 2), &e);
    golden_expect_int(c, "refused", failed, -1);
    golden_expect_int(c, "code", e.code, ERR_INVALID);
    golden_expect_part(c, str_from(e.text), golden_field(c, 3));
    body_free(&b);
}

static void test_golden(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/exposition/accept.txt", run_accept);
    golden_table(GOLDEN_DIR "/exposition/refuse.txt", run_refuse);
}

/* Whole bodies as programs write them, and their samples beside. */
static void test_bodies(void **state)
{
    static const struct {
        const char *body, *want;
        enum exposition_format format;
    } BODIES[] = {
        {GOLDEN_DIR "/exposition/app.txt", GOLDEN_DIR "/exposition/app.want", EXPOSITION_TEXT},
        {GOLDEN_DIR "/exposition/envoy.txt", GOLDEN_DIR "/exposition/envoy.want", EXPOSITION_TEXT},
        {GOLDEN_DIR "/exposition/library.openmetrics.txt",
         GOLDEN_DIR "/exposition/library.openmetrics.want", EXPOSITION_OPENMETRICS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        struct str text = golden_read(BODIES[i].body);
        struct str want = golden_read(BODIES[i].want);
        struct err e = ERR_INIT;
        struct body b;

        body_begin(&b, BODIES[i].format);
        if (read_body(&b, text, &e) != 0) {
            fail_msg("%s: %s", BODIES[i].body, e.text);
        }
        buf_append_char(&b.out, '\n');
        buf_append_char(&b.out, '\0');
        assert_string_equal(b.out.ptr, want.ptr);
        body_free(&b);
        golden_free(text);
        golden_free(want);
    }
}

static void test_content_type(void **state)
{
    static const struct {
        const char *type;
        int want; /* a format, or -1 */
    } CASES[] = {
        {NULL, EXPOSITION_TEXT},
        {"", EXPOSITION_TEXT},
        {"text/plain", EXPOSITION_TEXT},
        {"text/plain; charset=utf-8", EXPOSITION_TEXT},
        {"text/plain; version=0.0.4; charset=utf-8; escaping=underscores", EXPOSITION_TEXT},
        {"TEXT/PLAIN;version=1.0.0", EXPOSITION_TEXT},
        {"application/octet-stream", EXPOSITION_TEXT},
        {"not a type", EXPOSITION_TEXT},
        {"text/plain, application/openmetrics-text", EXPOSITION_TEXT},
        {"application/openmetrics-text", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", EXPOSITION_OPENMETRICS},
        {" Application/OpenMetrics-Text ;version=0.0.1", EXPOSITION_OPENMETRICS},
        {"text/html", -1},
        {"text/html; charset=UTF-8", -1},
        {"Application/JSON", -1},
        {"application/vnd.google.protobuf; encoding=delimited", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct err e = ERR_INIT;
        enum exposition_format format = EXPOSITION_TEXT;
        int failed = exposition_format_of(str_from(CASES[i].type), &format, &e);

        assert_int_equal(failed, CASES[i].want < 0 ? -1 : 0);
        assert_int_equal(e.code, CASES[i].want < 0 ? ERR_INVALID : ERR_NONE);
        if (failed == 0) {
            assert_int_equal(format, CASES[i].want);
        }
    }
    struct err e = ERR_INIT;
    enum exposition_format format = EXPOSITION_TEXT;
    assert_int_equal(exposition_format_of(STR("text/HTML; x=y"), &format, &e), -1);
    assert_string_equal(e.text, "Content-Type text/html: expected text/plain or application/"
                                "openmetrics-text, which an app's metrics endpoint sends");
}

/* What a known series needs: the text as written, and bits that are never the stale marker's. */
static void test_sample(void **state)
{
    static const uint64_t QUIET = UINT64_C(0x7ff8000000000001);
    struct str line = STR(" \tm {b=\"}\", a = \"x\"}\t nan  17 ");
    struct exposition x = {.format = EXPOSITION_TEXT};
    enum exposition_line kind = EXPOSITION_NOTHING;
    struct exposed_sample s = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(exposition_take(&x, line, &kind, &s, &e), 0);
    assert_int_equal(kind, EXPOSITION_SAMPLE);
    assert_true(str_eq(s.series, STR("m {b=\"}\", a = \"x\"}")));
    assert_true(s.series.ptr == line.ptr + 2);
    assert_memory_equal(&s.value, &QUIET, sizeof(QUIET));
    assert_true(s.has_timestamp && s.timestamp_ms == 17);
    assert_int_equal(x.lines, 1);

    assert_int_equal(exposition_take(&x, STR("m 2\t"), &kind, &s, &e), 0);
    assert_true(str_eq(s.series, STR("m")) && !s.has_timestamp);
    assert_int_equal(exposition_take(&x, (struct str){0}, &kind, &s, &e), 0);
    assert_int_equal(kind, EXPOSITION_NOTHING);
    assert_int_equal(x.lines, 3);
}

/* A failure leaves the caller's things alone; so does a success what was in scratch. */
static void test_outputs(void **state)
{
    struct exposition x = {.format = EXPOSITION_TEXT};
    enum exposition_line kind = EXPOSITION_NOTHING;
    struct exposed_sample s = {.value = 12345};
    struct exposed_series series = {.label_count = 12345};
    struct err e = ERR_INIT;
    struct buf scratch;

    (void)state;
    assert_int_equal(exposition_take(&x, STR("m 1 2 3"), &kind, &s, &e), -1);
    assert_true(kind == EXPOSITION_NOTHING && s.value == 12345 && !s.has_timestamp);

    buf_init(&scratch, 100);
    buf_append(&scratch, STR("mine"));
    struct str text = STR("m{a=\"\\n\",a=\"\"}");
    assert_int_equal(exposition_labels(EXPOSITION_TEXT, text, &scratch, &series, &e), -1);
    assert_true(series.label_count == 12345 && str_eq(buf_view(&scratch), STR("mine")));
    assert_string_equal(e.text,
                        "\"m{a=\"\\n\",a=\"\"}\": expected each label name once at byte 10");

    text = STR("m{a=\"x\\n\"}");
    assert_int_equal(exposition_labels(EXPOSITION_TEXT, text, &scratch, &series, &e), 0);
    assert_true(str_eq(series.labels[0].value, STR("x\n")));
    assert_true(str_starts(buf_view(&scratch), STR("mine")));
    buf_free(&scratch);
}

/* A line without end is quoted around its mistake, and no byte of it reaches a terminal raw. */
static void test_message(void **state)
{
    struct exposition x = {.format = EXPOSITION_TEXT};
    enum exposition_line kind;
    struct exposed_sample s;
    struct err e = ERR_INIT;
    char line[4096];

    (void)state;
    memset(line, '\x1b', sizeof(line));
    line[0] = 'm';
    assert_int_equal(exposition_take(&x, (struct str){line, sizeof(line)}, &kind, &s, &e), -1);
    assert_null(strchr(e.text, '\x1b'));
    assert_true(strlen(e.text) < 128 * 4 + 100);
    assert_non_null(strstr(e.text, "line 1: \"m\\x1b\\x1b"));
    assert_non_null(strstr(e.text, "\\x1b…\": expected a number as the value at byte 2"));
    e = (struct err)ERR_INIT;
    assert_int_equal(exposition_take(&x, STR("é\x7f€\xe2\x82\xc0\x80😀\xf0"), &kind, &s, &e), -1);
    assert_non_null(strstr(e.text, "\"é\\x7f€\\xe2\\x82\\xc0\\x80😀\\xf0\": expected "));
}

static struct str many_labels(struct buf *b, size_t count, const char *last)
{
    buf_reset(b);
    buf_append(b, STR("m{"));
    for (size_t i = 0; i < count; i++) {
        buf_format(b, "l%zu=\"\\\\%zu\",", i, i);
    }
    buf_append(b, str_from(last));
    return buf_view(b);
}

static void test_label_limits(void **state)
{
    struct exposed_series series = {.label_count = 12345};
    struct err e = ERR_INIT;
    struct buf text;
    struct buf scratch;

    (void)state;
    buf_init(&text, OUT_MAX);
    buf_init(&scratch, OUT_MAX);
    struct str most = many_labels(&text, EXPOSITION_LABELS_MAX, "}");
    assert_int_equal(exposition_labels(EXPOSITION_TEXT, most, &scratch, &series, &e), 0);
    assert_int_equal(series.label_count, EXPOSITION_LABELS_MAX);
    assert_true(str_eq(series.labels[159].value, STR("\\159")));
    assert_true(scratch.len <= most.len);

    struct str more = many_labels(&text, EXPOSITION_LABELS_MAX + 1, "}");
    assert_int_equal(exposition_labels(EXPOSITION_TEXT, more, &scratch, &series, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.text, "m: 161 labels (at most 160)");
    struct str wrong = many_labels(&text, EXPOSITION_LABELS_MAX + 1, "x}");
    assert_int_equal(exposition_labels(EXPOSITION_TEXT, wrong, &scratch, &series, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(series.label_count, EXPOSITION_LABELS_MAX);

    buf_free(&scratch);
    buf_init(&scratch, 3);
    struct str small = many_labels(&text, 1, "}");
    assert_int_equal(exposition_labels(EXPOSITION_TEXT, small, &scratch, &series, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    buf_free(&scratch);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),       cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_content_type), cmocka_unit_test(test_sample),
        cmocka_unit_test(test_outputs),      cmocka_unit_test(test_message),
        cmocka_unit_test(test_label_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
