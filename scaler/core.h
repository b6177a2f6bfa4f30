/* Between the core's own files: scaler_core.c (who is in the table), tick.c (gather → decide →
 * apply) and tell.c (events, log lines). Nobody else includes this. */
#ifndef AMPSCALE_SCALER_CORE_H
#define AMPSCALE_SCALER_CORE_H

#include "base/buf.h"
#include "scaler/autoscalers.h"
#include "scaler/scaler.h"

/* What was said about who leads in one namespace. */
struct leading {
    char namespace_[64];
    bool leads;
};

struct scaler {
    struct scaler_options options;
    struct scaler_io io;
    struct workload_table table;
    int64_t run_ms;  /* monotonic time of the last scaler_run_due */
    struct buf line; /* of one decision: spec, observation, memory, one behind the other */
    struct decide_memory before;   /* of one decision: the memory that it was made with, */
    struct decide_record *records; /* and room for the largest there is, which is this many */
    size_t record_count;
    struct autoscalers autoscalers;
    struct leading *leading; /* in order of names */
    size_t leading_count;
    bool leads_rest; /* in all other namespaces */
};

/* tick.c */

/* Cancel whatever is out for w; it is idle then. */
void tick_cancel(struct scaler *s, struct workload *w);
/* w is due: ask. */
void tick_start(struct scaler *s, struct workload *w, struct scaler_time now);
/* Put w into the heap for its next tick: at its own phase of its interval, so that workloads with
 * one interval do not all ask at once. */
void tick_schedule_next(struct scaler *s, struct workload *w, struct scaler_time now);

/* scaler_core.c */

/* Read w's annotations into w->spec and start it afresh: a changed query's value says nothing about
 * the old one's cooldown. -1/ERR_MEMORY: w is not usable. */
int spec_reread(struct scaler *s, struct workload *w, struct scaler_time now, struct err *e)
    __attribute__((warn_unused_result));

/* Write w's conditions if they changed; otherwise nothing. */
void conditions_publish(struct scaler *s, struct workload *w, int64_t unix_ms);

/* lead.c */

/* Whether this process scales in a namespace. */
bool lead_in(const struct scaler *s, struct str namespace_);

/* tell.c */

void tell_adopted(const struct scaler *s, const struct workload *w);
void tell_spec_changed(const struct scaler *s, const struct workload *w);
void tell_released(const struct scaler *s, const struct workload *w, const char *why);
/* Complaints about w's annotations: an event and a log line. `usable`: they are about unknown keys
 * only, which are ignored; else the count is held. */
void tell_complaints(struct scaler *s, const struct workload *w,
                     const struct complaints *complaints);
/* First value, loss and recovery of one trigger, each once. */
void tell_reading(const struct scaler *s, struct workload *w, size_t trigger);
/* One JSON line a decision, in two steps: decide() changes the memory, so it is kept before; the
 * line is made after, and only when the count or the reason changed. It replays to the same
 * decision. */
void tell_observed(struct scaler *s, const struct workload *w);
void tell_decision(struct scaler *s, struct workload *w);
/* Room for what tell_observed keeps of a workload with this spec. -1/ERR_MEMORY. */
int tell_room(struct scaler *s, const struct scale_spec *spec, struct err *e)
    __attribute__((warn_unused_result));
/* w->decision was written. */
void tell_scaled(const struct scaler *s, const struct workload *w);
/* An HPA has the same target, or has it no more. */
void tell_conflict(const struct scaler *s, const struct workload *w);
void tell_write_failed(const struct scaler *s, struct workload *w, const struct err *e);

#endif
