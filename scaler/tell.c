/* What people and programs are told: events on change, log lines, and the decision line.
 *
 * A decision line is written when the count changes or the reason does, so a steady workload is
 * silent. It holds all that decide() was given, so the same line fed back gives the same result.
 */
#include <stdlib.h>

#include "base/fmt.h"
#include "base/json.h"
#include "scaler/core.h"
#include "scaler/memory_json.h"

static void event(const struct scaler *s, const struct workload *w, enum scaler_event type,
                  const char *reason, const char *note)
{
    if (!s->options.dry_run) {
        s->io.event(s->io.context, w, type, reason, note);
    }
}

#define WHO(w) F_STR("namespace", (w)->namespace_), F_STR("deployment", (w)->name)

void tell_adopted(const struct scaler *s, const struct workload *w)
{
    LOG_AT(s->options.log, LOG_INFO, "adopted", WHO(w), F_STR("uid", w->uid),
           F_INT("replicas", w->replicas));
}

void tell_spec_changed(const struct scaler *s, const struct workload *w)
{
    LOG_AT(s->options.log, LOG_INFO, "annotations changed", WHO(w));
}

void tell_released(const struct scaler *s, const struct workload *w, const char *why)
{
    LOG_AT(s->options.log, LOG_INFO, "released", WHO(w), F_STR("why", str_from(why)),
           F_INT("replicas", w->replicas));
}

void tell_complaints(struct scaler *s, const struct workload *w,
                     const struct complaints *complaints)
{
    bool usable = spec_usable(complaints);
    buf_reset(&s->line);
    complaints_print(complaints, STR("; "), &s->line);
    char note[1024];
    (void)fmt(note, sizeof(note), "%s: %.*s", usable ? "Ignored" : "Replicas are held",
              STR_ARG(buf_view(&s->line)));
    event(s, w, SCALER_WARNING, usable ? "UnknownAnnotation" : "InvalidAnnotations", note);
    LOG_AT(s->options.log, LOG_WARN,
           usable ? "unknown annotations ignored" : "annotations invalid, held", WHO(w),
           F_STR("complaints", buf_view(&s->line)));
}

void tell_reading(const struct scaler *s, struct workload *w, size_t trigger)
{
    const struct reading *reading = &w->readings[trigger];
    struct str name = w->spec.triggers[trigger].name;
    enum reading_kind before = w->announced[trigger];
    if (reading->kind == before) {
        return;
    }
    w->announced[trigger] = reading->kind;
    char note[1024];
    if (reading->kind != READING_VALUE) {
        (void)fmt(note, sizeof(note), "Held at %d replica%s: trigger %.*s: %s", w->replicas,
                  fmt_s(w->replicas), STR_ARG(name), reading->text);
        event(s, w, SCALER_WARNING,
              reading->kind == READING_EMPTY ? "EmptyMetric" : "FailedGetMetric", note);
        LOG_AT(s->options.log, LOG_WARN, "metric lost, replicas held", WHO(w),
               F_STR("trigger", name), F_STR("error", str_from(reading->text)),
               F_INT("replicas", w->replicas));
        return;
    }
    LOG_AT(s->options.log, LOG_INFO, before == READING_NONE ? "first value" : "metric recovered",
           WHO(w), F_STR("trigger", name), F_NUM("value", reading->value));
    if (before != READING_NONE) {
        (void)fmt(note, sizeof(note), "Trigger %.*s has a value again", STR_ARG(name));
        event(s, w, SCALER_NORMAL, "MetricRecovered", note);
    }
}

static void put_reading(struct json_writer *j, const struct reading *reading)
{
    switch (reading->kind) {
    case READING_VALUE: json_put_double(j, reading->value); return;
    case READING_EMPTY:
        if (str_eq(str_from(reading->text), STR("empty result"))) {
            json_put_null(j);
            return;
        }
        json_begin_object(j);
        json_member_str(j, STR("empty"), str_from(reading->text));
        json_end_object(j);
        return;
    case READING_NONE:
    case READING_ERROR:
        json_begin_object(j);
        json_key(j, STR("error"));
        json_put_str(j, reading->kind == READING_NONE ? STR("not asked yet")
                                                      : str_from(reading->text));
        json_end_object(j);
        return;
    }
}

/* All but the webhook's record of what it injected, which is long and says nothing of scaling. */
static void put_spec(struct json_writer *j, const struct workload *w)
{
    json_begin_object(j);
    for (size_t i = 0; i < w->annotations.count; i++) {
        const struct kv *item = &w->annotations.items[i];
        if (!str_eq(item->key, STR(SPEC_INJECTED))) {
            json_member_str(j, item->key, item->value);
        }
    }
    json_end_object(j);
}

