/* The HTTP client: answers, streams, and what its callbacks may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "calls.h"

/* ---- answers ---- */

static void an_answer_of_any_status_is_an_answer(void **state)
{
    (void)state;
    struct outcome o;
    calls_get("/ok", &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "{\"ok\":true}");
    calls_get("/html/502", &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.status, 502);
    assert_non_null(strstr(o.body, "Bad Gateway"));
    calls_get("/redirect", &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.status, 302);
    calls_get("/aws/403", &o);
    assert_int_equal(o.status, 403);
    assert_string_equal(o.error_type, "MissingAuthenticationTokenException");
}

static void retry_after_is_read_in_both_forms(void **state)
{
    (void)state;
    struct outcome o;
    calls_get("/retry/7", &o);
    assert_int_equal(o.status, 429);
    assert_int_equal(o.retry_after_ms, 7000);
    calls_get("/retry/date", &o);
    assert_in_range(o.retry_after_ms, 27000, 30000);
    calls_get("/retry/99999999999", &o);
    assert_int_equal(o.retry_after_ms, INT32_MAX);
    calls_get("/ok", &o);
    assert_int_equal(o.retry_after_ms, 0);
}

static void method_body_and_headers_arrive(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PATCH", "PUT", "DELETE"};
    const struct http_header header = {STR("X-Test"), STR("a b")};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct outcome o;
        char want[64];
        const struct http_request r = {.method = methods[i],
                                       .url = calls_url("http", calls.server.http, "/echo?a=1"),
                                       .body = STR("{\"replicas\":4}"),
                                       .content_type = "application/merge-patch+json",
                                       .headers = &header,
                                       .header_count = 1,
                                       .timeout_ms = 5000};
        calls_run(&r, &o);
        (void)snprintf(want, sizeof want, "\"method\": \"%s\"", methods[i]);
        assert_non_null(strstr(o.body, want));
        assert_non_null(strstr(o.body, "\"target\": \"/echo?a=1\""));
        assert_non_null(strstr(o.body, "\"x-test\": \"a b\""));
        assert_non_null(strstr(o.body, "\"content-type\": \"application/merge-patch+json\""));
        assert_non_null(strstr(o.body, "\"user-agent\": \"ampscale-test/1\""));
        assert_non_null(strstr(o.body, "\"body\": \"{\\\"replicas\\\":4}\""));
        assert_null(strstr(o.body, "accept-encoding"));
    }
}

static void requests_without_a_body_are_sent_as_such(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "POST", "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct outcome o;
        const struct http_request r = {.method = methods[i],
                                       .url = calls_url("http", calls.server.http, "/echo"),
                                       .timeout_ms = 5000};
        calls_run(&r, &o);
        assert_non_null(strstr(o.body, methods[i]));
        assert_non_null(strstr(o.body, "\"body\": \"\""));
    }
}

static void connections_are_kept(void **state)
{
    (void)state;
    struct outcome o;
    calls_get("/echo", &o);
    calls_get("/echo", &o);
    assert_null(strstr(o.body, "\"connection_requests\": 1,"));
}

static void a_connection_that_died_idle_is_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct outcome o;
        const struct http_request r = {.method = "PATCH",
                                       .url = calls_url("http", calls.server.http, "/echo"),
                                       .body = STR("{}"),
                                       .content_type = "application/json",
                                       .timeout_ms = 5000};
        calls_get("/close-after", &o);
        assert_int_equal(o.status, 200);
        turn_for(calls.loop, (int64_t)i * 10);
        calls_run(&r, &o);
        assert_string_equal(o.e.text, "");
        assert_int_equal(o.status, 200);
    }
}

static void large_bodies_go_out_with_100_continue(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1024 * 1024 };
    struct outcome o;
    char *big = malloc(SIZE);
    assert_non_null(big);
    memset(big, 'x', SIZE);
    const struct http_request r = {.method = "POST",
                                   .url = calls_url("http", calls.server.http, "/echo"),
                                   .body = {big, SIZE},
                                   .content_type = "text/plain",
                                   .timeout_ms = 10000};
    calls_run(&r, &o);
    free(big);
    assert_int_equal(o.status, 200);
    assert_true(o.body_bytes > SIZE);
}

/* ---- streaming and re-entrance ---- */

