#include "scaler/scaler_metrics.h"

#include "base/spec_rows.h"

enum { PREFIX_BYTES = sizeof(SPEC_PREFIX) - 1 };

enum {
    M_WORKLOADS,
    M_SYNCED,
    M_LEADER,
    M_DECISIONS,
    M_LATENESS,
    M_QUERIES,
    M_SHARED,
    M_QUERY_ERRORS,
    M_QUERY_SECONDS,
    M_SCALES,
    M_CONDITIONS,
    M_EVENTS,
    M_CURRENT,
    M_READY,
    M_DESIRED,
    M_MIN,
    M_MAX,
    M_VALUE,
    M_THRESHOLD,
    M_CONDITION,
    M_COUNT,
};

static const struct metric_family FAMILIES[M_COUNT] = {
    [M_WORKLOADS] = {.name = "ampscale_scaler_workloads",
                     .kind = FAMILY_GAUGE,
                     .help = "Deployments that ask to be scaled."},
    [M_SYNCED] = {.name = "ampscale_scaler_synced",
                  .kind = FAMILY_GAUGE,
                  .help = "1 when the list of Deployments is complete and being watched."},
    [M_LEADER] = {.name = "ampscale_scaler_leader",
                  .kind = FAMILY_GAUGE,
                  .help = "1 when this process leads in the namespace; \"*\" stands for all that "
                          "have no scaler of their own.",
                  .labels = {"namespace"}},
    [M_DECISIONS] = {.name = "ampscale_scaler_decisions_total",
                     .kind = FAMILY_COUNTER,
                     .help = "Decisions by the workload's namespace and by reason.",
                     .labels = {"namespace", "reason"}},
    [M_LATENESS] = {.name = "ampscale_scaler_due_lateness_seconds",
                    .kind = FAMILY_HISTOGRAM,
                    .help = "Time from a workload's due time to its first query."},
    [M_QUERIES] = {.name = "ampscale_scaler_queries_total",
                   .kind = FAMILY_COUNTER,
                   .help = "Queries by outcome: value, empty, error or refused (not sent).",
                   .labels = {"outcome"}},
    [M_SHARED] = {.name = "ampscale_scaler_shared_queries_total",
                  .kind = FAMILY_COUNTER,
                  .help = "Queries that joined an equal one under way instead of being sent."},
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
    [M_CONDITIONS] = {.name = "ampscale_scaler_condition_writes_total",
                      .kind = FAMILY_COUNTER,
                      .help = "Writes of conditions by result: ok or kind of failure.",
                      .labels = {"result"}},
    [M_EVENTS] = {.name = "ampscale_scaler_events_total",
                  .kind = FAMILY_COUNTER,
                  .help = "Events by outcome: created, repeated (a series was updated), dropped "
                          "(rate limit) or failed.",
                  .labels = {"outcome"}},
    [M_CURRENT] = {.name = "ampscale_scaler_current_replicas",
                   .kind = FAMILY_GAUGE,
                   .help = "spec.replicas as last seen.",
                   .labels = {"namespace", "deployment"}},
    [M_READY] = {.name = "ampscale_scaler_ready_replicas",
                 .kind = FAMILY_GAUGE,
                 .help = "Ready pods as last seen.",
                 .labels = {"namespace", "deployment"}},
    [M_DESIRED] = {.name = "ampscale_scaler_desired_replicas",
                   .kind = FAMILY_GAUGE,
                   .help = "Replicas as last decided.",
                   .labels = {"namespace", "deployment"}},
    [M_MIN] = {.name = "ampscale_scaler_min_replicas",
               .kind = FAMILY_GAUGE,
               .help = "min-replicas of the workload.",
               .labels = {"namespace", "deployment"}},
    [M_MAX] = {.name = "ampscale_scaler_max_replicas",
               .kind = FAMILY_GAUGE,
               .help = "max-replicas of the workload.",
               .labels = {"namespace", "deployment"}},
    [M_VALUE] = {.name = "ampscale_scaler_metric_value",
                 .kind = FAMILY_GAUGE,
                 .help = "The query's value as last read; absent while it is unknown.",
                 .labels = {"namespace", "deployment", "trigger"}},
    [M_THRESHOLD] = {.name = "ampscale_scaler_metric_threshold",
                     .kind = FAMILY_GAUGE,
                     .help = "threshold of the trigger: what one replica is for (AverageValue), or "
                             "what the value is to be (Value).",
                     .labels = {"namespace", "deployment", "trigger", "metric_type"}},
    [M_CONDITION] = {.name = "ampscale_scaler_condition",
                     .kind = FAMILY_GAUGE,
                     .help = "scale.amp/ conditions of the workload: 1 while True; 0 while "
                             "Active or AbleToScale is False.",
                     .labels = {"namespace", "deployment", "condition"}},
};

/* What may happen, by its word, as 0: the first time it does is then an increase. */
static const struct {
    size_t family;
    struct str word;
} FROM_THE_START[] = {
    {M_QUERIES, STR_INIT("value")},  {M_QUERIES, STR_INIT("empty")},
    {M_QUERIES, STR_INIT("error")},  {M_QUERIES, STR_INIT("refused")},
    {M_SCALES, STR_INIT("ok")},      {M_CONDITIONS, STR_INIT("ok")},
    {M_EVENTS, STR_INIT("created")}, {M_EVENTS, STR_INIT("repeated")},
    {M_EVENTS, STR_INIT("dropped")}, {M_EVENTS, STR_INIT("failed")},
};