static void put_observation(struct json_writer *j, const struct workload *w)
{
    json_begin_object(j);
    json_member_int(j, STR("t"), w->clock_ms);
    json_member_int(j, STR("replicas"), w->replicas);
    json_member_int(j, STR("ready"), w->ready);
    json_key(j, STR("readings"));
    json_begin_object(j);
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        json_key(j, w->spec.triggers[i].name);
        put_reading(j, &w->readings[i]);
    }
    json_end_object(j);
    json_end_object(j);
}

int tell_room(struct scaler *s, const struct scale_spec *spec, struct err *e)
{
    size_t count = decide_memory_records(spec);
    if (count <= s->record_count) {
        return 0;
    }
    struct decide_record *records = realloc(s->records, count * sizeof(struct decide_record));
    if (records == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for %zu records", count);
    }
    s->records = records;
    s->record_count = count;
    return 0;
}

void tell_observed(struct scaler *s, const struct workload *w)
{
    if (s->options.log->level >= LOG_INFO) { /* else no line will be written */
        decide_memory_copy(&w->memory, &w->spec, s->records, &s->before);
    }
}

static bool was_told(const struct workload *w)
{
    int32_t to = w->decision.replicas;
    bool known = to == w->replicas || (to == w->logged_to && w->replicas == w->logged_from);
    return known && w->decision.reason == w->logged_reason;
}

void tell_decision(struct scaler *s, struct workload *w)
{
    const struct decided *d = &w->decision;
    struct json_writer j;
    if (was_told(w)) {
        return;
    }
    w->logged_reason = d->reason;
    w->logged_from = w->replicas;
    w->logged_to = d->replicas;
    if (s->options.log->level < LOG_INFO) {
        return;
    }
    buf_reset(&s->line);
    json_writer_init(&j, &s->line);
    put_spec(&j, w);
    size_t spec_end = s->line.len;
    json_writer_init(&j, &s->line);
    put_observation(&j, w);
    size_t observation_end = s->line.len;
    json_writer_init(&j, &s->line);
    memory_write(&j, &s->before, w->spec.trigger_count);
    struct str all = buf_view(&s->line);
    LOG_AT(s->options.log, LOG_INFO, "decision", WHO(w), F_INT("from", w->replicas),
           F_INT("to", d->replicas), F_STR("reason", str_from(decide_reason_name(d->reason))),
           F_STR("message", str_from(workload_message(w))),
           F_RAW("spec", str_slice(all, 0, spec_end)),
           F_RAW("observation", str_slice(all, spec_end, observation_end)),
           F_RAW("memory", str_slice(all, observation_end, all.len)));
}

void tell_scaled(const struct scaler *s, const struct workload *w)
{
    char note[1024];
    (void)fmt(note, sizeof(note), "Scaled from %d to %d: %s", w->decided_at, w->decision.replicas,
              workload_message(w));
    event(s, w, SCALER_NORMAL, "SuccessfulRescale", note);
    LOG_AT(s->options.log, LOG_INFO, "scaled", WHO(w), F_INT("from", w->decided_at),
           F_INT("to", w->decision.replicas), F_STR("message", str_from(workload_message(w))));
}

void tell_conflict(const struct scaler *s, const struct workload *w)
{
    char note[1024];
    if (w->conflict.ptr == NULL) {
        LOG_AT(s->options.log, LOG_INFO, "no other autoscaler any more", WHO(w));
        return;
    }
    (void)fmt(
        note, sizeof(note),
        "Held at %d replica%s: HorizontalPodAutoscaler %.*s scales it too; delete one of the two",
        w->replicas, fmt_s(w->replicas), STR_ARG(w->conflict));
    event(s, w, SCALER_WARNING, "ConflictingAutoscaler", note);
    LOG_AT(s->options.log, LOG_WARN, "another autoscaler has the same target, held", WHO(w),
           F_STR("hpa", w->conflict));
}

void tell_write_failed(const struct scaler *s, struct workload *w, const struct err *e)
{
    LOG_AT(s->options.log, LOG_WARN, "scale failed", WHO(w), F_INT("from", w->replicas),
           F_INT("to", w->decision.replicas), F_ERR(e));
    if (w->write_failing) {
        return;
    }
    w->write_failing = true;
    char note[1024];
    (void)fmt(note, sizeof(note), "Could not scale from %d to %d, will try again: %s", w->replicas,
              w->decision.replicas, e->text);
    event(s, w, SCALER_WARNING, "FailedRescale", note);
}
