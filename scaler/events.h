/* Events of events.k8s.io/v1 about Deployments, as client-go's recorder sends them: repeats become
 * a series, and one object cannot flood the namespace (scaler/event_series.h). Best effort: a
 * failure is logged and counted, nothing is sent twice.
 */
#ifndef AMPSCALE_SCALER_EVENTS_H
#define AMPSCALE_SCALER_EVENTS_H

#include "base/log.h"
#include "net/kube.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "scaler/scaler.h"

struct events;

struct events_options {
    struct loop *loop;
    struct kube *kube;
    struct metrics *metrics;
    const struct logger *log;
    const char *instance; /* this pod's name: reportingInstance. Must outlive it */
};

/* The Deployment that an event is about. */
struct event_subject {
    struct str namespace_, name, uid;
};

int events_new(const struct events_options *o, struct events **out, struct err *e)
    __attribute__((warn_unused_result));
/* Gives up what is being sent. NULL is allowed. */
void events_free(struct events *ev);

/* `reason` is CamelCase, `note` a sentence of at most 1 KiB (longer ones are cut). */
void events_send(struct events *ev, struct event_subject about, enum scaler_event type,
                 const char *reason, const char *note);

#endif
