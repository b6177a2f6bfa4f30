/* YAML: the tree of what is accepted, line and column of what is not, the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/yaml.h"
#include "golden.h"

enum { ARENA_BYTES = 8 << 20 };

static void run_accept_case(const struct golden_case *c)
{
    const struct json *tree = NULL;
    struct json_writer w;
    struct err e = ERR_INIT;
    struct arena a;
    struct buf out;

    arena_init(&a, ARENA_BYTES);
    buf_init(&out, ARENA_BYTES);
    json_writer_init(&w, &out);
    if (yaml_parse(golden_field(c, 1), &JSON_LIMITS_USER, &a, &tree, &e) == 0) {
        json_put_tree(&w, tree);
        golden_expect(c, buf_view(&out), golden_field(c, 2));
    } else {
        golden_expect(c, str_from(e.text), golden_field(c, 2));
    }
    buf_free(&out);
    arena_free(&a);
}

static void test_accept_cases(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/yaml/accept.txt", run_accept_case);
}

static void run_refuse_case(const struct golden_case *c)
{
    const struct json *tree = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    golden_expect_int(c, "result", yaml_parse(golden_field(c, 1), &JSON_LIMITS_USER, &a, &tree, &e),
                      -1);
    golden_expect_int(c, "error code", e.code, ERR_INVALID);
    golden_expect_int(c, "a tree", tree != NULL, 0);
    golden_expect_part(c, str_from(e.text), STR("YAML line "));
    golden_expect_part(c, str_from(e.text), golden_field(c, 2));
    arena_free(&a);
}

static void test_refuse_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/yaml/refuse.txt", run_refuse_case);
}

static enum err_code code_of(struct str text, const struct json_limits *limits, size_t arena_bytes)
{
    const struct json *tree = NULL;
    struct err e = ERR_INIT;
    struct arena a;
    int rc;

    arena_init(&a, arena_bytes);
    rc = yaml_parse(text, limits, &a, &tree, &e);
    assert_int_equal(rc, e.code == ERR_NONE ? 0 : -1);
    arena_free(&a);
    return e.code;
}

static void test_limits(void **state)
{
    const struct json_limits limits = {.max_depth = 2, .max_values = 4};

    (void)state;
    assert_int_equal(code_of(STR("[[1,2]]"), &limits, ARENA_BYTES), ERR_NONE);
    assert_int_equal(code_of(STR("[[[]]]"), &limits, ARENA_BYTES), ERR_LIMIT);
    assert_int_equal(code_of(STR("- - - a"), &limits, ARENA_BYTES), ERR_LIMIT);
    assert_int_equal(code_of(STR("a:\n b:\n  c: 1"), &limits, ARENA_BYTES), ERR_LIMIT);
    assert_int_equal(code_of(STR("{a: 1, b: 2, c: 3}"), &limits, ARENA_BYTES), ERR_NONE);
    assert_int_equal(code_of(STR("[1,2,3,4]"), &limits, ARENA_BYTES), ERR_LIMIT);
    assert_int_equal(code_of(STR("[1,2,3]"), &limits, 256), ERR_MEMORY);
}

/* Deep or long input is refused without work that grows with its square. */
static void test_hostile_sizes(void **state)
{
    const size_t size = 1 << 20;
    const char *units[] = {"[", "{a: ", "- ", "? ", "a: ", "\"", "x ", "&a ", "!!a ", "\n"};
    char *text = malloc(size);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(units[i]);

        memset(text, ' ', size);
        for (size_t at = 0; at + len <= size; at += len) {
            memcpy(text + at, units[i], len);
        }
        (void)code_of((struct str){text, size}, &JSON_LIMITS_USER, ARENA_BYTES);
    }
    free(text);
}

static void test_places(void **state)
{
    const struct json *tree = NULL;
    const struct json *node;
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(yaml_parse(STR("a:\n  - x\n  - {b: 2}\n"), &JSON_LIMITS_USER, &a, &tree, &e),
                     0);
    node = json_get(tree, STR("a"));
    assert_int_equal(node->line, 2);
    assert_int_equal(node->column, 3);
    assert_int_equal(node->child->line, 2);
    assert_int_equal(node->child->column, 5);
    node = json_get(node->child->next, STR("b"));
    assert_int_equal(node->line, 3);
    assert_int_equal(node->column, 9);
    assert_null(node->raw.ptr);
    arena_free(&a);
}

/* The tree owns its strings. */
static void test_source_may_go(void **state)
{
    char text[] = "key: value";
    const struct json *tree = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(yaml_parse(str_from(text), &JSON_LIMITS_USER, &a, &tree, &e), 0);
    memset(text, 'x', sizeof text - 1);
    assert_true(str_eq(json_str(json_get(tree, STR("key"))), STR("value")));
    assert_int_equal(yaml_parse((struct str){0}, &JSON_LIMITS_USER, &a, &tree, &e), 0);
    assert_int_equal(tree->type, JSON_NULL);
    arena_free(&a);
}

/* Editors put a byte order mark before UTF-8; it is no part of the first key. */
static void test_byte_order_mark(void **state)
{
    const struct json *tree = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(yaml_parse(STR("\xef\xbb\xbf"
                                    "a: 1"),
                                &JSON_LIMITS_USER, &a, &tree, &e),
                     0);
    assert_non_null(json_get(tree, STR("a")));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_cases),    cmocka_unit_test(test_refuse_cases),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_places),          cmocka_unit_test(test_source_may_go),
        cmocka_unit_test(test_byte_order_mark),
    };

    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
