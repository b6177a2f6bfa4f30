/* What becomes of labels: the table of cases through a whole scrape; and which series are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "scrape_stage.h"

enum { SHARED_MAX = 16, LABELS_TEST_BYTES = 40000 };

static size_t split_labels(struct str text, struct series_label *out)
{
    size_t count = 0;
    while (text.len > 0) {
        struct str pair = str_cut(text, ',', &text);
        out[count].name = str_cut(pair, '=', &out[count].value);
        count++;
    }
    return count;
}

static struct str what_became(struct stage *s, struct str series)
{
    char body[4096];
    assert_true(series.len + 4 < sizeof(body));
    memcpy(body, series.ptr, series.len);
    memcpy(body + series.len, " 1\n", 4);
    scrape_begin(s->table, 1000);
    const char *wrong = stage_take(s, body);
    stage_finish(s, wrong[0] == '\0');
    if (wrong[0] != '\0') {
        buf_reset(&s->received);
        buf_format(&s->received, "error: %s", wrong);
        return buf_view(&s->received);
    }
    for (int why = 0; why < SERIES_DROP_COUNT; why++) {
        if (s->counts.dropped[why] > 0) {
            buf_reset(&s->received);
            buf_format(&s->received, "dropped: %s", series_drop_name((enum series_drop)why));
            return buf_view(&s->received);
        }
    }
    struct str received = str_from(stage_receive(s));
    assert_true(str_ends(received, STR(" 1 @1000\n")));
    return str_slice(received, 0, received.len - 9);
}

static void run_case(const struct golden_case *c)
{
    static struct stage s;
    struct series_label shared[SHARED_MAX];
    stage_init(&s);
    s.options.shared = shared;
    s.options.shared_count = split_labels(golden_field(c, 1), shared);
    if (str_starts(golden_field(c, 2), STR("limited"))) {
        /* __name__="limited", a="…", job="j": 8 + 7 + 1 + 40 + 3 + 1; the reports' names fit. */
        s.options.limits.label_bytes_max = 60;
        s.options.limits.labels_max = 4;
    }
    stage_open(&s);
    struct str have = what_became(&s, golden_field(c, 2)), want = golden_field(c, 3);
    if (str_starts(want, STR("error: "))) {
        golden_expect(c, str_slice(have, 0, 7), STR("error: "));
        golden_expect_part(c, have, str_slice(want, 7, want.len));
    } else {
        golden_expect(c, have, want);
    }
    stage_close(&s);
}

static void test_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/collector/labels.txt", run_case);
}

/* ---- what is kept ---- */

static void keep(const struct str *globs, size_t glob_count, const struct str *match,
                 size_t match_count, const char *want)
{
    static struct stage s;
    stage_init(&s);
    s.options.keep = globs;
    s.options.keep_count = glob_count;
    s.options.match = match;
    s.options.match_count = match_count;
    stage_open(&s);
    for (int64_t time = 1000; time <= 3000; time += 1000) { /* the answer is remembered */
        scrape_begin(s.table, time);
        assert_string_equal(stage_take(&s, "http_requests_total{code=\"200\"} 1\n"
                                           "http_requests_total{code=\"500\"} 2\n"
                                           "http_inflight 3\n"
                                           "go_goroutines{job=\"x\"} 4\n"),
                            "");
        stage_finish(&s, true);
    }
    const char *received = stage_receive(&s), *last = strstr(received, "@2000\n");
    while (last != NULL && strstr(last + 1, "@2000\n") != NULL) {
        last = strstr(last + 1, "@2000\n");
    }
    assert_string_equal(last == NULL ? "" : last + strlen("@2000\n"), want);
    assert_int_equal(s.counts.scraped, 4);
    assert_int_equal(s.counts.kept + s.counts.dropped[SERIES_NOT_KEPT], 4);
    stage_close(&s);
}

static void test_keep(void **state)
{
    static const struct str GLOBS[] = {STR_INIT("http_in*"), STR_INIT("nothing")};
    static const struct str MATCH[] = {STR_INIT("http_requests_total{code=~\"5..\"}")};
    static const struct str SHARED_ONE[] = {STR_INIT("{job=\"j\",exported_job=\"x\"}")};
    static const struct str NONE[] = {STR_INIT("{job=\"x\"}")};
    (void)state;
    keep(NULL, 0, NULL, 0,
         "http_requests_total{code=\"200\",job=\"j\"} 1 @3000\n"
         "http_requests_total{code=\"500\",job=\"j\"} 2 @3000\n"
         "http_inflight{job=\"j\"} 3 @3000\n"
         "go_goroutines{exported_job=\"x\",job=\"j\"} 4 @3000\n");
    keep(GLOBS, 2, NULL, 0, "http_inflight{job=\"j\"} 3 @3000\n");
    keep(NULL, 0, MATCH, 1, "http_requests_total{code=\"500\",job=\"j\"} 2 @3000\n");
    keep(GLOBS, 2, MATCH, 1,
         "http_requests_total{code=\"500\",job=\"j\"} 2 @3000\n"
         "http_inflight{job=\"j\"} 3 @3000\n");
    keep(NULL, 0, SHARED_ONE, 1, "go_goroutines{exported_job=\"x\",job=\"j\"} 4 @3000\n");
    keep(NULL, 0, NONE, 1, "");
}

/* ---- options that are wrong ---- */

static void refuse(const struct series_options *o, const char *part)
{
    struct series_table *table = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(series_table_new(o, &table, &e), -1);
    assert_null(table);
    if (strstr(e.text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", e.text, part);
    }
}

static void refuse_labels(struct str name, struct str value, const char *part)
{
    struct stage s;
    struct series_label labels[] = {{STR("job"), STR("j")}, {name, value}};
    stage_init(&s);
    s.options.shared = labels;
    s.options.shared_count = 2;
    refuse(&s.options, part);
}

static void test_wrong_options(void **state)
{
    static char long_value[LABELS_TEST_BYTES];
    static const struct str GLOB = STR_INIT("a["), MATCH = STR_INIT("a{");
    struct stage s;
    (void)state;
    refuse_labels(STR(""), STR("x"), "label \"\"");
    refuse_labels(STR("0a"), STR("x"), "label \"0a\"");
    refuse_labels(STR("a-b"), STR("x"), "label \"a-b\"");
    refuse_labels(STR("__a"), STR("x"), "label \"__a\"");
    refuse_labels(STR("a:b"), STR("x"), "label \"a:b\"");
    refuse_labels(STR("job"), STR("x"), "twice");
    refuse_labels(STR("a"), STR("\xff"), "UTF-8");
    memset(long_value, 'v', sizeof(long_value));
    refuse_labels(STR("a"), (struct str){long_value, 7150}, "with its name 3 labels of 7");
    refuse_labels(STR("a"), (struct str){long_value, sizeof(long_value)}, "at most 32768");
    stage_init(&s);
    s.options.keep = &GLOB;
    s.options.keep_count = 1;
    refuse(&s.options, "keep: \"a[\"");
    stage_init(&s);
    s.options.match = &MATCH;
    s.options.match_count = 1;
    refuse(&s.options, "match: \"a{\"");
    stage_init(&s);
    s.options.limits.labels_max = 161;
    refuse(&s.options, "labels_max is 161");
    s.options.limits.labels_max = 150;
    s.options.limits.label_bytes_max = 32769;
    refuse(&s.options, "label_bytes_max is 32769");
    s.options.limits.label_bytes_max = 0;
    refuse(&s.options, "label_bytes_max is 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_wrong_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
