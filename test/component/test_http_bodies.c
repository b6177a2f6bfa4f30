/* The HTTP client: compressed answers, and what a scraper and a remote write need of bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "calls.h"

enum { PIECE_MAX_BYTES = 16 << 10 };

static struct http_request request_of(const char *path)
{
    return (struct http_request){
        .method = "GET", .url = calls_url("http", calls.server.http, path), .timeout_ms = 10000};
}

static void compressed_answers_come_only_where_they_are_asked_for(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/echo");
    calls_run(&r, &o);
    assert_null(strstr(o.body, "accept-encoding"));
    r.gzip = true;
    calls_run(&r, &o);
    assert_non_null(strstr(o.body, "\"accept-encoding\": \"gzip\""));
}

static void a_body_is_what_it_decodes_to(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/gzip/1000000");
    r.gzip = true;
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.status, 200);
    assert_int_equal(o.body_bytes, 1000000);
    assert_memory_equal(o.body, "gggggggg", 8);
}

static void the_cap_is_of_what_it_decodes_to(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/gzip/100000000"); /* 97 KiB on the wire */
    r.gzip = true;
    r.max_body_bytes = 1 << 20;
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_LIMIT);
    assert_string_equal(calls_text(&o, calls.server.http),
                        "http://127.0.0.1:PORT: the answer is larger than 1048576 bytes");
}

static int measure_piece(void *context, struct str piece, struct err *e)
{
    struct outcome *o = context;
    (void)e;
    assert_in_range(piece.len, 0, PIECE_MAX_BYTES);
    o->streamed_bytes += piece.len;
    return 0;
}

static void pieces_stay_small_however_much_they_decode_to(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/gzip/50000000");
    r.gzip = true;
    r.on_data = measure_piece;
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.streamed_bytes, 50000000);
}

static void a_broken_encoding_is_a_failure(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/gzip/100000/broken");
    r.gzip = true;
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_UNAVAILABLE);
    assert_string_equal(calls_text(&o, calls.server.http),
                        "http://127.0.0.1:PORT: the answer's encoding is broken");
}

static void an_encoding_that_ends_early_is_a_failure(void **state)
{
    (void)state;
    static const char *const paths[] = {"/gzip/100000/cut", "/gzip/100000/none"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct outcome o;
        struct http_request r = request_of(paths[i]);
        r.gzip = true;
        calls_run(&r, &o);
        assert_int_equal(o.e.code, ERR_UNAVAILABLE);
        assert_string_equal(calls_text(&o, calls.server.http),
                            "http://127.0.0.1:PORT: the answer ended early, within its encoding");
    }
}

static void members_of_gzip_follow_one_another(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/gzip/70000/twice");
    r.gzip = true;
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.body_bytes, 140000);
}

static int see_content_type(void *context, struct str piece, struct err *e)
{
    const struct outcome *o = context;
    (void)piece;
    (void)e;
    assert_true(str_eq(http_content_type(o->call), STR("text/plain; version=0.0.4")));
    return 0;
}

static void the_content_type_is_known_with_the_first_piece(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = request_of("/gzip/1000");
    r.on_data = see_content_type;
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
}

struct seen {
    bool done;
    char redirect[256];
    int64_t duration_us;
};

static void note_more(void *context, const struct http_response *r, const struct err *e)
{
    struct seen *s = context;
    (void)e;
    s->done = true;
    s->duration_us = r->duration_us;
    memcpy(s->redirect, r->redirect.ptr != NULL ? r->redirect.ptr : "", r->redirect.len);
}

static void a_redirect_says_where_to_and_an_exchange_how_long_it_took(void **state)
{
    (void)state;
    struct seen s = {.done = false};
    struct err e;
    struct http_call *call = NULL;
    struct http_request r = request_of("/redirect");
    assert_int_equal(http_send(calls.client, &r, note_more, &s, &call, &e), 0);
    turn_until(calls.loop, &s.done);
    assert_string_equal(s.redirect, calls_url("http", calls.server.http, "/ok"));
    s = (struct seen){.done = false};
    r = request_of("/slow/50");
    assert_int_equal(http_send(calls.client, &r, note_more, &s, &call, &e), 0);
    turn_until(calls.loop, &s.done);
    assert_string_equal(s.redirect, "");
    assert_in_range(s.duration_us, 50000, 10000000);
}

static void binary_bodies_are_signed_as_they_are(void **state)
{
    (void)state;
    static const char body[] = "\x00snappy\xff\x00\x01 binary\n";
    const struct http_sigv4 sigv4 = {.access_key = STR("AKIDEXAMPLE"),
                                     .secret_key = STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                     .session_token = STR("the+token/=="),
                                     .region = STR("eu-central-1"),
                                     .service = STR("aps")};
    const struct http_header headers[] = {{STR("Content-Encoding"), STR("snappy")},
                                          {STR("X-Prometheus-Remote-Write-Version"), STR("0.1.0")}};
    struct outcome o;
    struct http_request r = request_of("/signed/workspaces/ws-1/api/v1/remote_write");
    r.method = "POST";
    r.body = (struct str){body, sizeof body - 1};
    r.content_type = "application/x-protobuf";
    r.headers = headers;
    r.header_count = 2;
    r.sigv4 = &sigv4;
    calls_run(&r, &o);
    assert_string_equal(o.body, "verified");
    assert_int_equal(o.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_answers_come_only_where_they_are_asked_for),
        cmocka_unit_test(a_body_is_what_it_decodes_to),
        cmocka_unit_test(the_cap_is_of_what_it_decodes_to),
        cmocka_unit_test(pieces_stay_small_however_much_they_decode_to),
        cmocka_unit_test(a_broken_encoding_is_a_failure),
        cmocka_unit_test(an_encoding_that_ends_early_is_a_failure),
        cmocka_unit_test(members_of_gzip_follow_one_another),
        cmocka_unit_test(the_content_type_is_known_with_the_first_piece),
        cmocka_unit_test(a_redirect_says_where_to_and_an_exchange_how_long_it_took),
        cmocka_unit_test(binary_bodies_are_signed_as_they_are),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
