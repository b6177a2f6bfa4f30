/* The event loop: one epoll instance with timers. Single-threaded; callbacks run inside
 * loop_run_once.
 *
 * The loop's own descriptor can be polled, so it nests in another loop: a program with an H2O
 * server runs H2O's evloop and hands it loop_fd (net/server.h does that). Callbacks may unwatch,
 * cancel and free anything of the loop's but the loop itself. Descriptors are served before timers,
 * so an answer that came in time wins over its deadline.
 */
#ifndef AMPSCALE_NET_LOOP_H
#define AMPSCALE_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;

/* SIGPIPE becomes ignored: a peer that went away is an error of the write, not the end of the
 * process. */
int loop_new(struct loop **out, struct err *e) __attribute__((warn_unused_result));
/* Watches are the caller's to unwatch first; timers that are pending are forgotten. NULL is
 * allowed. */
void loop_free(struct loop *l);

/* Readable when loop_run_once has something to do, timers included (a timerfd is part of the set).
 */
int loop_fd(const struct loop *l);

/* Handle what is ready; wait at most wait_ms (0: not at all, -1: until something happens). */
int loop_run_once(struct loop *l, int wait_ms, struct err *e) __attribute__((warn_unused_result));

/* Monotonic milliseconds, for deadlines; never less than before. Inside loop_run_once: read once a
 * round, after the wait. Outside (in a callback of the outer loop): read afresh. */
int64_t loop_now_ms(const struct loop *l);
/* Unix milliseconds, read afresh. For time stamps. */
int64_t loop_unix_ms(void);

/* Descriptors. events are EPOLLIN | EPOLLOUT bits, ready has EPOLLERR and EPOLLHUP too;
 * level-triggered. The handle is freed by loop_unwatch (NULL is allowed), also from inside its own
 * callback. The descriptor stays the caller's; unwatch before closing it. */
struct loop_watch;
int loop_watch(struct loop *l, int fd, uint32_t events,
               void (*ready)(void *context, uint32_t events), void *context,
               struct loop_watch **out, struct err *e) __attribute__((warn_unused_result));
int loop_rewatch(struct loop_watch *w, uint32_t events, struct err *e)
    __attribute__((warn_unused_result));
void loop_unwatch(struct loop_watch *w);

/* Timers are intrusive: zero one, fill `fire` and `context`, and set it. One-shot. Setting a
 * pending timer moves it. A timer may be set, cancelled or freed (after cancelling) inside its own
 * callback. A time that has passed counts as now, so a timer that keeps setting itself starves no
 * other. */
struct loop_timer {
    void (*fire)(void *context);
    void *context;
    int64_t due_ms;   /* loop's clock; owned by the loop */
    size_t heap_slot; /* 1-based; 0: not pending */
};
int loop_timer_set(struct loop *l, struct loop_timer *t, int64_t due_ms, struct err *e)
    __attribute__((warn_unused_result));
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

/* Deliver SIGTERM and SIGINT as a callback of the loop (signalfd; the signals become blocked).
 * Once. */
int loop_on_stop(struct loop *l, void (*stop)(void *context, int signal), void *context,
                 struct err *e) __attribute__((warn_unused_result));

#endif
