/* Profiles of AWS's shared files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/awsini.h"
#include "base/buf.h"
#include "golden.h"

static void print(const struct aws_profile *p, struct buf *out)
{
    const struct {
        const char *name;
        struct str value;
    } rows[] = {
        {"access_key", p->access_key},
        {"secret_key", p->secret_key},
        {"session_token", p->session_token},
        {"role_arn", p->role_arn},
        {"source_profile", p->source_profile},
        {"credential_source", p->credential_source},
        {"web_identity_token_file", p->web_identity_token_file},
        {"external_id", p->external_id},
        {"role_session_name", p->role_session_name},
        {"duration_seconds", p->duration_seconds},
        {"region", p->region},
        {"credential_process", p->credential_process},
        {"mfa_serial", p->mfa_serial},
        {"sso_session", p->sso_session},
        {"sso_start_url", p->sso_start_url},
        {"login_session", p->login_session},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value.ptr != NULL) {
            buf_format(out, "%s%s=%.*s", out->len > 0 ? " " : "", rows[i].name,
                       STR_ARG(rows[i].value));
        }
    }
    if (out->len == 0) {
        buf_append(out, p->found ? STR("found") : STR("-"));
    }
}

static void run(const struct golden_case *c)
{
    const bool config = str_eq(golden_field(c, 1), STR("config"));
    struct aws_profile p = {.found = false};
    struct err e = ERR_INIT;
    struct buf have;
    buf_init(&have, 4096);
    if (awsini_read(golden_field(c, 3), config ? AWSINI_CONFIG : AWSINI_CREDENTIALS,
                    golden_field(c, 2), &p, &e) == 0) {
        print(&p, &have);
    } else {
        golden_expect_int(c, "untouched", p.found, false);
        golden_expect_int(c, "secret told", strstr(e.text, "SECRET") != NULL, false);
        buf_append(&have, str_from(e.text));
    }
    golden_expect(c, buf_view(&have), golden_field(c, 4));
    buf_free(&have);
}

static void test_files(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/aws/profile.txt", run);
}

static void test_the_second_file_counts(void **state)
{
    (void)state;
    struct aws_profile p = {.found = false};
    struct err e = ERR_INIT;
    const struct str config = STR("[profile a]\nregion = r\naws_access_key_id = A\nrole_arn = x\n");
    const struct str credentials = STR("[a]\naws_access_key_id = B\naws_secret_access_key = C\n");
    assert_int_equal(awsini_read(config, AWSINI_CONFIG, STR("a"), &p, &e), 0);
    assert_int_equal(awsini_read(STR("[b]\n"), AWSINI_CREDENTIALS, STR("a"), &p, &e), 0);
    assert_true(p.found);
    assert_true(str_eq(p.access_key, STR("A")));
    assert_int_equal(awsini_read(credentials, AWSINI_CREDENTIALS, STR("a"), &p, &e), 0);
    assert_true(str_eq(p.access_key, STR("B")));
    assert_true(str_eq(p.secret_key, STR("C")));
    assert_true(str_eq(p.region, STR("r")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_the_second_file_counts)};
    return cmocka_run_group_tests_name("awsini", tests, NULL, NULL);
}
