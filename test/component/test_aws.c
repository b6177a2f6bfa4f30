/* Identities as a program holds them: asked without waiting, told once, freed at any time.
 *
 * Against awsstand.py, whose STS does what a role's name says. What every source and every failure
 * looks like from outside is in test_aws_chain.py and test_aws_fresh.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "badserver.h"
#include "base/num.h"
#include "net/aws_internal.h"

#define ROLE(name) "arn:aws:iam::123456789012:role/" name

static struct {
    struct pyserver server;
    struct loop *loop;
    struct http_client *client;
    char url[64], token[64];
} stage;

static int start(void **state)
{
    (void)state;
    char line[PYSERVER_LINE_BYTES];
    struct err e = ERR_INIT;
    int64_t port = 0;
    static char name[] = "/tmp/ampscale-test-XXXXXX";
    pyserver_start(&stage.server, "test/component/awsstand.py", line);
    assert_int_equal(num_int(str_trim(str_from(line)), 1, 65535, &port, &e), 0);
    (void)snprintf(stage.url, sizeof stage.url, "http://127.0.0.1:%d", (int)port);
    const int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a.b.c\n", 6), 6);
    assert_int_equal(close(fd), 0);
    (void)snprintf(stage.token, sizeof stage.token, "%s", name);
    assert_int_equal(loop_new(&stage.loop, &e), 0);
    const struct http_client_options o = {.user_agent = "test"};
    assert_int_equal(http_client_new(stage.loop, &o, &stage.client, &e), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_client_free(stage.client);
    loop_free(stage.loop);
    pyserver_stop(&stage.server);
    return unlink(stage.token);
}

/* An environment that has no more of AWS than `rows`, which end with NULL. */
static void set_environment(const char *const rows[][2])
{
    static const char *const names[] = {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CA_BUNDLE",
        "AWS_ROLE_SESSION_NAME",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unsetenv(names[i]);
    }
    (void)setenv("HOME", "/nonexistent", 1);
    for (size_t i = 0; rows != NULL && rows[i][0] != NULL; i++) {
        (void)setenv(rows[i][0], rows[i][1], 1);
    }
}

static struct aws_options options(const char *role)
{
    return (struct aws_options){.region = STR("eu-central-1"),
                                .role_arn = str_from(role),
                                .web_identity_token_file = str_from(stage.token),
                                .session_name = STR("test"),
                                .sts_endpoint = str_from(stage.url)};
}

/* By web identity, for the role. */
static struct aws_identity *identity(const char *role)
{
    struct aws_identity *i = NULL;
    struct err e = ERR_INIT;
    const struct aws_options o = options(role);
    if (aws_identity_new(stage.client, &o, &i, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return i;
}

static struct aws_identity *on_top(struct aws_identity *of, const char *role)
{
    struct aws_identity *i = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(aws_identity_for_role(of, str_from(role), &i, &e), 0);
    return i;
}

struct told {
    bool yes;
    unsigned times;
    struct aws_identity *freed; /* in the callback; NULL: none */
};

static void note(void *context)
{
    struct told *told = context;
    told->yes = true;
    told->times++;
    aws_identity_free(told->freed);
    told->freed = NULL;
}

static void wait_for(struct aws_identity *i)
{
    struct told told = {.yes = false};
    aws_identity_on_change(i, note, &told);
    turn_until(stage.loop, &told.yes);
    aws_identity_on_change(i, NULL, NULL);
}

static enum err_code code_of(struct aws_identity *i)
{
    struct aws_credentials c;
    struct err e = ERR_INIT;
    const int result = aws_identity_get(i, &c, &e);
    assert_int_equal(result, e.code == ERR_NONE ? 0 : -1);
    return e.code;
}

/* ---- asking ---- */

static void static_keys_are_there_at_once(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "SK"}, {NULL, NULL}};
    const struct aws_options o = {.region = {NULL, 0}};
    struct aws_identity *i = NULL;
    struct aws_credentials c;
    struct err e = ERR_INIT;
    set_environment(rows);
    assert_int_equal(aws_identity_new(stage.client, &o, &i, &e), 0);
    assert_int_equal(aws_identity_get(i, &c, &e), 0);
    assert_true(str_eq(c.access_key, STR("AK")) && str_eq(c.secret_key, STR("SK")));
    assert_null(c.session_token.ptr);
    (void)setenv("AWS_SESSION_TOKEN", "T", 1);
    assert_int_equal(aws_identity_get(i, &c, &e), 0);
    assert_true(str_eq(c.session_token, STR("T")));
    aws_identity_renew(i);
    turn_for(stage.loop, 10);
    assert_int_equal(code_of(i), ERR_NONE);
    aws_identity_free(i);
}

