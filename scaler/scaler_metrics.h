/* The scaler's metrics: one table of families, one function a happening. */
#ifndef AMPSCALE_SCALER_SCALER_METRICS_H
#define AMPSCALE_SCALER_SCALER_METRICS_H

#include "net/metrics.h"
#include "scaler/workload.h"

int scaler_metrics_new(struct metrics **out, struct err *e) __attribute__((warn_unused_result));

/* A query was answered, or failed with *e. */
void metrics_query(struct metrics *m, const struct workload *w, size_t trigger,
                   const struct reading *reading, const struct err *e, int64_t duration_ms);
/* A write of /scale was answered. */
void metrics_scale(struct metrics *m, const struct err *e);
void metrics_decision(struct metrics *m, const struct workload *w, const struct decision *d);
/* The workload is not ours any more: its series go. */
void metrics_released(struct metrics *m, const struct workload *w);
/* How many workloads there are, and whether their list is complete. */
void metrics_state(struct metrics *m, size_t workloads, bool synced);

#endif
