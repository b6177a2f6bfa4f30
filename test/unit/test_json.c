/* JSON: what is accepted, what is refused and where, the limits, look-ups, equality, the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/fmt.h"
#include "base/json.h"
#include "golden.h"

enum { ARENA_BYTES = 64 << 20 };

static const struct json *parse(struct arena *a, const char *text)
{
    const struct json *out = NULL;
    struct err e = ERR_INIT;

    if (json_parse(str_from(text), &JSON_LIMITS_API, a, &out, &e) != 0) {
        fail_msg("%s: %s", text, e.text);
    }
    return out;
}

/* So that json_put_tree encodes the tree instead of copying the source. */
static void forget_raw(struct json *node)
{
    node->raw = (struct str){0};
    for (struct json *child = node->child; child != NULL; child = child->next) {
        forget_raw(child);
    }
}

static struct str encode(const struct json *node, struct buf *out)
{
    struct json_writer w;
    struct json root = *node;

    forget_raw(&root);
    json_writer_init(&w, out);
    json_put_tree(&w, &root);
    assert_false(out->failed);
    return buf_view(out);
}

static void run_parse_case(const struct golden_case *c)
{
    bool accept = str_eq(golden_field(c, 0), STR("y"));
    struct str text = golden_field(c, 2);
    char *exact = malloc(text.len > 0 ? text.len : 1); /* ASan sees a read past the end */
    const struct json *out = NULL;
    struct err e = ERR_INIT;
    struct arena a;
    struct buf b;
    int rc;

    assert_non_null(exact);
    memcpy(exact, text.ptr, text.len);
    arena_init(&a, ARENA_BYTES);
    buf_init(&b, ARENA_BYTES);
    rc = json_parse((struct str){exact, text.len}, &JSON_LIMITS_API, &a, &out, &e);
    golden_expect_int(c, "result", rc, accept ? 0 : -1);
    golden_expect_int(c, "error code", e.code, accept ? ERR_NONE : ERR_INVALID);
    golden_expect_int(c, "a tree", out != NULL, accept);
    if (accept && out != NULL) {
        golden_expect(c, encode(out, &b), golden_field(c, 3));
    } else {
        golden_expect_part(c, str_from(e.text), golden_field(c, 3));
    }
    buf_free(&b);
    arena_free(&a);
    free(exact);
}

static void test_parse_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/json/parse.txt", run_parse_case);
}

static void expect_limit(struct str text, const struct json_limits *limits, const char *part)
{
    const struct json *out = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    assert_int_equal(json_parse(text, limits, &a, &out, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, part));
    assert_null(out);
    arena_free(&a);
}

static void test_limits(void **state)
{
    const struct json_limits limits = {.max_depth = 2, .max_values = 4};
    const struct json *out = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(json_parse(STR("[[1,2]]"), &limits, &a, &out, &e), 0);
    assert_int_equal(json_parse(STR("{\"a\":1,\"b\":2,\"c\":3}"), &limits, &a, &out, &e), 0);
    arena_free(&a);
    expect_limit(STR("[[[]]]"), &limits, "byte 2: nested deeper than 2");
    expect_limit(STR("[1,2,3,4]"), &limits, "more than 4 values");
    expect_limit(STR("[1,2,3,4,5,6,7,8,9,10]"), &limits, "more than 4 values");
    expect_limit(STR("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"), &limits, "more than 4 values");
}

/* Large texts of one thing must be refused, or cost little. */
static void test_hostile_sizes(void **state)
{
    const size_t size = 7 << 20;
    const char *units[] = {"[", "{\"\":", "]", "[],", "\"\":", "{}:", "1,", "1 "};
    char *text = malloc(size);
    struct arena a;

    (void)state;
    assert_non_null(text);
    arena_init(&a, ARENA_BYTES);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const struct json *out = NULL;
        struct err e = ERR_INIT;
        size_t len = strlen(units[i]);

        for (size_t at = 0; at + len <= size; at += len) {
            memcpy(text + at, units[i], len);
        }
        assert_int_equal(json_parse((struct str){text, size}, &JSON_LIMITS_API, &a, &out, &e), -1);
        arena_reset(&a);
    }
    arena_free(&a);
    free(text);
}

