/* The exposition: escaping, histograms, removal, the ceiling, and size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/fmt.h"
#include "base/num.h"
#include "net/metrics.h"

enum { REQUESTS, REPLICAS, LATENCY, PLAIN };

static const double bounds[] = {0.1, 1};
static const struct metric_family families[] = {
    [REQUESTS] = {.name = "test_requests_total",
                  .kind = FAMILY_COUNTER,
                  .help = "Requests, by \\ and\nnewline.",
                  .labels = {"path", "code"}},
    [REPLICAS] = {.name = "test_replicas",
                  .kind = FAMILY_GAUGE,
                  .help = "Replicas.",
                  .labels = {"namespace", "name"}},
    [LATENCY] = {.name = "test_latency_seconds",
                 .kind = FAMILY_HISTOGRAM,
                 .help = "Latency.",
                 .labels = {"path"},
                 .buckets = bounds,
                 .bucket_count = 2},
    [PLAIN] = {.name = "test_plain_total", .kind = FAMILY_COUNTER, .help = "Without labels."},
};

static struct metrics *new_registry(void)
{
    struct metrics *m = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(metrics_new(families, sizeof(families) / sizeof(families[0]), "test", &m, &e),
                     0);
    return m;
}

/* The exposition, NUL-terminated; freed by buf_free. */
static const char *print(const struct metrics *m, struct buf *out)
{
    buf_init(out, (size_t)64 << 20);
    metrics_print(m, out);
    buf_append_char(out, '\0');
    assert_false(out->failed);
    return out->ptr;
}

static void assert_has(const char *text, const char *line)
{
    if (strstr(text, line) == NULL) {
        fail_msg("not found: %s\nin:\n%.4000s", line, text);
    }
}

static void test_values_and_escaping(void **state)
{
    struct buf out;
    struct metrics *m = new_registry();
    (void)state;
    metrics_add(m, REQUESTS, (const struct str[]){STR("/a\"b\\c\nd\xff"), STR("200")}, 1);
    metrics_add(m, REQUESTS, (const struct str[]){STR("/a\"b\\c\nd\xff"), STR("200")}, 2);
    metrics_add(m, REQUESTS, (const struct str[]){STR("ü€"), STR("")}, 1);
    metrics_add(m, REQUESTS, (const struct str[]){STR("ü€"), STR("")}, -5);
    metrics_set(m, REPLICAS, (const struct str[]){STR("shop"), STR("web")}, NAN);
    metrics_set(m, REPLICAS, (const struct str[]){STR("shop"), STR("api")}, INFINITY);
    const char *text = print(m, &out);
    assert_has(text, "# HELP test_requests_total Requests, by \\\\ and\\nnewline.\n"
                     "# TYPE test_requests_total counter\n"
                     "test_requests_total{path=\"/a\\\"b\\\\c\\nd\xEF\xBF\xBD\",code=\"200\"} 3\n"
                     "test_requests_total{path=\"ü€\",code=\"\"} 1\n");
    assert_has(text, "test_replicas{namespace=\"shop\",name=\"web\"} NaN\n"
                     "test_replicas{namespace=\"shop\",name=\"api\"} +Inf\n");
    assert_has(text, "\ntest_plain_total 0\n");
    assert_has(text, "\nampscale_metrics_dropped_total 0\n");
    assert_has(text, "\nampscale_build_info{version=\"");
    assert_has(text, "\nprocess_cpu_seconds_total ");
    assert_has(text, "\nprocess_resident_memory_bytes ");
    assert_has(text, "\nprocess_virtual_memory_bytes ");
    assert_has(text, "\nprocess_start_time_seconds ");
    assert_has(text, "\nprocess_open_fds ");
    assert_has(text, "\nprocess_max_fds ");
    assert_null(strstr(text, "test_latency_seconds")); /* nothing observed yet */
    buf_free(&out);
    metrics_free(m);
}

static void test_histogram(void **state)
{
    struct buf out;
    struct metrics *m = new_registry();
    (void)state;
    metrics_observe(m, LATENCY, (const struct str[]){STR("/x")}, 0.1);
    metrics_observe(m, LATENCY, (const struct str[]){STR("/x")}, 0.5);
    metrics_observe(m, LATENCY, (const struct str[]){STR("/x")}, 4);
    assert_has(print(m, &out), "# TYPE test_latency_seconds histogram\n"
                               "test_latency_seconds_bucket{path=\"/x\",le=\"0.1\"} 1\n"
                               "test_latency_seconds_bucket{path=\"/x\",le=\"1\"} 2\n"
                               "test_latency_seconds_bucket{path=\"/x\",le=\"+Inf\"} 3\n"
                               "test_latency_seconds_sum{path=\"/x\"} 4.6\n"
                               "test_latency_seconds_count{path=\"/x\"} 3\n");
    buf_free(&out);
    metrics_free(m);
}