static int count_piece(void *context, struct str piece, struct err *e)
{
    (void)e;
    struct outcome *o = context;
    o->streamed_bytes += piece.len;
    o->pieces++;
    return 0;
}

static void streams_arrive_in_pieces(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {.method = "GET",
                             .url = calls_url("http", calls.server.http, "/stream/500"),
                             .max_body_bytes = 100,
                             .on_data = count_piece};
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_NONE);
    assert_int_equal(o.streamed_bytes, 500000);
    assert_int_equal(o.body_bytes, 0);
    assert_true(o.pieces > 1);
    r.url = calls_url("http", calls.server.http, "/aws/403"); /* no 2xx: kept, not streamed */
    calls_run(&r, &o);
    assert_int_equal(o.pieces, 0);
    assert_true(o.body_bytes > 0);
}

static int refuse_piece(void *context, struct str piece, struct err *e)
{
    (void)context;
    return piece.len == 0 ? 0 : err_set(e, ERR_GONE, "not wanted");
}

static void on_data_can_abort(void **state)
{
    (void)state;
    struct outcome o;
    const struct http_request r = {.method = "GET",
                                   .url = calls_url("http", calls.server.http, "/stream/500"),
                                   .on_data = refuse_piece};
    calls_run(&r, &o);
    assert_int_equal(o.e.code, ERR_GONE);
    assert_string_equal(calls_text(&o, calls.server.http), "http://127.0.0.1:PORT: not wanted");
}

static struct outcome inner[3];

/* From inside libcurl: two more are sent, one of them and our own call are cancelled. */
static int send_and_cancel(void *context, struct str piece, struct err *e)
{
    struct outcome *o = context;
    const struct http_request r = {
        .method = "GET", .url = calls_url("http", calls.server.http, "/ok"), .timeout_ms = 5000};
    (void)piece;
    if (o->pieces++ > 0) {
        fail_msg("a piece for a cancelled call");
    }
    for (int i = 0; i < 2; i++) {
        inner[i] = (struct outcome){.done = false};
        assert_int_equal(http_send(calls.client, &r, calls_note, &inner[i], &inner[i].call, e), 0);
    }
    http_cancel(inner[0].call);
    http_cancel(inner[2].call);
    http_cancel(o->call);
    return 0;
}

static void on_data_may_send_and_cancel(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {.method = "GET",
                             .url = calls_url("http", calls.server.http, "/hang-body"),
                             .on_data = send_and_cancel};
    const struct http_request other = {.method = "GET",
                                       .url = calls_url("http", calls.server.http, "/slow/2000"),
                                       .timeout_ms = 300};
    calls_send(&other, &inner[2]);
    calls_send(&r, &o);
    turn_until(calls.loop, &inner[1].done);
    turn_for(calls.loop, 400);
    assert_false(o.done);
    assert_false(inner[0].done);
    assert_false(inner[2].done);
    assert_int_equal(inner[1].status, 200);
}

static void cancel_in_every_state(void **state)
{
    (void)state;
    struct outcome o;
    struct http_request r = {.method = "GET", .timeout_ms = 5000};
    for (int turns = 0; turns < 8; turns++) {
        struct err e;
        r.url = calls_url(turns % 2 == 0 ? "http" : "https",
                          turns % 2 == 0 ? calls.server.http : calls.server.https, "/hang-body");
        r.tls.insecure = true;
        calls_send(&r, &o);
        for (int i = 0; i < turns; i++) {
            assert_int_equal(loop_run_once(calls.loop, 20, &e), 0);
        }
        http_cancel(o.call);
        assert_false(o.done);
    }
    http_cancel(NULL);
}

