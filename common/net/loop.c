/* One epoll set holds the watched descriptors, one timerfd for the earliest timer, and one
 * signalfd.
 *
 * Two hazards shape this file. A round harvests several events at once, so a callback can free a
 * handle whose event is still to come: unwatched handles are only marked, and freed when the round
 * is over. And a timer callback can set timers: a round fires at most as many as were pending when
 * it began.
 */
#include "net/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_ROUND = 64, HEAP_FIRST = 16 };

#define NEVER INT64_MAX

struct loop_watch {
    struct loop *loop;
    int fd;
    void (*ready)(void *context, uint32_t events);
    void *context;
    bool dead;
    struct loop_watch *next_dead;
};

struct loop {
    int epoll_fd, timer_fd, signal_fd;
    struct loop_watch *timer_watch, *signal_watch;
    bool in_round;
    int64_t now_ms;           /* of this round, or the last one; never goes back */
    int64_t lag_ms;           /* by how much the system's clock has gone back in all */
    int64_t armed_ms;         /* what the timerfd is set to; NEVER when it is not */
    struct loop_timer **heap; /* heap[0] is due first */
    size_t heap_len, heap_cap;
    struct loop_watch *dead; /* unwatched in this round */
    void (*stop)(void *context, int signal);
    void *stop_context;
};

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t loop_unix_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t loop_now_ms(const struct loop *l)
{
    int64_t now_ms = l->now_ms;
    if (!l->in_round) {
        now_ms = clock_ms(CLOCK_MONOTONIC) + l->lag_ms;
    }
    return now_ms > l->now_ms ? now_ms : l->now_ms;
}

/* A monotonic clock that goes back (a debugger's or libfaketime's) stands still for a moment: else
 * every timer would be late by as much. */
static void begin_round(struct loop *l)
{
    int64_t read_ms = clock_ms(CLOCK_MONOTONIC);
    if (read_ms + l->lag_ms < l->now_ms) {
        l->lag_ms = l->now_ms - read_ms;
    }
    l->now_ms = read_ms + l->lag_ms;
    l->in_round = true;
}

int loop_fd(const struct loop *l)
{
    return l->epoll_fd;
}

static int errno_set(struct err *e, const char *what)
{
    const int number = errno;
    return err_set(e, number == ENOMEM ? ERR_MEMORY : ERR_IO, "%s: %s", what,
                   strerrordesc_np(number));
}

/* ---- descriptors ---- */

int loop_watch(struct loop *l, int fd, uint32_t events,
               void (*ready)(void *context, uint32_t events), void *context,
               struct loop_watch **out, struct err *e)
{
    struct loop_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return errno_set(e, "loop watch");
    }
    *w = (struct loop_watch){.loop = l, .fd = fd, .ready = ready, .context = context};
    struct epoll_event event = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        const int failed = errno_set(e, "epoll_ctl add");
        free(w);
        return failed;
    }
    *out = w;
    return 0;
}

int loop_rewatch(struct loop_watch *w, uint32_t events, struct err *e)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &event) != 0) {
        return errno_set(e, "epoll_ctl modify");
    }
    return 0;
}

void loop_unwatch(struct loop_watch *w)
{
    if (w == NULL || w->dead) {
        return;
    }
    struct loop *l = w->loop;
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    if (!l->in_round) {
        free(w);
        return;
    }
    w->dead = true;
    w->next_dead = l->dead;
    l->dead = w;
}

static void bury(struct loop *l)
{
    while (l->dead != NULL) {
        struct loop_watch *w = l->dead;
        l->dead = w->next_dead;
        free(w);
    }
}

/* ---- timers: a binary heap ordered by due_ms ---- */

static void heap_place(struct loop *l, size_t at, struct loop_timer *t)
{
    l->heap[at] = t;
    t->heap_slot = at + 1;
}

/* Put t where it belongs, starting from the hole at `at`. */
static void heap_settle(struct loop *l, size_t at, struct loop_timer *t)
{
    while (at > 0 && l->heap[(at - 1) / 2]->due_ms > t->due_ms) {
        heap_place(l, at, l->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < l->heap_len && l->heap[child + 1]->due_ms < l->heap[child]->due_ms) {
            child++;
        }
        if (child >= l->heap_len || l->heap[child]->due_ms >= t->due_ms) {
            break;
        }
        heap_place(l, at, l->heap[child]);
        at = child;
    }
    heap_place(l, at, t);
}

static int heap_grow(struct loop *l, struct err *e)
{
    const size_t cap = l->heap_cap == 0 ? HEAP_FIRST : 2 * l->heap_cap;
    struct loop_timer **grown = reallocarray(l->heap, cap, sizeof *grown);
    if (grown == NULL) {
        return errno_set(e, "loop timer");
    }
    l->heap = grown;
    l->heap_cap = cap;
    return 0;
}

