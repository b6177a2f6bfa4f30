#include "cli/view.h"

#include "base/num.h"
#include "base/spec_rows.h"

/* A time, or 0. */
static int64_t time_of(const struct json *node)
{
    struct err ignored = ERR_INIT;
    int64_t ms = 0;
    return node != NULL && num_time_ms(json_str(node), &ms, &ignored) == 0 ? ms : 0;
}

static void read_conditions(const struct json *list, struct view *v)
{
    for (const struct json *c = list == NULL ? NULL : list->child; c != NULL; c = c->next) {
        struct str type = json_str(json_get(c, STR("type")));
        for (size_t i = 0; i < CONDITION_COUNT; i++) {
            if (str_eq(type, SCALER_CONDITION_TYPES[i])) {
                v->conditions[i] = (struct view_condition){
                    .status = json_str(json_get(c, STR("status"))),
                    .reason = json_str(json_get(c, STR("reason"))),
                    .message = json_str(json_get(c, STR("message"))),
                    .since_ms = time_of(json_get(c, STR("lastTransitionTime")))};
            }
        }
    }
}

static bool is(const struct view *v, enum scaler_condition which, struct str status)
{
    return str_eq(v->conditions[which].status, status);
}

static bool stabilized(const struct view *v)
{
    return str_ends(v->conditions[CONDITION_ABLE_TO_SCALE].reason, STR("Stabilized"));
}

/* The condition that says most: what keeps the count comes before what is as it should be. */
static enum scaler_condition telling(const struct view *v)
{
    const struct {
        bool applies;
        enum scaler_condition which;
    } order[] = {
        {is(v, CONDITION_ABLE_TO_SCALE, STR("False")), CONDITION_ABLE_TO_SCALE},
        {is(v, CONDITION_PAUSED, STR("True")), CONDITION_PAUSED},
        {is(v, CONDITION_FALLBACK, STR("True")), CONDITION_FALLBACK},
        {is(v, CONDITION_ACTIVE, STR("Unknown")), CONDITION_ACTIVE},
        {is(v, CONDITION_SCALING_LIMITED, STR("Unknown")), CONDITION_SCALING_LIMITED},
        {stabilized(v), CONDITION_ABLE_TO_SCALE},
        {is(v, CONDITION_SCALING_LIMITED, STR("True")), CONDITION_SCALING_LIMITED},
        {is(v, CONDITION_ACTIVE, STR("False")), CONDITION_ACTIVE},
    };
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (order[i].applies) {
            return order[i].which;
        }
    }
    return CONDITION_ABLE_TO_SCALE;
}

static void find_reason(struct view *v)
{
    const struct view_condition *c = &v->conditions[telling(v)];
    if (c->status.ptr != NULL) {
        v->reason = c->reason;
        v->message = c->message;
    } else {
        v->reason = v->usable ? STR("NotSeen") : STR("InvalidAnnotations");
        v->message = v->usable ? STR("no scaler has said anything about it yet")
                               : STR("the annotations cannot be used");
    }
}

/* "NAME: VALUE/THRESHOLD → …", as decide_text.c begins a sentence about a trigger whose value it
 * knew. */
static bool value_told(struct str message, const struct trigger *t, double *out)
{
    char threshold[NUM_TEXT_BYTES];
    struct err ignored = ERR_INIT;
    struct str rest;
    if (!str_starts(message, t->name)) {
        return false;
    }
    message = str_slice(message, t->name.len, message.len);
    if (!str_starts(message, STR(": "))) {
        return false;
    }
    struct str value = str_cut(str_slice(message, 2, message.len), '/', &rest);
    struct str target = num_print_double(t->threshold, threshold);
    return rest.ptr != NULL && str_starts(rest, target) &&
           str_starts(str_slice(rest, target.len, rest.len), STR(" ")) &&
           num_double(value, out, &ignored) == 0;
}

static void find_values(struct view *v)
{
    for (size_t i = 0; i < v->spec.trigger_count; i++) {
        for (size_t which = 0; which < CONDITION_COUNT; which++) {
            double value;
            if (value_told(v->conditions[which].message, &v->spec.triggers[i], &value)) {
                v->readings[i] = (struct reading){.kind = READING_VALUE, .value = value};
            }
        }
    }
}

int view_make(const struct deployment *d, struct arena *a, struct view *out, struct err *e)
{
    struct view v = {.namespace_ = d->namespace_,
                     .name = d->name,
                     .uid = d->uid,
                     .desired = d->replicas,
                     .replicas = d->status_replicas,
                     .ready = d->ready_replicas,
                     .created_ms = time_of(json_path(d->node, "metadata/creationTimestamp")),
                     .scaled = spec_wants_scaling(&d->annotations),
                     .annotations = d->annotations};
    if (spec_parse(&d->annotations, a, &v.spec, &v.complaints, e) != 0) {
        return -1;
    }
    v.usable = spec_usable(&v.complaints) && v.spec.trigger_count > 0;
    if (!v.usable) {
        v.spec.trigger_count = 0;
    }
    read_conditions(d->conditions, &v);
    find_reason(&v);
    find_values(&v);
    *out = v;
    return 0;
}

void view_read_now(struct view *v, const struct reading *readings)
{
    for (size_t i = 0; i < v->spec.trigger_count; i++) {
        v->readings[i] = readings[i];
    }
}

/* With at most three decimals, as the API's quantities have. */
static void put_value(double value, struct buf *out)
{
    char text[NUM_TEXT_BYTES];
    double thousandths = value * 1000;
    bool fits = thousandths < 1e15 && thousandths > -1e15;
    if (fits) {
        int64_t whole = (int64_t)(thousandths + (thousandths < 0 ? -0.5 : 0.5));
        value = (double)whole / 1000;
    }
    buf_append(out, num_print_double(value, text));
}

