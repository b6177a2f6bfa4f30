/* Asks a server on loopback over TLS, and says how fast it answered.
 *
 *     bench_reviews PORT CONNECTIONS MILLISECONDS RATE PATH=FILE...
 *
 * Each connection is a thread that POSTs the files in turn and waits for each answer; keep-alive,
 * HTTP/1.1, as an API server does. RATE is requests a second in all, each due at its own time: an
 * answer's latency counts from then on, so a server that stalls is not spared the ones it kept from
 * being sent. RATE 0: each as soon as the last was answered. What is due in the first WARM_NS is
 * asked besides and not timed.
 *
 * Prints one line of JSON, {"asked": requests in all, "timed": those of the MILLISECONDS,
 * "times_us": [[at most this long, how many], ...]}, the times rounded up to two digits. Exit 1
 * when an answer was not 200.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

enum {
    REQUESTS_MAX = 8,
    CONNECTIONS_MAX = 64,
    HEAD_BYTES = 512,
    ANSWER_BYTES = 4 << 20,
    FILE_BYTES = 8 << 20,
    NS = 1000000000,
    NS_OF_MS = 1000000,
    WARM_NS = 300 * NS_OF_MS,
    TIMES_MAX = 4 << 20, /* of a connection */
};

struct request {
    char *bytes; /* head and body */
    size_t len;
};

struct load {
    int port;
    int64_t connections, window_ns, rate;
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    int64_t begin_ns;
};

