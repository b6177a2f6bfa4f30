/* XML of AWS: what is read, what is refused and where, the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/awsxml.h"
#include "base/buf.h"
#include "golden.h"

static void print(const struct awsxml *n, struct buf *out)
{
    buf_append(out, n->name);
    if (n->child == NULL && n->text.ptr != NULL) {
        buf_format(out, "=%.*s", STR_ARG(n->text));
    }
    for (const struct awsxml *c = n->child; c != NULL; c = c->next) {
        buf_append_char(out, c == n->child ? '(' : ',');
        print(c, out);
    }
    if (n->child != NULL) {
        buf_append_char(out, ')');
    }
}

static void run(const struct golden_case *c)
{
    const struct awsxml *root = NULL;
    struct err e = ERR_INIT;
    struct arena arena;
    struct buf have;
    arena_init(&arena, 1 << 20);
    buf_init(&have, 4096);
    if (awsxml_parse(golden_field(c, 1), &arena, &root, &e) == 0) {
        print(root, &have);
    } else {
        golden_expect_int(c, "untouched", root == NULL, 1);
        golden_expect_int(c, "code", e.code, ERR_INVALID);
        buf_append(&have, str_from(e.text));
    }
    golden_expect(c, buf_view(&have), golden_field(c, 2));
    buf_free(&have);
    arena_free(&arena);
}

static void test_documents(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/aws/xml.txt", run);
}

/* `count` times `open`, `middle`, and as often `close`. */
static enum err_code parse_many(size_t count, const char *open, const char *middle,
                                const char *close, size_t arena_bytes)
{
    const struct awsxml *root = NULL;
    struct err e = ERR_INIT;
    struct arena arena;
    struct buf text;
    arena_init(&arena, arena_bytes);
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        buf_append(&text, str_from(open));
    }
    buf_append(&text, str_from(middle));
    for (size_t i = 0; i < count; i++) {
        buf_append(&text, str_from(close));
    }
    const int result = awsxml_parse(buf_view(&text), &arena, &root, &e);
    assert_int_equal(result, e.code == ERR_NONE ? 0 : -1);
    buf_free(&text);
    arena_free(&arena);
    return e.code;
}

static void test_limits(void **state)
{
    (void)state;
    const size_t plenty = 1 << 20;
    assert_int_equal(parse_many(AWSXML_DEPTH_MAX, "<a>", "", "</a>", plenty), ERR_NONE);
    assert_int_equal(parse_many(AWSXML_DEPTH_MAX + 1, "<a>", "", "</a>", plenty), ERR_LIMIT);
    assert_int_equal(parse_many(100000, "<a>", "", "", plenty), ERR_LIMIT);
    assert_int_equal(parse_many(1, "<r>", "<b/><b/>", "</r>", plenty), ERR_NONE);
    assert_int_equal(parse_many(1, "<r>", "<b/>", "</r>", 16), ERR_MEMORY);
    assert_int_equal(parse_many(1, "<r>", "&amp;&amp;", "</r>", 96), ERR_NONE);
}

static void test_paths(void **state)
{
    (void)state;
    const struct awsxml *root = NULL;
    struct err e = ERR_INIT;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    assert_int_equal(awsxml_parse(STR("<a><b><c>1</c><c>2</c></b><d/></a>"), &arena, &root, &e), 0);
    assert_true(str_eq(awsxml_text(root, "b/c"), STR("1")));
    assert_ptr_equal(awsxml_find(root, ""), root);
    assert_null(awsxml_find(root, "c"));
    assert_null(awsxml_find(root, "a/b"));
    assert_null(awsxml_find(NULL, "b"));
    assert_null(awsxml_text(root, "b").ptr);
    assert_null(awsxml_text(root, "x").ptr);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_documents),
                                       cmocka_unit_test(test_limits), cmocka_unit_test(test_paths)};
    return cmocka_run_group_tests_name("awsxml", tests, NULL, NULL);
}
