/* Two loops in one thread. H2O's evloop owns the sockets; ours (HTTP client, timers, signals) is
 * one more descriptor in it, readable when something of ours is due. So H2O's callbacks and ours
 * never overlap.
 */
#include "net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "net/server_internal.h"

enum { SECOND_MS = 1000, WAIT_MAX_MS = 60000, ABOVE_CAP_BYTES = 2 << 20, FREE_ROUNDS = 200 };
enum { STREAMS_AT_ONCE = 16 };

/* ---- setting up ---- */

static void fill_defaults(struct server_options *o)
{
    if (o->request_timeout_ms == 0) {
        o->request_timeout_ms = 10000;
    }
    if (o->answer_timeout_ms == 0) {
        o->answer_timeout_ms = 30000;
    }
    if (o->idle_timeout_ms == 0) {
        o->idle_timeout_ms = 120000;
    }
    if (o->max_connections == 0) {
        o->max_connections = 1024;
    }
    if (o->max_buffered_bytes == 0) {
        o->max_buffered_bytes = (size_t)64 << 20;
    }
}

static size_t largest_body(const struct server_options *o)
{
    size_t largest = 0;
    for (size_t i = 0; i < o->listen_count; i++) {
        for (size_t j = 0; j < o->listens[i].route_count; j++) {
            const size_t cap = o->listens[i].routes[j].max_body_bytes;
            largest = cap > largest ? cap : largest;
        }
    }
    return largest;
}

static void configure(struct server *s)
{
    const struct server_options *o = &s->options;
    h2o_config_init(&s->config);
    s->config.server_name = h2o_iovec_init(o->name, o->name != NULL ? strlen(o->name) : 0);
    s->config.max_request_entity_size = largest_body(o) + ABOVE_CAP_BYTES;
    s->config.handshake_timeout = (uint64_t)o->request_timeout_ms;
    s->config.http1.req_timeout = (uint64_t)o->idle_timeout_ms; /* deadlines: server_conn.c */
    s->config.http1.upgrade_to_http2 = 0;                       /* h2 by ALPN alone */
    s->config.http2.idle_timeout = (uint64_t)o->idle_timeout_ms;
    s->config.http2.max_concurrent_requests_per_connection = STREAMS_AT_ONCE;
    for (size_t i = 0; i < s->listener_count; i++) {
        char host[32];
        const struct str name = fmt(host, sizeof(host), "listen-%zu", i);
        struct listener *l = &s->listeners[i];
        l->hosts[0] =
            h2o_config_register_host(&s->config, h2o_iovec_init(name.ptr, name.len), 65535);
        l->accept = (h2o_accept_ctx_t){.ctx = &s->context, .hosts = l->hosts};
        server_install_routes(l, l->hosts[0]);
    }
}

static void refresh_tls(struct server *s)
{
    const struct server_options *o = &s->options;
    for (size_t i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];
        struct err e = ERR_INIT;
        if (l->tls.dir == NULL) {
            continue;
        }
        const enum tls_change change = server_tls_refresh(&l->tls, &e);
        l->accept.ssl_ctx = l->tls.ctx;
        if (change != TLS_SAME && o->on_tls != NULL) {
            o->on_tls(o->context, l->tls.dir, l->tls.not_after_s, change == TLS_BROKEN ? &e : NULL);
        }
    }
}

int server_use_pair(struct server *s, size_t index, struct str certificate, struct str key,
                    struct err *e)
{
    if (index >= s->listener_count || !s->listeners[index].listen.tls_given) {
        return err_set(e, ERR_INVALID, "server: listen %zu takes no pair", index);
    }
    struct listener *l = &s->listeners[index];
    if (server_tls_load(&l->tls, certificate, key, e) != 0) {
        return -1;
    }
    l->accept.ssl_ctx = l->tls.ctx;
    return 0;
}

