/* The HTTP server, plain: routes, limits, deferred answers, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "server_fixture.h"

enum { BODY_MAX = 64 << 10, ANSWER_BYTES = 128 << 10 };

struct world {
    struct fixture f;
    atomic_int handled, gone, last_status;
    atomic_int turned; /* requests handled when a turn of the loop ended last */
    struct server_request *held;
    struct loop_timer later;
};

static void handle_hello(void *context, struct server_request *r)
{
    struct world *w = context;
    char text[128];
    const struct str name = server_query(r, STR("name"));
    w->handled++;
    server_reply(r, 200, "text/plain", fmt(text, sizeof(text), "hello %.*s", STR_ARG(name)));
}

static void handle_echo(void *context, struct server_request *r)
{
    struct world *w = context;
    w->handled++;
    server_reply(r, 200, "application/json", server_body(r));
}

static void on_gone(void *context)
{
    struct world *w = context;
    loop_timer_cancel(w->f.loop, &w->later);
    w->held = NULL;
    w->gone++;
}

static void answer_later(void *context)
{
    struct world *w = context;
    server_reply(w->held, 200, "text/plain", STR("later"));
}

static void handle_later(void *context, struct server_request *r)
{
    struct world *w = context;
    struct err e = ERR_INIT;
    w->held = r;
    w->later = (struct loop_timer){.fire = answer_later, .context = w};
    server_on_gone(r, on_gone, w);
    assert_int_equal(loop_timer_set(w->f.loop, &w->later, server_received_ms(r) + 200, &e), 0);
    w->handled++;
}

static void handle_never(void *context, struct server_request *r)
{
    struct world *w = context;
    server_on_gone(r, on_gone, w);
    w->handled++;
}

static void on_response(void *context, const struct server_route *route, int status)
{
    struct world *w = context;
    (void)route;
    w->last_status = status;
}

static void on_turn(void *context)
{
    struct world *w = context;
    w->turned = w->handled;
}

static struct server_route routes[] = {
    {.path = "/hello", .method = "GET", .handle = handle_hello},
    {.path = "/later", .method = "GET", .handle = handle_later},
    {.path = "/never", .method = "GET", .handle = handle_never},
    {.path = "/echo",
     .method = "POST",
     .max_body_bytes = BODY_MAX,
     .content_type = "application/json",
     .handle = handle_echo},
};
static const struct server_listen listens[] = {
    {.address = "127.0.0.1:0", .routes = routes, .route_count = sizeof(routes) / sizeof(routes[0])},
};

static void start(struct world *w, struct server_options o)
{
    *w = (struct world){.held = NULL};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        routes[i].context = w;
    }
    o.listens = listens;
    o.listen_count = 1;
    o.on_response = on_response;
    o.on_turn = on_turn;
    o.context = w;
    fixture_start(&w->f, &o);
}

static uint16_t port_of(const struct world *w)
{
    return server_port(w->f.server, 0);
}

static int ask(const struct world *w, const char *head, const char *body, size_t len, char *out)
{
    struct peer p;
    assert_true(peer_open(&p, port_of(w), false));
    const int status = peer_request(&p, head, body, len, out, ANSWER_BYTES);
    peer_close(&p);
    return status;
}

/* Not at the next request or at the end: before it waits. */
static bool has_turned(void *context)
{
    const struct world *w = context;
    return w->turned > 0 && w->turned == w->handled;
}

static void test_routes(void **state)
{
    static const char json[] =
        "POST /echo HTTP/1.1\r\nContent-Type: application/json; charset=utf-8";
    static char big[BODY_MAX + 1];
    static char out[ANSWER_BYTES];
    struct world w;
    (void)state;
    memset(big, 'x', sizeof(big));
    start(&w, (struct server_options){.name = NULL});

    assert_int_equal(ask(&w, "GET /hello?x=1&name=a%20b+c HTTP/1.1", NULL, 0, out), 200);
    assert_non_null(strstr(out, "\r\n\r\nhello a b c"));
    assert_int_equal(ask(&w, "GET /hello?name=%zz HTTP/1.1", NULL, 0, out), 200);
    assert_int_equal(ask(&w, "GET /hello?name=%4 HTTP/1.1", NULL, 0, out), 200);
    assert_int_equal(ask(&w, "GET /nothing HTTP/1.1", NULL, 0, out), 404);
    assert_int_equal(ask(&w, "GET /hello/ HTTP/1.1", NULL, 0, out), 404);
    assert_int_equal(ask(&w, "GET /echo HTTP/1.1", NULL, 0, out), 405);
    assert_non_null(strcasestr(out, "\r\nallow: POST\r\n"));
    assert_int_equal(ask(&w, "POST /echo HTTP/1.1", "{}", 2, out), 415);
    assert_int_equal(ask(&w, "POST /echo HTTP/1.1\r\nContent-Type: text/plain", "{}", 2, out), 415);
    assert_int_equal(ask(&w, json, "{}", 2, out), 200);
    assert_non_null(strstr(out, "\r\n\r\n{}"));
    assert_int_equal(ask(&w, json, "", 0, out), 200);
    assert_int_equal(ask(&w, json, big, BODY_MAX, out), 200);
    assert_int_equal(ask(&w, json, big, BODY_MAX + 1, out), 413);
    assert_true(wait_until(has_turned, &w));
    fixture_end(&w.f);
}

