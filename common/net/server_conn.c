/* Connections are counted and timed here, beside H2O's own structures for them. H2O 2.2 has one
 * timeout for "idle" and "receiving a request" of HTTP/1.1, none for a peer that does not take its
 * answer, and no limit of what all connections hold together; those are enforced by looking at
 * H2O's requests and shutting the socket down, which H2O meets as a closed peer.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "net/server_internal.h"

enum { ACCEPTS_PER_ROUND = 64, ABANDONED_MAX = 200, MEASURE_EVERY_MS = 10 };

/* A connection as young as this may have its first request on the way. */
enum { FRESH_MS = 1000 };

static void resume_accepting(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];
        if (l->paused && l->sock != NULL) {
            l->paused = false;
            h2o_socket_read_start(l->sock, server_accept);
        }
    }
}

static void closed(void *context)
{
    struct connection *c = context;
    struct server *s = c->server;
    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        s->connections = c->next;
    }
    if (c->next != NULL) {
        c->next->previous = c->previous;
    }
    s->connection_count--;
    if (c->doomed) {
        s->doomed_count--;
    }
    SSL_CTX_free(c->tls);
    free(c);
    resume_accepting(s);
}

static struct connection *track(struct server *s, h2o_socket_t *sock, SSL_CTX *tls)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    if (tls != NULL && SSL_CTX_up_ref(tls) == 1) {
        c->tls = tls;
    }
    c->server = s;
    c->sock = sock;
    c->since_ms = loop_now_ms(s->loop);
    c->next = s->connections;
    if (c->next != NULL) {
        c->next->previous = c;
    }
    s->connections = c;
    s->connection_count++;
    sock->on_close.cb = closed;
    sock->on_close.data = c;
    return c;
}

void server_doom(struct connection *c)
{
    if (!c->doomed) {
        c->doomed = true;
        c->server->doomed_count++;
        (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
    }
}

/* The one that did nothing for longest gives way to `newcomer`; false when all others are at work.
 */
static bool evict(struct server *s, const struct connection *newcomer)
{
    struct connection *longest = NULL;
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        if (c != newcomer && !c->doomed && c->handling == 0 &&
            (longest == NULL || c->since_ms <= longest->since_ms)) {
            longest = c;
        }
    }
    if (longest == NULL) {
        return false;
    }
    server_doom(longest);
    return true;
}

static void pause_accepting(struct listener *l)
{
    l->paused = true;
    h2o_socket_read_stop(l->sock);
}

/* Let H2O have it. False when there is no room for another one after it. */
static bool admit(struct listener *l, h2o_socket_t *peer)
{
    struct server *s = l->server;
    const bool no_tls = l->tls.wanted && l->tls.ctx == NULL;
    struct connection *c = no_tls ? NULL : track(s, peer, l->tls.ctx);
    if (c == NULL) {
        h2o_socket_close(peer);
        return true;
    }
    h2o_accept(&l->accept, peer);
    return s->connection_count - s->doomed_count <= s->options.max_connections || evict(s, c);
}

void server_accept(h2o_socket_t *sock, const char *error)
{
    struct listener *l = sock->data;
    struct server *s = l->server;
    if (error != NULL) {
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        h2o_socket_t *peer = h2o_evloop_socket_accept(sock);
        if (peer == NULL) {
            /* Out of descriptors: level-triggered polling would spin until one is free. */
            if ((errno == EMFILE || errno == ENFILE) && s->connection_count > 0) {
                (void)evict(s, NULL);
                pause_accepting(l);
            }
            return;
        }
        if (!admit(l, peer)) {
            pause_accepting(l);
            return;
        }
    }
}

