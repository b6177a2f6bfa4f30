/* The scaler's metrics: one table of families, one function a happening. */
#ifndef AMPSCALE_SCALER_SCALER_METRICS_H
#define AMPSCALE_SCALER_SCALER_METRICS_H

#include "net/metrics.h"
#include "scaler/scaler.h"

int scaler_metrics_new(struct metrics **out, struct err *e) __attribute__((warn_unused_result));

/* A query was answered, or failed with *e. */
void metrics_query(struct metrics *m, const struct reading *reading, const struct err *e,
                   int64_t duration_ms);
/* It could not even be asked: not allowed, or its endpoint is being left alone. */
void metrics_query_refused(struct metrics *m, const struct err *e);
/* It joined an equal one that was under way. */
void metrics_query_shared(struct metrics *m);
/* A tick began so long after its due time. */
void metrics_lateness(struct metrics *m, int64_t late_ms);
/* A write of /scale was answered. */
void metrics_scale(struct metrics *m, const struct err *e);
/* A write of conditions was answered. */
void metrics_conditions(struct metrics *m, const struct err *e);
enum event_metric {
    EVENT_METRIC_CREATED,
    EVENT_METRIC_REPEATED,
    EVENT_METRIC_DROPPED,
    EVENT_METRIC_FAILED
};
void metrics_event(struct metrics *m, enum event_metric what);
void metrics_decision(struct metrics *m, struct str namespace_, const struct decision *d);
/* The series of each workload that is led, as the core has it when they are printed. */
void metrics_workloads(struct metrics *m, struct scaler *core);
/* Whether this process leads in a namespace ("*": in all that have no scaler of their own). */
void metrics_leader(struct metrics *m, struct str namespace_, bool leads);
/* How many workloads there are, and whether their list is complete. */
void metrics_state(struct metrics *m, size_t workloads, bool synced);

#endif