static void test_body_far_too_large(void **state)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 99999999\r\n\r\n";
    static char out[ANSWER_BYTES];
    struct world w;
    struct peer p;
    (void)state;
    start(&w, (struct server_options){.name = NULL});
    assert_true(peer_open(&p, port_of(&w), false));
    assert_true(peer_send(&p, head, sizeof(head) - 1));
    assert_int_equal(peer_receive(&p, out, sizeof(out)), 413);
    assert_true(peer_sees_end(&p));
    peer_close(&p);
    fixture_end(&w.f);
}

static void test_pipelining_and_garbage(void **state)
{
    static const char two[] = "GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /hello?name=3 HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char *const garbage[] = {"\x16\x03\x01\x02", "GET\r\n\r\n",
                                          "PRI * HTTP/2.0\r\n\r\n"};
    char out[1024];
    struct world w;
    struct peer p;
    (void)state;
    start(&w, (struct server_options){.name = NULL});
    assert_true(peer_open(&p, port_of(&w), false));
    assert_true(peer_send(&p, two, sizeof(two) - 1));
    assert_int_equal(peer_receive(&p, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "hello 1"));
    assert_int_equal(peer_receive(&p, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "later"));
    assert_int_equal(peer_receive(&p, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "hello 3"));
    peer_close(&p);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        assert_true(peer_open(&p, port_of(&w), false));
        assert_true(peer_send(&p, garbage[i], strlen(garbage[i])));
        assert_true(peer_sees_end(&p));
        peer_close(&p);
    }
    fixture_end(&w.f);
}

