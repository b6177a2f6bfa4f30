/* Credential plugins: scripts beside the kubeconfig, run as `aws eks get-token` would be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/num.h"
#include "calls.h"
#include "kubefile.h"
#include "net/file.h"
#include "net/kube_internal.h"

#define V1 "apiVersion: client.authentication.k8s.io/v1"
#define CREDENTIAL                                                                                 \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
#define TOKEN_NEW CREDENTIAL "\"status\":{\"token\":\"new\"}}"

struct answer {
    bool done;
    char body[4096];
    struct err e;
};

static void note(void *context, int status, struct str body, const struct err *e)
{
    struct answer *a = context;
    (void)status;
    a->done = true;
    a->e = *e;
    (void)snprintf(a->body, sizeof a->body, "%.*s", STR_ARG(body));
}

/* The answer to one request, or why it could not be made. */
static void get(struct kube *k, struct answer *a)
{
    const struct kube_request r = {.method = "GET", .path = "/apis/x"};
    struct kube_call *call;
    *a = (struct answer){.done = false};
    if (kube_send(k, &r, note, a, &call, &a->e) == 0) {
        turn_until(calls.loop, &a->done);
    }
}

static void write_script(const char *name, const char *text)
{
    kubefile_write(name, text);
    assert_int_equal(chmod(badserver_file(&calls.server, name), 0755), 0);
}

/* A plugin that says what the file `credential` says, and leaves a line about each run. */
static void write_plugin(const char *credential)
{
    kubefile_write("credential", credential);
    kubefile_write("runs", "");
    write_script("plugin", "#!/bin/sh\n"
                           "here=$(dirname \"$0\")\n"
                           "echo \"$* $REGION $KUBERNETES_EXEC_INFO\" >>\"$here/runs\"\n"
                           "cat \"$here/credential\"\n");
}

static size_t runs(char *text, size_t size)
{
    struct buf file;
    struct err e;
    size_t lines = 0;
    buf_init(&file, 65536);
    assert_int_equal(file_read(badserver_file(&calls.server, "runs"), &file, &e), 0);
    for (size_t i = 0; i < file.len; i++) {
        lines += file.ptr[i] == '\n';
    }
    (void)snprintf(text, size, "%.*s", STR_ARG(buf_view(&file)));
    buf_free(&file);
    return lines;
}

static void a_token_is_kept(void **state)
{
    (void)state;
    struct answer a;
    char text[4096];
    write_plugin(TOKEN_NEW);
    struct kube *k = kubefile_client(
        "token", "exec: {" V1 ", command: ./plugin, args: [eks, get-token, '--x y', 7], "
                 "env: [{name: REGION, value: eu-west-1}], provideClusterInfo: false}");
    assert_int_equal(runs(text, sizeof text), 0); /* not before it is needed */
    for (int i = 0; i < 3; i++) {
        get(k, &a);
        assert_string_equal(a.e.text, "");
        assert_string_equal(a.body, "{\"who\":\"new\"}");
    }
    assert_int_equal(runs(text, sizeof text), 1);
    assert_string_equal(text, "eks get-token --x y 7 eu-west-1 {\"kind\":\"ExecCredential\","
                              "\"apiVersion\":\"client.authentication.k8s.io/v1\","
                              "\"spec\":{\"interactive\":false}}\n");
    kube_free(k);
}

static void a_refused_token_is_asked_for_once_more(void **state)
{
    (void)state;
    struct answer a;
    char text[4096];
    write_plugin(CREDENTIAL "\"status\":{\"token\":\"old\"}}");
    struct kube *k = kubefile_client("token", "exec: {" V1 ", command: ./plugin}");
    get(k, &a);
    assert_int_equal(a.e.code, ERR_DENIED);
    assert_int_equal(runs(text, sizeof text), 2);
    kubefile_write("credential", TOKEN_NEW);
    get(k, &a); /* the second one is not known to be bad: refused once, then asked for */
    assert_string_equal(a.body, "{\"who\":\"new\"}");
    assert_int_equal(runs(text, sizeof text), 3);
    kube_free(k);
}