static void nothing_is_said_at_once(void **state)
{
    (void)state;
    const struct aws_options o = {.region = {NULL, 0}};
    struct aws_identity *i = NULL;
    struct err e = ERR_INIT;
    set_environment(NULL);
    assert_int_equal(aws_identity_new(stage.client, &o, &i, &e), 0);
    assert_int_equal(code_of(i), ERR_DENIED);
    struct aws_identity *top = on_top(i, ROLE("top"));
    assert_int_equal(code_of(top), ERR_DENIED);
    aws_identity_free(i);
    aws_identity_free(top);
}

static void fetching_is_never_waited_for(void **state)
{
    (void)state;
    struct told told = {.yes = false};
    struct aws_credentials c;
    struct err e = ERR_INIT;
    set_environment(NULL);
    struct aws_identity *i = identity(ROLE("good"));
    aws_identity_on_change(i, note, &told);
    assert_int_equal(aws_identity_get(i, &c, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_string_equal(e.text,
                        "AWS credentials (web identity, role " ROLE("good") ") are being fetched");
    assert_false(told.yes);
    turn_until(stage.loop, &told.yes);
    assert_int_equal(aws_identity_get(i, &c, &e), 0);
    assert_true(str_starts(c.access_key, STR("ASIA")));
    assert_true(str_starts(c.session_token, STR("token/")));
    assert_int_equal(told.times, 1);
    aws_identity_free(i);
}

static void failing_is_told_with_the_reason(void **state)
{
    (void)state;
    struct aws_credentials c;
    struct err e = ERR_INIT;
    set_environment(NULL);
    struct aws_identity *i = identity(ROLE("denied"));
    wait_for(i);
    assert_int_equal(aws_identity_get(i, &c, &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_int_equal(e.http_status, 403);
    assert_non_null(strstr(e.text, ": HTTP 403: AccessDenied: Not authorized to perform"));
    aws_identity_free(i);
}

/* ---- roles ---- */

static void roles_are_on_what_is_beneath(void **state)
{
    (void)state;
    set_environment(NULL);
    struct aws_identity *base = identity(ROLE("base"));
    struct aws_identity *a = on_top(base, ROLE("a"));
    struct aws_identity *b = on_top(a, ROLE("b"));
    assert_ptr_equal(on_top(base, ROLE("base")), base);
    assert_ptr_equal(on_top(a, ROLE("base")), base);
    assert_ptr_equal(on_top(a, ROLE("a")), a);
    assert_ptr_equal(a->base, base);
    assert_ptr_equal(b->base, base); /* and not a */
    wait_for(a);
    wait_for(b);
    assert_int_equal(code_of(a), ERR_NONE);
    assert_int_equal(code_of(b), ERR_NONE);
    for (size_t n = 0; n < 3; n++) {
        aws_identity_free(base);
    }
    aws_identity_free(a);
    aws_identity_free(a);
    assert_int_equal(code_of(b), ERR_NONE); /* it holds what it needs */
    aws_identity_free(b);
}

static void a_role_is_told_of_the_failure_beneath(void **state)
{
    (void)state;
    set_environment(NULL);
    struct aws_identity *base = identity(ROLE("denied"));
    struct aws_identity *top = on_top(base, ROLE("top"));
    struct err e = ERR_INIT;
    struct aws_credentials c;
    wait_for(top);
    assert_int_equal(aws_identity_get(top, &c, &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_non_null(
        strstr(e.text, "(assumed, role " ROLE("top") "): AWS credentials (web identity"));
    aws_identity_free(top);
    aws_identity_free(base);
}

static void a_role_that_is_none_is_refused(void **state)
{
    (void)state;
    struct aws_identity *none = NULL;
    struct err e = ERR_INIT;
    set_environment(NULL);
    struct aws_identity *base = identity(ROLE("base"));
    assert_int_equal(aws_identity_for_role(base, STR("shop"), &none, &e), -1);
    assert_string_equal(e.text, "role \"shop\": expected arn:aws:iam::ACCOUNT:role/NAME");
    assert_null(none);
    aws_identity_free(base);
}

/* ---- the end of it ---- */

static void freeing_is_allowed_at_any_time(void **state)
{
    (void)state;
    set_environment(NULL);
    aws_identity_free(NULL);
    aws_identity_free(identity(ROLE("good"))); /* a fetch is under way */
    struct aws_identity *base = identity(ROLE("good"));
    struct aws_identity *top = on_top(base, ROLE("top"));
    aws_identity_free(base);
    aws_identity_free(top); /* waiting for the base */
    turn_for(stage.loop, 50);

    base = identity(ROLE("good"));
    top = on_top(base, ROLE("top"));
    struct told told = {.freed = base};
    aws_identity_on_change(base, note, &told);
    turn_until(stage.loop, &told.yes);
    told = (struct told){.freed = top};
    aws_identity_on_change(top, note, &told);
    turn_until(stage.loop, &told.yes);
    turn_for(stage.loop, 50);
    assert_int_equal(told.times, 1);
}

static void a_listener_may_free_what_depends(void **state)
{
    (void)state;
    set_environment(NULL);
    struct aws_identity *base = identity(ROLE("denied"));
    struct aws_identity *a = on_top(base, ROLE("a"));
    struct aws_identity *b = on_top(base, ROLE("b"));
    struct told told = {.freed = a};
    aws_identity_on_change(b, note, &told); /* b is told of the base's failure, a too or not */
    turn_until(stage.loop, &told.yes);
    aws_identity_free(b);
    aws_identity_free(base);
}

static void renewing_is_one_fetch_a_minute(void **state)
{
    (void)state;
    set_environment(NULL);
    struct aws_identity *i = identity(ROLE("good"));
    struct told told = {.yes = false};
    wait_for(i);
    aws_identity_on_change(i, note, &told);
    for (size_t n = 0; n < 5; n++) {
        aws_identity_renew(i);
    }
    assert_int_equal(code_of(i), ERR_NONE); /* the old ones serve meanwhile */
    turn_until(stage.loop, &told.yes);
    aws_identity_renew(i);
    turn_for(stage.loop, 100);
    assert_int_equal(told.times, 1);
    aws_identity_free(i);
}

/* ---- names and words ---- */

static void sts_is_where_the_environment_says(void **state)
{
    (void)state;
    static const struct {
        const char *rows[3][2];
        const char *region, *endpoint, *url;
    } cases[] = {
        {{{NULL, NULL}}, "eu-west-1", NULL, "https://sts.eu-west-1.amazonaws.com/"},
        {{{"AWS_USE_FIPS_ENDPOINT", "true"}, {NULL, NULL}},
         "us-east-1",
         NULL,
         "https://sts-fips.us-east-1.amazonaws.com/"},
        {{{"AWS_USE_FIPS_ENDPOINT", "TRUE"}, {"AWS_USE_DUALSTACK_ENDPOINT", "true"}, {NULL, NULL}},
         "us-east-1",
         NULL,
         "https://sts-fips.us-east-1.api.aws/"},
        {{{"AWS_USE_FIPS_ENDPOINT", "no"}, {NULL, NULL}},
         "cn-north-1",
         NULL,
         "https://sts.cn-north-1.amazonaws.com.cn/"},
        {{{"AWS_USE_FIPS_ENDPOINT", "true"}, {NULL, NULL}},
         "us-east-1",
         "https://vpce-1.sts.us-east-1.vpce.amazonaws.com:443/",
         "https://vpce-1.sts.us-east-1.vpce.amazonaws.com/"},
        {{{NULL, NULL}}, "us-east-1", "http://127.0.0.1:5000/x", "http://127.0.0.1:5000/x/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char url[AWS_URL_BYTES];
        struct err e = ERR_INIT;
        const struct aws_setup s = {.region = str_from(cases[i].region),
                                    .sts_endpoint = str_from(cases[i].endpoint)};
        set_environment(cases[i].rows);
        assert_int_equal(aws_sts_url(&s, url, &e), 0);
        assert_string_equal(url, cases[i].url);
    }
}

static void containers_are_asked_where_it_is_safe(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool good;
    } cases[] = {
        {"http://169.254.170.23/v1/credentials", true},
        {"http://169.254.170.2/v2/x", true},
        {"http://[fd00:ec2::23]/v1/credentials", true},
        {"http://127.0.0.1:8080/x", true},
        {"http://127.8.8.8/x", true},
        {"http://localhost/x", true},
        {"http://[::1]/x", true},
        {"https://credentials.example/x", true},
        {"http://credentials.example/x", false},
        {"http://169.254.169.254/x", false},
        {"http://169.254.170.2.example/x", false},
        {"http://127.0.0.1.example/x", false},
        {"http://127.example/x", false},
        {"http://127.1.2.3.4/x", false},
        {"http://127.0.0.1@example.com/x", false},
        {"http://[fd00:ec2::24]/x", false},
        {"http://10.127.0.1/x", false},
        {"file:///etc/passwd", false},
        {"169.254.170.23/v1", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if ((aws_container_url_wrong(cases[i].url) == NULL) != cases[i].good) {
            fail_msg("%s", cases[i].url);
        }
    }
}

static void refusals_are_of_two_kinds(void **state)
{
    (void)state;
    assert_true(aws_refused_credentials(403, STR("ExpiredTokenException")));
    assert_true(aws_refused_credentials(403, STR("UnrecognizedClientException")));
    assert_true(aws_refused_credentials(400, STR("ExpiredToken")));
    assert_false(aws_refused_credentials(403, STR("AccessDeniedException")));
    assert_false(aws_refused_credentials(403, STR("InvalidSignatureException")));
    assert_false(aws_refused_credentials(500, STR("ExpiredToken")));
    assert_false(aws_refused_credentials(403, (struct str){NULL, 0}));
}

static void a_clock_is_named_where_it_matters(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t date_ms;
        const char *text;
    } cases[] = {
        {"InvalidSignatureException", 1000000,
         "no; this machine's clock is 15 min 0 s ahead of AWS's: set it right (AWS allows 5 to 15 "
         "min)"},
        {"RequestTimeTooSkewed", 2600000,
         "no; this machine's clock is 11 min 40 s behind AWS's: set it right (AWS allows 5 to 15 "
         "min)"},
        {"InvalidSignatureException", 1900000, "no"},
        {"InvalidSignatureException", 0, "no"},
        {"AccessDenied", 1000000, "no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = ERR_INIT;
        (void)err_set(&e, ERR_DENIED, "no");
        e.http_status = 403;
        aws_explain_clock(str_from(cases[i].type), cases[i].date_ms, 1900000, &e);
        assert_string_equal(e.text, cases[i].text);
        assert_int_equal(e.code, ERR_DENIED);
        assert_int_equal(e.http_status, 403);
    }
}

static void options_are_checked_by_flag(void **state)
{
    (void)state;
    const struct {
        struct aws_options o;
        const char *text;
    } cases[] = {
        {{.role_arn = STR("x")}, "--role-arn \"x\": expected arn:aws:iam::ACCOUNT:role/NAME"},
        {{.web_identity_token_file = STR("/x")}, "--web-identity-token-file needs --role-arn"},
        {{.sts_endpoint = STR("x")}, "--sts-endpoint: \"x\": expected http(s)://"},
        {{.region = STR("EU")}, "--region \"EU\": expected one as in eu-central-1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct aws_identity *none = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(aws_identity_new(stage.client, &cases[i].o, &none, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_memory_equal(e.text, cases[i].text, strlen(cases[i].text));
        assert_null(none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_keys_are_there_at_once),
        cmocka_unit_test(nothing_is_said_at_once),
        cmocka_unit_test(fetching_is_never_waited_for),
        cmocka_unit_test(failing_is_told_with_the_reason),
        cmocka_unit_test(roles_are_on_what_is_beneath),
        cmocka_unit_test(a_role_is_told_of_the_failure_beneath),
        cmocka_unit_test(a_role_that_is_none_is_refused),
        cmocka_unit_test(freeing_is_allowed_at_any_time),
        cmocka_unit_test(a_listener_may_free_what_depends),
        cmocka_unit_test(renewing_is_one_fetch_a_minute),
        cmocka_unit_test(sts_is_where_the_environment_says),
        cmocka_unit_test(containers_are_asked_where_it_is_safe),
        cmocka_unit_test(refusals_are_of_two_kinds),
        cmocka_unit_test(a_clock_is_named_where_it_matters),
        cmocka_unit_test(options_are_checked_by_flag),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
