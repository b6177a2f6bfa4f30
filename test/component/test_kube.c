/* The Kubernetes client: one request, its credentials, and the kubeconfig they come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "calls.h"
#include "kubefile.h"
#include "net/kube_internal.h"

struct answer {
    bool done;
    int status;
    char body[4096];
    struct err e;
    struct kube_call *call;
};

static void note(void *context, int status, struct str body, const struct err *e)
{
    struct answer *a = context;
    assert_false(a->done);
    a->done = true;
    a->status = status;
    a->e = *e;
    (void)snprintf(a->body, sizeof a->body, "%.*s", STR_ARG(body));
    kube_cancel(a->call);
}

static void ask(struct kube *k, const struct kube_request *r, struct answer *a)
{
    struct err e;
    *a = (struct answer){.done = false};
    if (kube_send(k, r, note, a, &a->call, &e) != 0) {
        fail_msg("%s", e.text);
    }
    assert_false(a->done);
    turn_until(calls.loop, &a->done);
}

static void get(struct kube *k, struct answer *a)
{
    const struct kube_request r = {.method = "GET", .path = "/apis/x"};
    ask(k, &r, a);
}

/* ---- requests ---- */

static void a_request_reaches_the_server(void **state)
{
    (void)state;
    struct answer a;
    struct kube *k = kubefile_client("echo", "token: s3cret");
    const struct kube_request r = {.method = "PATCH",
                                   .path = "/apis/apps/v1/namespaces/shop/deployments/web/scale?"
                                           "fieldManager=ampscale",
                                   .body = STR("{\"spec\":{\"replicas\":4}}"),
                                   .content_type = "application/merge-patch+json"};
    ask(k, &r, &a);
    assert_int_equal(a.e.code, ERR_NONE);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "/kube/echo/apis/apps/v1/namespaces/shop/deployments/web/scale"
                                   "?fieldManager=ampscale"));
    assert_non_null(strstr(a.body, "\"method\": \"PATCH\""));
    assert_non_null(strstr(a.body, "\"authorization\": \"Bearer s3cret\""));
    assert_non_null(strstr(a.body, "\"accept\": \"application/json\""));
    assert_non_null(strstr(a.body, "\"content-type\": \"application/merge-patch+json\""));
    assert_non_null(strstr(a.body, "replicas"));
    kube_free(k);
}

static void a_body_is_json_unless_said(void **state)
{
    (void)state;
    struct answer a;
    struct kube *k = kubefile_client("echo", "{}");
    const struct kube_request r = {.method = "POST", .path = "/events", .body = STR("{}")};
    ask(k, &r, &a);
    assert_non_null(strstr(a.body, "\"content-type\": \"application/json\""));
    assert_null(strstr(a.body, "authorization"));
    kube_free(k);
}

struct failing {
    const char *scenario;
    enum err_code code;
    int status, retry_after_ms;
    const char *text;
};