static void an_expired_token_is_asked_for_again(void **state)
{
    (void)state;
    struct answer a;
    char text[4096], credential[512], soon[NUM_TEXT_BYTES], later[NUM_TEXT_BYTES];
    (void)num_print_time(loop_unix_ms() + 5000, 0, soon); /* within the margin */
    (void)num_print_time(loop_unix_ms() + 3600000, 0, later);
    (void)snprintf(credential, sizeof credential,
                   CREDENTIAL "\"status\":{\"token\":\"new\",\"expirationTimestamp\":\"%s\"}}",
                   soon);
    write_plugin(credential);
    struct kube *k = kubefile_client("token", "exec: {" V1 ", command: ./plugin}");
    get(k, &a);
    get(k, &a);
    assert_int_equal(runs(text, sizeof text), 2);
    (void)snprintf(credential, sizeof credential,
                   CREDENTIAL "\"status\":{\"token\":\"new\",\"expirationTimestamp\":\"%s\"}}",
                   later);
    kubefile_write("credential", credential);
    get(k, &a);
    get(k, &a);
    assert_string_equal(a.body, "{\"who\":\"new\"}");
    assert_int_equal(runs(text, sizeof text), 3);
    kube_free(k);
}

/* The file as a JSON string. */
static void add_pem(struct buf *out, const char *name)
{
    struct buf file;
    struct err e;
    struct json_writer j;
    buf_init(&file, 16384);
    assert_int_equal(file_read(badserver_file(&calls.server, name), &file, &e), 0);
    json_writer_init(&j, out);
    json_put_str(&j, buf_view(&file));
    buf_free(&file);
}

static void a_client_certificate_is_used(void **state)
{
    (void)state;
    struct answer a;
    struct buf text;
    char config[2048];
    buf_init(&text, 65536);
    buf_append(&text, STR(CREDENTIAL "\"status\":{\"clientCertificateData\":"));
    add_pem(&text, "client.crt");
    buf_append(&text, STR(",\"clientKeyData\":"));
    add_pem(&text, "client.key");
    buf_append(&text, STR("}}"));
    buf_append_char(&text, '\0');
    write_plugin(text.ptr);
    (void)snprintf(config, sizeof config,
                   "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                   "clusters: [{name: c, cluster: {server: '%s', certificate-authority: ca.crt}}]\n"
                   "users: [{name: u, user: {exec: {" V1 ", command: ./plugin}}}]\n",
                   calls_url("https", calls.server.mtls, "/kube/echo"));
    kubefile_write("kubeconfig", config);
    const struct kube_config c = {.kubeconfig = badserver_file(&calls.server, "kubeconfig")};
    struct kube *k = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(kube_new(calls.client, &c, &k, &e), 0);
    get(k, &a);
    assert_string_equal(a.e.text, "");
    assert_non_null(strstr(a.body, "client"));
    kube_free(k);
    buf_free(&text);
}

struct failing {
    const char *script; /* of ./plugin; NULL: not there */
    const char *text;
};