static void put_target(const struct view *v, size_t i, struct buf *out)
{
    const struct trigger *t = &v->spec.triggers[i];
    const struct reading *reading = &v->readings[i];
    bool average = t->type == METRIC_AVERAGE_VALUE;
    char threshold[NUM_TEXT_BYTES];
    if (reading->kind != READING_VALUE) {
        buf_append(out, STR("<unknown>"));
    } else {
        put_value(average && v->replicas > 0 ? reading->value / (double)v->replicas
                                             : reading->value,
                  out);
    }
    buf_format(out, "/%.*s%s", STR_ARG(num_print_double(t->threshold, threshold)),
               average ? " (avg)" : "");
}

void view_targets(const struct view *v, struct buf *out)
{
    if (v->spec.trigger_count == 0) {
        buf_append(out, STR("<invalid>"));
    }
    for (size_t i = 0; i < v->spec.trigger_count; i++) {
        if (spec_has(&v->spec, KEY_TRIGGERS)) {
            buf_format(out, "%s%.*s: ", i > 0 ? ", " : "", STR_ARG(v->spec.triggers[i].name));
        }
        put_target(v, i, out);
    }
}

void view_age(int64_t age_ms, struct buf *out)
{
    long long s = age_ms > 0 ? (long long)(age_ms / 1000) : 0;
    long long m = s / 60, h = s / 3600, d = s / 86400;
    if (s < 120) {
        buf_format(out, "%llds", s);
    } else if (m < 10 && s % 60 != 0) {
        buf_format(out, "%lldm%llds", m, s % 60);
    } else if (m < 180) {
        buf_format(out, "%lldm", m);
    } else if (h < 8 && m % 60 != 0) {
        buf_format(out, "%lldh%lldm", h, m % 60);
    } else if (h < 48) {
        buf_format(out, "%lldh", h);
    } else if (d < 8 && h % 24 != 0) {
        buf_format(out, "%lldd%lldh", d, h % 24);
    } else {
        buf_format(out, "%lldd", d);
    }
}

/* ---- JSON ---- */

static void put_time(struct json_writer *j, struct str key, int64_t ms)
{
    char text[NUM_TEXT_BYTES];
    json_key(j, key);
    if (ms > 0) {
        json_put_str(j, num_print_time(ms, 0, text));
    } else {
        json_put_null(j);
    }
}

static void put_trigger(const struct view *v, size_t i, struct json_writer *j)
{
    const struct trigger *t = &v->spec.triggers[i];
    const struct reading *reading = &v->readings[i];
    json_begin_object(j);
    json_member_str(j, STR("name"), t->name);
    json_member_str(j, STR("query"), t->query);
    json_member_str(j, STR("metricType"), SPEC_METRIC_TYPES[t->type]);
    json_key(j, STR("threshold"));
    json_put_double(j, t->threshold);
    json_key(j, STR("value"));
    if (reading->kind == READING_VALUE) {
        json_put_double(j, reading->value);
    } else {
        json_put_null(j);
    }
    if (reading->kind == READING_EMPTY || reading->kind == READING_ERROR) {
        json_member_str(j, reading->kind == READING_EMPTY ? STR("empty") : STR("error"),
                        str_from(reading->text));
    }
    json_end_object(j);
}

static void put_conditions(const struct view *v, struct json_writer *j)
{
    json_key(j, STR("conditions"));
    json_begin_array(j);
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        const struct view_condition *c = &v->conditions[i];
        if (c->status.ptr == NULL) {
            continue;
        }
        json_begin_object(j);
        json_member_str(j, STR("type"), SCALER_CONDITION_TYPES[i]);
        json_member_str(j, STR("status"), c->status);
        json_member_str(j, STR("reason"), c->reason);
        json_member_str(j, STR("message"), c->message);
        put_time(j, STR("lastTransitionTime"), c->since_ms);
        json_end_object(j);
    }
    json_end_array(j);
}

static void put_complaints(const struct view *v, struct json_writer *j)
{
    json_key(j, STR("complaints"));
    json_begin_array(j);
    for (size_t i = 0; i < v->complaints.count; i++) {
        struct buf text;
        buf_init(&text, 8192);
        complaint_print(&v->complaints.items[i], &text);
        json_put_str(j, buf_view(&text));
        buf_free(&text);
    }
    json_end_array(j);
}

static void put_bounds(const struct view *v, struct json_writer *j)
{
    char interval[NUM_TEXT_BYTES];
    json_member_int(j, STR("minReplicas"), v->spec.min_replicas);
    json_member_int(j, STR("maxReplicas"), v->spec.max_replicas);
    json_member_str(j, STR("pollingInterval"),
                    num_print_duration(v->spec.polling_interval_ms, interval));
}

void view_put_json(const struct view *v, struct json_writer *j)
{
    json_member_str(j, STR("namespace"), v->namespace_);
    json_member_str(j, STR("name"), v->name);
    json_member_bool(j, STR("scaled"), v->scaled);
    json_member_bool(j, STR("valid"), v->usable || !v->scaled);
    put_complaints(v, j);
    json_key(j, STR("triggers"));
    json_begin_array(j);
    for (size_t i = 0; i < v->spec.trigger_count; i++) {
        put_trigger(v, i, j);
    }
    json_end_array(j);
    if (v->usable) {
        put_bounds(v, j);
    }
    json_member_int(j, STR("replicas"), v->replicas);
    json_member_int(j, STR("ready"), v->ready);
    json_member_int(j, STR("desired"), v->desired);
    json_member_str(j, STR("reason"), v->reason);
    json_member_str(j, STR("message"), v->message);
    put_conditions(v, j);
    put_time(j, STR("created"), v->created_ms);
}