static void test_slow_request_is_cut_off(void **state)
{
    static const char *const parts[] = {
        "GET /hel",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n{",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    };
    struct world w;
    struct peer p[3];
    (void)state;
    start(&w, (struct server_options){.request_timeout_ms = 200});
    for (size_t i = 0; i < 3; i++) {
        assert_true(peer_open(&p[i], port_of(&w), false));
        assert_true(peer_send(&p[i], parts[i], strlen(parts[i])));
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(peer_sees_end(&p[i]));
        peer_close(&p[i]);
    }
    fixture_end(&w.f);
}

static void test_idle_connection_outlives_the_request_timeout(void **state)
{
    char out[1024];
    struct world w;
    struct peer idle;
    struct peer slow;
    (void)state;
    start(&w, (struct server_options){.request_timeout_ms = 200});
    assert_true(peer_open(&idle, port_of(&w), false));
    assert_int_equal(peer_request(&idle, "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)), 200);
    assert_true(peer_open(&slow, port_of(&w), false));
    assert_true(peer_send(&slow, "GET", 3));
    assert_true(peer_sees_end(&slow)); /* so the timeout has passed */
    assert_int_equal(peer_request(&idle, "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)), 200);
    peer_close(&slow);
    peer_close(&idle);
    fixture_end(&w.f);
}

static void test_longest_idle_gives_way(void **state)
{
    char out[1024];
    struct world w;
    struct peer p[3];
    (void)state;
    start(&w, (struct server_options){.max_connections = 2});
    for (size_t i = 0; i < 3; i++) {
        assert_true(peer_open(&p[i], port_of(&w), false));
        assert_int_equal(peer_request(&p[i], "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)),
                         200);
    }
    assert_true(peer_sees_end(&p[0]));
    assert_int_equal(peer_request(&p[1], "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)), 200);
    assert_int_equal(peer_request(&p[2], "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)), 200);
    for (size_t i = 0; i < 3; i++) {
        peer_close(&p[i]);
    }
    fixture_end(&w.f);
}

static bool has_handled(void *context)
{
    const struct world *w = context;
    return w->handled > 0;
}

static void test_busy_connections_are_not_evicted(void **state)
{
    static const char later[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";
    char out[1024];
    struct world w;
    struct peer busy;
    struct peer next;
    (void)state;
    start(&w, (struct server_options){.max_connections = 1});
    assert_true(peer_open(&busy, port_of(&w), false));
    assert_true(peer_send(&busy, later, sizeof(later) - 1));
    assert_true(wait_until(has_handled, &w));
    /* Waits in the backlog until the busy one is answered, then replaces it. */
    assert_true(peer_open(&next, port_of(&w), false));
    assert_int_equal(peer_receive(&busy, out, sizeof(out)), 200);
    assert_int_equal(peer_request(&next, "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)), 200);
    peer_close(&busy);
    peer_close(&next);
    fixture_end(&w.f);
}

static void test_arriving_bytes_are_bounded(void **state)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 60000\r\n\r\n";
    static char half[30000];
    char out[1024];
    struct world w;
    struct peer small;
    struct peer large;
    (void)state;
    memset(half, 'x', sizeof(half));
    start(&w, (struct server_options){.max_buffered_bytes = 32 << 10});
    assert_true(peer_open(&small, port_of(&w), false));
    assert_true(peer_send(&small, head, sizeof(head) - 1));
    assert_true(peer_send(&small, half, 10000));
    assert_true(peer_open(&large, port_of(&w), false));
    assert_true(peer_send(&large, head, sizeof(head) - 1));
    assert_true(peer_send(&large, half, sizeof(half)));
    assert_true(peer_sees_end(&large));
    assert_int_equal(ask(&w, "GET /hello HTTP/1.1", NULL, 0, out), 200);
    peer_close(&small);
    peer_close(&large);
    fixture_end(&w.f);
}

static void test_drain(void **state)
{
    static const char later[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";
    char out[1024];
    struct world w;
    struct peer busy;
    struct peer idle;
    struct peer late;
    (void)state;
    start(&w, (struct server_options){.name = NULL});
    const uint16_t port = port_of(&w);
    assert_true(peer_open(&busy, port, false));
    assert_true(peer_open(&idle, port, false));
    assert_true(peer_send(&busy, later, sizeof(later) - 1));
    assert_true(wait_until(has_handled, &w));
    fixture_stop(&w.f, 0, 5000);
    assert_int_equal(peer_receive(&busy, out, sizeof(out)), 200);
    assert_non_null(strcasestr(out, "\r\nconnection: close\r\n"));
    assert_true(peer_sees_end(&busy));
    assert_true(peer_sees_end(&idle));
    assert_int_equal(fixture_join(&w.f), 0);
    assert_false(peer_open(&late, port, false));
    peer_close(&busy);
    peer_close(&idle);
    fixture_end(&w.f);
}

static void test_delay_keeps_serving(void **state)
{
    char out[1024];
    struct world w;
    (void)state;
    start(&w, (struct server_options){.name = NULL});
    fixture_stop(&w.f, 60000, 5000);
    bool closing = false;
    for (int i = 0; i < 100 && !closing; i++) {
        assert_int_equal(ask(&w, "GET /hello HTTP/1.1", NULL, 0, out), 200);
        closing = strcasestr(out, "\r\nconnection: close\r\n") != NULL;
    }
    assert_true(closing);
    fixture_stop(&w.f, 0, 0); /* again: goes on at once */
    assert_int_equal(fixture_join(&w.f), 0);
    fixture_end(&w.f);
}

static void test_unanswered_requests_are_told(void **state)
{
    static const char never[] = "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
    struct world w;
    struct peer p;
    (void)state;
    start(&w, (struct server_options){.name = NULL});
    assert_true(peer_open(&p, port_of(&w), false));
    assert_true(peer_send(&p, never, sizeof(never) - 1));
    assert_true(wait_until(has_handled, &w));
    fixture_stop(&w.f, 0, 50);
    assert_int_equal(fixture_join(&w.f), 0);
    assert_int_equal(w.gone, 0);
    fixture_end(&w.f);
    assert_int_equal(w.gone, 1);
    assert_true(peer_sees_end(&p));
    peer_close(&p);
}

static void test_addresses(void **state)
{
    static const char *const wrong[] = {"",       "8443", "1.2.3.4", ":",
                                        ":70000", "x:1",  "[::1:80", ":-1"};
    static const char *const right[] = {":0", "127.0.0.1:0", "0.0.0.0:0"};
    struct loop *loop = NULL;
    struct server *s = NULL;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(loop_new(&loop, &e), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct server_listen listen = {.address = wrong[i]};
        const struct server_options o = {.listens = &listen, .listen_count = 1};
        assert_int_equal(server_new(loop, &o, &s, &e), -1);
        assert_null(s);
        assert_non_null(strstr(e.text, "listen"));
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        const struct server_listen listen = {.address = right[i]};
        const struct server_options o = {.listens = &listen, .listen_count = 1};
        assert_int_equal(server_new(loop, &o, &s, &e), 0);
        assert_true(server_port(s, 0) > 0);
        assert_true(server_ready(s));
        server_free(s);
        s = NULL;
    }
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_body_far_too_large),
        cmocka_unit_test(test_pipelining_and_garbage),
        cmocka_unit_test(test_slow_request_is_cut_off),
        cmocka_unit_test(test_idle_connection_outlives_the_request_timeout),
        cmocka_unit_test(test_longest_idle_gives_way),
        cmocka_unit_test(test_busy_connections_are_not_evicted),
        cmocka_unit_test(test_arriving_bytes_are_bounded),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_delay_keeps_serving),
        cmocka_unit_test(test_unanswered_requests_are_told),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
