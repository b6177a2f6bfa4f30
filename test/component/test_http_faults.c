/* The HTTP client against a server that misbehaves, and TLS trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calls.h"

/* ---- failures ---- */

struct failing {
    const char *path;
    enum err_code code;
    const char *text;
};

static void failures_name_the_peer_and_the_cause(void **state)
{
    (void)state;
    static const struct failing rows[] = {
        {"/slow/3000?secret=1", ERR_TIMEOUT, "http://127.0.0.1:PORT: no answer within 200 ms"},
        {"/hang-body", ERR_TIMEOUT, "http://127.0.0.1:PORT: no answer within 200 ms"},
        {"/truncated", ERR_UNAVAILABLE, "http://127.0.0.1:PORT: the answer ended early"},
        {"/reset/0", ERR_UNAVAILABLE, "http://127.0.0.1:PORT: connection reset"},
        {"/reset/20", ERR_UNAVAILABLE, "http://127.0.0.1:PORT: connection reset"},
        {"/reset/90", ERR_UNAVAILABLE, "http://127.0.0.1:PORT: connection reset"},
        {"/garbage", ERR_UNAVAILABLE, "http://127.0.0.1:PORT: the answer is not HTTP/1.1"},
        {"/empty", ERR_UNAVAILABLE, "http://127.0.0.1:PORT: connection closed without an answer"},
        {"/big/1001", ERR_LIMIT, "http://127.0.0.1:PORT: the answer is larger than 1000 bytes"},
        {"/big/8388608", ERR_LIMIT, "http://127.0.0.1:PORT: the answer is larger than 1000 bytes"},
        {"/headers/70000", ERR_LIMIT,
         "http://127.0.0.1:PORT: the answer's headers are larger than 65536 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome o;
        const struct http_request r = {.method = "GET",
                                       .url = calls_url("http", calls.server.http, rows[i].path),
                                       .timeout_ms = 200,
                                       .max_body_bytes = 1000};
        calls_run(&r, &o);
        assert_string_equal(calls_text(&o, calls.server.http), rows[i].text);
        assert_int_equal(o.e.code, rows[i].code);
        assert_int_equal(o.status, 0);
    }
}

static void the_cap_is_exact_and_cuts_error_bodies(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {.method = "GET", .timeout_ms = 5000, .max_body_bytes = 1000};
    r.url = calls_url("http", calls.server.http, "/big/1000");
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.body_bytes, 1000);
    r.url = calls_url("http", calls.server.http, "/big/500000/503");
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.status, 503);
    assert_int_equal(o.body_bytes, 1000);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {.method = "GET", .url = "http://127.0.0.1:1/", .timeout_ms = 5000};
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_UNAVAILABLE);
    assert_string_equal(o.e.text, "http://127.0.0.1:1: connection refused");
    r.url = "http://127.0.0.1:PORT/";
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_INVALID);
    assert_string_equal(o.e.text, "not a URL");
}

static void bad_requests_are_refused_at_once(void **state)
{
    (void)state;
    const struct http_header injected = {STR("X-Test"), STR("a\r\nHost: b")};
    const struct http_sigv4 sign = {
        .access_key = STR("k"), .secret_key = STR("s"), .region = STR("r"), .service = STR("aps")};
    struct outcome o = {.done = false};
    struct err e;
    struct http_request r = {.method = "GET", .url = "http://127.0.0.1:1/?q=1"};
    r.headers = &injected;
    r.header_count = 1;
    assert_int_equal(http_send(calls.client, &r, calls_note, &o, &o.call, &e), -1);
    assert_string_equal(e.text, "HTTP header X-Test: empty or holds a control character");
    r.header_count = 0;
    r.sigv4 = &sign;
    assert_int_equal(http_send(calls.client, &r, calls_note, &o, &o.call, &e), -1);
    assert_string_equal(e.text, "a signed request carries its parameters in the body");
    r.sigv4 = NULL;
    r.body = STR("x");
    assert_int_equal(http_send(calls.client, &r, calls_note, &o, &o.call, &e), -1);
    assert_string_equal(e.text, "a body needs a content type");
    r.url = "ftp://127.0.0.1/";
    assert_int_equal(http_send(calls.client, &r, calls_note, &o, &o.call, &e), -1);
    assert_string_equal(e.text, "not an http or https URL");
}

