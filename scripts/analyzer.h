/* Included first when clang-tidy looks at a file (scripts/tidy-one.sh): what its analyzer cannot
 * see across files. Whoever fails returns -1, so nobody goes on with outputs that were not filled.
 */
#include "base/arena.h"
#include "base/err.h"

#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_prefix(...) (err_prefix(__VA_ARGS__), -1)
#define arena_err(...) (arena_err(__VA_ARGS__), -1)

#ifdef ANALYZE_TEST
/* A test does not go on after an assertion that failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_non_null
#undef assert_int_equal
#undef fail
#undef fail_msg
#define assert_true(c) ((c) ? (void)0 : __builtin_unreachable())
#define assert_false(c) assert_true(!(c))
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((intmax_t)(a) == (intmax_t)(b))
#define fail() __builtin_unreachable()
#define fail_msg(...) __builtin_unreachable()
#endif
