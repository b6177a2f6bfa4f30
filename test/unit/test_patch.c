/* JSON Patch documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "jsonpatch.h"
#include "webhook/patch.h"

/* One edit of an object's maps, the document it must give and what that makes of the object. */
struct patch_case {
    const char *name;
    const char *object;
    const char *key;
    const char *value; /* NULL: remove */
    const char *want;  /* the document; NULL: none */
    const char *after;
};

static const struct patch_case CASES[] = {
    {"absent map", "{\"metadata\":{}}", "a", "1",
     "[{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{}},"
     "{\"op\":\"add\",\"path\":\"/metadata/annotations/a\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}"},
    {"null map", "{\"metadata\":{\"annotations\":null}}", "a", "1",
     "[{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{}},"
     "{\"op\":\"add\",\"path\":\"/metadata/annotations/a\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}"},
    {"empty map", "{\"metadata\":{\"annotations\":{}}}", "a", "1",
     "[{\"op\":\"add\",\"path\":\"/metadata/annotations/a\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}"},
    {"other value", "{\"metadata\":{\"annotations\":{\"a\":\"0\",\"b\":\"2\"}}}", "a", "1",
     "[{\"op\":\"replace\",\"path\":\"/metadata/annotations/a\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"a\":\"1\",\"b\":\"2\"}}}"},
    {"value of another type", "{\"metadata\":{\"annotations\":{\"a\":1}}}", "a", "1",
     "[{\"op\":\"replace\",\"path\":\"/metadata/annotations/a\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}"},
    {"same value", "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}", "a", "1", NULL, NULL},
    {"remove", "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}", "a", NULL,
     "[{\"op\":\"remove\",\"path\":\"/metadata/annotations/a\"}]",
     "{\"metadata\":{\"annotations\":{}}}"},
    {"remove what is not there", "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}", "b", NULL, NULL,
     NULL},
    {"remove from no map", "{\"metadata\":{}}", "b", NULL, NULL, NULL},
    {"slash and tilde", "{\"metadata\":{\"annotations\":{\"a~1b\":\"\"}}}", "a/b~c", "1",
     "[{\"op\":\"add\",\"path\":\"/metadata/annotations/a~1b~0c\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"a/b~c\":\"1\",\"a~1b\":\"\"}}}"},
    {"what looks escaped is not", "{\"metadata\":{\"annotations\":{\"a~1b\":\"\",\"a/b\":\"\"}}}",
     "a~1b", NULL, "[{\"op\":\"remove\",\"path\":\"/metadata/annotations/a~01b\"}]",
     "{\"metadata\":{\"annotations\":{\"a/b\":\"\"}}}"},
    {"quotes and control characters", "{\"metadata\":{\"annotations\":{}}}", "q\"\\\n", "v\"\\\t",
     "[{\"op\":\"add\",\"path\":\"/metadata/annotations/q\\\"\\\\\\n\","
     "\"value\":\"v\\\"\\\\\\t\"}]",
     "{\"metadata\":{\"annotations\":{\"q\\\"\\\\\\n\":\"v\\\"\\\\\\t\"}}}"},
    {"empty key", "{\"metadata\":{\"annotations\":{}}}", "", "1",
     "[{\"op\":\"add\",\"path\":\"/metadata/annotations/\",\"value\":\"1\"}]",
     "{\"metadata\":{\"annotations\":{\"\":\"1\"}}}"},
};

static const struct json *parse(struct str text, struct arena *a)
{
    struct err e = ERR_INIT;
    const struct json *tree = NULL;
    assert_int_equal(json_parse(text, &JSON_LIMITS_API, a, &tree, &e), 0);
    return tree;
}

static void run(const struct patch_case *c, struct arena *a)
{
    struct buf out;
    struct patch p;
    struct err e = ERR_INIT;
    const struct json *object = parse(str_from(c->object), a);
    struct patch_map map = patch_map_of(object, STR("annotations"), STR("/metadata/annotations"));
    buf_init(&out, 4096);
    patch_begin(&p, &out);
    if (c->value != NULL) {
        patch_map_set(&p, &map, str_from(c->key), str_from(c->value));
    } else {
        patch_map_remove(&p, &map, str_from(c->key));
    }
    struct str document = patch_end(&p);
    assert_int_equal(buf_check(&out, &e), 0);
    if (!str_eq(document, str_from(c->want))) {
        fail_msg("%s: %.*s", c->name, STR_ARG(document));
    }
    if (c->want != NULL) {
        const struct json *after = NULL;
        assert_int_equal(jsonpatch_apply(object, document, a, &after), 0);
        if (!json_equal(after, parse(str_from(c->after), a))) {
            fail_msg("%s: applied, it gives something else", c->name);
        }
    }
    buf_free(&out);
}

static void test_map(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct arena a;
        arena_init(&a, 1 << 20);
        run(&CASES[i], &a);
        arena_free(&a);
    }
}

/* The map is added once, whatever is put into it; lists and raw values go the same way. */
static void test_document(void **state)
{
    struct arena a;
    struct buf out;
    struct patch p;
    const struct json *after = NULL;
    (void)state;
    arena_init(&a, 1 << 20);
    buf_init(&out, 4096);
    const struct json *object =
        parse(STR("{\"metadata\":{},\"spec\":{\"replicas\":1,\"c\":[1,2]}}"), &a);
    struct patch_map map = patch_map_of(object, STR("labels"), STR("/metadata/labels"));
    patch_begin(&p, &out);
    patch_map_set(&p, &map, STR("a"), STR("1"));
    patch_map_set(&p, &map, STR("b"), STR("2"));
    patch_replace_raw(&p, STR("/spec"), STR("replicas"), STR("4"));
    patch_add_raw(&p, STR("/spec/c"), STR("-"), STR("{\"n\":3}"));
    patch_add_raw(&p, STR("/spec/c"), STR("0"), STR("0"));
    patch_remove(&p, STR("/spec/c"), STR("1"));
    assert_int_equal(p.operations, 7);
    assert_int_equal(jsonpatch_apply(object, patch_end(&p), &a, &after), 0);
    assert_true(json_equal(after, parse(STR("{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},"
                                            "\"spec\":{\"replicas\":4,\"c\":[0,2,{\"n\":3}]}}"),
                                        &a)));
    buf_free(&out);
    arena_free(&a);
}

static void test_ceiling(void **state)
{
    struct buf out;
    struct patch p;
    struct err e = ERR_INIT;
    (void)state;
    buf_init(&out, 64);
    patch_begin(&p, &out);
    patch_add_str(&p, STR("/metadata/annotations"), STR("key"), STR("a value that has no room"));
    (void)patch_end(&p);
    assert_int_equal(buf_check(&out, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