/* Names and closing brackets that belong to nothing. */
static void test_hostile_chain(void **state)
{
    const size_t links = 400000;
    char *text = malloc(3 + 4 * links);
    const struct json *out = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    assert_non_null(text);
    memcpy(text, "{}:", 3);
    for (size_t i = 0; i < links; i++) {
        memcpy(text + 3 + 3 * i, "\"\":", 3);
    }
    memset(text + 3 + 3 * links, '}', links);
    arena_init(&a, ARENA_BYTES);
    assert_int_equal(json_parse((struct str){text, 3 + 4 * links}, &JSON_LIMITS_API, &a, &out, &e),
                     -1);
    assert_int_equal(e.code, ERR_INVALID);
    arena_free(&a);
    free(text);
}

static void test_arena_full(void **state)
{
    const struct json *out = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    (void)state;
    arena_init(&a, 1024);
    assert_int_equal(json_parse(STR("[0,1,2,3,4,5,6,7,8,9,10,11]"), &JSON_LIMITS_API, &a, &out, &e),
                     -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_null(out);
    arena_free(&a);
}

static void test_duplicates(void **state)
{
    const struct json *out = NULL;
    struct err e = ERR_INIT;
    int64_t n = 0;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    out = parse(&a, "{\"a\":1,\"b\":2,\"a\":3}");
    assert_int_equal(out->count, 3);
    assert_true(json_int(json_get(out, STR("a")), &n));
    assert_int_equal(n, 3);
    out = NULL;
    assert_int_equal(json_parse(STR("[{\"x\":0,\"a\":1,\"b\":2,\"\\u0061\":3}]"), &JSON_LIMITS_USER,
                                &a, &out, &e),
                     -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.text, "JSON at byte 29: the name \"a\" appears twice");
    assert_null(out);
    arena_free(&a);
}

static void test_views(void **state)
{
    const char *text = "{\"a\": [1, \"x\"], \"b\":\"q\\n\"}";
    const struct json *out;
    const struct json *x;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    out = parse(&a, text);
    x = json_get(out, STR("a"))->child->next;
    assert_ptr_equal(json_str(x).ptr, text + 11);
    assert_true(str_eq(json_get(out, STR("a"))->raw, STR("[1, \"x\"]")));
    assert_true(str_eq(x->raw, STR("\"x\"")));
    assert_true(str_eq(out->raw, str_from(text)));
    assert_true(str_eq(json_get(out, STR("b"))->raw, STR("\"q\\n\"")));
    assert_true(str_eq(json_str(json_get(out, STR("b"))), STR("q\n")));
    arena_free(&a);
}

/* What a string is scanned for, at each place of the machine words that it is scanned by. */
static void test_strings_of_all_lengths(void **state)
{
    static const struct {
        const char *in;  /* in the middle of a string of x */
        const char *out; /* what it stands for; NULL: it is refused */
    } rows[] = {
        {"", ""},    {"\\n", "\n"},    {"\\\"", "\""}, {"\\\\", "\\"}, {"\xC3\xA9", "\xC3\xA9"},
        {"!", "!"},  {"\x7f", "\x7f"}, {"\x1f", NULL}, {"\t", NULL},   {"\xC3", NULL},
        {"\\", NULL}};
    static const char filler[] = "xxxxxxxxxxxxxxxxxxxxxxxx";
    char text[128], want[128];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int before = 0; before < 20; before++) {
            for (int after = 0; after < 20; after++) {
                struct arena a;
                struct err e = ERR_INIT;
                const struct json *root = NULL;
                const char *out = rows[i].out == NULL ? "" : rows[i].out;
                arena_init(&a, 1 << 16);
                struct str in = fmt(text, sizeof(text), "[\"%.*s%s%.*s\",1]", before, filler,
                                    rows[i].in, after, filler);
                struct str wanted =
                    fmt(want, sizeof(want), "%.*s%s%.*s", before, filler, out, after, filler);
                int rc = json_parse(in, &JSON_LIMITS_API, &a, &root, &e);
                if (rc != (rows[i].out == NULL ? -1 : 0) ||
                    (rc == 0 && !str_eq(json_str(root->child), wanted))) {
                    fail_msg("%s: %d", text, rc);
                }
                arena_free(&a);
            }
        }
    }
}

