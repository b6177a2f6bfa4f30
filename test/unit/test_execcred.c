/* ExecCredential: what a credential plugin answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/execcred.h"
#include "golden.h"

static void run(const struct golden_case *c)
{
    struct arena arena;
    struct exec_credential out = {.expires_ms = -1};
    struct err e = ERR_INIT;
    struct buf have;
    arena_init(&arena, 1 << 20);
    buf_init(&have, 4096);
    if (exec_credential_parse(golden_field(c, 1), STR("client.authentication.k8s.io/v1beta1"),
                              &arena, &out, &e) != 0) {
        golden_expect_int(c, "untouched", out.expires_ms, -1);
        buf_append(&have, str_from(e.text));
    } else {
        buf_format(&have, "%.*s|%.*s|%.*s|%lld", STR_ARG(out.token), STR_ARG(out.cert_pem),
                   STR_ARG(out.key_pem), (long long)out.expires_ms);
    }
    golden_expect(c, buf_view(&have), golden_field(c, 2));
    buf_free(&have);
    arena_free(&arena);
}

static void test_answers(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/kube/execcredential.txt", run);
}

static void test_versions(void **state)
{
    (void)state;
    assert_true(exec_credential_version(STR("client.authentication.k8s.io/v1")));
    assert_true(exec_credential_version(STR("client.authentication.k8s.io/v1beta1")));
    assert_false(exec_credential_version(STR("client.authentication.k8s.io/v1alpha1")));
    assert_false(exec_credential_version((struct str){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_versions)};
    return cmocka_run_group_tests_name("execcred", tests, NULL, NULL);
}
