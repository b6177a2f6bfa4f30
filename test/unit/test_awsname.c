/* Hosts by partition, roles, session names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/awsname.h"

#define AMP "aps-workspaces"

static const struct {
    const char *service, *region;
    unsigned kind;
    const char *host;
} HOSTS[] = {
    {"sts", "eu-central-1", AWSNAME_PLAIN, "sts.eu-central-1.amazonaws.com"},
    {"sts", "us-east-1", AWSNAME_FIPS, "sts-fips.us-east-1.amazonaws.com"},
    {"sts", "us-east-1", AWSNAME_DUALSTACK, "sts.us-east-1.api.aws"},
    {"sts", "us-east-1", AWSNAME_FIPS | AWSNAME_DUALSTACK, "sts-fips.us-east-1.api.aws"},
    {"sts", "us-gov-west-1", AWSNAME_FIPS, "sts.us-gov-west-1.amazonaws.com"},
    {"sts", "us-gov-west-1", AWSNAME_FIPS | AWSNAME_DUALSTACK, "sts-fips.us-gov-west-1.api.aws"},
    {"sts", "cn-north-1", AWSNAME_PLAIN, "sts.cn-north-1.amazonaws.com.cn"},
    {"sts", "cn-north-1", AWSNAME_DUALSTACK, "sts.cn-north-1.api.amazonwebservices.com.cn"},
    {"sts", "us-iso-east-1", AWSNAME_PLAIN, "sts.us-iso-east-1.c2s.ic.gov"},
    {"sts", "us-isob-east-1", AWSNAME_PLAIN, "sts.us-isob-east-1.sc2s.sgov.gov"},
    {"sts", "us-isob-east-1", AWSNAME_DUALSTACK, "sts.us-isob-east-1.api.aws.scloud"},
    {"sts", "eu-isoe-west-1", AWSNAME_PLAIN, "sts.eu-isoe-west-1.cloud.adc-e.uk"},
    {"sts", "us-isof-south-1", AWSNAME_PLAIN, "sts.us-isof-south-1.csp.hci.ic.gov"},
    {"sts", "eusc-de-east-1", AWSNAME_PLAIN, "sts.eusc-de-east-1.amazonaws.eu"},
    {AMP, "eu-central-1", AWSNAME_PLAIN, "aps-workspaces.eu-central-1.amazonaws.com"},
    {AMP, "us-west-2", AWSNAME_FIPS, "aps-workspaces-fips.us-west-2.amazonaws.com"},
    {AMP, "us-west-2", AWSNAME_DUALSTACK, "aps-workspaces.us-west-2.api.aws"},
    {AMP, "us-gov-west-1", AWSNAME_FIPS, "aps-workspaces-fips.us-gov-west-1.amazonaws.com"},
};

static void test_hosts(void **state)
{
    (void)state;
    char host[AWSNAME_HOST_BYTES];
    for (size_t i = 0; i < sizeof HOSTS / sizeof HOSTS[0]; i++) {
        const struct str region = str_from(HOSTS[i].region);
        const struct str service = str_from(HOSTS[i].service);
        const struct str have = awsname_host(service, region, HOSTS[i].kind, host);
        assert_string_equal(have.ptr, HOSTS[i].host);
        assert_true(str_eq(awsname_region_of(have, service), region));
    }
}

static void test_hosts_of_others(void **state)
{
    (void)state;
    static const char *const others[] = {
        "aps-workspaces.amazonaws.com",
        "aps-workspaces..amazonaws.com",
        "aps-workspaces.eu-central-1.amazonaws.com.evil.com",
        "aps-workspaces.eu-central-1.evil-amazonaws.com",
        "aps-workspaces.eu-central-1.amazonaws.comx",
        "aps-workspaces.a.b.amazonaws.com",
        "aps-workspaces-fipseu-central-1.amazonaws.com",
        "aps-workspacesx.eu-central-1.amazonaws.com",
        "x.aps-workspaces.eu-central-1.amazonaws.com",
        "aps.eu-central-1.amazonaws.com",
        "aps-workspaces.EU.amazonaws.com",
        "aps-workspaces.eu_1.amazonaws.com",
        "aps-workspaces.",
        "aps-workspaces",
        "amazonaws.com",
        "",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (awsname_region_of(str_from(others[i]), STR(AMP)).ptr != NULL) {
            fail_msg("%s", others[i]);
        }
    }
}

static void test_roles(void **state)
{
    (void)state;
    assert_true(awsname_is_role(STR("arn:aws:iam::123456789012:role/shop")));
    assert_true(awsname_is_role(STR("arn:aws-us-gov:iam::123456789012:role/path/shop.+=,@-_")));
    assert_false(awsname_is_role(STR("arn:aws:iam::123456789012:user/shop")));
    assert_false(awsname_is_role(STR("arn:aws:iam::12345:role/shop")));
    assert_false(awsname_is_role(STR("arn:aws:sts::123456789012:assumed-role/a/b")));
    assert_false(awsname_is_role(STR("shop")));
    assert_false(awsname_is_role(STR("")));
}

static void test_sessions(void **state)
{
    (void)state;
    char name[AWSNAME_SESSION_BYTES];
    char longest[101];
    memset(longest, 'a', 100);
    longest[100] = '\0';
    assert_string_equal(awsname_session(STR("ampscale-scaler@pod-1_x+=,."), name).ptr,
                        "ampscale-scaler@pod-1_x+=,.");
    assert_string_equal(awsname_session(STR("a b/c:\xc3\xbc"), name).ptr, "a-b-c---");
    assert_int_equal(awsname_session(str_from(longest), name).len, 64);
    assert_string_equal(awsname_session(STR("a"), name).ptr, "ampscale");
    assert_string_equal(awsname_session((struct str){NULL, 0}, name).ptr, "ampscale");
}

static void test_labels(void **state)
{
    (void)state;
    assert_true(awsname_is_label(STR("eu-central-1")));
    assert_false(awsname_is_label(STR("eu.central")));
    assert_false(awsname_is_label(STR("EU")));
    assert_false(awsname_is_label(STR("")));
    assert_false(awsname_is_label((struct str){NULL, 0}));
    assert_false(
        awsname_is_label(STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts), cmocka_unit_test(test_hosts_of_others),
        cmocka_unit_test(test_roles), cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests_name("awsname", tests, NULL, NULL);
}
