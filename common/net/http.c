/* A call's life: queued → active in libcurl's multi handle → finished (or cancelled).
 *
 * libcurl may not be entered from its own write callback, but a program's on_data, which runs
 * there, may send and cancel. So while `depth` says we are inside libcurl, such calls are deferred,
 * and settled as soon as it returns. Results are delivered after that, outside of libcurl, where
 * anything goes.
 */
#include "net/http.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fmt.h"
#include "net/http_call.h"

enum {
    DEFAULT_CONNECTIONS = 64,
    DEFAULT_HOST_CONNECTIONS = 8,
    HEADER_MAX_BYTES = 64 * 1024,
    EASY_KEPT = 16, /* idle easy handles kept for the next calls */
};

/* One socket that libcurl waits for. */
struct http_socket {
    struct http_client *client;
    curl_socket_t fd;
    struct loop_watch *watch;
    struct http_socket *previous, *next;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    const char *user_agent;
    struct loop_timer timer; /* libcurl's own */
    struct http_call *calls;
    struct http_call *deferred;
    struct http_socket *sockets;
    long max_connections, max_host_connections;
    long streams; /* calls with on_data that are active: they come on top of both limits */
    int depth;    /* > 0: inside libcurl */
    CURL *idle[EASY_KEPT];
    size_t idle_count;
    char date[64]; /* the Date header seen last, and what it says */
    int64_t date_ms;
};

/* ---- memory of a call ---- */

static void call_link(struct http_client *c, struct http_call *call)
{
    call->next = c->calls;
    if (c->calls != NULL) {
        c->calls->previous = call;
    }
    c->calls = call;
}

static void call_unlink(struct http_call *call)
{
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        call->client->calls = call->next;
    }
}

static CURL *easy_take(struct http_client *c)
{
    return c->idle_count > 0 ? c->idle[--c->idle_count] : curl_easy_init();
}

static void easy_give_back(struct http_client *c, CURL *easy)
{
    if (easy != NULL && c->idle_count < EASY_KEPT) {
        curl_easy_reset(easy);
        c->idle[c->idle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

/* A call that is in no list and not in the multi handle. */
static void call_free(struct http_call *call)
{
    loop_timer_cancel(call->client->loop, &call->deadline);
    easy_give_back(call->client, call->easy);
    http_headers_wipe(call->headers);
    curl_slist_free_all(call->headers);
    http_decode_free(call);
    curl_slist_free_all(call->connect_to);
    buf_wipe(&call->sent);
    if (call->secret) {
        buf_wipe(&call->body);
    } else {
        buf_free(&call->body);
    }
    free(call);
}

/* A watch holds its connection for minutes; were it counted, a few would leave none for requests.
 */
static void apply_limits(struct http_client *c)
{
    const long total = c->max_connections + c->streams;
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, total);
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, total);
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                            c->max_host_connections + c->streams);
}

static void count_stream(struct http_call *call, long by)
{
    if (call->on_data != NULL) {
        call->client->streams += by;
        apply_limits(call->client);
    }
}

static void multi_remove(struct http_call *call)
{
    call->client->depth++;
    (void)curl_multi_remove_handle(call->client->multi, call->easy);
    call->client->depth--;
    count_stream(call, -1);
}

static CURLMcode multi_add(struct http_call *call)
{
    count_stream(call, 1);
    call->client->depth++;
    const CURLMcode rc = curl_multi_add_handle(call->client->multi, call->easy);
    call->client->depth--;
    if (rc != CURLM_OK) {
        count_stream(call, -1);
    }
    return rc;
}

static void defer(struct http_call *call)
{
    if (!call->deferred) {
        call->deferred = true;
        call->next_deferred = call->client->deferred;
        call->client->deferred = call;
    }
}

/* ---- the end of a call ---- */

static struct str error_type_of(CURL *easy)
{
    struct curl_header *h = NULL;
    if (curl_easy_header(easy, "x-amzn-errortype", 0, CURLH_HEADER, -1, &h) != CURLHE_OK) {
        return (struct str){NULL, 0};
    }
    return str_cut(str_from(h->value), ':', &(struct str){NULL, 0});
}

