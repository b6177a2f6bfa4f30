/* How memory is shared out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/allowance.h"

#define KI(n) ((size_t)(n) << 10)
#define MI(n) ((size_t)(n) << 20)

static void memory_is_shared_out_by_the_limit(void **state)
{
    static const struct {
        uint64_t limit, buffer;
        size_t table, buffer_out;
    } cases[] = {
        {0, 0, MI(64), MI(8)},
        {0, KI(100), MI(64), KI(100)},
        {UINT64_C(1) << 62, 0, MI(64), MI(8)},
        {MI(128), 0, MI(64), MI(8)},
        {MI(64), 0, MI(33), MI(8)},
        {MI(32), 0, MI(12), MI(4)},
        {MI(16), 0, MI(2), MI(2)},
        {MI(1), 0, MI(2), KI(256)},
        {MI(32), MI(12), MI(6), MI(12)},
        {MI(32), MI(64), MI(2), MI(64)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct allowance a = allowance_of(cases[i].limit, cases[i].buffer);
        assert_int_equal(a.table_bytes, cases[i].table);
        assert_int_equal(a.buffer_bytes, cases[i].buffer_out);
    }
}

static void a_cgroups_limit_is_a_number_or_none(void **state)
{
    (void)state;
    assert_int_equal(allowance_cgroup(STR("67108864\n")), MI(64));
    assert_int_equal(allowance_cgroup(STR("9223372036854771712\n")), INT64_C(9223372036854771712));
    assert_int_equal(allowance_cgroup(STR("max\n")), 0);
    assert_int_equal(allowance_cgroup(STR("")), 0);
    assert_int_equal(allowance_cgroup(STR("0\n")), 0);
    assert_int_equal(allowance_cgroup(STR("-1\n")), 0);
    assert_int_equal(allowance_cgroup(STR("99999999999999999999\n")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_shared_out_by_the_limit),
        cmocka_unit_test(a_cgroups_limit_is_a_number_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
