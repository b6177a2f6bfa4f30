/* The event loop: order and re-entrance of its callbacks. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "badserver.h"

static struct loop *loop_of_test(void)
{
    struct loop *l = NULL;
    struct err e;
    assert_int_equal(loop_new(&l, &e), 0);
    return l;
}

static void set(struct loop *l, struct loop_timer *t, int64_t due_ms)
{
    struct err e;
    assert_int_equal(loop_timer_set(l, t, due_ms, &e), 0);
}

/* ---- timers ---- */

enum { TIMERS = 500 };

struct order {
    struct loop *loop;
    int64_t last_due_ms;
    int fired;
};

struct ordered {
    struct loop_timer timer;
    struct order *order;
};

static void in_order(void *context)
{
    struct ordered *o = context;
    assert_true(o->timer.due_ms >= o->order->last_due_ms);
    assert_true(o->timer.due_ms <= loop_now_ms(o->order->loop));
    assert_int_equal(o->timer.heap_slot, 0);
    o->order->last_due_ms = o->timer.due_ms;
    o->order->fired++;
}

static void timers_fire_in_order_and_never_early(void **state)
{
    (void)state;
    struct loop *l = loop_of_test();
    struct order order = {.loop = l};
    struct ordered *all = calloc(TIMERS, sizeof *all);
    assert_non_null(all);
    const int64_t start_ms = loop_now_ms(l);
    unsigned seed = 7;
    int cancelled = 0;
    for (int i = 0; i < TIMERS; i++) {
        seed = seed * 1103515245u + 12345u;
        all[i].order = &order;
        all[i].timer.fire = in_order;
        all[i].timer.context = &all[i];
        set(l, &all[i].timer, start_ms + seed / 65536u % 60);
    }
    for (int i = 0; i < TIMERS; i += 3) { /* moved, then each second of those cancelled */
        set(l, &all[i].timer, start_ms + (i * 7) % 60);
        if (i % 2 == 0) {
            loop_timer_cancel(l, &all[i].timer);
            loop_timer_cancel(l, &all[i].timer);
            cancelled++;
        }
    }
    turn_for(l, 100);
    assert_int_equal(order.fired, TIMERS - cancelled);
    free(all);
    loop_free(l);
}

struct again {
    struct loop *loop;
    struct loop_timer timer, other;
    int fired;
    bool other_fired;
};

static void set_again(void *context)
{
    struct again *a = context;
    a->fired++;
    set(a->loop, &a->timer, 0);
}

static void note_other(void *context)
{
    struct again *a = context;
    a->other_fired = true;
}

static void a_timer_set_to_the_past_does_not_starve_others(void **state)
{
    (void)state;
    struct again a = {.loop = loop_of_test()};
    struct err e;
    a.timer = (struct loop_timer){.fire = set_again, .context = &a};
    a.other = (struct loop_timer){.fire = note_other, .context = &a};
    set(a.loop, &a.timer, 0);
    set(a.loop, &a.other, loop_now_ms(a.loop) + 5);
    assert_int_equal(loop_run_once(a.loop, -1, &e), 0);
    assert_true(a.fired >= 1 && a.fired <= 2);
    turn_until(a.loop, &a.other_fired);
    loop_timer_cancel(a.loop, &a.timer);
    loop_free(a.loop);
}

static void free_itself(void *context)
{
    bool *done = *(bool **)context;
    *done = true;
    free(context);
}

static void a_timer_may_be_freed_in_its_callback(void **state)
{
    (void)state;
    struct loop *l = loop_of_test();
    bool done = false;
    struct owner {
        bool *done;
        struct loop_timer timer;
    } *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->done = &done;
    o->timer = (struct loop_timer){.fire = free_itself, .context = o};
    set(l, &o->timer, loop_now_ms(l));
    turn_until(l, &done);
    loop_free(l);
}

