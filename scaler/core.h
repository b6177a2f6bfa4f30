/* Between the core's own files: scaler_core.c (who is in the table), tick.c (gather → decide →
 * apply) and tell.c (events, log lines). Nobody else includes this. */
#ifndef AMPSCALE_SCALER_CORE_H
#define AMPSCALE_SCALER_CORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "scaler/scaler.h"

struct scaler {
    struct scaler_options options;
    struct scaler_io io;
    struct workload_table table;
    struct arena arena; /* for one step: complaints */
    struct buf line;    /* for one decision line */
};

/* tick.c */

/* Cancel whatever is out for w; it is idle then. */
void tick_cancel(struct scaler *s, struct workload *w);
/* w is due: ask. */
void tick_start(struct scaler *s, struct workload *w, struct scaler_time now);
/* Put w into the heap for its next tick: at its own phase of its interval, so that workloads with
 * one interval do not all ask at once. */
void tick_schedule_next(struct scaler *s, struct workload *w, struct scaler_time now);

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
/* One JSON line: spec, observation, memory before, result. Replays to the same decision. */
void tell_decision(struct scaler *s, struct workload *w, const struct decide_memory *before,
                   struct scaler_time now);
void tell_scaled(const struct scaler *s, const struct workload *w, int32_t from, int32_t to);
void tell_write_failed(const struct scaler *s, struct workload *w, const struct err *e);

#endif