/* Set the timerfd to the earliest timer. Relative, so that a process whose clocks are moved by
 * libfaketime still wakes; rounding is such that it never fires early. */
static int arm(struct loop *l, struct err *e)
{
    const int64_t due_ms = l->heap_len > 0 ? l->heap[0]->due_ms : NEVER;
    if (due_ms == l->armed_ms) {
        return 0;
    }
    struct itimerspec spec = {.it_value = {0, 0}};
    if (due_ms != NEVER) {
        const int64_t wait_ms = due_ms - loop_now_ms(l);
        if (wait_ms > 0) {
            spec.it_value.tv_sec = wait_ms / 1000;
            spec.it_value.tv_nsec = wait_ms % 1000 * 1000000;
        } else {
            spec.it_value.tv_nsec = 1;
        }
    }
    if (timerfd_settime(l->timer_fd, 0, &spec, NULL) != 0) {
        return errno_set(e, "timerfd_settime");
    }
    l->armed_ms = due_ms;
    return 0;
}

int loop_timer_set(struct loop *l, struct loop_timer *t, int64_t due_ms, struct err *e)
{
    if (t->heap_slot == 0 && l->heap_len == l->heap_cap && heap_grow(l, e) != 0) {
        return -1;
    }
    const size_t at = t->heap_slot == 0 ? l->heap_len++ : t->heap_slot - 1;
    const int64_t now_ms = loop_now_ms(l);
    t->due_ms = due_ms > now_ms ? due_ms : now_ms;
    heap_settle(l, at, t);
    return l->in_round ? 0 : arm(l, e);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    if (t->heap_slot == 0) {
        return;
    }
    const size_t at = t->heap_slot - 1;
    t->heap_slot = 0;
    struct loop_timer *last = l->heap[--l->heap_len];
    if (last != t) {
        heap_settle(l, at, last);
    }
}

static void timer_ready(void *context, uint32_t events)
{
    (void)events;
    struct loop *l = context;
    uint64_t expirations;
    if (read(l->timer_fd, &expirations, sizeof expirations) > 0) {
        l->armed_ms = NEVER;
    }
}

static void fire_due(struct loop *l)
{
    for (size_t left = l->heap_len; left > 0 && l->heap_len > 0; left--) {
        struct loop_timer *t = l->heap[0];
        if (t->due_ms > l->now_ms) {
            return;
        }
        loop_timer_cancel(l, t);
        t->fire(t->context);
    }
}

/* ---- signals ---- */

static void signal_ready(void *context, uint32_t events)
{
    (void)events;
    struct loop *l = context;
    struct signalfd_siginfo info;
    if (read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        l->stop(l->stop_context, (int)info.ssi_signo);
    }
}

int loop_on_stop(struct loop *l, void (*stop)(void *context, int signal), void *context,
                 struct err *e)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return errno_set(e, "sigprocmask");
    }
    l->signal_fd = signalfd(l->signal_fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signal_fd < 0) {
        return errno_set(e, "signalfd");
    }
    l->stop = stop;
    l->stop_context = context;
    if (l->signal_watch != NULL) {
        return 0;
    }
    return loop_watch(l, l->signal_fd, EPOLLIN, signal_ready, l, &l->signal_watch, e);
}

/* ---- the loop itself ---- */

int loop_new(struct loop **out, struct err *e)
{
    struct loop *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return errno_set(e, "loop");
    }
    l->armed_ms = NEVER;
    l->signal_fd = -1;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->epoll_fd < 0 || l->timer_fd < 0) {
        (void)errno_set(e, "event loop");
        loop_free(l);
        return -1;
    }
    if (loop_watch(l, l->timer_fd, EPOLLIN, timer_ready, l, &l->timer_watch, e) != 0) {
        loop_free(l);
        return -1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    *out = l;
    return 0;
}

static void close_open(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void loop_free(struct loop *l)
{
    if (l == NULL) {
        return;
    }
    loop_unwatch(l->timer_watch);
    loop_unwatch(l->signal_watch);
    close_open(l->signal_fd);
    close_open(l->timer_fd);
    close_open(l->epoll_fd);
    free(l->heap);
    free(l);
}

int loop_run_once(struct loop *l, int wait_ms, struct err *e)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    const int count = epoll_wait(l->epoll_fd, events, EVENTS_PER_ROUND, wait_ms);
    if (count < 0 && errno != EINTR) {
        return errno_set(e, "epoll_wait");
    }
    begin_round(l);
    for (int i = 0; i < count; i++) {
        struct loop_watch *w = events[i].data.ptr;
        if (!w->dead) {
            w->ready(w->context, events[i].events);
        }
    }
    fire_due(l);
    l->in_round = false;
    bury(l);
    return arm(l, e);
}