/* Many answers come within one second: a text is parsed when it is not the one before. */
static int64_t date_of(struct http_client *c, CURL *easy)
{
    struct curl_header *h = NULL;
    if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &h) != CURLHE_OK) {
        return 0;
    }
    if (strcmp(h->value, c->date) != 0) {
        time_t seconds = curl_getdate(h->value, NULL);
        c->date_ms = seconds > 0 ? (int64_t)seconds * 1000 : 0;
        (void)fmt(c->date, sizeof(c->date), "%s", h->value);
    }
    return c->date_ms;
}

static int status_of(const struct http_call *call)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static bool is_success(const struct http_call *call)
{
    const int status = status_of(call);
    return status >= 200 && status < 300;
}

struct str http_content_type(const struct http_call *call)
{
    char *content_type = NULL;
    (void)curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
    return str_from(content_type);
}

static void response_of(struct http_call *call, struct http_response *r)
{
    char *redirect = NULL;
    curl_off_t retry_after_s = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &redirect);
    (void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    r->status = status_of(call);
    r->body = buf_view(&call->body);
    r->content_type = http_content_type(call);
    r->redirect = str_from(redirect);
    r->error_type = error_type_of(call->easy);
    r->date_ms = date_of(call->client, call->easy);
    if (retry_after_s > 0) {
        r->retry_after_ms =
            retry_after_s < INT32_MAX / 1000 ? (int)retry_after_s * 1000 : INT32_MAX;
    }
}

/* Deliver the result of a call and free it. */
static void finish(struct http_call *call, CURLcode rc)
{
    struct http_response r = {.status = 0};
    struct err e = ERR_INIT;
    curl_off_t total_us = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    if (call->state == CALL_ACTIVE) {
        multi_remove(call);
    }
    r.duration_us = total_us;
    if (rc == CURLE_OK && call->failed.code == ERR_NONE && is_success(call) &&
        http_decode_end(call, &call->failed) != 0) {
        rc = CURLE_BAD_CONTENT_ENCODING;
    }
    if (call->failed.code != ERR_NONE) {
        e = call->failed;
        http_error_peer(call, &e);
    } else if (rc == CURLE_OK || call->truncated) {
        response_of(call, &r);
        http_warnings_take(call);
    } else {
        http_error_from(call, rc, &e);
    }
    call->state = CALL_FINISHED;
    call_unlink(call);
    call->done(call->context, &r, &e);
    call_free(call);
}

static void deadline_passed(void *context)
{
    struct http_call *call = context;
    (void)err_set(&call->failed, ERR_TIMEOUT, "no answer within %lld ms",
                  (long long)call->timeout_ms);
    finish(call, CURLE_OPERATION_TIMEDOUT);
}

void http_cancel(struct http_call *call)
{
    if (call == NULL || call->state == CALL_FINISHED || call->state == CALL_CANCELLED) {
        return;
    }
    const bool added = call->state == CALL_ACTIVE;
    if (call->client->depth > 0 || call->deferred) {
        loop_timer_cancel(call->client->loop, &call->deadline);
        if (added) {
            call->state = CALL_CANCELLED;
            defer(call);
        } else {
            call->state = CALL_FINISHED; /* deferred already; settle frees it */
        }
        return;
    }
    if (added) {
        multi_remove(call);
    }
    call_unlink(call);
    call_free(call);
}

static void settle_one(struct http_call *call)
{
    switch (call->state) {
    case CALL_QUEUED:
        if (multi_add(call) == CURLM_OK) {
            call->state = CALL_ACTIVE;
        } else {
            finish(call, CURLE_OUT_OF_MEMORY);
        }
        return;
    case CALL_CANCELLED:
        multi_remove(call);
        call_unlink(call);
        call_free(call);
        return;
    case CALL_FINISHED:
        call_unlink(call);
        call_free(call);
        return;
    case CALL_ACTIVE: return;
    }
}

