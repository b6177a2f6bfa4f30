/* The scaler's doors to the world: struct scaler_io over net/prom.h and net/kube.h.
 *
 * Queries are form POSTs to the endpoint that the workload may use; counts are written to /scale
 * with the resourceVersion they were decided at; events go to events.k8s.io/v1. After each answer
 * the due timer is set anew.
 */
#ifndef AMPSCALE_SCALER_DOORS_H
#define AMPSCALE_SCALER_DOORS_H

#include "net/kube.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/prom.h"
#include "scaler/scaler.h"

struct doors {
    struct loop *loop;
    struct prom *prom;
    struct kube *kube;
    struct metrics *metrics;
    const struct logger *log;
    const char *instance; /* this pod's name: events' reportingInstance */
    struct scaler *core;  /* set by doors_attach */
    struct loop_timer due;
    unsigned event_serial; /* makes names of events unique within a millisecond */
    size_t events_out;     /* being sent */
};

/* The door table; d must outlive the core. */
struct scaler_io doors_io(struct doors *d);
/* Connect the core and begin to run what is due. */
int doors_attach(struct doors *d, struct scaler *core, struct err *e)
    __attribute__((warn_unused_result));
/* Before the core is freed. */
void doors_detach(struct doors *d);

struct scaler_time doors_now(const struct doors *d);
/* The core was told something: set the due timer. */
void doors_rearm(struct doors *d);

#endif