static void fail(struct server *s, const struct err *e)
{
    if (!s->failed) {
        s->failed = true;
        s->failure = *e;
    }
    s->phase = PHASE_DONE;
}

static void set_timer(struct server *s, struct loop_timer *t, int64_t after_ms)
{
    struct err e = ERR_INIT;
    if (loop_timer_set(s->loop, t, loop_now_ms(s->loop) + after_ms, &e) != 0) {
        fail(s, &e);
    }
}

static void each_second(void *context)
{
    struct server *s = context;
    refresh_tls(s);
    server_enforce_deadlines(s);
    if (s->phase == PHASE_DRAINING) {
        server_close_idle(s);
    }
    set_timer(s, &s->second_timer, SECOND_MS);
}

static void run_ours(h2o_socket_t *sock, const char *error)
{
    struct server *s = sock->data;
    struct err e = ERR_INIT;
    (void)error;
    if (loop_run_once(s->loop, 0, &e) != 0) {
        fail(s, &e);
    }
}

/* H2O closes what it polls, so it gets a descriptor of its own for our loop. */
static int nest_our_loop(struct server *s, struct err *e)
{
    const int fd = fcntl(loop_fd(s->loop), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return err_set(e, ERR_IO, "server: %s", strerrordesc_np(errno));
    }
    s->loop_sock = h2o_evloop_socket_create(s->evloop, fd, H2O_SOCKET_FLAG_DONT_READ);
    s->loop_sock->data = s;
    h2o_socket_read_start(s->loop_sock, run_ours);
    return 0;
}

static int open_listeners(struct server *s, struct err *e)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];
        int fd = -1;
        if (server_listen_open(l->listen.address, &fd, &l->port, e) != 0) {
            return -1;
        }
        l->sock = h2o_evloop_socket_create(s->evloop, fd, H2O_SOCKET_FLAG_DONT_READ);
        l->sock->data = l;
        h2o_socket_read_start(l->sock, server_accept);
    }
    return 0;
}

int server_new(struct loop *l, const struct server_options *o, struct server **out, struct err *e)
{
    if (o->listen_count > SERVER_LISTENS_MAX) {
        return err_set(e, ERR_LIMIT, "server: more than %d listens", SERVER_LISTENS_MAX);
    }
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "server: out of memory");
    }
    s->loop = l;
    s->options = *o;
    fill_defaults(&s->options);
    s->listener_count = o->listen_count;
    for (size_t i = 0; i < o->listen_count; i++) {
        s->listeners[i].server = s;
        s->listeners[i].listen = o->listens[i];
        s->listeners[i].tls.dir = o->listens[i].tls_dir;
        s->listeners[i].tls.wanted = o->listens[i].tls_dir != NULL || o->listens[i].tls_given;
    }
    configure(s);
    s->evloop = h2o_evloop_create();
    h2o_context_init(&s->context, s->evloop, &s->config);
    s->second_timer = (struct loop_timer){.fire = each_second, .context = s};
    if (nest_our_loop(s, e) != 0 || open_listeners(s, e) != 0) {
        server_free(s);
        return -1;
    }
    refresh_tls(s);
    set_timer(s, &s->second_timer, SECOND_MS);
    *out = s;
    return 0;
}

/* ---- running and stopping ---- */

uint16_t server_port(const struct server *s, size_t index)
{
    return index < s->listener_count ? s->listeners[index].port : 0;
}

bool server_ready(const struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        if (s->listeners[i].tls.wanted && s->listeners[i].tls.ctx == NULL) {
            return false;
        }
    }
    return s->phase == PHASE_SERVING;
}

static void close_listeners(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        if (s->listeners[i].sock != NULL) {
            h2o_socket_close(s->listeners[i].sock);
            s->listeners[i].sock = NULL;
        }
    }
}

