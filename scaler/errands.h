/* Requests to the API server that nobody waits for: events, farewells.
 *
 * An errand is a struct with `struct errand` as its first member, on the heap; it carries what its
 * `done` needs. The list owns those that are out, and lets few go at once.
 */
#ifndef AMPSCALE_SCALER_ERRANDS_H
#define AMPSCALE_SCALER_ERRANDS_H

#include "net/kube.h"
#include "scaler/lane.h"

struct errand {
    struct lane_job job; /* first; all but `may` and `done` is the list's */
    /* Asked when it is to be sent, which may be long after it was queued. -1: it comes out with *e
     * instead. NULL: always. */
    int (*may)(const struct errand *errand, struct err *e);
    /* How it came out; the errand is freed afterwards. */
    void (*done)(struct errand *errand, const struct err *e);
    struct errands *list;
    struct kube_request request;
    char *text; /* under the request's views */
    struct kube_call *call;
    struct errand *next, **link;
};

struct errands {
    struct kube *kube;
    struct lane lane;
    struct errand *first;
    size_t count;
};

void errands_init(struct errands *list, struct kube *kube, struct loop *loop);

/* Send, now or when it is its turn; the errand belongs to the list from here on. Path and body are
 * copied. -1: it was not sent, and is freed without `done`. */
int errands_send(struct errands *list, struct errand *errand, const struct kube_request *request,
                 struct err *e) __attribute__((warn_unused_result));
/* Give up all that are out, without `done`. Safe on a zeroed list. */
void errands_cancel(struct errands *list);

#endif