/* libcurl has returned: do what was put off, then deliver what is done. */
static void settle(struct http_client *c)
{
    while (c->deferred != NULL) {
        struct http_call *call = c->deferred;
        c->deferred = call->next_deferred;
        call->deferred = false;
        settle_one(call);
    }
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        char *call = NULL;
        if (m->msg == CURLMSG_DONE) {
            const CURLcode rc = m->data.result; /* m dies with the next call into libcurl */
            (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
            finish((struct http_call *)(void *)call, rc);
        }
    }
}

static void act(struct http_client *c, curl_socket_t fd, int bits)
{
    int running = 0;
    c->depth++;
    (void)curl_multi_socket_action(c->multi, fd, bits, &running);
    c->depth--;
    settle(c);
}

/* ---- libcurl's callbacks ---- */

/* Hand a piece to the program. Returns whether to go on: it may have cancelled. */
static bool stream(struct http_call *call, struct str piece)
{
    return call->on_data(call->context, piece, &call->failed) == 0 && call->state == CALL_ACTIVE;
}

static size_t take_header(char *ptr, size_t size, size_t count, void *context)
{
    struct http_call *call = context;
    const struct str line = {ptr, size * count};
    call->header_bytes += line.len;
    if (call->state != CALL_ACTIVE) {
        return 0;
    }
    if (call->header_bytes > HEADER_MAX_BYTES) {
        (void)err_set(&call->failed, ERR_LIMIT, "the answer's headers are larger than %d bytes",
                      HEADER_MAX_BYTES);
        return 0;
    }
    if (call->on_data != NULL && !call->begun && str_trim(line).len == 0 && is_success(call)) {
        call->begun = true;
        return stream(call, (struct str){"", 0}) ? line.len : 0;
    }
    return line.len;
}

/* Returns whether to go on. */
static bool keep(struct http_call *call, struct str piece, bool success)
{
    const size_t room = call->body.max - call->body.len;
    if (piece.len > room && success) {
        (void)err_set(&call->failed, ERR_LIMIT, "the answer is larger than %zu bytes",
                      call->body.max);
        return false;
    }
    call->truncated = piece.len > room;
    buf_append(&call->body, str_slice(piece, 0, room));
    return !call->truncated && buf_check(&call->body, &call->failed) == 0;
}

static bool deliver(struct http_call *call, struct str piece)
{
    const bool success = is_success(call);
    if (call->state != CALL_ACTIVE) {
        return false; /* cancelled by another call's on_data */
    }
    return call->on_data == NULL || !success ? keep(call, piece, success) : stream(call, piece);
}

static size_t take_body(char *ptr, size_t size, size_t count, void *context)
{
    struct http_call *call = context;
    const struct str piece = {ptr, size * count};
    return http_decode(call, piece, deliver) ? piece.len : CURL_WRITEFUNC_ERROR;
}

static void socket_free(struct http_socket *s)
{
    if (s->next != NULL) {
        s->next->previous = s->previous;
    }
    if (s->previous != NULL) {
        s->previous->next = s->next;
    } else {
        s->client->sockets = s->next;
    }
    loop_unwatch(s->watch);
    free(s);
}

static void socket_ready(void *context, uint32_t events)
{
    struct http_socket *s = context; /* dead once libcurl has run */
    int bits = 0;
    bits |= (events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
    bits |= (events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        bits |= CURL_CSELECT_IN | CURL_CSELECT_OUT; /* it learns the cause from the socket itself */
    }
    act(s->client, s->fd, bits);
}

static int socket_new(struct http_client *c, curl_socket_t fd, uint32_t events)
{
    struct err e;
    struct http_socket *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return -1;
    }
    s->client = c;
    s->fd = fd;
    if (loop_watch(c->loop, fd, events, socket_ready, s, &s->watch, &e) != 0) {
        free(s);
        return -1;
    }
    s->next = c->sockets;
    if (s->next != NULL) {
        s->next->previous = s;
    }
    c->sockets = s;
    (void)curl_multi_assign(c->multi, fd, s);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    (void)easy;
    struct err e;
    struct http_socket *s = assigned;
    uint32_t events = 0;
    events |= (what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            socket_free(s);
        }
        return 0;
    }
    return s == NULL ? socket_new(context, fd, events) : loop_rewatch(s->watch, events, &e);
}