struct connection {
    const struct load *load;
    int64_t index;
    pthread_t thread;
    SSL *ssl;
    char *answer;
    uint32_t *times_us;
    size_t time_count;
    size_t asked;
    bool failed;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_reviews: %s\n", what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static void wait_until_ns(int64_t when)
{
    const struct timespec t = {.tv_sec = when / NS, .tv_nsec = when % NS};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static struct request read_request(char *path_and_file)
{
    char *name = strchr(path_and_file, '=');
    char *body = malloc(FILE_BYTES);
    struct request r = {.bytes = malloc(FILE_BYTES + HEAD_BYTES)};
    if (name == NULL || body == NULL || r.bytes == NULL) {
        die("expected PATH=FILE");
    }
    *name++ = '\0';
    FILE *file = fopen(name, "rbe");
    if (file == NULL) {
        die(name);
    }
    const size_t len = fread(body, 1, FILE_BYTES, file);
    (void)fclose(file);
    const int head = snprintf(r.bytes, HEAD_BYTES,
                              "POST %s?timeout=10s HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                              path_and_file, len);
    memcpy(r.bytes + head, body, len);
    r.len = (size_t)head + len;
    free(body);
    return r;
}

static SSL *connect_tls(SSL_CTX *ctx, int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        die("cannot connect");
    }
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        die("no TLS");
    }
    return ssl;
}

/* Bytes of the whole answer whose head has been read up to `len`; 0: the head is not complete. The
 * head's text is made lower-case. */
static size_t answer_bytes(char *answer, size_t len, bool *ok)
{
    const struct str end = STR("\r\n\r\n");
    const struct str field = STR("\r\ncontent-length: ");
    const char *head_end = memmem(answer, len, end.ptr, end.len);
    if (head_end == NULL) {
        return 0;
    }
    const size_t head = (size_t)(head_end - answer) + end.len;
    for (size_t i = 0; i < head; i++) {
        answer[i] = (char)(answer[i] >= 'A' && answer[i] <= 'Z' ? answer[i] | 0x20 : answer[i]);
    }
    const char *at = memmem(answer, head, field.ptr, field.len);
    int64_t length = 0;
    *ok = at != NULL && str_starts((struct str){answer, len}, STR("http/1.1 200 "));
    for (at = at != NULL ? at + field.len : NULL; at != NULL && *at >= '0' && *at <= '9'; at++) {
        length = length * 10 + (*at - '0');
    }
    return head + (size_t)length;
}

static bool exchange(struct connection *c, const struct request *r)
{
    size_t len = 0;
    size_t whole = 0;
    bool ok = true;
    if (SSL_write(c->ssl, r->bytes, (int)r->len) != (int)r->len) {
        return false;
    }
    while (whole == 0 || len < whole) {
        const int n = SSL_read(c->ssl, c->answer + len, (int)(ANSWER_BYTES - len));
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        whole = answer_bytes(c->answer, len, &ok);
    }
    return ok;
}

static void *run(void *context)
{
    struct connection *c = context;
    const struct load *l = c->load;
    const int64_t end = l->begin_ns + WARM_NS + l->window_ns;
    const int64_t step = l->rate > 0 ? NS * l->connections / l->rate : 0;
    int64_t due = l->begin_ns + (step > 0 ? step * c->index / l->connections : 0);
    for (; due < end && c->time_count < TIMES_MAX; c->asked++) {
        if (step > 0) {
            wait_until_ns(due);
        }
        /* Not all the same path at the same moment. */
        if (!exchange(c, &l->requests[(c->asked + (size_t)c->index) % l->request_count])) {
            c->failed = true;
            return NULL;
        }
        const int64_t now = now_ns();
        if (due >= l->begin_ns + WARM_NS) {
            c->times_us[c->time_count++] = (uint32_t)((now - due) / 1000);
        }
        due = step > 0 ? due + step : now;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Up, to two digits. */
static uint32_t rounded(uint32_t us)
{
    uint32_t unit = 1;
    while (us > 99 * unit) {
        unit *= 10;
    }
    return (us + unit - 1) / unit * unit;
}

static void print_times(uint32_t *times, size_t count)
{
    qsort(times, count, sizeof(*times), by_size);
    for (size_t from = 0, to; from < count; from = to) {
        const uint32_t us = rounded(times[from]);
        for (to = from; to < count && times[to] <= us; to++) {
        }
        (void)printf("%s[%u,%zu]", from > 0 ? "," : "", us, to - from);
    }
}

static void report(const struct load *l, const struct connection *all)
{
    size_t asked = 0;
    size_t timed = 0;
    for (int64_t i = 0; i < l->connections; i++) {
        if (all[i].failed) {
            die("an answer was not 200, or none came");
        }
        asked += all[i].asked;
        timed += all[i].time_count;
    }
    uint32_t *times = malloc((timed + 1) * sizeof(*times));
    size_t at = 0;
    if (times == NULL || timed == 0) {
        die("nothing was answered");
    }
    for (int64_t i = 0; i < l->connections; i++) {
        memcpy(times + at, all[i].times_us, all[i].time_count * sizeof(*times));
        at += all[i].time_count;
    }
    (void)printf("{\"asked\":%zu,\"timed\":%zu,\"times_us\":[", asked, timed);
    print_times(times, timed);
    (void)printf("]}\n");
    free(times);
}

static int64_t number(const char *text, int64_t max)
{
    struct err e = ERR_INIT;
    int64_t n;
    if (num_int(str_from(text), 0, max, &n, &e) != 0) {
        die(e.text);
    }
    return n;
}

int main(int argc, char *argv[])
{
    struct load l = {.port = 0};
    struct connection all[CONNECTIONS_MAX] = {0};
    if (argc < 6 || argc > 5 + REQUESTS_MAX) {
        die("usage: bench_reviews PORT CONNECTIONS MILLISECONDS RATE PATH=FILE...");
    }
    l.port = (int)number(argv[1], 65535);
    l.connections = number(argv[2], CONNECTIONS_MAX);
    l.window_ns = number(argv[3], 600000) * NS_OF_MS;
    l.rate = number(argv[4], 1000000);
    for (int i = 5; i < argc; i++) {
        l.requests[l.request_count++] = read_request(argv[i]);
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method()); /* who answers is not in question here */
    if (ctx == NULL || l.connections == 0) {
        die("nothing to do");
    }
    for (int64_t i = 0; i < l.connections; i++) {
        all[i] = (struct connection){.load = &l,
                                     .index = i,
                                     .ssl = connect_tls(ctx, l.port),
                                     .answer = malloc(ANSWER_BYTES),
                                     .times_us = malloc(TIMES_MAX * sizeof(uint32_t))};
        if (all[i].answer == NULL || all[i].times_us == NULL) {
            die("out of memory");
        }
    }
    l.begin_ns = now_ns();
    for (int64_t i = 0; i < l.connections; i++) {
        if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0) {
            die("no thread");
        }
    }
    for (int64_t i = 0; i < l.connections; i++) {
        (void)pthread_join(all[i].thread, NULL);
    }
    report(&l, all);
    return 0;
}