static void failures_say_what_the_server_said(void **state)
{
    (void)state;
    static const struct failing rows[] = {
        {"conflict", ERR_CONFLICT, 409, 0, "the object has been modified"},
        {"throttled", ERR_THROTTLED, 429, 2000, "Too many requests"},
        {"plain-error", ERR_UNAVAILABLE, 500, 0, "upstream connect error"},
        {"nothing-here", ERR_NOT_FOUND, 404, 0, "could not find the resource"},
        {"denied", ERR_DENIED, 403, 0, "deployments.apps is forbidden"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        struct kube *k = kubefile_client(rows[i].scenario, "{}");
        get(k, &a);
        assert_int_equal(a.e.code, rows[i].code);
        assert_int_equal(a.status, rows[i].status);
        assert_int_equal(a.e.http_status, rows[i].status);
        assert_int_equal(a.e.retry_after_ms, rows[i].retry_after_ms);
        assert_string_equal(a.body, "");
        assert_non_null(strstr(a.e.text, rows[i].text));
        kube_free(k);
    }
}

static void warnings_are_taken_when_wanted(void **state)
{
    (void)state;
    struct answer a;
    struct buf warnings;
    struct kube *k = kubefile_client("warned", "{}");
    const struct kube_request r = {.method = "GET", .path = "/apis/x", .warnings = &warnings};
    buf_init(&warnings, 4096);
    get(k, &a); /* not wanted */
    ask(k, &r, &a);
    assert_int_equal(a.e.code, ERR_NONE);
    buf_append_char(&warnings, '\0');
    assert_string_equal(warnings.ptr, "no scaler serves namespace \"shop\" → C:\\x\n"
                                      "one\ntwo\n"
                                      "the end is missing\\\n");
    buf_free(&warnings);
    kube_free(k);
}

static void calls_are_cancelled_one_by_one_and_with_the_client(void **state)
{
    (void)state;
    struct answer a = {.done = false}, b = {.done = false};
    struct err e;
    struct kube *k = kubefile_client("echo", "{}");
    const struct kube_request r = {.method = "GET", .path = "/x"};
    assert_int_equal(kube_send(k, &r, note, &a, &a.call, &e), 0);
    assert_int_equal(kube_send(k, &r, note, &b, &b.call, &e), 0);
    kube_cancel(a.call);
    kube_cancel(NULL);
    kube_free(k);
    turn_for(calls.loop, 50);
    assert_false(a.done || b.done);
}

/* ---- credentials ---- */

static void a_replaced_token_file_is_read_again(void **state)
{
    (void)state;
    struct answer a;
    struct outcome log;
    kubefile_write("token", "old\n");
    struct kube *k = kubefile_client("token", "tokenFile: token");
    get(k, &a);
    assert_int_equal(a.e.code, ERR_DENIED);
    calls_get("/log/token", &log); /* once more after the 401, not for ever */
    assert_string_equal(log.body, "[{\"watch\": false, \"arguments\": {}}, "
                                  "{\"watch\": false, \"arguments\": {}}]");
    kubefile_write("token.new", "new\n");
    assert_int_equal(
        rename(badserver_file(&calls.server, "token.new"), badserver_file(&calls.server, "token")),
        0);
    get(k, &a);
    assert_string_equal(a.body, "{\"who\":\"new\"}");
    assert_int_equal(unlink(badserver_file(&calls.server, "token")), 0);
    get(k, &a); /* for the moment it is away, the token we have serves */
    assert_string_equal(a.body, "{\"who\":\"new\"}");
    kube_free(k);
}

static void a_missing_token_file_is_named(void **state)
{
    (void)state;
    struct kube_call *call = NULL;
    struct err e;
    struct kube *k = kubefile_client("token", "tokenFile: nowhere/token");
    const struct kube_request r = {.method = "GET", .path = "/x"};
    assert_int_equal(kube_send(k, &r, note, NULL, &call, &e), -1);
    assert_non_null(strstr(e.text, "/nowhere/token: No such file or directory"));
    kubefile_write("empty", " \n");
    kube_free(k);
    k = kubefile_client("token", "tokenFile: empty");
    assert_int_equal(kube_send(k, &r, note, NULL, &call, &e), -1);
    assert_non_null(strstr(e.text, "/empty: the token file is empty"));
    kube_free(k);
}

static void client_certificates_come_as_data_or_files(void **state)
{
    (void)state;
    static const char *const users[] = {"data", "files"};
    for (size_t i = 0; i < 2; i++) {
        struct answer a;
        struct kube *k = kubefile_mtls(users[i]);
        get(k, &a);
        assert_string_equal(a.e.text, "");
        assert_non_null(strstr(a.body, "client"));
        kube_free(k);
    }
}

/* ---- kubeconfig ---- */

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://h:6443/'}}]\n"
#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]\n"
#define CURRENT "current-context: x\n"

struct parsing {
    const char *text;
    const char *error; /* NULL: parses */
};

static const struct parsing PARSING[] = {
    {CLUSTER CONTEXT CURRENT "users: [{name: u, user: {token: t}}]", NULL},
    {"", "kubeconfig /d/k: current-context is not set: name one with --context"},
    {"[", "kubeconfig /d/k: "},
    {"current-context: y\n" CONTEXT, "kubeconfig /d/k: contexts: no context is called \"y\""},
    {CONTEXT CURRENT, "kubeconfig /d/k: clusters: no cluster is called \"c\""},
    {CLUSTER CONTEXT CURRENT, "kubeconfig /d/k: users: no user is called \"u\""},
    {CLUSTER CONTEXT CURRENT "users: [{name: u, user: {exec: {command: aws}}}]",
     "kubeconfig /d/k: user u: exec: apiVersion: expected client.authentication.k8s.io/v1"},
    {CLUSTER CONTEXT CURRENT "users: [{name: u, user: {username: admin, password: x}}]",
     "kubeconfig /d/k: user u: auth-provider and username are not supported"},
    {CLUSTER CONTEXT CURRENT "users: [{name: u, user: {client-key-data: '%%'}}]",
     "kubeconfig /d/k: user u: client-key-data: not base64"},
    {CONTEXT CURRENT "clusters: [{name: c, cluster: {server: 'h:6443'}}]",
     "kubeconfig /d/k: cluster c: server: expected an http or https URL, found \"h:6443\""},
    {CONTEXT CURRENT "clusters: [{name: c, cluster: {server: 'https://h', proxy-url: 'http://p'}}]",
     "kubeconfig /d/k: cluster c: proxy-url is not supported"},
};

static void kubeconfigs_are_read_or_refused_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PARSING / sizeof PARSING[0]; i++) {
        struct arena arena;
        struct kube_settings s;
        struct err e = ERR_INIT;
        arena_init(&arena, 1 << 20);
        const int result =
            kube_settings_parse(str_from(PARSING[i].text), "/d/k", NULL, &arena, &s, &e);
        if (PARSING[i].error == NULL) {
            assert_string_equal(e.text, "");
            assert_int_equal(result, 0);
            assert_string_equal(s.server, "https://h:6443");
            assert_true(str_eq(s.namespace_, STR("shop")));
            assert_true(str_eq(s.token, STR("t")));
        } else {
            assert_int_equal(result, -1);
            assert_memory_equal(e.text, PARSING[i].error, strlen(PARSING[i].error));
        }
        arena_free(&arena);
    }
}