/* ---- TLS ---- */

struct trusting {
    const char *ca_file, *server_name, *hint;
    bool insecure;
    const char *text; /* NULL: works */
};

static void tls_trust(void **state)
{
    (void)state;
    const struct trusting rows[] = {
        {.ca_file = "ca.crt", .text = NULL},
        {.insecure = true, .text = NULL},
        {.hint = "--ca-file",
         .text = "https://127.0.0.1:PORT: certificate verify failed: unable to get local issuer "
                 "certificate (set --ca-file)"},
        {.ca_file = "other-ca.crt",
         .text = "https://127.0.0.1:PORT: certificate verify failed: unable to get local issuer "
                 "certificate"},
        {.ca_file = "missing.crt",
         .text = "https://127.0.0.1:PORT: cannot read the trusted certificates: "},
        {.ca_file = "ca.ext", .text = "https://127.0.0.1:PORT: cannot read the trusted certif"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome o;
        struct http_request r = {.method = "GET",
                                 .url = calls_url("https", calls.server.https, "/ok"),
                                 .timeout_ms = 5000};
        r.tls.ca_file =
            rows[i].ca_file != NULL ? badserver_file(&calls.server, rows[i].ca_file) : NULL;
        r.tls.insecure = rows[i].insecure;
        r.tls.trust_hint = rows[i].hint;
        calls_run(&r, &o);
        if (rows[i].text == NULL) {
            assert_string_equal(o.e.text, "");
            assert_int_equal(o.status, 200);
        } else {
            assert_int_equal(o.e.code, ERR_TLS);
            assert_memory_equal(calls_text(&o, calls.server.https), rows[i].text,
                                strlen(rows[i].text));
        }
    }
}

/* Read a file of the server's directory into memory; freed by the caller. */
static struct str slurp(const char *name)
{
    FILE *f = fopen(badserver_file(&calls.server, name), "r");
    char *text = calloc(1, 8192);
    assert_non_null(f);
    assert_non_null(text);
    const size_t len = fread(text, 1, 8191, f);
    (void)fclose(f);
    return (struct str){text, len};
}

static void drop(struct str s)
{
    void *p;
    memcpy(&p, &s.ptr, sizeof p);
    free(p);
}

static void client_certificates_from_files_and_from_memory(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {
        .method = "GET", .url = calls_url("https", calls.server.mtls, "/echo"), .timeout_ms = 5000};
    r.tls.ca_file = badserver_file(&calls.server, "ca.crt");
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_TLS);
    assert_non_null(strstr(o.e.text, "certificate required"));
    r.tls.cert_file = badserver_file(&calls.server, "client.crt");
    r.tls.key_file = badserver_file(&calls.server, "client.key");
    calls_run(&r, &o);
    assert_string_equal(o.e.text, "");
    assert_non_null(strstr(o.body, "client"));
    r.tls = (struct http_tls){
        .ca_pem = slurp("ca.crt"), .cert_pem = slurp("client.crt"), .key_pem = slurp("client.key")};
    calls_run(&r, &o);
    assert_string_equal(o.e.text, "");
    assert_non_null(strstr(o.body, "client"));
    drop(r.tls.ca_pem);
    drop(r.tls.cert_pem);
    drop(r.tls.key_pem);
}

static void another_name_than_the_urls_can_be_expected(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {
        .method = "GET", .url = calls_url("https", calls.server.https, "/ok"), .timeout_ms = 5000};
    r.tls.ca_file = badserver_file(&calls.server, "ca.crt");
    r.tls.server_name = "api.test";
    calls_run(&r, &o);
    assert_string_equal(o.e.text, "");
    r.tls.server_name = "other.test";
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_TLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_name_the_peer_and_the_cause),
        cmocka_unit_test(the_cap_is_exact_and_cuts_error_bodies),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(bad_requests_are_refused_at_once),
        cmocka_unit_test(tls_trust),
        cmocka_unit_test(client_certificates_from_files_and_from_memory),
        cmocka_unit_test(another_name_than_the_urls_can_be_expected),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