static int run_round(struct server *s, int32_t wait_ms, struct err *e)
{
    if (h2o_evloop_run(s->evloop, wait_ms) != 0 && errno != EINTR) {
        return err_set(e, ERR_IO, "server: %s", strerrordesc_np(errno));
    }
    server_enforce_bytes(s);
    if (s->options.on_turn != NULL) {
        s->options.on_turn(s->options.context);
    }
    return 0;
}

int server_run(struct server *s, struct err *e)
{
    while (s->phase != PHASE_DONE) {
        if (run_round(s, WAIT_MAX_MS, e) != 0) {
            return -1;
        }
        if (s->phase == PHASE_DRAINING && s->connection_count == 0) {
            s->phase = PHASE_DONE;
        }
    }
    loop_timer_cancel(s->loop, &s->second_timer);
    loop_timer_cancel(s->loop, &s->stop_timer);
    close_listeners(s);
    if (s->failed) {
        *e = s->failure;
        return -1;
    }
    return 0;
}

/* Those that wait in the backlog connected while we were serving. */
static void accept_the_last(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        if (s->listeners[i].sock != NULL && !s->listeners[i].paused) {
            server_accept(s->listeners[i].sock, NULL);
        }
    }
}

static void next_phase(void *context)
{
    struct server *s = context;
    loop_timer_cancel(s->loop, &s->stop_timer);
    if (s->phase != PHASE_DELAY) {
        s->phase = PHASE_DONE;
        return;
    }
    s->phase = PHASE_DRAINING;
    accept_the_last(s);
    close_listeners(s);
    h2o_context_request_shutdown(&s->context);
    server_close_idle(s);
    set_timer(s, &s->stop_timer, s->drain_ms);
}

void server_stop(struct server *s, int64_t shutdown_delay_ms, int64_t drain_ms)
{
    if (s->phase != PHASE_SERVING) {
        next_phase(s);
        return;
    }
    s->phase = PHASE_DELAY;
    s->drain_ms = drain_ms;
    s->stop_timer = (struct loop_timer){.fire = next_phase, .context = s};
    set_timer(s, &s->stop_timer, shutdown_delay_ms);
}

/* ---- freeing ---- */

/* H2O frees its connections from its loop, so it has to turn until they are gone. */
static bool close_connections(struct server *s)
{
    server_abandon_requests(s);
    for (int i = 0; i < FREE_ROUNDS; i++) {
        for (struct connection *c = s->connections; c != NULL; c = c->next) {
            server_doom(c);
        }
        const bool last = s->connection_count == 0;
        if (h2o_evloop_run(s->evloop, last ? 0 : 5) != 0 && errno != EINTR) {
            return false;
        }
        if (last) {
            return true;
        }
    }
    return false;
}

static void dispose_context(struct server *s)
{
    h2o_multithread_queue_t *queue = s->context.queue;
    /* Set by the shutdown request; the timeouts have to be empty. */
    h2o_timeout_unlink(&s->context.http2._graceful_shutdown_timeout);
    h2o_context_dispose(&s->context);
    if (strcmp(H2O_VERSION, "2.2.5") == 0) {
        free(queue); /* this version closes it and forgets its memory */
    }
}

void server_free(struct server *s)
{
    if (s == NULL) {
        return;
    }
    s->phase = PHASE_DONE;
    loop_timer_cancel(s->loop, &s->second_timer);
    loop_timer_cancel(s->loop, &s->stop_timer);
    close_listeners(s);
    if (s->loop_sock != NULL) {
        h2o_socket_close(s->loop_sock);
    }
    if (!close_connections(s)) {
        return; /* H2O holds on to one: leaking what it points to is the safe way out */
    }
    dispose_context(s);
    h2o_config_dispose(&s->config);
    (void)h2o_evloop_run(s->evloop, 0); /* frees the sockets closed above */
    h2o_evloop_destroy(s->evloop);      /* its epoll descriptor stays open: H2O 2.2 has no way */
    for (size_t i = 0; i < s->listener_count; i++) {
        server_tls_close(&s->listeners[i].tls);
    }
    free(s);
}