static void relative_names_are_relative_to_the_kubeconfig(void **state)
{
    (void)state;
    struct arena arena;
    struct kube_settings s;
    struct err e;
    static const char text[] =
        "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ca.crt, "
        "tls-server-name: api, insecure-skip-tls-verify: true}}]\n"
        "contexts: [{name: x, context: {cluster: c}}, {name: z, context: {cluster: c, user: u}}]\n"
        "users: [{name: u, user: {tokenFile: /abs/token, client-certificate: p/c.crt}}]\n";
    arena_init(&arena, 1 << 20);
    assert_int_equal(kube_settings_parse(str_from(text), "/d/k", "z", &arena, &s, &e), 0);
    assert_string_equal(s.tls.ca_file, "/d/ca.crt");
    assert_string_equal(s.tls.cert_file, "/d/p/c.crt");
    assert_string_equal(s.token_file, "/abs/token");
    assert_string_equal(s.tls.server_name, "api");
    assert_true(s.tls.insecure);
    assert_true(str_eq(s.namespace_, STR("default")));
    arena_free(&arena);
}

static void the_environment_names_the_kubeconfig(void **state)
{
    (void)state;
    struct kube *k = NULL;
    struct err e;
    const struct kube_config c = {.kubeconfig = NULL};
    kube_free(kubefile_client("echo", "token: t")); /* leaves its file */
    char list[256];
    (void)snprintf(list, sizeof list, "/nowhere/config:%s",
                   badserver_file(&calls.server, "kubeconfig"));
    (void)unsetenv("KUBERNETES_SERVICE_HOST");
    (void)setenv("KUBECONFIG", list, 1);
    assert_int_equal(kube_new(calls.client, &c, &k, &e), 0);
    assert_true(str_eq(kube_namespace(k), STR("shop")));
    assert_true(str_ends(kube_server(k), STR("/kube/echo")));
    kube_free(k);
    (void)setenv("KUBECONFIG", "/nowhere/config", 1);
    assert_int_equal(kube_new(calls.client, &c, &k, &e), -1);
    assert_string_equal(e.text, "not in a pod, and: kubeconfig: /nowhere/config: "
                                "No such file or directory");
    (void)unsetenv("KUBECONFIG");
}

/* Whatever clock this process has: times in objects are all by one. */
static void the_time_is_the_servers(void **state)
{
    (void)state;
    const int64_t in_2040 = INT64_C(2208988800000);
    struct answer a;
    struct kube *k = kubefile_client("in-2040", "token: t");
    assert_in_range(kube_unix_ms(k), loop_unix_ms() - 60000, loop_unix_ms() + 60000);
    get(k, &a);
    assert_in_range(kube_unix_ms(k), in_2040, in_2040 + 60000);
    kube_free(k);
    k = kubefile_client("without-time", "token: t");
    get(k, &a);
    assert_in_range(kube_unix_ms(k), loop_unix_ms() - 60000, loop_unix_ms() + 60000);
    kube_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reaches_the_server),
        cmocka_unit_test(a_body_is_json_unless_said),
        cmocka_unit_test(failures_say_what_the_server_said),
        cmocka_unit_test(warnings_are_taken_when_wanted),
        cmocka_unit_test(calls_are_cancelled_one_by_one_and_with_the_client),
        cmocka_unit_test(a_replaced_token_file_is_read_again),
        cmocka_unit_test(a_missing_token_file_is_named),
        cmocka_unit_test(client_certificates_come_as_data_or_files),
        cmocka_unit_test(kubeconfigs_are_read_or_refused_with_the_place),
        cmocka_unit_test(relative_names_are_relative_to_the_kubeconfig),
        cmocka_unit_test(the_environment_names_the_kubeconfig),
        cmocka_unit_test(the_time_is_the_servers),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
