/* Arenas: alignment, zeroing, the ceiling, reset and reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void test_alloc(void **state)
{
    static const size_t SIZES[] = {1, 0, 15, 16, 17, 4096, 5000, 100000, 3, 0};
    struct arena a;
    unsigned char *seen[10];

    (void)state;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < 10; i++) {
        seen[i] = arena_alloc(&a, SIZES[i]);
        assert_non_null(seen[i]);
        assert_int_equal((uintptr_t)seen[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < SIZES[i]; j++) {
            assert_int_equal(seen[i][j], 0);
        }
        memset(seen[i], (int)i + 1, SIZES[i]);
    }
    for (size_t i = 0; i < 10; i++) { /* nobody wrote over anybody */
        assert_true(SIZES[i] == 0 || seen[i][0] == i + 1);
        assert_true(SIZES[i] == 0 || seen[i][SIZES[i] - 1] == i + 1);
        for (size_t j = 0; j < i; j++) {
            assert_ptr_not_equal(seen[i], seen[j]);
        }
    }
    arena_free(&a);
}

static void test_ceiling(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct str out = STR("untouched");

    (void)state;
    arena_init(&a, 1024);
    assert_non_null(arena_alloc(&a, 1000));
    assert_null(arena_alloc(&a, 32));
    assert_non_null(arena_alloc(&a, 16));
    assert_int_equal(a.used_bytes, 1024);
    assert_null(arena_alloc(&a, 0));
    assert_int_equal(arena_str(&a, STR("x"), &out, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_string_equal(e.text, "out of memory: more than 1024 bytes for one request or tick");
    assert_int_equal(arena_format(&a, &out, &e, "%d", 1), -1);
    assert_true(str_eq(out, STR("untouched")));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1024));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_free(&a);
    arena_init(&a, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 20));
    arena_free(&a);
}

static void test_array(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 4096);
    assert_non_null(arena_array(&a, 10, 8));
    assert_non_null(arena_array(&a, 0, 8));
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    assert_null(arena_array(&a, SIZE_MAX / 8 + 2, 8)); /* wraps to 8 */
    arena_free(&a);
}

static void test_text(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct str out;

    (void)state;
    arena_init(&a, 1 << 16);
    assert_int_equal(arena_str(&a, STR("a\0b"), &out, &e), 0);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.ptr, "a\0b", 4);
    assert_int_equal(arena_str(&a, str_from(NULL), &out, &e), 0);
    assert_non_null(out.ptr);
    assert_string_equal(out.ptr, "");
    assert_int_equal(arena_format(&a, &out, &e, "%s=%d", "n", 42), 0);
    assert_string_equal(out.ptr, "n=42");
    assert_int_equal(out.len, 4);
    assert_int_equal(arena_format(&a, &out, &e, "%5000d", 7), 0);
    assert_int_equal(out.len, 5000);
    arena_free(&a);
}

static void test_reset(void **state)
{
    struct arena a;
    struct arena zeroed = {0};

    (void)state;
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            unsigned char *p = arena_alloc(&a, 1000);
            assert_non_null(p);
            assert_int_equal(p[0], 0);
            assert_int_equal(p[999], 0);
            memset(p, 0xEE, 1000);
        }
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
        assert_non_null(a.chunks); /* one is kept */
    }
    arena_free(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_non_null(arena_alloc(&a, 10)); /* may be used again */
    arena_free(&a);
    assert_non_null(arena_alloc(&a, 4096));
    const struct arena_chunk *kept = a.chunks;
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 4096)); /* the kept chunk is used, and whole */
    assert_ptr_equal(a.chunks, kept);
    arena_free(&a);
    arena_reset(&zeroed);
    arena_free(&zeroed);
    assert_null(arena_alloc(&zeroed, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc), cmocka_unit_test(test_ceiling), cmocka_unit_test(test_array),
        cmocka_unit_test(test_text),  cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
