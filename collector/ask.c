#include "collector/ask.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fmt.h"

enum { CLIENTS_MAX = 8, BACKLOG = 8, QUESTION_BYTES = 32 };

static const struct str questions[ASK_QUESTION_COUNT] = {
    [ASK_CHECK] = STR_INIT("check"),
    [ASK_FINAL_SCRAPE] = STR_INIT("final-scrape"),
};

struct client {
    struct ask_server *server;
    int fd; /* -1: free */
    struct loop_watch *watch;
    bool waits; /* for the final scrape */
};

struct ask_server {
    struct loop *loop;
    int fd;
    struct loop_watch *watch;
    void (*final_scrape)(void *context);
    void *context;
    bool scraping; /* final_scrape was called, and not answered yet */
    struct client clients[CLIENTS_MAX];
    size_t next; /* to give way when all are taken */
};

/* '\0', the name and the container: the abstract namespace (unix(7)) is the network's, which is the
 * node's for a pod with hostNetwork, where the same target is another pod's, too. What a container
 * shares with nobody, and who is run in it sees as well, are its mounts (namespaces(7)). */
static socklen_t address_of(const char *name, struct sockaddr_un *out)
{
    char mounts[32] = ""; /* "mnt:[4026531841]" */
    if (readlink("/proc/self/ns/mnt", mounts, sizeof mounts - 1) < 0) {
        mounts[0] = '\0'; /* without /proc the name alone has to do */
    }
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    const struct str path = fmt(out->sun_path + 1, sizeof out->sun_path - 1, "%s-%s", name, mounts);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + path.len);
}

/* ---- the running collector ---- */

static void client_close(struct client *c)
{
    if (c->fd >= 0) {
        loop_unwatch(c->watch);
        (void)close(c->fd);
        c->fd = -1;
        c->waits = false;
    }
}

/* A peer that does not read its one packet gets none. */
static void client_answer(struct client *c, struct str text)
{
    (void)send(c->fd, text.ptr, str_slice(text, 0, ASK_ANSWER_BYTES - 1).len,
               MSG_DONTWAIT | MSG_NOSIGNAL);
    client_close(c);
}

static void client_ready(void *context, uint32_t events)
{
    struct client *c = context;
    struct ask_server *a = c->server;
    char text[QUESTION_BYTES];
    (void)events;
    const ssize_t n = recv(c->fd, text, sizeof text, MSG_DONTWAIT);
    const struct str question = {text, n > 0 ? (size_t)n : 0};
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (str_eq(question, questions[ASK_CHECK])) {
        client_answer(c, STR("ok"));
    } else if (str_eq(question, questions[ASK_FINAL_SCRAPE]) && !c->waits) {
        c->waits = true;
        if (!a->scraping) {
            a->scraping = true;
            a->final_scrape(a->context);
        }
    } else {
        client_close(c);
    }
}

/* Lest who hang shut others out, one of them gives way; who waits for the scrape does so when all
 * wait for it, and is told. */
static struct client *free_client(struct ask_server *a)
{
    struct client *c = NULL;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (a->clients[i].fd < 0) {
            return &a->clients[i];
        }
    }
    for (size_t i = 0; i < CLIENTS_MAX && (c == NULL || c->waits); i++) {
        c = &a->clients[a->next];
        a->next = (a->next + 1) % CLIENTS_MAX;
    }
    if (c->waits) {
        client_answer(c, STR("too many wait for the scrape"));
    } else {
        client_close(c);
    }
    return c;
}

static void listener_ready(void *context, uint32_t events)
{
    struct ask_server *a = context;
    struct err e;
    (void)events;
    const int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct client *c = free_client(a);
    if (loop_watch(a->loop, fd, EPOLLIN, client_ready, c, &c->watch, &e) != 0) {
        (void)close(fd);
        return;
    }
    c->fd = fd;
    client_ready(c, EPOLLIN); /* what it asked is mostly there: now it is known who waits */
}

int ask_server_new(struct loop *l, const char *name, void (*final_scrape)(void *context),
                   void *context, struct ask_server **out, struct err *e)
{
    struct sockaddr_un address;
    const socklen_t length = address_of(name, &address);
    struct ask_server *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the socket of --check");
    }
    a->loop = l;
    a->final_scrape = final_scrape;
    a->context = context;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        a->clients[i] = (struct client){.server = a, .fd = -1};
    }
    a->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || bind(a->fd, (const struct sockaddr *)&address, length) != 0 ||
        listen(a->fd, BACKLOG) != 0) {
        const int error = errno;
        (void)err_set(e, error == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "@%s: %s", name,
                      strerrordesc_np(error));
    } else if (loop_watch(l, a->fd, EPOLLIN, listener_ready, a, &a->watch, e) == 0) {
        *out = a;
        return 0;
    }
    ask_server_free(a);
    return -1;
}

void ask_server_answer(struct ask_server *a, struct str text)
{
    if (a != NULL) {
        a->scraping = false;
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            if (a->clients[i].waits) {
                client_answer(&a->clients[i], text);
            }
        }
    }
}

void ask_server_free(struct ask_server *a)
{
    if (a != NULL) {
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            client_close(&a->clients[i]);
        }
        loop_unwatch(a->watch);
        if (a->fd >= 0) {
            (void)close(a->fd);
        }
        free(a);
    }
}

/* ---- who asks ---- */

static int explain(int error, struct err *e)
{
    if (error == ECONNREFUSED) {
        return err_set(e, ERR_NOT_FOUND, "no collector of this target is running");
    }
    if (error == EAGAIN) {
        return err_set(e, ERR_TIMEOUT, "the collector does not answer");
    }
    return err_set(e, ERR_IO, "%s", strerrordesc_np(error));
}

int ask(const char *name, enum ask_question question, int64_t timeout_ms,
        char out[ASK_ANSWER_BYTES], struct err *e)
{
    struct sockaddr_un address;
    const socklen_t length = address_of(name, &address);
    const struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    const struct str text = questions[question];
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ssize_t n = -1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (const struct sockaddr *)&address, length) == 0 &&
        send(fd, text.ptr, text.len, MSG_NOSIGNAL) == (ssize_t)text.len) {
        n = recv(fd, out, ASK_ANSWER_BYTES - 1, 0);
    }
    const int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n < 0) {
        return explain(error, e);
    }
    if (n == 0) {
        return err_set(e, ERR_UNAVAILABLE, "the collector is ending");
    }
    out[n] = '\0';
    return 0;
}
