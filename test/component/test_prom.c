/* The query client: where it may go, what it sends and signs, what answers come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calls.h"
#include "net/prom.h"

/* The key pair that sigv4check.py knows. */
#define ACCESS "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN "the+token/=="

static void set_credentials(const char *access, const char *secret, const char *token)
{
    const char *const rows[][2] = {{"AWS_ACCESS_KEY_ID", access},
                                   {"AWS_SECRET_ACCESS_KEY", secret},
                                   {"AWS_SESSION_TOKEN", token}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i][1] != NULL) {
            (void)setenv(rows[i][0], rows[i][1], 1);
        } else {
            (void)unsetenv(rows[i][0]);
        }
    }
}

static struct prom *client_of(const struct prom_config *c)
{
    struct prom *p = NULL;
    struct err e;
    if (prom_new(calls.client, c, &p, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return p;
}

/* ---- where to ---- */

#define EU "https://aps-workspaces.eu-central-1.amazonaws.com/workspaces/"

struct resolving {
    const char *endpoint, *workspace, *region;
    enum err_code code;
    const char *text; /* the URL, or how the complaint starts */
};

static void resolve_all(const struct prom_config *c, const struct resolving *rows, size_t count)
{
    struct prom *p = client_of(c);
    for (size_t i = 0; i < count; i++) {
        const struct prom_wanted wanted = {.endpoint = str_from(rows[i].endpoint),
                                           .workspace = str_from(rows[i].workspace),
                                           .region = str_from(rows[i].region)};
        struct prom_place place = {.url = "untouched"};
        struct err e = ERR_INIT;
        const int result = prom_resolve(p, &wanted, &place, &e);
        assert_int_equal(e.code, rows[i].code);
        if (rows[i].code == ERR_NONE) {
            assert_int_equal(result, 0);
            assert_string_equal(place.url, rows[i].text);
            assert_int_equal(place.role_arn.len, 0);
            assert_true(str_eq(place.region, wanted.region));
        } else {
            assert_int_equal(result, -1);
            assert_string_equal(place.url, "untouched");
            if (strncmp(e.text, rows[i].text, strlen(rows[i].text)) != 0) {
                fail_msg("%s, expected %s", e.text, rows[i].text);
            }
        }
    }
    prom_free(p);
}

static void a_configured_endpoint(void **state)
{
    (void)state;
    static const struct str endpoints[] = {STR_INIT("https://Other:443/x/")};
    static const struct str workspaces[] = {STR_INIT("ws-b")};
    const struct prom_config c = {.endpoint = STR("http://Prom:9090/"),
                                  .region = STR("eu-central-1"),
                                  .allow_endpoints = endpoints,
                                  .allow_endpoint_count = 1,
                                  .allow_workspaces = workspaces,
                                  .allow_workspace_count = 1};
    static const struct resolving rows[] = {
        {NULL, NULL, NULL, ERR_NONE, "http://prom:9090"},
        {"HTTP://prom:9090//", NULL, NULL, ERR_NONE, "http://prom:9090"},
        {"https://other/x", NULL, NULL, ERR_NONE, "https://other/x"},
        {"https://other/x/../y", NULL, NULL, ERR_DENIED, "endpoint https://other/"},
        {"http://other/x", NULL, NULL, ERR_DENIED, "endpoint http://other/x: neither"},
        {"http://prom:9091", NULL, NULL, ERR_DENIED,
         "endpoint http://prom:9091: neither the "
         "configured one nor listed by --allow-endpoint"},
        {NULL, "ws-b", NULL, ERR_NONE, EU "ws-b"},
        {NULL, "ws-b", "us-east-1", ERR_NONE,
         "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-b"},
        {EU "ws-b/", NULL, NULL, ERR_NONE, EU "ws-b"},
        {EU "ws-c", NULL, NULL, ERR_DENIED, "endpoint " EU "ws-c: neither"},
        {EU "ws-b/more", NULL, NULL, ERR_DENIED, "endpoint "},
        {NULL, "ws-c", NULL, ERR_DENIED,
         "workspace ws-c: neither the configured one nor listed by "
         "--allow-workspace"},
        {NULL, "ws-b", "evil.com/", ERR_INVALID, "region \"evil.com/\": expected"},
        {NULL, "../ws-b", NULL, ERR_INVALID, "workspace \"../ws-b\": expected ws-"},
        {"http://prom:9090", "ws-b", NULL, ERR_INVALID, "endpoint and workspace exclude"},
        {"prom:9090", NULL, NULL, ERR_INVALID, "endpoint: \"prom:9090\": expected http"},
        {"http://u:secret@prom:9090", NULL, NULL, ERR_INVALID,
         "endpoint: \"prom:9090\": a base URL has no user name"},
        {"http://prom:9090/?a=1", NULL, NULL, ERR_INVALID, "endpoint: \"http://prom:9090/?a=1\": "},
        {"http://prom:9090/#a", NULL, NULL, ERR_INVALID, "endpoint: \"http://prom:9090/#a\": "},
        {"http://prom:9090/api/v1/query", NULL, NULL, ERR_INVALID,
         "endpoint: \"http://prom:9090/api/v1/query\": a base URL ends before /api/v1"},
        {"ftp://prom", NULL, NULL, ERR_INVALID, "endpoint: \"ftp://prom\": expected http"},
        {"http://pr om", NULL, NULL, ERR_INVALID, "endpoint: \"http://pr om\": expected http"},
        {"http://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-b", NULL, NULL,
         ERR_INVALID,
         "endpoint: \"http://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-b\": AMP is "
         "reached by https only"},
    };
    resolve_all(&c, rows, sizeof rows / sizeof rows[0]);
}

static void a_configured_workspace(void **state)
{
    (void)state;
    const struct prom_config c = {.workspace = STR("ws-a"), .region = STR("eu-central-1")};
    static const struct resolving rows[] = {
        {NULL, NULL, NULL, ERR_NONE, EU "ws-a"},
        {NULL, "ws-a", NULL, ERR_NONE, EU "ws-a"},
        {EU "ws-a", NULL, NULL, ERR_NONE, EU "ws-a"},
        {NULL, "ws-b", NULL, ERR_DENIED, "workspace ws-b"},
        {"https://aps-workspaces.eu-central-1.amazonaws.com.evil.com/workspaces/ws-a", NULL, NULL,
         ERR_DENIED, "endpoint https://aps-workspaces"},
        {"https://evil.com/workspaces/ws-a", NULL, NULL, ERR_DENIED, "endpoint https://evil.com"},
    };
    resolve_all(&c, rows, sizeof rows / sizeof rows[0]);
}

#define ROLE "arn:aws:iam::123456789012:role/"

static void roles_are_the_configured_and_the_allowed(void **state)
{
    (void)state;
    static const struct str roles[] = {STR_INIT(ROLE "shop"), STR_INIT(ROLE "path/other")};
    const struct prom_config c = {.endpoint = STR("http://prom"),
                                  .aws.role_arn = STR(ROLE "own"),
                                  .allow_roles = roles,
                                  .allow_role_count = 2};
    static const char *const rows[][2] = {
        /* annotated, and what comes of it */
        {NULL, NULL},
        {ROLE "own", NULL},
        {ROLE "shop", ROLE "shop"},
        {ROLE "path/other", ROLE "path/other"},
    };
    struct prom *p = client_of(&c);
    struct prom_place place = {.url = "untouched"};
    struct err e = ERR_INIT;
    const struct prom_wanted another = {.role_arn = STR(ROLE "sho")};
    assert_int_equal(prom_resolve(p, &another, &place, &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_string_equal(e.text,
                        "role " ROLE "sho: neither the configured one nor listed by --allow-role");
    assert_string_equal(place.url, "untouched");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct prom_wanted wanted = {.role_arn = str_from(rows[i][0])};
        assert_int_equal(prom_resolve(p, &wanted, &place, &e), 0);
        assert_true(str_eq(place.role_arn, str_from(rows[i][1])));
    }
    prom_free(p);
}

/* Of a namespace, in place of the configured; what is allowed stays allowed. */
static void what_is_the_askers_own(void **state)
{
    (void)state;
    static const struct str allowed[] = {STR_INIT("http://all")};
    static const struct str roles[] = {STR_INIT(ROLE "all")};
    const struct prom_config c = {.workspace = STR("ws-a"),
                                  .region = STR("eu-central-1"),
                                  .aws.role_arn = STR(ROLE "common"),
                                  .allow_endpoints = allowed,
                                  .allow_endpoint_count = 1,
                                  .allow_roles = roles,
                                  .allow_role_count = 1};
    const struct prom_own at = {.whose = STR("shop's own"),
                                .endpoint = STR("http://Shop:80/x/"),
                                .region = STR("eu-west-1")};
    const struct prom_own in = {
        .whose = STR("shop's own"), .workspace = STR("ws-s"), .role_arn = STR(ROLE "shop")};
    const struct prom_own none = {.whose = STR("shop's own")};
    const struct prom_own wrong = {.whose = STR("shop's own"), .endpoint = STR("shop://")};
    const struct {
        const struct prom_own *own;
        const char *endpoint, *workspace, *role_arn;
        enum err_code code;
        const char *text; /* the URL, or how the complaint starts */
        const char *region_got, *role_got;
    } rows[] = {
        {&at, NULL, NULL, NULL, ERR_NONE, "http://shop/x", "eu-west-1", NULL},
        {&at, "http://shop/x", NULL, NULL, ERR_NONE, "http://shop/x", "eu-west-1", NULL},
        {&at, "http://all/", NULL, NULL, ERR_NONE, "http://all", NULL, NULL},
        {&at, NULL, "ws-a", NULL, ERR_DENIED, "workspace ws-a: neither shop's own nor", NULL, NULL},
        {&at, "http://x", NULL, NULL, ERR_DENIED, "endpoint http://x: neither shop's", NULL, NULL},
        {&at, NULL, NULL, ROLE "common", ERR_NONE, "http://shop/x", "eu-west-1", NULL},
        {&in, NULL, NULL, NULL, ERR_NONE, EU "ws-s", NULL, ROLE "shop"},
        {&in, NULL, "ws-s", ROLE "shop", ERR_NONE, EU "ws-s", NULL, ROLE "shop"},
        {&in, EU "ws-s", NULL, ROLE "all", ERR_NONE, EU "ws-s", NULL, ROLE "all"},
        {&in, NULL, "ws-a", NULL, ERR_DENIED, "workspace ws-a: neither shop's own nor", NULL, NULL},
        {&in, EU "ws-a", NULL, NULL, ERR_DENIED, "endpoint " EU "ws-a: neither shop's", NULL, NULL},
        {&in, NULL, NULL, ROLE "common", ERR_DENIED,
         "role " ROLE "common: neither shop's own nor listed by --allow-role", NULL, NULL},
        {&none, NULL, NULL, NULL, ERR_NONE, EU "ws-a", NULL, NULL},
        {&none, NULL, "ws-a", ROLE "common", ERR_NONE, EU "ws-a", NULL, NULL},
        {&wrong, NULL, NULL, NULL, ERR_INVALID, "endpoint of shop's own: ", NULL, NULL},
    };
    struct prom *p = client_of(&c);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct prom_wanted wanted = {.endpoint = str_from(rows[i].endpoint),
                                           .workspace = str_from(rows[i].workspace),
                                           .role_arn = str_from(rows[i].role_arn),
                                           .own = rows[i].own};
        struct prom_place place = {.url = "untouched"};
        struct err e = ERR_INIT;
        const bool right = prom_resolve(p, &wanted, &place, &e) == 0;
        assert_int_equal(e.code, rows[i].code);
        if (strncmp(right ? place.url : e.text, rows[i].text, strlen(rows[i].text)) != 0) {
            fail_msg("row %zu: %s, expected %s", i, right ? place.url : e.text, rows[i].text);
        }
        assert_true(str_eq(place.region, str_from(rows[i].region_got)));
        assert_true(str_eq(place.role_arn, str_from(rows[i].role_got)));
    }
    prom_free(p);
}

/* What is configured is then a foreign place. */
static void an_own_workspace_stands_in_the_endpoints_place(void **state)
{
    (void)state;
    const struct prom_config c = {.endpoint = STR("http://prom"), .region = STR("eu-central-1")};
    const struct prom_own own = {.whose = STR("shop's own"), .workspace = STR("ws-s")};
    struct prom_wanted wanted = {.own = &own};
    struct prom *p = client_of(&c);
    struct prom_place place;
    struct err e = ERR_INIT;
    assert_int_equal(prom_resolve(p, &wanted, &place, &e), 0);
    assert_string_equal(place.url, EU "ws-s");
    wanted.endpoint = STR("http://prom");
    assert_int_equal(prom_resolve(p, &wanted, &place, &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    prom_free(p);
}

static void places_differ_in_url_region_or_role(void **state)
{
    (void)state;
    const struct prom_place a = {.url = "http://a", .region = STR("r"), .role_arn = STR("x")};
    struct prom_place b = a;
    assert_true(prom_place_eq(&a, &b));
    b.role_arn = STR("y");
    assert_false(prom_place_eq(&a, &b));
    b = a;
    b.region = (struct str){NULL, 0};
    assert_false(prom_place_eq(&a, &b));
    b = a;
    b.url[7] = 'b';
    assert_false(prom_place_eq(&a, &b));
}

static void workspaces_are_at_the_hosts_that_are_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *fips, *dualstack, *region, *host;
    } rows[] = {
        {"", "", "eu-central-1", "aps-workspaces.eu-central-1.amazonaws.com"},
        {"true", "", "us-east-1", "aps-workspaces-fips.us-east-1.amazonaws.com"},
        {"", "true", "us-east-1", "aps-workspaces.us-east-1.api.aws"},
        {"true", "true", "us-east-1", "aps-workspaces-fips.us-east-1.api.aws"},
        {"false", "", "cn-north-1", "aps-workspaces.cn-north-1.amazonaws.com.cn"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[PROM_URL_BYTES], want[PROM_URL_BYTES];
        struct err e;
        (void)setenv("AWS_USE_FIPS_ENDPOINT", rows[i].fips, 1);
        (void)setenv("AWS_USE_DUALSTACK_ENDPOINT", rows[i].dualstack, 1);
        assert_int_equal(prom_url_of_workspace(STR("ws-a"), str_from(rows[i].region), url, &e), 0);
        (void)snprintf(want, sizeof want, "https://%s/workspaces/ws-a", rows[i].host);
        assert_string_equal(url, want);
        assert_true(str_eq(prom_url_amp_region(str_from(url)), str_from(rows[i].region)));
        assert_true(str_eq(prom_url_amp_workspace(str_from(url)), STR("ws-a")));
    }
    (void)unsetenv("AWS_USE_FIPS_ENDPOINT");
    (void)unsetenv("AWS_USE_DUALSTACK_ENDPOINT");
}

static void too_little_configured(void **state)
{
    (void)state;
    const struct prom_config none = {.endpoint = {NULL, 0}};
    const struct prom_config no_region = {.workspace = STR("ws-a")};
    static const struct resolving rows[] = {
        {NULL, NULL, NULL, ERR_INVALID, "nowhere to query: set --endpoint or --workspace"},
        {"http://prom", NULL, NULL, ERR_DENIED, "endpoint http://prom: neither"},
    };
    static const struct resolving regions[] = {
        {NULL, NULL, NULL, ERR_INVALID,
         "workspace \"ws-a\": its region is not known: set scale.amp/region or --region"},
        {NULL, NULL, "eu-central-1", ERR_NONE, EU "ws-a"},
    };
    resolve_all(&none, rows, 2);
    resolve_all(&no_region, regions, 2);
}

static void configurations_are_refused_by_flag(void **state)
{
    (void)state;
    static const struct str bad_url[] = {STR_INIT("prom")};
    static const struct str bad_workspace[] = {STR_INIT("b")};
    static const struct str bad_role[] = {STR_INIT("arn:aws:iam::1:role/x")};
    const struct {
        struct prom_config c;
        const char *text;
    } rows[] = {
        {{.endpoint = STR("prom")}, "--endpoint: \"prom\": expected"},
        {{.workspace = STR("a")}, "--workspace: workspace \"a\": expected ws-"},
        {{.endpoint = STR("http://a"), .workspace = STR("ws-a")}, "--endpoint and --workspace"},
        {{.allow_endpoints = bad_url, .allow_endpoint_count = 1}, "--allow-endpoint: \"prom\": "},
        {{.allow_workspaces = bad_workspace, .allow_workspace_count = 1}, "--allow-workspace: "},
        {{.allow_roles = bad_role, .allow_role_count = 1},
         "--allow-role \"arn:aws:iam::1:role/x\": expected arn:aws:iam::ACCOUNT:role/NAME"},
        {{.aws.role_arn = STR("shop")}, "--role-arn \"shop\": expected arn:aws:iam::ACCOUNT:role/"},
        {{.aws.sts_endpoint = STR("sts")}, "--sts-endpoint: \"sts\": expected http"},
        {{.aws.web_identity_token_file = STR("/token")}, "--web-identity-token-file needs --role-"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct prom *p = NULL;
        struct err e;
        assert_int_equal(prom_new(calls.client, &rows[i].c, &p, &e), -1);
        assert_memory_equal(e.text, rows[i].text, strlen(rows[i].text));
    }
}

/* ---- queries ---- */

struct result {
    bool done;
    struct err e;
    enum prom_outcome outcome;
    double value;
    char query[512], signing[16]; /* the stand-in's two warnings */
    struct prom_call *call;
};

static void note(void *context, const struct prom_result *r, const struct err *e)
{
    struct result *o = context;
    assert_false(o->done);
    o->done = true;
    o->e = *e;
    o->outcome = r->outcome;
    o->value = r->value;
    (void)snprintf(o->query, sizeof o->query, "%.*s", STR_ARG(r->warnings[0]));
    (void)snprintf(o->signing, sizeof o->signing, "%.*s", STR_ARG(r->warnings[1]));
    prom_cancel(o->call);
}

static struct prom *client_with(enum sigv4_mode mode, struct str region)
{
    const struct prom_config c = {
        .endpoint = str_from(calls_url("http", calls.server.http, "/workspaces/ws-x/")),
        .region = region,
        .sigv4 = mode};
    return client_of(&c);
}

static void ask(struct prom *p, const char *query, int64_t timeout_ms, struct result *o)
{
    const struct prom_wanted none = {.endpoint = {NULL, 0}};
    struct prom_place place;
    struct err e;
    *o = (struct result){.done = false};
    assert_int_equal(prom_resolve(p, &none, &place, &e), 0);
    if (prom_query(p, &place, str_from(query), timeout_ms, note, o, &o->call, &e) != 0) {
        o->e = e;
        return;
    }
    assert_false(o->done);
    turn_until(calls.loop, &o->done);
}

struct asking {
    const char *query;
    enum err_code code;
    int status, retry_after_ms;
    enum prom_outcome outcome;
    const char *text; /* of the error, after the place where it names it */
};

static const struct asking ASKING[] = {
    {"vector(100)", ERR_NONE, 0, 0, PROM_VALUE, NULL},
    {"empty", ERR_NONE, 0, 0, PROM_EMPTY, NULL},
    {"many", ERR_NONE, 0, 0, PROM_MANY, NULL},
    {"sum(", ERR_INVALID, 400, 0, PROM_EMPTY, "bad_data: 1:5: parse error: unclosed left paren"},
    {"cut", ERR_UNAVAILABLE, 200, 0, PROM_EMPTY, ": the answer is no query result"},
    {"503", ERR_UNAVAILABLE, 503, 0, PROM_EMPTY, ": timeout: query timed out"},
    {"403/403", ERR_DENIED, 403, 0, PROM_EMPTY,
     ": HTTP 403: Missing Authentication Token (MissingAuthenticationTokenException)"},
    {"429/7", ERR_THROTTLED, 429, 7000, PROM_EMPTY, ": HTTP 429: Rate exceeded"},
    {"html/502", ERR_UNAVAILABLE, 502, 0, PROM_EMPTY, ": HTTP 502: 502 Bad Gateway"},
    {"slow/3000", ERR_TIMEOUT, 0, 0, PROM_EMPTY, ": no answer within 300 ms"},
    {"big/2000000", ERR_INVALID, 0, 0, PROM_EMPTY,
     "the answer is larger than 1048576 bytes: far more than one series; wrap the query in sum("},
};

static void answers_become_results_or_errors(void **state)
{
    (void)state;
    struct prom *p = client_with(SIGV4_AUTO, STR("eu-central-1"));
    for (size_t i = 0; i < sizeof ASKING / sizeof ASKING[0]; i++) {
        const struct asking *want = &ASKING[i];
        struct result o;
        ask(p, want->query, 300, &o);
        assert_int_equal(o.outcome, want->outcome);
        assert_int_equal(o.e.code, want->code);
        assert_int_equal(o.e.http_status, want->status);
        assert_int_equal(o.e.retry_after_ms, want->retry_after_ms);
        if (want->text != NULL && strstr(o.e.text, want->text) == NULL) {
            fail_msg("%s: %s, expected …%s", want->query, o.e.text, want->text);
        }
        assert_true(want->code == ERR_INVALID || want->code == ERR_NONE ||
                    strncmp(o.e.text, "http://127.0.0.1:", 17) == 0);
    }
    prom_free(p);
}

static void only_amp_is_signed_unless_asked_for(void **state)
{
    (void)state;
    static const struct {
        enum sigv4_mode mode;
        const char *signing;
    } rows[] = {{SIGV4_AUTO, "unsigned"}, {SIGV4_OFF, "unsigned"}, {SIGV4_ON, "signed"}};
    set_credentials(ACCESS, SECRET, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct result o;
        struct prom *p = client_with(rows[i].mode, STR("eu-central-1"));
        ask(p, "up", 5000, &o);
        assert_string_equal(o.e.text, "");
        assert_string_equal(o.signing, rows[i].signing);
        prom_free(p);
    }
}

static void signatures_are_right_for_every_query(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "sum(rate(http_requests_total{app=\"checkout\"}[2m]))",
        "a + b - c * d / e % 2 ^ 3",
        "{__name__=~\".+\", x!~'a|b'}  or on() vector(0) # note",
        "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\") & = ? ; , ~ \xc3\xbc \xe2\x82\xac",
        "\n\tsum (\n  up\n)\n",
    };
    static const char *const tokens[] = {NULL, TOKEN, ""};
    set_credentials(ACCESS, SECRET, NULL);
    struct prom *p = client_with(SIGV4_ON, STR("eu-central-1"));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct result o;
        set_credentials(ACCESS, SECRET, tokens[i % 3]);
        ask(p, queries[i], 5000, &o);
        assert_string_equal(o.e.text, "");
        assert_string_equal(o.query, queries[i]);
        assert_string_equal(o.signing, "signed");
    }
    prom_free(p);
}

static void signing_says_what_it_lacks(void **state)
{
    (void)state;
    struct result o;
    set_credentials(ACCESS, NULL, NULL);
    struct prom *p = client_with(SIGV4_ON, STR("eu-central-1"));
    ask(p, "up", 5000, &o);
    assert_int_equal(o.e.code, ERR_DENIED);
    assert_string_equal(o.e.text, "no AWS credentials to sign with: AWS_SECRET_ACCESS_KEY not set");
    set_credentials(NULL, "", NULL);
    ask(p, "up", 5000, &o);
    assert_string_equal(o.e.text, "no AWS credentials to sign with: AWS_ACCESS_KEY_ID and "
                                  "AWS_SECRET_ACCESS_KEY not set");
    set_credentials(ACCESS, "another", NULL);
    ask(p, "up", 5000, &o);
    assert_int_equal(o.e.code, ERR_DENIED);
    assert_non_null(strstr(o.e.text, "(InvalidSignatureException)"));
    prom_free(p);
    set_credentials(ACCESS, SECRET, NULL);
    p = client_with(SIGV4_ON, (struct str){NULL, 0});
    ask(p, "up", 5000, &o);
    assert_int_equal(o.e.code, ERR_INVALID);
    assert_string_equal(o.e.text,
                        "the region to sign for is not known: set scale.amp/region or --region");
    prom_free(p);
}

static void queries_are_cancelled_one_by_one_and_with_the_client(void **state)
{
    (void)state;
    struct result a = {.done = false}, b = {.done = false};
    struct err e;
    const struct prom_wanted none = {.endpoint = {NULL, 0}};
    struct prom_place place;
    struct prom *p = client_with(SIGV4_OFF, (struct str){NULL, 0});
    assert_int_equal(prom_resolve(p, &none, &place, &e), 0);
    assert_int_equal(prom_query(p, &place, STR("up"), 5000, note, &a, &a.call, &e), 0);
    assert_int_equal(prom_query(p, &place, STR("up"), 5000, note, &b, &b.call, &e), 0);
    prom_cancel(a.call);
    prom_cancel(NULL);
    prom_free(p);
    turn_for(calls.loop, 30);
    assert_false(a.done || b.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configured_endpoint),
        cmocka_unit_test(a_configured_workspace),
        cmocka_unit_test(roles_are_the_configured_and_the_allowed),
        cmocka_unit_test(what_is_the_askers_own),
        cmocka_unit_test(an_own_workspace_stands_in_the_endpoints_place),
        cmocka_unit_test(places_differ_in_url_region_or_role),
        cmocka_unit_test(workspaces_are_at_the_hosts_that_are_asked_for),
        cmocka_unit_test(too_little_configured),
        cmocka_unit_test(configurations_are_refused_by_flag),
        cmocka_unit_test(answers_become_results_or_errors),
        cmocka_unit_test(only_amp_is_signed_unless_asked_for),
        cmocka_unit_test(signatures_are_right_for_every_query),
        cmocka_unit_test(signing_says_what_it_lacks),
        cmocka_unit_test(queries_are_cancelled_one_by_one_and_with_the_client),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
