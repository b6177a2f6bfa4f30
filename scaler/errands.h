/* Requests to the API server that nobody waits for: events, farewells.
 *
 * An errand is a struct with `struct errand` as its first member, on the heap; it carries what its
 * `done` needs. The list owns those that are out.
 */
#ifndef AMPSCALE_SCALER_ERRANDS_H
#define AMPSCALE_SCALER_ERRANDS_H

#include "net/kube.h"

struct errand {
    /* How it came out; the errand is freed afterwards. */
    void (*done)(struct errand *errand, const struct err *e);
    struct errands *list; /* these three are the list's */
    struct kube_call *call;
    struct errand *next, **link;
};

struct errands {
    struct kube *kube;
    struct errand *first;
    size_t count;
};

/* Send; the errand belongs to the list from here on. -1: it was not sent, and is freed without
 * `done`. */
int errands_send(struct errands *list, struct errand *errand, const struct kube_request *request,
                 struct err *e) __attribute__((warn_unused_result));
/* Give up all that are out, without `done`. */
void errands_cancel(struct errands *list);

#endif
