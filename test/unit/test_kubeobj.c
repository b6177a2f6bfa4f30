/* Deployments, watch events and Status answers, from the API's JSON and from what only looks like
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/kubeobj.h"
#include "base/num.h"
#include "golden.h"

enum { ARENA_BYTES = 4 << 20 };

static int64_t number(struct str text)
{
    struct err e = ERR_INIT;
    int64_t out = 0;

    assert_int_equal(num_int(text, 0, INT32_MAX, &out, &e), 0);
    return out;
}

static struct str outcome(int rc, const struct err *e)
{
    return rc == 0 ? STR("ok") : str_from(err_code_name(e->code));
}

static void print_deployment(const struct deployment *d, struct buf *out)
{
    buf_format(out, "%.*s/%.*s %d%s %d/%d %lld/%lld", STR_ARG(d->namespace_), STR_ARG(d->name),
               d->replicas, d->replicas_present ? "+" : "", d->status_replicas, d->ready_replicas,
               (long long)d->generation, (long long)d->observed_generation);
    for (size_t i = 0; i < d->annotations.count; i++) {
        buf_format(out, " %.*s=%.*s", STR_ARG(d->annotations.items[i].key),
                   STR_ARG(d->annotations.items[i].value));
    }
    for (size_t i = 0; i < d->labels.count; i++) {
        buf_format(out, " [%.*s=%.*s]", STR_ARG(d->labels.items[i].key),
                   STR_ARG(d->labels.items[i].value));
    }
    if (d->deleting) {
        buf_append(out, STR(" deleting"));
    }
    if (d->conditions != NULL) {
        buf_format(out, " %zu conditions", d->conditions->count);
    }
}

static void run_deployment_case(const struct golden_case *c)
{
    const struct json *node = NULL;
    struct deployment d = {.replicas = -7};
    struct err e = ERR_INIT;
    struct arena a;
    struct buf out;
    int rc;

    arena_init(&a, ARENA_BYTES);
    buf_init(&out, ARENA_BYTES);
    assert_int_equal(json_parse(golden_field(c, 1), &JSON_LIMITS_API, &a, &node, &e), 0);
    rc = deployment_decode(node, &a, &d, &e);
    golden_expect(c, outcome(rc, &e), golden_field(c, 2));
    if (rc == 0) {
        print_deployment(&d, &out);
        golden_expect(c, buf_view(&out), golden_field(c, 3));
    } else {
        golden_expect(c, str_from(e.text), golden_field(c, 3));
        golden_expect_int(c, "untouched replicas", d.replicas, -7);
    }
    buf_free(&out);
    arena_free(&a);
}

static void test_deployment_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/kube/deployment.txt", run_deployment_case);
}

static void test_real_deployment(void **state)
{
    struct str text = golden_read(GOLDEN_DIR "/kube/deployment.json");
    const struct json *node = NULL;
    struct deployment d = {0};
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(json_parse(text, &JSON_LIMITS_API, &a, &node, &e), 0);
    assert_int_equal(deployment_decode(node, &a, &d, &e), 0);
    assert_true(str_eq(d.name, STR("checkout")));
    assert_true(str_eq(d.namespace_, STR("shop")));
    assert_true(str_eq(d.uid, STR("2f0c1d7e-8a44-4c53-9d0e-6b8f8f0c2a11")));
    assert_true(str_eq(d.resource_version, STR("48213")));
    assert_int_equal(d.annotations.count, 5);
    assert_true(str_eq(kv_get(&d.annotations, STR("scale.amp/query")),
                       STR("sum(rate(http_requests_total{app=\"checkout\"}[2m]))")));
    assert_null(kv_get(&d.annotations, STR("scale.amp/min-replicas")).ptr);
    assert_true(str_eq(kv_get(&d.labels, STR("app")), STR("checkout")));
    assert_int_equal(d.replicas, 4);
    assert_true(d.replicas_present);
    assert_int_equal(d.status_replicas, 4);
    assert_int_equal(d.ready_replicas, 3);
    assert_int_equal(d.generation, 7);
    assert_int_equal(d.observed_generation, 6);
    assert_false(d.deleting);
    assert_int_equal(d.conditions->count, 2);
    assert_ptr_equal(d.node, node);
    arena_free(&a);
    golden_free(text);
}

static void test_no_deployment(void **state)
{
    struct deployment d = {0};
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(deployment_decode(NULL, &a, &d, &e), -1);
    assert_string_equal(e.text, "expected a Deployment, found nothing");
    arena_free(&a);
}

static void run_watch_case(const struct golden_case *c)
{
    struct watch_event event = {0};
    struct err e = ERR_INIT;
    struct arena a;
    struct buf out;
    int rc;

    arena_init(&a, ARENA_BYTES);
    buf_init(&out, ARENA_BYTES);
    rc = watch_event_decode(golden_field(c, 1), &a, &event, &e);
    golden_expect(c, outcome(rc, &e), golden_field(c, 2));
    if (rc == 0) {
        buf_format(&out, "%d %.*s", (int)event.type, STR_ARG(event.resource_version));
        golden_expect(c, buf_view(&out), golden_field(c, 3));
        assert_non_null(event.object);
    } else {
        golden_expect(c, str_from(e.text), golden_field(c, 3));
        golden_expect_int(c, "status", e.http_status, number(golden_field(c, 4)));
        golden_expect_int(c, "event untouched", event.object == NULL, 1);
    }
    buf_free(&out);
    arena_free(&a);
}

static void test_watch_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/kube/watch.txt", run_watch_case);
}

static void run_status_case(const struct golden_case *c)
{
    int64_t status = number(golden_field(c, 1));
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    assert_int_equal(kube_status_err((int)status, golden_field(c, 2), &a, &e), -1);
    golden_expect(c, outcome(-1, &e), golden_field(c, 3));
    golden_expect(c, str_from(e.text), golden_field(c, 4));
    golden_expect_int(c, "status", e.http_status, status);
    golden_expect_int(c, "wait", e.retry_after_ms, number(golden_field(c, 5)));
    arena_free(&a);
}

static void test_status_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/kube/status.txt", run_status_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deployment_cases), cmocka_unit_test(test_real_deployment),
        cmocka_unit_test(test_no_deployment),    cmocka_unit_test(test_watch_cases),
        cmocka_unit_test(test_status_cases),
    };

    return cmocka_run_group_tests_name("kubeobj", tests, NULL, NULL);
}