int scaler_metrics_new(struct metrics **out, struct err *e)
{
    if (metrics_new(FAMILIES, M_COUNT, "ampscale-scaler", out, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(FROM_THE_START) / sizeof(FROM_THE_START[0]); i++) {
        metrics_add(*out, FROM_THE_START[i].family, &FROM_THE_START[i].word, 0);
    }
    return 0;
}

static void count_error(struct metrics *m, const struct err *e)
{
    struct str kind = e->code == ERR_NONE ? STR("unusable") : str_from(err_code_name(e->code));
    metrics_add(m, M_QUERY_ERRORS, &kind, 1);
}

void metrics_query(struct metrics *m, const struct reading *reading, const struct err *e,
                   int64_t duration_ms)
{
    struct str outcome = STR("value");
    if (reading->kind != READING_VALUE) {
        outcome = reading->kind == READING_EMPTY ? STR("empty") : STR("error");
    }
    metrics_add(m, M_QUERIES, &outcome, 1);
    metrics_observe(m, M_QUERY_SECONDS, NULL, (double)duration_ms / 1000.0);
    if (reading->kind == READING_ERROR) {
        count_error(m, e);
    }
}

void metrics_query_refused(struct metrics *m, const struct err *e)
{
    struct str outcome = STR("refused");
    metrics_add(m, M_QUERIES, &outcome, 1);
    count_error(m, e);
}

void metrics_query_shared(struct metrics *m)
{
    metrics_add(m, M_SHARED, NULL, 1);
}

void metrics_lateness(struct metrics *m, int64_t late_ms)
{
    metrics_observe(m, M_LATENESS, NULL, (double)late_ms / 1000.0);
}

static void count_write(struct metrics *m, size_t family, const struct err *e)
{
    struct str result = e->code == ERR_NONE ? STR("ok") : str_from(err_code_name(e->code));
    metrics_add(m, family, &result, 1);
}

void metrics_scale(struct metrics *m, const struct err *e)
{
    count_write(m, M_SCALES, e);
}

void metrics_conditions(struct metrics *m, const struct err *e)
{
    count_write(m, M_CONDITIONS, e);
}

void metrics_event(struct metrics *m, enum event_metric what)
{
    static const struct str outcomes[] = {[EVENT_METRIC_CREATED] = STR_INIT("created"),
                                          [EVENT_METRIC_REPEATED] = STR_INIT("repeated"),
                                          [EVENT_METRIC_DROPPED] = STR_INIT("dropped"),
                                          [EVENT_METRIC_FAILED] = STR_INIT("failed")};
    metrics_add(m, M_EVENTS, &outcomes[what], 1);
}

void metrics_decision(struct metrics *m, struct str namespace_, const struct decision *d)
{
    const struct str labels[] = {namespace_, str_from(decide_reason_name(d->reason))};
    metrics_add(m, M_DECISIONS, labels, 1);
}

/* One family of all workloads, while it is printed. */
struct print {
    size_t family;
    struct metrics_printer *printer;
};

static void print_values(struct metrics_printer *p, const struct workload *w)
{
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        const struct str labels[] = {w->namespace_, w->name, w->spec.triggers[i].name};
        if (w->readings[i].kind == READING_VALUE) {
            metrics_emit(p, labels, w->readings[i].value);
        }
    }
}

static void print_thresholds(struct metrics_printer *p, const struct workload *w)
{
    for (size_t i = 0; w->usable && i < w->spec.trigger_count; i++) {
        const struct trigger *t = &w->spec.triggers[i];
        const struct str labels[] = {w->namespace_, w->name, t->name, SPEC_METRIC_TYPES[t->type]};
        metrics_emit(p, labels, t->threshold);
    }
}

/* The exceptions are there only while they are: with thousands of workloads each line counts. */
static void print_conditions(struct metrics_printer *p, const struct workload *w)
{
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        const struct str type = str_slice(SCALER_CONDITION_TYPES[i], PREFIX_BYTES, SIZE_MAX);
        const struct str labels[] = {w->namespace_, w->name, type};
        const bool usual = i == CONDITION_ACTIVE || i == CONDITION_ABLE_TO_SCALE;
        const enum condition_status status = w->conditions[i].status;
        if (status == STATUS_TRUE || (usual && status == STATUS_FALSE)) {
            metrics_emit(p, labels, status == STATUS_TRUE);
        }
    }
}

static int32_t count_of(size_t family, const struct workload *w)
{
    return family == M_CURRENT   ? w->replicas
           : family == M_READY   ? w->ready
           : family == M_DESIRED ? w->decision.replicas
           : family == M_MIN     ? w->spec.min_replicas
                                 : w->spec.max_replicas;
}

static void print_workload(void *context, const struct workload *w)
{
    const struct print *print = context;
    const struct str labels[] = {w->namespace_, w->name};
    if (!w->leads) {
        return;
    }
    if (print->family == M_VALUE) {
        print_values(print->printer, w);
    } else if (print->family == M_THRESHOLD) {
        print_thresholds(print->printer, w);
    } else if (print->family == M_CONDITION) {
        print_conditions(print->printer, w);
    } else if (w->decision.made) {
        metrics_emit(print->printer, labels, count_of(print->family, w));
    }
}

static void print_workloads(void *context, size_t family, struct metrics_printer *p)
{
    struct print print = {family, p};
    scaler_each(context, print_workload, &print);
}

void metrics_workloads(struct metrics *m, struct scaler *core)
{
    for (size_t family = M_CURRENT; family <= M_CONDITION; family++) {
        metrics_source(m, family, print_workloads, core);
    }
}

void metrics_leader(struct metrics *m, struct str namespace_, bool leads)
{
    metrics_set(m, M_LEADER, &namespace_, leads ? 1 : 0);
}

void metrics_state(struct metrics *m, size_t workloads, bool synced)
{
    metrics_set(m, M_WORKLOADS, NULL, (double)workloads);
    metrics_set(m, M_SYNCED, NULL, synced ? 1 : 0);
}