static void test_remove(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    struct buf out;
    struct metrics *m = new_registry();
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        metrics_set(m, REPLICAS, (const struct str[]){STR("n"), str_from(names[i])}, (double)i);
    }
    metrics_remove(m, REPLICAS, (const struct str[]){STR("n"), STR("b")});
    metrics_remove(m, REPLICAS, (const struct str[]){STR("n"), STR("never")});
    metrics_remove(m, REPLICAS, (const struct str[]){STR("n"), STR("c")});
    metrics_set(m, REPLICAS, (const struct str[]){STR("n"), STR("d")}, 7);
    assert_has(print(m, &out), "# TYPE test_replicas gauge\n"
                               "test_replicas{namespace=\"n\",name=\"a\"} 0\n"
                               "test_replicas{namespace=\"n\",name=\"d\"} 7\n# ");
    buf_free(&out);
    metrics_free(m);
}

static void test_many_children_and_the_ceiling(void **state)
{
    char name[32];
    struct buf out;
    struct metrics *m = new_registry();
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < METRIC_CHILDREN_MAX + 10; i++) {
            const struct str values[] = {STR("shop"), fmt(name, sizeof(name), "workload-%d", i)};
            metrics_set(m, REPLICAS, values, i);
        }
    }
    /* One child is test_plain_total's. */
    assert_has(print(m, &out), "\nampscale_metrics_dropped_total 22\n");
    assert_has(out.ptr, "name=\"workload-199998\"} 199998\n");
    buf_free(&out);
    metrics_free(m);
}

static void test_overlong_label_is_dropped(void **state)
{
    static char label[10000];
    struct buf out;
    struct metrics *m = new_registry();
    (void)state;
    memset(label, 'x', sizeof(label));
    metrics_observe(m, LATENCY, (const struct str[]){{label, sizeof(label)}}, 1);
    metrics_remove(m, LATENCY, (const struct str[]){{label, sizeof(label)}});
    assert_has(print(m, &out), "\nampscale_metrics_dropped_total 1\n");
    buf_free(&out);
    metrics_free(m);
}

static void each_pod(void *context, size_t index, struct metrics_printer *p)
{
    const int *count = context;
    char name[16];
    assert_int_equal(index, REPLICAS);
    for (int i = 0; i < *count; i++) {
        const struct str values[] = {STR("sh\"op"), fmt(name, sizeof(name), "pod-%d", i)};
        metrics_emit(p, values, i + 0.5);
    }
}

static void test_children_made_when_printed(void **state)
{
    struct buf out;
    struct metrics *m = new_registry();
    int count = 2;
    (void)state;
    metrics_source(m, REPLICAS, each_pod, &count);
    assert_has(print(m, &out), "# HELP test_replicas Replicas.\n# TYPE test_replicas gauge\n"
                               "test_replicas{namespace=\"sh\\\"op\",name=\"pod-0\"} 0.5\n"
                               "test_replicas{namespace=\"sh\\\"op\",name=\"pod-1\"} 1.5\n"
                               "# HELP test_plain_total ");
    buf_free(&out);
    count = 0;
    assert_null(strstr(print(m, &out), "test_replicas"));
    buf_free(&out);
    metrics_free(m);
}

/* Near now, for this program has only begun, and the same each time. */
static void test_start_time(void **state)
{
    static const char name[] = "\nprocess_start_time_seconds ";
    struct buf out;
    double seen[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct metrics *m = new_registry();
        const char *at = strstr(print(m, &out), name);
        struct str rest, number;
        struct err e = ERR_INIT;
        assert_non_null(at);
        number = str_cut(str_from(at + strlen(name)), '\n', &rest);
        assert_int_equal(num_double(number, &seen[i], &e), 0);
        buf_free(&out);
        metrics_free(m);
    }
    const double now_s = (double)time(NULL);
    assert_true(seen[0] > now_s - 600 && seen[0] < now_s + 2);
    assert_true(fabs(seen[0] - seen[1]) < 2);
}

static void test_wrong_tables(void **state)
{
    static const double falling[] = {1, 0.5};
    static const struct metric_family wrong[] = {
        {.name = "x", .kind = FAMILY_HISTOGRAM, .help = "x", .buckets = falling, .bucket_count = 2},
        {.name = "x",
         .kind = FAMILY_HISTOGRAM,
         .help = "x",
         .buckets = falling,
         .bucket_count = METRIC_BUCKETS_MAX + 1},
    };
    struct metrics *m = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(metrics_new(&wrong[i], 1, "test", &m, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_null(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_escaping),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_many_children_and_the_ceiling),
        cmocka_unit_test(test_overlong_label_is_dropped),
        cmocka_unit_test(test_children_made_when_printed),
        cmocka_unit_test(test_start_time),
        cmocka_unit_test(test_wrong_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
