/* What people and programs are told: events on change, log lines, and the decision line.
 *
 * A decision line is written when the count changes or the reason does, so a steady workload is
 * silent. It holds all that decide() was given, so the same line fed back gives the same result.
 */
#include "base/fmt.h"
#include "base/json.h"
#include "scaler/core.h"

static void event(const struct scaler *s, const struct workload *w, enum scaler_event type,
                  const char *reason, const char *note)
{
    s->io.event(s->io.context, w, type, reason, note);
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
    char note[512];
    if (reading->kind != READING_VALUE) {
        (void)fmt(note, sizeof(note), "Held at %d replicas: trigger %.*s: %s", w->replicas,
                  STR_ARG(name), reading->text);
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
    case READING_EMPTY: json_put_null(j); return;
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

static void put_int(struct json_writer *j, struct str key, int64_t value)
{
    json_key(j, key);
    json_put_int(j, value);
}

static void put_spec(struct json_writer *j, const struct workload *w)
{
    json_begin_object(j);
    for (size_t i = 0; i < w->annotations.count; i++) {
        json_key(j, w->annotations.items[i].key);
        json_put_str(j, w->annotations.items[i].value);
    }
    json_end_object(j);
}

static void put_observation(struct json_writer *j, const struct workload *w, int64_t unix_ms)
{
    json_begin_object(j);
    put_int(j, STR("t"), unix_ms);
    put_int(j, STR("replicas"), w->replicas);
    put_int(j, STR("ready"), w->ready);
    json_key(j, STR("readings"));
    json_begin_object(j);
    for (size_t i = 0; i < w->spec.trigger_count; i++) {
        json_key(j, w->spec.triggers[i].name);
        put_reading(j, &w->readings[i]);
    }
    json_end_object(j);
    json_end_object(j);
}

static struct str part(struct scaler *s, size_t from)
{
    return str_slice(buf_view(&s->line), from, s->line.len);
}

void tell_decision(struct scaler *s, struct workload *w, const struct decide_memory *before,
                   struct scaler_time now)
{
    const struct decision *d = &w->decision;
    if (d->replicas == w->replicas && d->reason == w->logged_reason) {
        return;
    }
    w->logged_reason = d->reason;
    struct json_writer j;
    buf_reset(&s->line);
    json_writer_init(&j, &s->line);
    put_spec(&j, w);
    size_t spec_end = s->line.len;
    json_writer_init(&j, &s->line);
    put_observation(&j, w, now.unix_ms);
    size_t observation_end = s->line.len;
    json_writer_init(&j, &s->line);
    json_begin_object(&j);
    put_int(&j, STR("lastMs"), before->last_ms);
    put_int(&j, STR("inactiveMs"), before->inactive_ms);
    json_end_object(&j);
    struct str all = buf_view(&s->line);
    LOG_AT(s->options.log, LOG_INFO, "decision", WHO(w), F_INT("from", w->replicas),
           F_INT("to", d->replicas), F_STR("reason", str_from(decide_reason_name(d->reason))),
           F_STR("message", str_from(d->message)), F_RAW("spec", str_slice(all, 0, spec_end)),
           F_RAW("observation", str_slice(all, spec_end, observation_end)),
           F_RAW("memory", part(s, observation_end)));
}

void tell_scaled(const struct scaler *s, const struct workload *w, int32_t from, int32_t to)
{
    char note[1024];
    (void)fmt(note, sizeof(note), "Scaled from %d to %d: %s", from, to, w->decision.message);
    event(s, w, SCALER_NORMAL, "SuccessfulRescale", note);
    LOG_AT(s->options.log, LOG_INFO, "scaled", WHO(w), F_INT("from", from), F_INT("to", to),
           F_STR("message", str_from(w->decision.message)));
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
