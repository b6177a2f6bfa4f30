#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/server_internal.h"

struct server_request {
    struct server *server;
    const struct server_route *route;
    h2o_req_t *req;
    int64_t received_ms;
    struct timespec received; /* the same, finer */
    void (*gone)(void *context);
    void *gone_context;
    struct request_guard *guard;
    struct server_request *next, *previous;
};

/* Lives in the request's pool: H2O disposes of it when the request ends, whoever ends it. */
struct request_guard {
    struct server_request *request; /* NULL once answered */
};

struct route_handler {
    h2o_handler_t super;
    struct listener *listener;
};

struct route_logger {
    h2o_logger_t super;
    struct listener *listener;
};

struct reason {
    int status;
    const char *text;
};

static const char *reason_of(int status)
{
    static const struct reason reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

static struct str view(h2o_iovec_t v)
{
    return (struct str){v.base, v.len};
}

static struct str path_of(const h2o_req_t *req, struct str *query)
{
    return str_cut(view(req->path), '?', query);
}

/* ---- answering ---- */

static void answer(struct server *s, h2o_req_t *req, int status, const char *content_type,
                   struct str body)
{
    const h2o_iovec_t type = h2o_strdup(&req->pool, content_type, SIZE_MAX);
    req->res.status = status;
    req->res.reason = reason_of(status);
    req->res.content_length = body.len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type.base,
                   type.len);
    if (s->phase != PHASE_SERVING) {
        req->http1_is_persistent = 0;
    }
    h2o_send_inline(req, body.ptr != NULL ? body.ptr : "", body.len);
}

static int refuse(struct server *s, h2o_req_t *req, int status, const char *text)
{
    answer(s, req, status, "text/plain; charset=utf-8", str_from(text));
    return 0;
}

static void forget(struct server_request *r)
{
    if (r->previous != NULL) {
        r->previous->next = r->next;
    } else {
        r->server->requests = r->next;
    }
    if (r->next != NULL) {
        r->next->previous = r->previous;
    }
    free(r);
}

void server_reply(struct server_request *r, int status, const char *content_type, struct str body)
{
    struct server *s = r->server;
    h2o_req_t *req = r->req;
    struct connection *c = server_connection(req);
    c->handling--;
    c->since_ms = loop_now_ms(s->loop);
    r->guard->request = NULL;
    forget(r);
    answer(s, req, status, content_type, body);
}

static void lose(struct server_request *r)
{
    void (*gone)(void *context) = r->gone;
    void *context = r->gone_context;
    forget(r);
    if (gone != NULL) {
        gone(context);
    }
}

static void guard_disposed(void *memory)
{
    struct request_guard *guard = memory;
    if (guard->request != NULL) {
        struct connection *c = server_connection(guard->request->req);
        c->handling--;
        c->abandoned++;
        lose(guard->request);
    }
}

void server_abandon_requests(struct server *s)
{
    struct server_request *next = NULL;
    for (struct server_request *r = s->requests; r != NULL; r = next) {
        h2o_req_t *req = r->req;
        next = r->next;
        server_connection(req)->handling--;
        r->guard->request = NULL;
        lose(r);
        (void)refuse(s, req, 503, "shutting down\n");
    }
}

/* ---- routing ---- */

static const struct server_route *find_route(const struct listener *l, struct str path)
{
    for (size_t i = 0; i < l->listen.route_count; i++) {
        if (str_eq(path, str_from(l->listen.routes[i].path))) {
            return &l->listen.routes[i];
        }
    }
    return NULL;
}

static bool type_matches(const h2o_req_t *req, const char *wanted)
{
    const ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    if (wanted == NULL) {
        return true;
    }
    if (at < 0) {
        return false;
    }
    struct str parameters;
    const struct str type = str_cut(view(req->headers.entries[at].value), ';', &parameters);
    return str_eq_nocase(str_trim(type), str_from(wanted));
}

static int start(struct server *s, const struct server_route *route, h2o_req_t *req)
{
    struct server_request *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return refuse(s, req, 503, "out of memory\n");
    }
    struct connection *c = server_connection(req);
    r->server = s;
    r->route = route;
    r->req = req;
    r->received_ms = loop_now_ms(s->loop);
    (void)clock_gettime(CLOCK_MONOTONIC, &r->received);
    r->guard = h2o_mem_alloc_shared(&req->pool, sizeof(*r->guard), guard_disposed);
    r->guard->request = r;
    r->next = s->requests;
    if (r->next != NULL) {
        r->next->previous = r;
    }
    s->requests = r;
    c->handling++;
    c->since_ms = r->received_ms;
    route->handle(route->context, r);
    return 0;
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    struct listener *l = ((struct route_handler *)self)->listener;
    struct server *s = l->server;
    struct str query;
    const struct server_route *route = find_route(l, path_of(req, &query));

    if (route == NULL) {
        return refuse(s, req, 404, "no such path\n");
    }
    if (!str_eq(view(req->method), str_from(route->method))) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ALLOW, NULL, route->method,
                       strlen(route->method));
        return refuse(s, req, 405, "method not allowed\n");
    }
    if (route->max_body_bytes > 0 && req->entity.len > route->max_body_bytes) {
        return refuse(s, req, 413, "the body is larger than this path allows\n");
    }
    if (!type_matches(req, route->content_type)) {
        return refuse(s, req, 415, "unsupported content type\n");
    }
    return start(s, route, req);
}

static void on_end(h2o_logger_t *self, h2o_req_t *req)
{
    const struct listener *l = ((struct route_logger *)self)->listener;
    const struct server_options *o = &l->server->options;
    struct str query;
    if (o->on_response != NULL) {
        const bool answered = req->timestamps.response_start_at.tv_sec != 0;
        o->on_response(o->context, find_route(l, path_of(req, &query)),
                       answered ? req->res.status : 0);
    }
}

void server_install_routes(struct listener *l, h2o_hostconf_t *host)
{
    struct route_handler *handler =
        (struct route_handler *)h2o_create_handler(&host->fallback_path, sizeof(*handler));
    struct route_logger *logger =
        (struct route_logger *)h2o_create_logger(&host->fallback_path, sizeof(*logger));
    handler->super.on_req = on_request;
    handler->listener = l;
    logger->super.log_access = on_end;
    logger->listener = l;
    host->fallback_path.error_log.emit_request_errors = 0;
}

/* ---- what a handler reads ---- */

struct str server_body(const struct server_request *r)
{
    return view(r->req->entity);
}

struct str server_path(const struct server_request *r)
{
    struct str query;
    return path_of(r->req, &query);
}

int64_t server_received_ms(const struct server_request *r)
{
    return r->received_ms;
}

double server_elapsed_s(const struct server_request *r)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - r->received.tv_sec) +
           (double)(now.tv_nsec - r->received.tv_nsec) / 1e9;
}

void server_on_gone(struct server_request *r, void (*gone)(void *context), void *context)
{
    r->gone = gone;
    r->gone_context = context;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static struct str percent_decode(h2o_req_t *req, struct str text)
{
    char *out = h2o_mem_alloc_pool(&req->pool, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            const int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
            if (low < 0) {
                return (struct str){NULL, 0};
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    return (struct str){out, n};
}

struct str server_query(const struct server_request *r, struct str name)
{
    struct str rest;
    (void)path_of(r->req, &rest);
    while (rest.len > 0) {
        struct str value;
        const struct str pair = str_cut(rest, '&', &rest);
        if (str_eq(str_cut(pair, '=', &value), name)) {
            return percent_decode(r->req, value);
        }
    }
    return (struct str){NULL, 0};
}