static void timer_fired(void *context)
{
    act(context, CURL_SOCKET_TIMEOUT, 0);
}

/* One millisecond is added because the loop's clock is cut to milliseconds: never wake libcurl
 * early. */
static int want_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct err e;
    struct http_client *c = context;
    if (timeout_ms < 0) {
        loop_timer_cancel(c->loop, &c->timer);
        return 0;
    }
    const int64_t due_ms = loop_now_ms(c->loop) + timeout_ms + (timeout_ms > 0 ? 1 : 0);
    return loop_timer_set(c->loop, &c->timer, due_ms, &e);
}

/* ---- the client ---- */

int http_client_new(struct loop *l, const struct http_client_options *o, struct http_client **out,
                    struct err *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return err_set(e, ERR_MEMORY, "libcurl cannot start");
    }
    struct http_client *c = calloc(1, sizeof *c);
    CURLM *multi = curl_multi_init();
    if (c == NULL || multi == NULL) {
        (void)curl_multi_cleanup(multi);
        free(c);
        curl_global_cleanup();
        return err_set(e, ERR_MEMORY, "out of memory for the HTTP client");
    }
    c->loop = l;
    c->multi = multi;
    c->user_agent = o->user_agent;
    c->max_connections = o->max_connections > 0 ? o->max_connections : DEFAULT_CONNECTIONS;
    c->max_host_connections =
        o->max_host_connections > 0 ? o->max_host_connections : DEFAULT_HOST_CONNECTIONS;
    c->timer = (struct loop_timer){.fire = timer_fired, .context = c};
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    apply_limits(c);
    *out = c;
    return 0;
}

struct loop *http_loop(const struct http_client *c)
{
    return c->loop;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL) {
        return;
    }
    for (struct http_call *call = c->calls, *next; call != NULL; call = next) {
        next = call->next;
        http_cancel(call);
    }
    while (c->idle_count > 0) {
        curl_easy_cleanup(c->idle[--c->idle_count]);
    }
    (void)curl_multi_cleanup(c->multi);
    for (struct http_socket *s = c->sockets, *next; s != NULL; s = next) {
        next = s->next;
        socket_free(s);
    }
    loop_timer_cancel(c->loop, &c->timer);
    free(c);
    curl_global_cleanup();
}

static int call_start(struct http_call *call, const struct http_request *r, struct err *e)
{
    struct http_client *c = call->client;
    if (http_setup(call, r, c->user_agent, e) != 0) {
        return -1;
    }
    (void)curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    if (r->timeout_ms > 0 &&
        loop_timer_set(c->loop, &call->deadline, loop_now_ms(c->loop) + r->timeout_ms, e) != 0) {
        return -1;
    }
    if (c->depth > 0) {
        call->state = CALL_QUEUED;
        defer(call);
    } else if (multi_add(call) == CURLM_OK) {
        call->state = CALL_ACTIVE;
    } else {
        return err_set(e, ERR_MEMORY, "out of memory for an HTTP request");
    }
    return 0;
}

int http_send(struct http_client *c, const struct http_request *r, http_done_fn *done,
              void *context, struct http_call **out, struct err *e)
{
    struct http_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for an HTTP request");
    }
    call->client = c;
    call->deadline = (struct loop_timer){.fire = deadline_passed, .context = call};
    call->done = done;
    call->context = context;
    call->warnings = r->warnings;
    call->easy = easy_take(c);
    if (call_start(call, r, e) != 0) {
        call_free(call);
        return -1;
    }
    call_link(c, call);
    *out = call;
    return 0;
}
