#include "scaler/scaler_metrics.h"

enum {
    M_WORKLOADS,
    M_SYNCED,
    M_DECISIONS,
    M_QUERIES,
    M_QUERY_ERRORS,
    M_QUERY_SECONDS,
    M_SCALES,
    M_CURRENT,
    M_DESIRED,
    M_VALUE,
    M_COUNT,
};

static const struct metric_family FAMILIES[M_COUNT] = {
    [M_WORKLOADS] = {.name = "ampscale_scaler_workloads",
                     .kind = FAMILY_GAUGE,
                     .help = "Deployments that ask to be scaled."},
    [M_SYNCED] = {.name = "ampscale_scaler_synced",
                  .kind = FAMILY_GAUGE,
                  .help = "1 when the list of Deployments is complete and being watched."},
    [M_DECISIONS] = {.name = "ampscale_scaler_decisions_total",
                     .kind = FAMILY_COUNTER,
                     .help = "Decisions by reason.",
                     .labels = {"reason"}},
    [M_QUERIES] = {.name = "ampscale_scaler_queries_total",
                   .kind = FAMILY_COUNTER,
                   .help = "Queries by outcome: value, empty or error.",
                   .labels = {"outcome"}},
    [M_QUERY_ERRORS] = {.name = "ampscale_scaler_query_errors_total",
                        .kind = FAMILY_COUNTER,
                        .help = "Failed queries by kind of failure.",
                        .labels = {"kind"}},
    [M_QUERY_SECONDS] = {.name = "ampscale_scaler_query_duration_seconds",
                         .kind = FAMILY_HISTOGRAM,
                         .help = "Time from asking to the answer."},
    [M_SCALES] = {.name = "ampscale_scaler_scale_writes_total",
                  .kind = FAMILY_COUNTER,
                  .help = "Writes of /scale by result: ok or kind of failure.",
                  .labels = {"result"}},
    [M_CURRENT] = {.name = "ampscale_scaler_current_replicas",
                   .kind = FAMILY_GAUGE,
                   .help = "spec.replicas as last seen.",
                   .labels = {"namespace", "deployment"}},
    [M_DESIRED] = {.name = "ampscale_scaler_desired_replicas",
                   .kind = FAMILY_GAUGE,
                   .help = "Replicas as last decided.",
                   .labels = {"namespace", "deployment"}},
    [M_VALUE] = {.name = "ampscale_scaler_metric_value",
                 .kind = FAMILY_GAUGE,
                 .help = "The query's value as last read; absent while it is unknown.",
                 .labels = {"namespace", "deployment", "trigger"}},
};

int scaler_metrics_new(struct metrics **out, struct err *e)
{
    return metrics_new(FAMILIES, M_COUNT, "ampscale-scaler", out, e);
}

void metrics_query(struct metrics *m, const struct workload *w, size_t trigger,
                   const struct reading *reading, const struct err *e, int64_t duration_ms)
{
    const struct str labels[] = {w->namespace_, w->name, w->spec.triggers[trigger].name};
    struct str outcome = STR("value");
    if (reading->kind == READING_VALUE) {
        metrics_set(m, M_VALUE, labels, reading->value);
    } else {
        metrics_remove(m, M_VALUE, labels);
        outcome = reading->kind == READING_EMPTY ? STR("empty") : STR("error");
    }
    metrics_add(m, M_QUERIES, &outcome, 1);
    metrics_observe(m, M_QUERY_SECONDS, NULL, (double)duration_ms / 1000.0);
    if (reading->kind == READING_ERROR) {
        struct str kind = e->code == ERR_NONE ? STR("unusable") : str_from(err_code_name(e->code));
        metrics_add(m, M_QUERY_ERRORS, &kind, 1);
    }
}

void metrics_scale(struct metrics *m, const struct err *e)
{
    struct str result = e->code == ERR_NONE ? STR("ok") : str_from(err_code_name(e->code));
    metrics_add(m, M_SCALES, &result, 1);
}

void metrics_decision(struct metrics *m, const struct workload *w, const struct decision *d)
{
    const struct str labels[] = {w->namespace_, w->name};
    struct str reason = str_from(decide_reason_name(d->reason));
    metrics_add(m, M_DECISIONS, &reason, 1);
    metrics_set(m, M_CURRENT, labels, w->replicas);
    metrics_set(m, M_DESIRED, labels, d->replicas);
}

void metrics_released(struct metrics *m, const struct workload *w)
{
    const struct str labels[] = {w->namespace_, w->name};
    metrics_remove(m, M_CURRENT, labels);
    metrics_remove(m, M_DESIRED, labels);
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        const struct str with_trigger[] = {w->namespace_, w->name, w->spec.triggers[i].name};
        metrics_remove(m, M_VALUE, with_trigger);
    }
}

void metrics_state(struct metrics *m, size_t workloads, bool synced)
{
    metrics_set(m, M_WORKLOADS, NULL, (double)workloads);
    metrics_set(m, M_SYNCED, NULL, synced ? 1 : 0);
}