struct connection *server_connection(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

/* ---- time ---- */

static int64_t since_ms(const struct timeval *then)
{
    struct timeval now;
    (void)gettimeofday(&now, NULL);
    return (int64_t)(now.tv_sec - then->tv_sec) * 1000 + (now.tv_usec - then->tv_usec) / 1000;
}

static int check_deadlines(h2o_req_t *req, void *context)
{
    const struct server *s = context;
    const struct timeval *begin = &req->timestamps.request_begin_at;
    const struct timeval *answer = &req->timestamps.response_start_at;
    bool late = false;

    if (answer->tv_sec != 0) {
        late = since_ms(answer) > s->options.answer_timeout_ms;
    } else if (begin->tv_sec != 0 && req->processed_at.at.tv_sec == 0) {
        late = since_ms(begin) > s->options.request_timeout_ms;
    }
    if (late) {
        server_doom(server_connection(req));
    }
    return 0;
}

void server_enforce_deadlines(struct server *s)
{
    (void)s->config.http1.callbacks.foreach_request(&s->context, check_deadlines, s);
    (void)s->config.http2.callbacks.foreach_request(&s->context, check_deadlines, s);
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        if (c->abandoned > ABANDONED_MAX) {
            server_doom(c);
        }
    }
    if (s->connection_count - s->doomed_count < s->options.max_connections) {
        resume_accepting(s);
    }
}

static int mark_busy(h2o_req_t *req, void *context)
{
    (void)context;
    if (req->timestamps.request_begin_at.tv_sec != 0) {
        server_connection(req)->receiving++;
    }
    return 0;
}

void server_close_idle(struct server *s)
{
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        c->receiving = 0;
    }
    (void)s->config.http1.callbacks.foreach_request(&s->context, mark_busy, NULL);
    (void)s->config.http2.callbacks.foreach_request(&s->context, mark_busy, NULL);
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        const bool fresh = loop_now_ms(s->loop) - c->since_ms < FRESH_MS;
        if (c->receiving == 0 && c->handling == 0 && !fresh) {
            server_doom(c);
        }
    }
}

/* ---- bytes ---- */

/* HTTP/1.1 keeps an arriving body in the socket's buffer. h2 keeps it in streams that H2O does not
 * show, so there it is at most what the peer sent since a stream was first seen receiving. */
static int count_receiving(h2o_req_t *req, void *context)
{
    (void)context;
    if (req->timestamps.request_begin_at.tv_sec != 0 && req->processed_at.at.tv_sec == 0) {
        server_connection(req)->receiving++;
    }
    return 0;
}

static uint64_t received_bytes(const struct connection *c)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(h2o_socket_get_fd(c->sock), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return 0;
    }
    return info.tcpi_bytes_received;
}

static size_t held_in_streams(struct connection *c)
{
    if (c->receiving == 0) {
        c->received_base = 0;
        return 0;
    }
    const uint64_t received = received_bytes(c);
    if (c->received_base == 0) {
        c->received_base = received;
    }
    const uint64_t since = received - c->received_base;
    const uint64_t most = c->receiving * c->server->config.max_request_entity_size;
    return since < most ? since : most;
}

static size_t measure(struct server *s)
{
    size_t total = 0;
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        c->receiving = 0;
    }
    (void)s->config.http2.callbacks.foreach_request(&s->context, count_receiving, NULL);
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        c->held_bytes = c->sock->input->size + held_in_streams(c);
        total += c->doomed ? 0 : c->held_bytes;
    }
    return total;
}

static struct connection *largest_holder(struct server *s)
{
    struct connection *largest = NULL;
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        if (!c->doomed && c->handling == 0 && c->held_bytes > 0 &&
            (largest == NULL || c->held_bytes > largest->held_bytes)) {
            largest = c;
        }
    }
    return largest;
}

void server_enforce_bytes(struct server *s)
{
    const uint64_t now = h2o_now(s->evloop);
    if (now - s->measured_at < MEASURE_EVERY_MS) {
        return;
    }
    s->measured_at = now;
    size_t total = measure(s);
    while (total > s->options.max_buffered_bytes) {
        struct connection *largest = largest_holder(s);
        if (largest == NULL) {
            return;
        }
        server_doom(largest);
        total -= largest->held_bytes;
    }
}