static void the_loops_descriptor_wakes_for_timers(void **state)
{
    (void)state;
    struct loop *l = loop_of_test();
    struct again a = {.loop = l};
    struct err e;
    struct pollfd p = {.fd = loop_fd(l), .events = POLLIN};
    a.other = (struct loop_timer){.fire = note_other, .context = &a};
    assert_int_equal(poll(&p, 1, 0), 0);
    set(l, &a.other, loop_now_ms(l) + 10);
    while (!a.other_fired) {
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_int_equal(loop_run_once(l, 0, &e), 0);
    }
    assert_int_equal(poll(&p, 1, 0), 0);
    loop_free(l);
}

/* ---- descriptors ---- */

struct pair {
    struct loop *loop;
    struct loop_watch *own, *other;
    int calls;
};

static void drop_both(void *context, uint32_t events)
{
    struct pair *p = context;
    assert_true((events & EPOLLIN) != 0);
    p->calls++;
    loop_unwatch(p->own);
    loop_unwatch(p->other);
}

/* Both ends are ready in the same round; whichever is served first drops the other. */
static void a_watch_dropped_in_its_round_is_not_served(void **state)
{
    (void)state;
    struct pair p = {.loop = loop_of_test()};
    struct err e;
    int a[2], b[2];
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    assert_int_equal(loop_watch(p.loop, a[0], EPOLLIN, drop_both, &p, &p.own, &e), 0);
    assert_int_equal(loop_watch(p.loop, b[0], EPOLLIN, drop_both, &p, &p.other, &e), 0);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    assert_int_equal(loop_run_once(p.loop, 1000, &e), 0);
    assert_int_equal(loop_run_once(p.loop, 0, &e), 0);
    assert_int_equal(p.calls, 1);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
    loop_free(p.loop);
}

static void count_call(void *context, uint32_t events)
{
    struct pair *p = context;
    assert_true((events & EPOLLOUT) != 0);
    p->calls++;
}

static void rewatch_changes_the_events(void **state)
{
    (void)state;
    struct pair p = {.loop = loop_of_test()};
    struct err e;
    int a[2];
    assert_int_equal(pipe(a), 0);
    assert_int_equal(loop_watch(p.loop, a[1], 0, count_call, &p, &p.own, &e), 0);
    assert_int_equal(loop_run_once(p.loop, 0, &e), 0);
    assert_int_equal(p.calls, 0);
    assert_int_equal(loop_rewatch(p.own, EPOLLOUT, &e), 0);
    assert_int_equal(loop_run_once(p.loop, 1000, &e), 0);
    assert_int_equal(p.calls, 1);
    assert_int_equal(loop_watch(p.loop, a[1], EPOLLIN, count_call, &p, &p.other, &e), -1);
    assert_string_equal(e.text, "epoll_ctl add: File exists");
    loop_unwatch(p.own);
    (void)close(a[0]);
    (void)close(a[1]);
    loop_free(p.loop);
}

/* ---- signals ---- */

struct stopped {
    int signal;
    bool done;
};

static void note_signal(void *context, int signal)
{
    struct stopped *s = context;
    s->signal = signal;
    s->done = true;
}

static void sigterm_is_a_callback(void **state)
{
    (void)state;
    struct loop *l = loop_of_test();
    struct stopped s = {.done = false};
    struct err e;
    assert_int_equal(loop_on_stop(l, note_signal, &s, &e), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    turn_until(l, &s.done);
    assert_int_equal(s.signal, SIGTERM);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_never_early),
        cmocka_unit_test(a_timer_set_to_the_past_does_not_starve_others),
        cmocka_unit_test(a_timer_may_be_freed_in_its_callback),
        cmocka_unit_test(the_loops_descriptor_wakes_for_timers),
        cmocka_unit_test(a_watch_dropped_in_its_round_is_not_served),
        cmocka_unit_test(rewatch_changes_the_events),
        cmocka_unit_test(sigterm_is_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
