/* The scaler's core: gather → decide → apply for a table of workloads. Pure.
 *
 * The world enters by one narrow door, struct scaler_io; news comes back through the scaler_on_…
 * functions. Doors only start things: no answer arrives from inside a door call. A workload pointer
 * names the work in both directions; it stays valid until the core has cancelled all its calls.
 *
 *     watch ──scaler_on_deployment──► table ──due──► query door ──scaler_on_reading──► decide
 *                                                                                        │
 *     events, log ◄──────────────────────── scaler_on_scaled ◄──────────────── scale door
 */
#ifndef AMPSCALE_SCALER_SCALER_H
#define AMPSCALE_SCALER_SCALER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kubeobj.h"
#include "base/log.h"
#include "base/promresult.h"
#include "scaler/conditions.h"
#include "scaler/workload.h"

/* Time is an argument. Intervals are counted on the first, what people read on the second. */
struct scaler_time {
    int64_t monotonic_ms;
    int64_t unix_ms;
};

enum scaler_event { SCALER_NORMAL, SCALER_WARNING };

/* What /scale answered. */
struct scaler_scale {
    int32_t replicas;            /* spec.replicas */
    struct str resource_version; /* of the Deployment */
};

struct scaler_io {
    void *context;

    /* Ask for one trigger's value; answered once by scaler_on_reading. *call is for `cancel`.
     * -1: it could not even be asked, e says why. */
    int (*query)(void *context, struct workload *w, size_t trigger, int64_t timeout_ms, void **call,
                 struct err *e);
    /* Set spec.replicas if the Deployment is still at w->resource_version; answered once by
     * scaler_on_scaled (ERR_CONFLICT when it is not). */
    int (*write_scale)(void *context, struct workload *w, int32_t replicas, void **call,
                       struct err *e);
    /* Read /scale; answered once by scaler_on_scale_read. */
    int (*read_scale)(void *context, struct workload *w, void **call, struct err *e);
    /* Give up: no answer will come. */
    void (*cancel_query)(void *context, void *call);
    void (*cancel_scale)(void *context, void *call);
    /* Tell the Deployment's users. Best effort. `reason` is CamelCase, `note` a sentence. */
    void (*event)(void *context, const struct workload *w, enum scaler_event type,
                  const char *reason, const char *note);
    /* Write all of w->conditions (STATUS_ABSENT: take it away); answered once by
     * scaler_on_conditions_written. -1: not even sent. */
    int (*write_conditions)(void *context, struct workload *w, void **call, struct err *e);
    void (*cancel_conditions)(void *context, void *call);
    /* A decision was made: for metrics. */
    void (*decided)(void *context, const struct workload *w, const struct decision *d);
    /* The workload is not ours any more. `there`: the Deployment still exists and this process led,
     * so its conditions are to be taken away; and with restore ≥ 0 its count is to be this. Best
     * effort, and nothing is answered. */
    void (*released)(void *context, const struct workload *w, bool there, int32_t restore);
};

struct scaler_options {
    const struct logger *log;
    bool elects;              /* nothing is asked or written until scaler_lead says so */
    bool dry_run;             /* decide and log, write nothing */
    int64_t query_timeout_ms; /* 0: 5 s; never longer than the workload's interval */
};

struct scaler;

int scaler_new(const struct scaler_options *options, const struct scaler_io *io,
               struct scaler **out, struct err *e) __attribute__((warn_unused_result));
/* Cancels everything that is out. */
void scaler_free(struct scaler *s);

/* A Deployment was listed, added or changed. At first sight its conditions say whether and when it
 * was last active, so a restart keeps that promise. One that asks for nothing is passed over, or
 * let go if it did before. -1/ERR_MEMORY: it was not taken in; what is known of it stays. */
int scaler_on_deployment(struct scaler *s, const struct deployment *d, struct scaler_time now,
                         struct err *e) __attribute__((warn_unused_result));
/* It is gone. */
void scaler_on_removed(struct scaler *s, struct str uid);

/* There is a Deployment of that UID, but it cannot be read: what is known of it stays. */
void scaler_on_unreadable(struct scaler *s, struct str uid);

/* Around a list of one namespace (absent view: of all). The first count that is shown in between is
 * taken whatever its version, since versions may have begun anew. The end is told of a complete
 * list only, and lets go, as deleted, what was neither shown nor unreadable in between; a list that
 * broke off has no end, and the next one begins afresh. */
void scaler_list_begin(struct scaler *s, struct str namespace_);
void scaler_list_end(struct scaler *s, struct str namespace_);

/* Monotonic time at which scaler_run_due has something to do; INT64_MAX: nothing is scheduled. */
int64_t scaler_next_due_ms(const struct scaler *s);
/* A monotonic clock that went back since the call before takes what is due along. */
void scaler_run_due(struct scaler *s, struct scaler_time now);

void scaler_on_reading(struct scaler *s, struct workload *w, size_t trigger,
                       const struct reading *reading, struct scaler_time now);
/* e->code ERR_NONE: *scale is what it is now. */
void scaler_on_scaled(struct scaler *s, struct workload *w, const struct scaler_scale *scale,
                      const struct err *e, struct scaler_time now);
void scaler_on_scale_read(struct scaler *s, struct workload *w, const struct scaler_scale *scale,
                          const struct err *e, struct scaler_time now);

void scaler_on_conditions_written(struct scaler *s, struct workload *w, const struct err *e);

/* Another autoscaler's target: a HorizontalPodAutoscaler of the namespace was seen, or is gone
 * (target absent). A workload that is some HPA's target is held, and its users are told.
 * -1/ERR_MEMORY. */
int scaler_on_hpa(struct scaler *s, struct str namespace_, struct str hpa, struct str deployment,
                  struct scaler_time now, struct err *e) __attribute__((warn_unused_result));
void scaler_hpa_list_begin(struct scaler *s, struct str namespace_);
void scaler_hpa_list_end(struct scaler *s, struct str namespace_, struct scaler_time now);

/* Whether this process leads in a namespace (absent view: in all that nothing else was said about).
 * Leading starts each workload afresh, as after a restart; not leading cancels what is out and does
 * nothing. -1/ERR_MEMORY: it was not done, or not for all; the caller must stop the process. */
int scaler_lead(struct scaler *s, struct str namespace_, bool leads, struct scaler_time now,
                struct err *e) __attribute__((warn_unused_result));
/* Take back what was said about a namespace by its name: it is like the rest again. -1/ERR_MEMORY
 * likewise. */
int scaler_lead_as_rest(struct scaler *s, struct str namespace_, struct scaler_time now,
                        struct err *e) __attribute__((warn_unused_result));

/* How many workloads are in the table. */
size_t scaler_count(const struct scaler *s);
/* Each of them, in no order. */
void scaler_each(const struct scaler *s, void (*visit)(void *context, const struct workload *w),
                 void *context);

#endif
