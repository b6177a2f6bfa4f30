/* What a scaler meets, cheap enough to share a machine with it: an API server that lists N
 * Deployments, keeps watches open and says yes to every write, and a Prometheus whose every query
 * is answered by 1. Both on one port of loopback, which is printed first.
 *
 *     bench_standin DEPLOYMENTS INTERVAL
 *
 * Nothing ever changes here, so a scaler that has met all is at its steady work. It runs until its
 * standard input ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"

enum {
    EVENTS = 64,
    REQUEST_BYTES = 64 << 10,
    ANSWER_BYTES = 16 << 20,
    PAGE = 100,     /* Deployments of a page, whatever limit says */
    CLIENTS = 4096, /* descriptors below it */
};

struct client {
    size_t len;
    char request[REQUEST_BYTES];
};

struct standin {
    int epoll_fd, listen_fd;
    struct client *clients[CLIENTS]; /* by descriptor */
    int64_t deployments;
    struct str interval;
    struct buf body, answer;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- what there is ---- */

static void put_deployment(const struct standin *s, int64_t n, struct buf *out)
{
    long long i = (long long)n;
    buf_format(out,
               "{\"metadata\":{\"name\":\"w-%05lld\",\"namespace\":\"bench\",\"uid\":"
               "\"5f0f62b4-8a5e-4d5c-9f4f-%012lld\",\"resourceVersion\":\"%lld\",\"generation\":1,"
               "\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"annotations\":{"
               "\"deployment.kubernetes.io/revision\":\"1\",",
               i, i * 7919 + 1, 1000 + i);
    buf_format(out,
               "\"scale.amp/query\":\"sum(rate(http_requests_total{app=\\\"w-%05lld\\\"}[2m]))\","
               "\"scale.amp/threshold\":\"1\",\"scale.amp/polling-interval\":\"%.*s\","
               "\"scale.amp/original-replicas\":\"1\"},\"labels\":{\"app\":\"w-%05lld\"}},",
               i, STR_ARG(s->interval), i);
    buf_format(
        out,
        "\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"w-%05lld\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"w-%05lld\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"app\",\"image\":\"registry.example/app:1\",\"resources\""
        ":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}},\"ports\":[{"
        "\"containerPort\":8080,\"protocol\":\"TCP\"}]}],\"restartPolicy\":\"Always\","
        "\"dnsPolicy\":\"ClusterFirst\",\"schedulerName\":\"default-scheduler\"}}},",
        i, i);
    buf_append(out, STR("\"status\":{\"replicas\":1,\"readyReplicas\":1,\"availableReplicas\":1,"
                        "\"conditions\":[{\"type\":\"Available\",\"status\":\"True\",\"reason\":"
                        "\"MinimumReplicasAvailable\"}]}}"));
}

/* The number that follows `name` in a request line; 0 without one. */
static int64_t argument(struct str line, const char *name)
{
    struct err e = ERR_INIT;
    int64_t number = 0;
    const char *at = memmem(line.ptr, line.len, name, strlen(name));
    if (at == NULL) {
        return 0;
    }
    size_t from = (size_t)(at - line.ptr) + strlen(name), to = from;
    while (to < line.len && line.ptr[to] >= '0' && line.ptr[to] <= '9') {
        to++;
    }
    return num_int(str_slice(line, from, to), 0, INT32_MAX, &number, &e) == 0 ? number : 0;
}

static void put_page(const struct standin *s, struct str line, struct buf *out)
{
    int64_t first = argument(line, "continue="), end = first + PAGE;
    end = end < s->deployments ? end : s->deployments;
    buf_append(out, STR("{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"900000\""));
    if (end < s->deployments) {
        buf_format(out, ",\"continue\":\"%lld\"", (long long)end);
    }
    buf_append(out, STR("},\"items\":["));
    for (int64_t i = first; i < end; i++) {
        buf_append(out, i > first ? STR(",") : STR(""));
        put_deployment(s, i, out);
    }
    buf_append(out, STR("]}"));
}

/* ---- HTTP ---- */

static bool has(struct str text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/* The answer to one request into s->answer. */
static void answer(struct standin *s, struct str line)
{
    int status = 200;
    buf_reset(&s->body);
    buf_reset(&s->answer);
    if (has(line, "watch=true")) { /* stays open, and silent */
        buf_append(&s->answer, STR("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n"));
        return;
    }
    if (has(line, "/api/v1/query ")) {
        buf_append(&s->body,
                   STR("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
                       "\"result\":[{\"metric\":{},\"value\":[1767225600.123,\"1\"]}]}}"));
    } else if (str_starts(line, STR("GET ")) && has(line, "/deployments?")) {
        put_page(s, line, &s->body);
    } else if (str_starts(line, STR("GET ")) && has(line, "?")) {
        buf_append(&s->body, STR("{\"metadata\":{\"resourceVersion\":\"900000\"},\"items\":[]}"));
    } else {
        status = str_starts(line, STR("POST ")) ? 201 : 200;
        buf_append(&s->body, STR("{}"));
    }
    buf_format(&s->answer,
               "HTTP/1.1 %d OK\r\nContent-Type: application/json\r\n"
               "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %zu\r\n\r\n",
               status, s->body.len);
    buf_append(&s->answer, buf_view(&s->body));
}

static void drop(struct standin *s, int fd)
{
    (void)close(fd);
    free(s->clients[fd]);
    s->clients[fd] = NULL;
}

/* All of `text`; the socket blocks, and the peer reads what it asked for. */
static bool send_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t n = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text = str_slice(text, n > 0 ? (size_t)n : 0, text.len);
    }
    return true;
}

