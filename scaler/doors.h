/* The scaler's doors to the world: struct scaler_io over net/prom.h and net/kube.h.
 *
 * Queries go through one pool (scaler/query_pool.h) to the endpoint that the workload may use;
 * counts are written to /scale with the resourceVersion they were decided at; conditions go to
 * /status, bound to the Deployment's UID; events through scaler/events.h. After each answer the due
 * timer is set anew. Nothing is written where `may_write` says no, whatever the core believes: a
 * process that stood still may find answers before it finds that its Lease ran out.
 *
 * doors.c: queries and the due timer. doors_kube.c: /scale, /status and farewells.
 */
#ifndef AMPSCALE_SCALER_DOORS_H
#define AMPSCALE_SCALER_DOORS_H

#include "net/kube.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/prom.h"
#include "scaler/errands.h"
#include "scaler/events.h"
#include "scaler/lane.h"
#include "scaler/query_pool.h"
#include "scaler/scaler.h"

struct doors {
    struct loop *loop;
    struct prom *prom;
    struct kube *kube;
    struct metrics *metrics;
    const struct logger *log;
    const char *instance; /* this pod's name */
    /* NULL: everywhere. */
    bool (*may_write)(void *context, struct str namespace_);
    void *may_write_context;
    /* from here on its own */
    struct query_pool *pool;
    struct events *events;
    struct lane scales, conditions; /* writes to the API server, few at once */
    struct errands farewells;
    struct scaler *core;
    struct loop_timer due;
};

/* Make what the doors need; the fields above are set. doors_close also after a failure. */
int doors_open(struct doors *d, struct err *e) __attribute__((warn_unused_result));
/* After the core is freed. */
void doors_close(struct doors *d);

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

/* doors_kube.c's part of the table. */
void doors_kube_io(struct scaler_io *io);

#endif
