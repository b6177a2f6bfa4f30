/* What the server's own files share. Nobody else includes this.
 *
 *   server.c          listeners, the two loops, stopping
 *   server_listen.c   "ADDR:PORT" -> a listening socket
 *   server_tls.c      a pair, of a directory or given -> SSL_CTX, again when it changes
 *   server_conn.c     the connections: limits in number, time and bytes
 *   server_request.c  one request: route, checks, handler, answer
 */
#ifndef AMPSCALE_NET_SERVER_INTERNAL_H
#define AMPSCALE_NET_SERVER_INTERNAL_H

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>

#include "net/server.h"

/* ---- server_tls.c ---- */

struct server_tls {
    bool wanted;             /* the listen speaks TLS alone */
    const char *dir;         /* NULL: pairs are given */
    SSL_CTX *ctx;            /* NULL until a pair was loaded */
    int64_t not_after_s;     /* of the leaf that serves */
    unsigned long long seen; /* hash of the content looked at last, readable or not */
};

enum tls_change { TLS_SAME, TLS_LOADED, TLS_BROKEN };

/* Look at the files. LOADED: ctx is a new one (connections of the old one keep it). BROKEN: *e says
 * why; ctx is as it was. */
enum tls_change server_tls_refresh(struct server_tls *t, struct err *e);
/* Take this pair. -1: ctx is as it was. */
int server_tls_load(struct server_tls *t, struct str certificate, struct str key, struct err *e)
    __attribute__((warn_unused_result));
void server_tls_close(struct server_tls *t);

/* ---- server_listen.c ---- */

/* A non-blocking listening socket. */
int server_listen_open(const char *address, int *out_fd, uint16_t *out_port, struct err *e)
    __attribute__((warn_unused_result));

/* ---- connections ---- */

struct connection {
    struct server *server;
    h2o_socket_t *sock;
    /* Held, since H2O uses it when the handshake's first bytes come, and it may have been replaced
     * by then. */
    SSL_CTX *tls;
    struct connection *next, *previous;
    int64_t since_ms;       /* loop's clock: accepted, or its last request began or ended */
    size_t handling;        /* requests with a handler that has not answered */
    size_t abandoned;       /* requests whose peer went away first (h2's rapid reset) */
    size_t receiving;       /* requests under way, as last counted */
    size_t held_bytes;      /* of requests still arriving, as last measured */
    uint64_t received_base; /* h2: bytes its peer had sent when one was first seen arriving */
    bool doomed;            /* its socket was shut down; H2O will close it */
};

enum server_phase { PHASE_SERVING, PHASE_DELAY, PHASE_DRAINING, PHASE_DONE };

struct listener {
    struct server *server;
    struct server_listen listen;
    h2o_hostconf_t *hosts[2]; /* its own and NULL */
    h2o_accept_ctx_t accept;
    h2o_socket_t *sock; /* NULL once closed */
    struct server_tls tls;
    uint16_t port;
    bool paused; /* accepting waits for a connection to end */
};

struct server {
    struct loop *loop;
    struct server_options options; /* defaults filled in */
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_loop_t *evloop;
    h2o_socket_t *loop_sock; /* our loop's descriptor in H2O's loop */
    struct listener listeners[SERVER_LISTENS_MAX];
    size_t listener_count;
    struct connection *connections;
    size_t connection_count, doomed_count;
    struct server_request *requests; /* with a handler that has not answered */
    enum server_phase phase;
    int64_t drain_ms;
    struct loop_timer stop_timer, second_timer;
    uint64_t measured_at; /* H2O's clock: when held bytes were added up last */
    bool failed;
    struct err failure;
};

/* ---- server_conn.c ---- */

/* Accept what waits on a listener, within the limits. */
void server_accept(h2o_socket_t *sock, const char *error);
/* The connection a request came by. */
struct connection *server_connection(h2o_req_t *req);
/* Make H2O close it: both directions are shut down, so its next read or write fails. */
void server_doom(struct connection *c);
/* Close those that take too long to send a request or to take an answer. */
void server_enforce_deadlines(struct server *s);
/* Close the ones holding most while arriving requests hold more than the limit. */
void server_enforce_bytes(struct server *s);
/* Close those without a request under way, the youngest excepted. */
void server_close_idle(struct server *s);

/* ---- server_request.c ---- */

/* Make `host` answer with the listener's routes. */
void server_install_routes(struct listener *l, h2o_hostconf_t *host);
/* For server_free: tell all that are not answered, and answer 503. */
void server_abandon_requests(struct server *s);

#endif