/* Length of the whole request that begins a client's bytes; 0: it has not come yet. */
static size_t request_length(const struct client *c)
{
    const char *end = memmem(c->request, c->len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    size_t head = (size_t)(end - c->request) + 4;
    size_t whole = head + (size_t)argument((struct str){c->request, head}, "Content-Length: ");
    return whole <= c->len ? whole : 0;
}

static void serve(struct standin *s, int fd)
{
    struct client *c = s->clients[fd];
    ssize_t n = recv(fd, c->request + c->len, REQUEST_BYTES - c->len, 0);
    if (n <= 0) {
        drop(s, fd);
        return;
    }
    c->len += (size_t)n;
    for (size_t whole = request_length(c); whole > 0; whole = request_length(c)) {
        struct str rest, line = str_cut((struct str){c->request, whole}, '\n', &rest);
        answer(s, line);
        if (s->answer.failed || s->body.failed || !send_all(fd, buf_view(&s->answer))) {
            drop(s, fd);
            return;
        }
        memmove(c->request, c->request + whole, c->len - whole);
        c->len -= whole;
    }
}

static void watch(const struct standin *s, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

static void meet(struct standin *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || fd >= CLIENTS) {
        fail("accept");
    }
    s->clients[fd] = calloc(1, sizeof(struct client));
    if (s->clients[fd] == NULL) {
        fail("client");
    }
    watch(s, fd);
}

static void listen_and_say_where(struct standin *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->epoll_fd < 0 || s->listen_fd < 0 ||
        bind(s->listen_fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(s->listen_fd, 1024) != 0 ||
        getsockname(s->listen_fd, (struct sockaddr *)&at, &size) != 0) {
        fail("listen");
    }
    watch(s, s->listen_fd);
    watch(s, STDIN_FILENO);
    printf("%d\n", ntohs(at.sin_port));
    (void)fflush(stdout);
}

/* Until standard input ends. */
static void run(struct standin *s)
{
    bool goes_on = true;
    while (goes_on) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(s->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) {
                goes_on = false;
            } else if (fd == s->listen_fd) {
                meet(s);
            } else {
                serve(s, fd);
            }
        }
    }
    for (int fd = 0; fd < CLIENTS; fd++) {
        if (s->clients[fd] != NULL) {
            drop(s, fd);
        }
    }
}

int main(int argc, char *argv[])
{
    struct standin s = {.interval = str_from(argc > 2 ? argv[2] : "15s")};
    struct err e = ERR_INIT;
    if (argc < 2 || num_int(str_from(argv[1]), 0, INT32_MAX, &s.deployments, &e) != 0) {
        (void)fputs("usage: bench_standin DEPLOYMENTS [INTERVAL]\n", stderr);
        return 2;
    }
    buf_init(&s.body, ANSWER_BYTES);
    buf_init(&s.answer, ANSWER_BYTES);
    listen_and_say_where(&s);
    run(&s);
    buf_free(&s.body);
    buf_free(&s.answer);
    return 0;
}
