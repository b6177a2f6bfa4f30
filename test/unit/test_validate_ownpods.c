/* Which queries are taken to need the Deployment's own pods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "webhook/ownpods.h"

/* The Deployment is called web; its pods have these labels. */
static const struct str OBJECT =
    STR_INIT("{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"app\":\"shop-front\","
             "\"app.kubernetes.io/name\":\"front\",\"team\":\"blue\",\"odd\":1}}}}}");

struct query_case {
    const char *query;
    const char *matcher; /* NULL: none */
};

static const struct query_case CASES[] = {
    {"up{app=\"web\"}", "app=\"web\""},
    {"up{app='web'}", "app='web'"},
    {"up{app=`web`}", "app=`web`"},
    {"up{ app = \"web\" }", "app = \"web\""},
    {"up {deployment=\"web\",code=\"500\"}", "deployment=\"web\""},
    {"up{code=\"500\", deployment=\"web\"}", "deployment=\"web\""},
    {"{__name__=\"up\",workload=\"web\"}", "workload=\"web\""},
    {"{\"a.metric\",job=\"web\"}", "job=\"web\""},
    {"{\"a.metric\", \"app\"=\"web\"}", "\"app\"=\"web\""},
    {"up{pod=~\"web-.*\"}", "pod=~\"web-.*\""},
    {"up{pod=~\"^(web-[0-9a-f]+-.+)$\"}", "pod=~\"^(web-[0-9a-f]+-.+)$\""},
    {"up{pod=~\"web.*\"}", "pod=~\"web.*\""},
    {"up{pod=~\"api-.*|web-.*\"}", "pod=~\"api-.*|web-.*\""},
    {"up{pod=\"web-5d4-x\"}", "pod=\"web-5d4-x\""},
    {"up{app=~\"api|web\"}", "app=~\"api|web\""},
    {"up{app=\"shop-front\"}", "app=\"shop-front\""},
    {"up{app_kubernetes_io_name=\"front\"}", "app_kubernetes_io_name=\"front\""},
    {"sum(rate(a[1m])) + sum(b{app=\"web\"})", "app=\"web\""},
    {"kube_pod_info{pod=~\"web-.*\"} * up{app=\"web\"}", "app=\"web\""},
    {"a{x=\"}\",app=\"web\"}", "app=\"web\""},
    {"a{x=\"\\\"}\",app=\"web\"}", "app=\"web\""},
    {"a # {app=\"api\"}\n{app=\"web\"}", "app=\"web\""},
    {"up{app=\"web\"", "app=\"web\""},
    {"up{app=\"web", "app=\"web"},

    {"", NULL},
    {"vector(1)", NULL},
    {"up", NULL},
    {"up{}", NULL},
    {"up{app!=\"web\"}", NULL},
    {"up{app!~\"web\"}", NULL},
    {"up{app=\"webs\"}", NULL},
    {"up{app=\"\"}", NULL},
    {"up{app=\"we.*\"}", NULL},
    {"up{pod=\"web\"}", NULL},
    {"up{pod=\"web.x\"}", NULL},
    {"up{pod=~\"website-.*\"}", NULL},
    {"up{pod=~\".*\"}", NULL},
    {"queue_depth{queue=\"web\"}", NULL},
    {"requests{service=\"web\"}", NULL},
    {"up{team=\"blue\"}", NULL},
    {"up{odd=\"1\"}", NULL},
    {"kube_deployment_status_replicas{deployment=\"web\"}", NULL},
    {"absent(up{app=\"web\"})", NULL},
    {"absent_over_time(up{app=\"web\"}[5m])", NULL},
    {"label_replace(a, \"b\", \"{app=\\\"web\\\"}\", \"\", \"\")", NULL},
    {"a # {app=\"web\"}", NULL},
    {"a{app=web}", NULL},
    {"a{\"web\"", NULL},
    {"a{app=", NULL},
    {"{{{{", NULL},
    {"a{\\", NULL},
    {"a{b=\"\\", NULL},
};

static const struct json *object_of(struct arena *a)
{
    struct err e = ERR_INIT;
    const struct json *object = NULL;
    assert_int_equal(json_parse(OBJECT, &JSON_LIMITS_USER, a, &object, &e), 0);
    return object;
}

static void test_queries(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 1 << 20);
    const struct json *object = object_of(&a);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str got = {NULL, 0};
        bool found = ownpods_selected(str_from(CASES[i].query), STR("web"), object, &got);
        if (found != (CASES[i].matcher != NULL) || !str_eq(got, str_from(CASES[i].matcher))) {
            fail_msg("%s: %.*s", CASES[i].query, STR_ARG(got));
        }
    }
    arena_free(&a);
}

/* generateName: the labels alone are known; and an object need not be there. */
static void test_without_a_name(void **state)
{
    struct arena a;
    struct str none = {NULL, 0};
    struct str got = {NULL, 0};
    (void)state;
    arena_init(&a, 1 << 20);
    const struct json *object = object_of(&a);
    assert_true(ownpods_selected(STR("up{app=\"shop-front\"}"), none, object, &got));
    assert_false(ownpods_selected(STR("up{app=\"web\"}"), none, object, &got));
    assert_false(ownpods_selected(STR("up{pod=~\"-.*\"}"), none, object, &got));
    assert_false(ownpods_selected(STR("up{app=\"\"}"), none, object, &got));
    assert_true(ownpods_selected(STR("up{app=\"web\"}"), STR("web"), NULL, &got));
    assert_false(ownpods_selected(STR("up{app=\"front\"}"), STR("web"), NULL, &got));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_without_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
