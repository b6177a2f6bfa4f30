/* Errands (scaler/errands.h): few at once, and whether one may still go is asked when it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "calls.h"
#include "kubefile.h"
#include "scaler/errands.h"

enum { SENT = 6 };

struct counts {
    bool leads, over;
    size_t arrived, cancelled;
};

struct note {
    struct errand errand; /* first */
    struct counts *counts;
};

static int may(const struct errand *errand, struct err *e)
{
    const struct note *n = (const struct note *)errand;
    return n->counts->leads ? 0 : err_set(e, ERR_CANCELLED, "does not lead any more");
}

static void done(struct errand *errand, const struct err *e)
{
    struct counts *c = ((struct note *)errand)->counts;
    c->arrived += e->code == ERR_NONE;
    c->cancelled += e->code == ERR_CANCELLED;
    c->over = c->arrived + c->cancelled == SENT;
}

static int send(struct errands *list, struct counts *counts, struct err *e)
{
    const struct kube_request request = {.method = "GET", .path = "/apis/x"};
    struct note *n = calloc(1, sizeof(*n));
    assert_non_null(n);
    n->errand.may = may;
    n->errand.done = done;
    n->counts = counts;
    return errands_send(list, &n->errand, &request, e);
}

static void what_waits_is_asked_when_its_turn_comes(void **state)
{
    (void)state;
    struct counts counts = {.leads = true};
    struct errands list;
    struct err e = ERR_INIT;
    struct kube *k = kubefile_client("echo", "{}");
    errands_init(&list, k, calls.loop);
    for (int i = 0; i < SENT; i++) {
        assert_int_equal(send(&list, &counts, &e), 0);
    }
    counts.leads = false; /* four are on their way, two wait */
    turn_until(calls.loop, &counts.over);
    assert_int_equal(counts.arrived, 4);
    assert_int_equal(counts.cancelled, SENT - 4);
    assert_int_equal(send(&list, &counts, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_int_equal(list.count, 0);
    errands_cancel(&list);
    kube_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_asked_when_its_turn_comes),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