static void more_calls_than_connections_wait_their_turn(void **state)
{
    (void)state;
    enum { CALLS = 30 };
    static struct outcome all[CALLS];
    const struct http_request r = {.method = "GET",
                                   .url = calls_url("http", calls.server.http, "/slow/10"),
                                   .timeout_ms = 10000};
    for (int i = 0; i < CALLS; i++) {
        calls_send(&r, &all[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        turn_until(calls.loop, &all[i].done);
        assert_int_equal(all[i].status, 200);
    }
}

static void a_call_that_waits_for_a_connection_keeps_its_deadline(void **state)
{
    (void)state;
    struct outcome busy[2], late;
    struct http_request r = {.method = "GET",
                             .url = calls_url("http", calls.server.http, "/hang-body"),
                             .timeout_ms = 0};
    calls_send(&r, &busy[0]);
    calls_send(&r, &busy[1]);
    r.timeout_ms = 100;
    calls_run(&r, &late);
    assert_int_equal(late.e.code, ERR_TIMEOUT);
    http_cancel(busy[0].call);
    http_cancel(busy[1].call);
}

static void a_cancelled_call_makes_room_for_one_that_waits(void **state)
{
    (void)state;
    struct outcome busy[2], late;
    struct http_request r = {.method = "GET",
                             .url = calls_url("http", calls.server.http, "/hang-body"),
                             .timeout_ms = 5000};
    calls_send(&r, &busy[0]);
    calls_send(&r, &busy[1]);
    turn_for(calls.loop, 20);
    r.url = calls_url("http", calls.server.http, "/ok");
    calls_send(&r, &late);
    turn_for(calls.loop, 20);
    assert_false(late.done);
    http_cancel(busy[0].call);
    turn_until(calls.loop, &late.done);
    assert_int_equal(late.status, 200);
    http_cancel(busy[1].call);
}

static void streams_leave_requests_their_connections(void **state)
{
    (void)state;
    struct outcome streams[4], o;
    const struct http_request r = {.method = "GET",
                                   .url = calls_url("http", calls.server.http, "/hang-body"),
                                   .on_data = count_piece};
    for (size_t i = 0; i < 4; i++) {
        calls_send(&r, &streams[i]);
    }
    turn_for(calls.loop, 30);
    calls_get("/ok", &o);
    assert_int_equal(o.status, 200);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(streams[i].streamed_bytes, 10);
        http_cancel(streams[i].call);
    }
}

static void the_environments_proxies_are_not_used(void **state)
{
    (void)state;
    struct outcome o;
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    calls_get("/ok", &o);
    assert_int_equal(o.status, 200);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
}

static void freeing_the_client_cancels_its_calls(void **state)
{
    (void)state;
    struct http_client *own = NULL;
    struct outcome o = {.done = false};
    struct err e;
    const struct http_client_options options = {.user_agent = "ampscale-test/1"};
    const struct http_request r = {.method = "GET",
                                   .url = calls_url("http", calls.server.http, "/hang-body")};
    assert_int_equal(http_client_new(calls.loop, &options, &own, &e), 0);
    assert_int_equal(http_send(own, &r, calls_note, &o, &o.call, &e), 0);
    turn_for(calls.loop, 30);
    assert_int_equal(http_send(own, &r, calls_note, &o, &o.call, &e), 0);
    http_client_free(own);
    turn_for(calls.loop, 10);
    assert_false(o.done);
}

static void forms_are_escaped(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    http_form_add(&b, STR("query"), STR("sum(rate(x{a=~\".+\"}[2m])) + 1%\xc3\xbc"));
    http_form_add(&b, STR("time"), STR("-._~aZ09"));
    buf_append_char(&b, '\0');
    assert_string_equal(b.ptr, "query=sum%28rate%28x%7Ba%3D~%22.%2B%22%7D%5B2m%5D%29%29%20%2B%201"
                               "%25%C3%BC&time=-._~aZ09");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_any_status_is_an_answer),
        cmocka_unit_test(retry_after_is_read_in_both_forms),
        cmocka_unit_test(method_body_and_headers_arrive),
        cmocka_unit_test(requests_without_a_body_are_sent_as_such),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(a_connection_that_died_idle_is_replaced),
        cmocka_unit_test(large_bodies_go_out_with_100_continue),
        cmocka_unit_test(streams_arrive_in_pieces),
        cmocka_unit_test(on_data_can_abort),
        cmocka_unit_test(on_data_may_send_and_cancel),
        cmocka_unit_test(cancel_in_every_state),
        cmocka_unit_test(more_calls_than_connections_wait_their_turn),
        cmocka_unit_test(a_call_that_waits_for_a_connection_keeps_its_deadline),
        cmocka_unit_test(a_cancelled_call_makes_room_for_one_that_waits),
        cmocka_unit_test(streams_leave_requests_their_connections),
        cmocka_unit_test(the_environments_proxies_are_not_used),
        cmocka_unit_test(freeing_the_client_cancels_its_calls),
        cmocka_unit_test(forms_are_escaped),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
