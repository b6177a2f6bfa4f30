/* The HTTP server: H2O 2.2 on its evloop, plain or TLS (>= 1.2; HTTP/1.1 keep-alive and h2).
 *
 * Handlers answer at once or later, from the same thread. net/loop.h's loop is nested in H2O's, so
 * HTTP client callbacks run between requests.
 *
 * What a stranger on the network can cost is bounded: connections in number (above it the longest
 * idle one is closed, and accepting pauses while all are busy), time to receive a request, time to
 * take an answer, and bytes of requests that are still arriving. H2O receives a whole body before a
 * handler sees it; a body above a route's cap is read to its end (up to 2 MiB above the largest
 * cap) and answered 413, a larger one is cut off with 413.
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
struct server_request; /* one request; lives until it is answered or `gone` was called */

/* Routes and their strings must outlive the server. */
struct server_route {
    const char *path;      /* exact, without query */
    const char *method;    /* "GET" or "POST"; others get 405 with Allow */
    size_t max_body_bytes; /* larger -> 413; 0 for GET */
    const char
        *content_type; /* required for POST: "application/json" (parameters ignored), else 415 */
    void (*handle)(void *context, struct server_request *r);
    void *context;
};

struct server_listen {
    const char *address; /* "0.0.0.0:8443", "[::]:8080", ":8080" (both families), "127.0.0.1:0" */
    const char *tls_dir; /* tls.crt and tls.key, looked at each second and reloaded; NULL: plain */
    bool tls_given;      /* or TLS with the pair that server_use_pair was last given */
    const struct server_route *routes;
    size_t route_count;
};

struct server_options {
    const struct server_listen *listens;
    size_t listen_count;        /* at most SERVER_LISTENS_MAX */
    const char *name;           /* Server header; NULL: none */
    int64_t request_timeout_ms; /* handshake; receiving a whole request; 0: 10 s */
    int64_t answer_timeout_ms;  /* the peer taking a whole answer; 0: 30 s */
    int64_t
        idle_timeout_ms;    /* keep-alive; 0: 120 s (above Go's 90 s, so the client closes first) */
    size_t max_connections; /* 0: 1024 */
    size_t max_buffered_bytes; /* of requests that are still arriving, in all; 0: 64 MiB */

    /* Told once per content of tls_dir. e NULL: a pair was loaded, valid until not_after_s (Unix
     * seconds). Else the pair cannot be used: the old one, if any, keeps serving. May be NULL. */
    void (*on_tls)(void *context, const char *tls_dir, int64_t not_after_s, const struct err *e);
    /* After each answer, also those made here (404, 405, 413, 415, 400). route NULL: none matched;
     * status 0: the peer went away before it was answered. May be NULL. */
    void (*on_response)(void *context, const struct server_route *route, int status);
    /* At the end of each turn of the loop, before it waits for the next. May be NULL. */
    void (*on_turn)(void *context);
    void *context;
};

enum { SERVER_LISTENS_MAX = 4 };

/* Binds all addresses. TLS files that are missing or broken, or a pair that was not given yet, are
 * no error: connections to that listen are closed at once until there is a pair, server_ready says
 * false, and on_tls was told why. */
int server_new(struct loop *l, const struct server_options *o, struct server **out, struct err *e)
    __attribute__((warn_unused_result));
/* Requests that are not answered yet see their `gone`; they and all connections are closed. */
void server_free(struct server *s);

/* Serve with this pair from now on: a certificate (and its chain) and its key, in PEM. Connections
 * go on with the one they began with. ERR_TLS: it cannot be used, and what served goes on. Only for
 * a listen with tls_given; on_tls is not told. */
int server_use_pair(struct server *s, size_t index, struct str certificate, struct str key,
                    struct err *e) __attribute__((warn_unused_result));

/* Port that listen `index` is bound to. */
uint16_t server_port(const struct server *s, size_t index);

/* True while every listen accepts (TLS loaded) and server_stop was not called. */
bool server_ready(const struct server *s);

/* Run H2O's loop and ours until server_stop has drained. -1: one of the loops failed. */
int server_run(struct server *s, struct err *e) __attribute__((warn_unused_result));

/* Stop: for shutdown_delay_ms keep serving (with Connection: close), then close listeners and idle
 * connections, finish what is under way for at most drain_ms, then server_run returns. Called again
 * it goes on to the next of these at once. */
void server_stop(struct server *s, int64_t shutdown_delay_ms, int64_t drain_ms);

/* Request: views are valid until it is answered. */
struct str server_body(const struct server_request *r);
struct str server_path(const struct server_request *r);
/* Query parameter by name, percent-decoded into the request's memory; absent view when there is
 * none or its escapes are broken. */
struct str server_query(const struct server_request *r, struct str name);
/* When the request had been read, loop_now_ms clock. */
int64_t server_received_ms(const struct server_request *r);
/* Time since then. */
double server_elapsed_s(const struct server_request *r);

/* Called when the peer went away before the answer, or the server is freed; the request is dead
 * after it. A handler that returns without an answer must have set it. HTTP/1.1 peers are not read
 * from while they wait, so for them it comes at the latest with server_free. */
void server_on_gone(struct server_request *r, void (*gone)(void *context), void *context);

/* Answer, exactly once; body and content_type are copied. r is dead afterwards. */
void server_reply(struct server_request *r, int status, const char *content_type, struct str body);

#endif