static void what_goes_wrong_is_said(void **state)
{
    (void)state;
    static const struct failing rows[] = {
        {"#!/bin/sh\necho 'ExpiredToken: log in' >&2\nexit 3\n",
         "plugin\": exit status 3: ExpiredToken: log in"},
        {"#!/bin/sh\nkill -9 $$\n", "plugin\": it was ended by signal 9"},
        {"#!/bin/sh\n", "plugin\": its answer: JSON at byte 0"},
        {"#!/bin/sh\necho '{}'\n", "plugin\": its answer: kind: expected ExecCredential"},
        {"#!/bin/sh\nread x || echo 'nothing to read' >&2\nexit 1\n", "nothing to read"},
        {"#!/bin/sh\nhead -c 2000000 /dev/zero\n", "its answer is larger than 1048576 bytes"},
        {"#!/bin/sh\nhead -c 2000000 /dev/zero >&2\nexit 4\n", "plugin\": exit status 4"},
        {"no program", "plugin\": Exec format error"},
        {NULL, "plugin\": No such file or directory: brew install plugin"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        (void)unlink(badserver_file(&calls.server, "plugin"));
        if (rows[i].script != NULL) {
            write_script("plugin", rows[i].script);
        }
        struct kube *k = kubefile_client(
            "token", "exec: {" V1 ", command: ./plugin, installHint: brew install plugin}");
        get(k, &a);
        assert_false(a.done);
        if (strstr(a.e.text, rows[i].text) == NULL ||
            strncmp(a.e.text, "credential plugin \"", 19) != 0) {
            fail_msg("%s: %s", rows[i].text, a.e.text);
        }
        kube_free(k);
    }
    struct answer a;
    struct kube *k = kubefile_client(
        "token", "exec: {" V1 ", command: no-such-aws, installHint: install the AWS CLI}");
    get(k, &a);
    assert_string_equal(a.e.text, "credential plugin \"no-such-aws\": not found in $PATH: "
                                  "install the AWS CLI");
    kube_free(k);
}

/* Ends with its time, and so does what it started, whether its output is open or closed. */
static void a_plugin_that_hangs_is_ended(void **state)
{
    (void)state;
    static const char *const scripts[] = {"#!/bin/sh\nsleep 600 & wait\n",
                                          "#!/bin/sh\nexec >&- 2>&-\nsleep 600\n"};
    for (size_t i = 0; i < 2; i++) {
        char *argv[] = {NULL, NULL};
        char *envp[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
        struct exec_credential credential;
        struct arena arena;
        struct err e = ERR_INIT;
        char path[256];
        write_script("plugin", scripts[i]);
        (void)snprintf(path, sizeof path, "%s", badserver_file(&calls.server, "plugin"));
        argv[0] = path;
        const struct kube_exec x = {.argv = argv,
                                    .envp = envp,
                                    .api_version = STR("client.authentication.k8s.io/v1"),
                                    .timeout_ms = 100};
        arena_init(&arena, 1 << 20);
        assert_int_equal(kube_exec_run(&x, &arena, &credential, &e), -1);
        assert_int_equal(e.code, ERR_TIMEOUT);
        arena_free(&arena);
    }
}

static void wrong_settings_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *exec, *error;
    } rows[] = {
        {"{command: aws}", "apiVersion: expected client.authentication.k8s.io/v1 or v1beta1"},
        {"{apiVersion: client.authentication.k8s.io/v1alpha1, command: aws}", "apiVersion: "},
        {"{" V1 "}", "command: expected the name of a program"},
        {"{" V1 ", command: a, provideClusterInfo: true}", "provideClusterInfo is not supported"},
        {"{" V1 ", command: a, interactiveMode: Always}", "interactiveMode: Always is not"},
        {"{" V1 ", command: a, args: b}", "args: expected a list of at most 256"},
        {"{" V1 ", command: a, args: [[]]}", "args: expected a string"},
        {"{" V1 ", command: a, env: [{name: 'A=B', value: c}]}", "env: expected a name and a"},
        {"{" V1 ", command: a, env: [{name: A}]}", "env: expected a name and a value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct kube_settings s;
        struct err e = ERR_INIT;
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
                       "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                       "current-context: x\nusers: [{name: u, user: {exec: %s}}]\n",
                       rows[i].exec);
        arena_init(&arena, 1 << 20);
        assert_int_equal(kube_settings_parse(str_from(text), "/d/k", NULL, &arena, &s, &e), -1);
        if (!str_starts(str_from(e.text), STR("kubeconfig /d/k: user u: exec: ")) ||
            strstr(e.text, rows[i].error) == NULL) {
            fail_msg("%s: %s", rows[i].exec, e.text);
        }
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_kept),
        cmocka_unit_test(a_refused_token_is_asked_for_once_more),
        cmocka_unit_test(an_expired_token_is_asked_for_again),
        cmocka_unit_test(a_client_certificate_is_used),
        cmocka_unit_test(what_goes_wrong_is_said),
        cmocka_unit_test(a_plugin_that_hangs_is_ended),
        cmocka_unit_test(wrong_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
