/* The HTTP server: H2O 2.2 on its evloop, plain or TLS (≥ 1.2; HTTP/1.1 keep-alive and h2).
 *
 * Handlers answer at once or later, from the same thread. net/loop.h's loop is nested in H2O's, so
 * HTTP client callbacks run between requests.
 */
#ifndef AMPSCALE_NET_SERVER_H
#define AMPSCALE_NET_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct server;
/* One request; lives until answered and, when abandoned, until server_on_gone's callback says so.
 */
struct server_request;

struct server_route {
    const char *path;      /* exact, without query */
    const char *method;    /* "GET" or "POST"; others get 405 with Allow */
    size_t max_body_bytes; /* larger → 413; 0 for GET */
    /* Required for POST: "application/json" (parameters are ignored), else 415. */
    const char *content_type;
    void (*handle)(void *context, struct server_request *r);
    void *context;
};

struct server_listen {
    const char *address; /* "0.0.0.0:8443", "[::]:8080", ":8080" (both families), "127.0.0.1:0" */
    const char *tls_dir; /* tls.crt and tls.key, watched and reloaded; NULL: plain */
    const struct server_route *routes;
    size_t route_count;
};

struct server_options {
    const struct server_listen *listens;
    size_t listen_count;
    const char *name;           /* Server header; NULL: none */
    int64_t request_timeout_ms; /* time to receive a whole request; 0: 10 s */
    int64_t idle_timeout_ms;    /* keep-alive; 0: 120 s */
    int max_connections;        /* 0: 1024 */
};

int server_new(struct loop *l, const struct server_options *o, struct server **out, struct err *e)
    __attribute__((warn_unused_result));
void server_free(struct server *s);

/* Port that listen `index` is bound to. */
uint16_t server_port(const struct server *s, size_t index);

/* Run H2O's loop and ours until server_stop has drained. */
int server_run(struct server *s, struct err *e) __attribute__((warn_unused_result));

/* Stop: for shutdown_delay_ms keep serving (with Connection: close), then close listeners, finish
 * what is under way for at most drain_ms, then server_run returns. */
void server_stop(struct server *s, int64_t shutdown_delay_ms, int64_t drain_ms);

/* Request: views are valid until it is answered. */
struct str server_body(const struct server_request *r);
struct str server_path(const struct server_request *r);
/* Query parameter by name, percent-decoded into the request's memory; absent view when there is
 * none. */
struct str server_query(const struct server_request *r, struct str name);
/* When the request was read, loop_now_ms clock. */
int64_t server_received_ms(const struct server_request *r);

/* Called when the peer went away before the answer; the request is dead after it. */
void server_on_gone(struct server_request *r, void (*gone)(void *context), void *context);

/* Answer, exactly once; body is copied. r is dead afterwards. */
void server_reply(struct server_request *r, int status, const char *content_type, struct str body);

#endif
