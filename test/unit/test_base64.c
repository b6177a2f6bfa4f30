/* base64, RFC 4648. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"

enum { ARENA_BYTES = 4096, LONG_BYTES = 600 };

/* §10, and the two digits that are no letters. */
static void bytes_are_written_and_read(void **state)
{
    static const char *const PAIRS[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
        struct buf out;
        struct arena arena;
        struct str read;
        struct err e = ERR_INIT;
        buf_init(&out, 64);
        arena_init(&arena, ARENA_BYTES);
        base64_append(&out, str_from(PAIRS[i][0]));
        assert_true(str_eq(buf_view(&out), str_from(PAIRS[i][1])));
        assert_int_equal(base64_decode(buf_view(&out), &arena, &read, &e), 0);
        assert_true(str_eq(read, str_from(PAIRS[i][0])));
        arena_free(&arena);
        buf_free(&out);
    }
}

/* Of each length around the blocks that are written at once. */
static void long_texts_are_written_and_read(void **state)
{
    char bytes[LONG_BYTES];
    (void)state;
    for (size_t i = 0; i < LONG_BYTES; i++) {
        bytes[i] = (char)(i * 37 + i / 256);
    }
    for (size_t len = 0; len <= LONG_BYTES; len++) {
        const struct str whole = {bytes, len};
        struct buf out;
        struct arena arena;
        struct str read;
        struct err e = ERR_INIT;
        buf_init(&out, ARENA_BYTES);
        arena_init(&arena, ARENA_BYTES);
        base64_append(&out, whole);
        assert_int_equal(buf_view(&out).len, (len + 2) / 3 * 4);
        assert_int_equal(base64_decode(buf_view(&out), &arena, &read, &e), 0);
        assert_true(str_eq(read, whole));
        arena_free(&arena);
        buf_free(&out);
    }
}

static void folded_lines_are_read(void **state)
{
    struct arena arena;
    struct str read;
    struct err e = ERR_INIT;
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(base64_decode(STR("Zm9v\r\nYm\nFy\n"), &arena, &read, &e), 0);
    assert_true(str_eq(read, STR("foobar")));
    arena_free(&arena);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const WRONG[] = {
        "Z",    "Zg",   "Zg=",  "Zh==",  "Zm9=",  "Zg=a", "=g==",    "Zg==Zg==",
        "Z===", "====", "Zg !", "Zg-_=", "Zm9v=", "=",    "Zm9v\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct arena arena;
        struct str read = STR("before");
        struct err e = ERR_INIT;
        arena_init(&arena, ARENA_BYTES);
        if (base64_decode(str_from(WRONG[i]), &arena, &read, &e) != -1) {
            fail_msg("\"%s\" was read", WRONG[i]);
        }
        assert_int_equal(e.code, ERR_INVALID);
        assert_true(str_eq(read, STR("before")));
        arena_free(&arena);
    }
}

static void the_arena_is_a_ceiling(void **state)
{
    struct arena arena;
    struct str read;
    struct err e = ERR_INIT;
    char text[8192];
    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = 'A';
    }
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(base64_decode((struct str){text, sizeof(text)}, &arena, &read, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_written_and_read),
        cmocka_unit_test(long_texts_are_written_and_read),
        cmocka_unit_test(folded_lines_are_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(the_arena_is_a_ceiling),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