static void test_lookup(void **state)
{
    const struct json *out;
    int64_t n = 7;
    double d = 7;
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    out = parse(&a, "{\"m\":{\"n\":{\"o\":-5}},\"s\":\"x\",\"t\":true,\"f\":1.5,\"e\":1e3,"
                    "\"max\":9223372036854775807,\"over\":9223372036854775808,\"inf\":1e999}");
    assert_true(json_int(json_path(out, "m/n/o"), &n));
    assert_int_equal(n, -5);
    assert_null(json_path(out, "m/x/o"));
    assert_null(json_path(out, "s/x"));
    assert_null(json_path(NULL, "a"));
    assert_null(json_get(json_get(out, STR("s")), STR("x")));
    assert_true(json_int(json_get(out, STR("max")), &n));
    assert_true(n == INT64_MAX);
    assert_false(json_int(json_get(out, STR("over")), &n));
    assert_false(json_int(json_get(out, STR("f")), &n));
    assert_false(json_int(json_get(out, STR("e")), &n));
    assert_false(json_int(json_get(out, STR("s")), &n));
    assert_false(json_int(NULL, &n));
    assert_true(n == INT64_MAX);
    assert_true(json_double(json_get(out, STR("f")), &d));
    assert_true(d > 1.49 && d < 1.51);
    assert_false(json_double(json_get(out, STR("inf")), &d));
    assert_false(json_double(json_get(out, STR("s")), &d));
    assert_true(json_is_true(json_get(out, STR("t"))));
    assert_false(json_is_true(json_get(out, STR("s"))));
    assert_false(json_is_true(NULL));
    assert_null(json_str(json_get(out, STR("t"))).ptr);
    assert_null(json_str(NULL).ptr);
    assert_string_equal(json_type_name(out->type), "object");
    arena_free(&a);
}

static void test_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"null", "null", true},
        {"null", "false", false},
        {"true", "false", false},
        {"1", "1.0", false},
        {"\"\\u0061\"", "\"a\"", true},
        {"\"a\"", "\"b\"", false},
        {"[]", "{}", false},
        {"[1,2]", "[1,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,2]", false},
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true},
        {"{\"x\":0,\"a\":1,\"b\":2,\"c\":3}", "{\"x\":0,\"c\":3,\"a\":1,\"b\":2}", true},
        {"{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}", false},
        {"{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2,\"b\":1}}", true},
    };
    struct arena a;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct json *x = parse(&a, cases[i].a);
        const struct json *y = parse(&a, cases[i].b);

        if (json_equal(x, y) != cases[i].equal || json_equal(y, x) != cases[i].equal) {
            fail_msg("%s and %s: expected %s", cases[i].a, cases[i].b,
                     cases[i].equal ? "equal" : "unequal");
        }
    }
    assert_false(json_equal(NULL, parse(&a, "1")));
    assert_true(json_equal(NULL, NULL));
    arena_free(&a);
}

static void test_writer(void **state)
{
    struct arena a;
    struct buf b;
    struct json_writer w;

    (void)state;
    arena_init(&a, ARENA_BYTES);
    buf_init(&b, 4096);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("k\"\n"));
    json_put_str(&w, STR("\x01\x7f\xc3\xa9\xff<&>\xe2\x82"));
    json_key(&w, STR("n"));
    json_begin_array(&w);
    json_put_int(&w, INT64_MIN);
    json_put_double(&w, 0.3);
    json_put_double(&w, INFINITY);
    json_put_bool(&w, true);
    json_put_null(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_put_raw(&w, STR("[1, 2]"));
    json_put_tree(&w, parse(&a, "{\"as\" : \"it stands\"}"));
    json_end_array(&w);
    json_member_int(&w, STR("i"), -1);
    json_member_bool(&w, STR("b"), false);
    json_member_str(&w, STR(""), (struct str){0});
    json_end_object(&w);
    assert_true(str_eq(
        buf_view(&b), STR("{\"k\\\"\\n\":\"\\u0001\x7f\xc3\xa9\xef\xbf\xbd<&>\xef\xbf\xbd"
                          "\xef\xbf\xbd\",\"n\":[-9223372036854775808,0.3,null,true,null,[]"
                          ",{},[1, 2],{\"as\" : \"it stands\"}],\"i\":-1,\"b\":false,\"\":\"\"}")));
    buf_free(&b);
    arena_free(&a);
}

static void test_writer_ceiling(void **state)
{
    struct buf b;
    struct json_writer w;
    struct err e = ERR_INIT;

    (void)state;
    buf_init(&b, 8);
    json_writer_init(&w, &b);
    json_put_str(&w, STR("0123456789"));
    assert_int_equal(buf_check(&b, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_cases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_hostile_chain),
        cmocka_unit_test(test_arena_full),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_strings_of_all_lengths),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_ceiling),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
