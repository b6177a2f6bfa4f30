#include "calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct calls calls;

void calls_note(void *context, const struct http_response *r, const struct err *e)
{
    struct outcome *o = context;
    assert_false(o->done);
    o->done = true;
    o->status = r->status;
    o->retry_after_ms = r->retry_after_ms;
    o->body_bytes = r->body.len;
    o->e = *e;
    (void)snprintf(o->body, sizeof o->body, "%.*s", STR_ARG(r->body));
    (void)snprintf(o->error_type, sizeof o->error_type, "%.*s", STR_ARG(r->error_type));
    http_cancel(o->call); /* of a call that is being delivered: nothing happens */
}

const char *calls_url(const char *scheme, int port, const char *path)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];
    (void)snprintf(url, sizeof urls[0], "%s://127.0.0.1:%d%s", scheme, port, path);
    return url;
}

void calls_send(const struct http_request *r, struct outcome *o)
{
    struct err e;
    *o = (struct outcome){.done = false};
    if (http_send(calls.client, r, calls_note, o, &o->call, &e) != 0) {
        fail_msg("%s", e.text);
    }
    assert_false(o->done);
}

void calls_run(const struct http_request *r, struct outcome *o)
{
    calls_send(r, o);
    turn_until(calls.loop, &o->done);
}

void calls_get(const char *path, struct outcome *o)
{
    const struct http_request r = {
        .method = "GET", .url = calls_url("http", calls.server.http, path), .timeout_ms = 5000};
    calls_run(&r, o);
}

const char *calls_text(const struct outcome *o, int port)
{
    static char text[1100];
    char number[16];
    (void)snprintf(number, sizeof number, ":%d", port);
    const char *at = strstr(o->e.text, number);
    if (at == NULL) {
        return o->e.text;
    }
    (void)snprintf(text, sizeof text, "%.*s:PORT%s", (int)(at - o->e.text), o->e.text,
                   at + strlen(number));
    return text;
}

int calls_start(void **state)
{
    (void)state;
    struct err e;
    const struct http_client_options options = {.user_agent = "ampscale-test/1",
                                                .max_host_connections = 2};
    badserver_start(&calls.server);
    return loop_new(&calls.loop, &e) != 0 ||
                   http_client_new(calls.loop, &options, &calls.client, &e) != 0
               ? -1
               : 0;
}

int calls_stop(void **state)
{
    (void)state;
    http_client_free(calls.client);
    loop_free(calls.loop);
    badserver_stop(&calls.server);
    return 0;
}
