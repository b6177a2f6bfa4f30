#include "cli/explain.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "base/num.h"
#include "cli/table.h"

/* ---- events ---- */

static int64_t time_in(const struct json *node, const char *path)
{
    struct err ignored = ERR_INIT;
    int64_t ms;
    struct str text = json_str(json_path(node, path));
    return text.len > 0 && num_time_ms(text, &ms, &ignored) == 0 ? ms : 0;
}

static struct explain_event read_event(const struct json *node)
{
    static const char *const TIMES[] = {"series/lastObservedTime", "lastTimestamp", "eventTime",
                                        "metadata/creationTimestamp"};
    struct explain_event event = {.type = json_str(json_get(node, STR("type"))),
                                  .reason = json_str(json_get(node, STR("reason"))),
                                  .note = json_str(json_get(node, STR("message"))),
                                  .count = 1};
    for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]) && event.last_ms == 0; i++) {
        event.last_ms = time_in(node, TIMES[i]);
    }
    int64_t count;
    if (json_int(json_path(node, "series/count"), &count) ||
        json_int(json_get(node, STR("count")), &count)) {
        event.count = count > 1 ? count : 1;
    }
    return event;
}

size_t explain_events(const struct json *list, struct explain_event out[EXPLAIN_EVENTS_MAX])
{
    const struct json *items = json_get(list, STR("items"));
    size_t count = 0;
    for (const struct json *i = items == NULL ? NULL : items->child; i != NULL; i = i->next) {
        if (!str_starts(json_str(json_get(i, STR("reportingComponent"))), STR(SPEC_PREFIX))) {
            continue;
        }
        struct explain_event event = read_event(i);
        size_t at = count;
        while (at > 0 && out[at - 1].last_ms <= event.last_ms) {
            if (at < EXPLAIN_EVENTS_MAX) {
                out[at] = out[at - 1];
            }
            at--;
        }
        if (at < EXPLAIN_EVENTS_MAX) {
            out[at] = event;
            count += count < EXPLAIN_EVENTS_MAX ? 1 : 0;
        }
    }
    return count;
}

/* ---- the decision ---- */

int explain_decide(const struct view *v, int64_t now_ms, struct decision *out, struct err *e)
{
    const struct view_condition *told = &v->conditions[CONDITION_ACTIVE];
    const struct observation obs = {v->desired, v->ready, v->readings};
    struct decide_memory memory;
    struct decide_record *records = calloc(decide_memory_records(&v->spec), sizeof(*records));
    if (records == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a decision");
    }
    decide_memory_init(&memory, &v->spec, records);
    if (told->status.ptr != NULL) {
        struct condition active = condition_from(told->status, told->reason, told->since_ms);
        condition_restore(&active, &v->spec, now_ms, &memory);
    }
    decide(&v->spec, &obs, &memory, now_ms, out);
    free(records);
    return 0;
}

/* ---- text ---- */

enum { INDENT = 2, KEY_COLUMNS = 26 };

static void title(struct buf *out, const char *text)
{
    buf_format(out, "\n%s\n", text);
}

/* "  key   value", the further lines of the value below the first. */
static void put_row(struct buf *out, struct str key, struct str value, const char *note)
{
    struct str rest, line = str_cut(str_trim(value), '\n', &rest);
    buf_format(out, "  %-*.*s%.*s%s\n", KEY_COLUMNS, STR_ARG(key), STR_ARG(line), note);
    while (rest.ptr != NULL) {
        line = str_cut(rest, '\n', &rest);
        buf_format(out, "  %-*s%.*s\n", KEY_COLUMNS, "", STR_ARG(line));
    }
}

static struct str without_prefix(struct str key)
{
    return str_starts(key, STR(SPEC_PREFIX)) ? str_slice(key, sizeof(SPEC_PREFIX) - 1, key.len)
                                             : key;
}

static bool is_ours(struct str key)
{
    return str_starts(key, STR(SPEC_PREFIX)) && !str_eq(key, STR(SPEC_INJECTED));
}

static void put_contract(const struct view *v, struct buf *out)
{
    struct str key, value;
    title(out, "Contract");
    for (size_t i = 0; i < v->annotations.count; i++) {
        const struct kv *item = &v->annotations.items[i];
        if (is_ours(item->key)) {
            put_row(out, without_prefix(item->key), item->value, "");
        }
    }
    for (size_t i = 0; v->usable && spec_default(&v->spec, i, &key, &value); i++) {
        put_row(out, without_prefix(key), value, "  (default)");
    }
    if (v->usable && !v->spec.behavior.given) {
        put_row(out, STR("behavior"),
                STR("up at once; down after 300 s without a higher proposal; "
                    "tolerance 10 %"),
                "  (default)");
    }
    if (v->complaints.count > 0) {
        title(out, v->usable ? "Ignored" : "Wrong, so the count is held");
        for (size_t i = 0; i < v->complaints.count; i++) {
            buf_append(out, STR("  "));
            complaint_print(&v->complaints.items[i], out);
            buf_append_char(out, '\n');
        }
    }
}

static struct str age_of(int64_t now_ms, int64_t then_ms, struct buf *text)
{
    buf_reset(text);
    if (then_ms > 0) {
        view_age(now_ms - then_ms, text);
    } else {
        buf_append(text, STR("-"));
    }
    return buf_view(text);
}

static void put_conditions(const struct explanation *x, struct buf *out)
{
    struct table t;
    struct buf age;
    size_t there = 0;
    title(out, "Conditions");
    buf_init(&age, 64);
    table_init_columns(&t, 5);
    for (int printing = 0; printing < 2; printing++) {
        for (size_t i = 0; i < CONDITION_COUNT; i++) {
            const struct view_condition *c = &x->view->conditions[i];
            const struct str cells[] = {without_prefix(SCALER_CONDITION_TYPES[i]), c->status,
                                        c->reason, age_of(x->now_ms, c->since_ms, &age),
                                        c->message};
            if (c->status.ptr == NULL) {
                continue;
            }
            there++;
            if (printing == 0) {
                table_measure(&t, cells);
            } else {
                table_print(&t, INDENT, cells, out);
            }
        }
    }
    buf_free(&age);
    if (there == 0) {
        buf_append(out, STR("  none: no scaler has said anything about it yet\n"));
    }
}

static void put_events(const struct explanation *x, struct buf *out)
{
    struct table t;
    struct buf age;
    title(out, "Events");
    buf_init(&age, 64);
    table_init_columns(&t, 4);
    for (int printing = 0; printing < 2; printing++) {
        for (size_t i = 0; i < x->event_count; i++) {
            const struct explain_event *v = &x->events[i];
            const struct str cells[] = {age_of(x->now_ms, v->last_ms, &age), v->type, v->reason,
                                        v->note};
            if (printing == 0) {
                table_measure(&t, cells);
            } else {
                table_print(&t, INDENT, cells, out);
            }
        }
    }
    buf_free(&age);
    if (x->events_error.ptr != NULL) {
        buf_format(out, "  not known: %.*s\n", STR_ARG(x->events_error));
    } else if (x->event_count == 0) {
        buf_append(out, STR("  none of late\n"));
    }
}

static void put_reading(const struct trigger *t, const struct reading *r, struct buf *out)
{
    char value[NUM_TEXT_BYTES], threshold[NUM_TEXT_BYTES];
    buf_format(out, "  %.*s: ", STR_ARG(t->name));
    switch (r->kind) {
    case READING_VALUE: buf_append(out, num_print_double(r->value, value)); break;
    case READING_EMPTY: buf_format(out, "no value (%s)", r->text); break;
    case READING_ERROR: buf_format(out, "unknown: %s", r->text); break;
    case READING_NONE: buf_append(out, STR("not asked")); break;
    }
    buf_format(out, ", threshold %.*s\n", STR_ARG(num_print_double(t->threshold, threshold)));
}

static void put_now(const struct explanation *x, struct buf *out)
{
    const struct view *v = x->view;
    const struct decision *d = &x->decision;
    title(out, "Now");
    if (!v->usable) {
        buf_format(out, "  held at %d: the annotations cannot be used\n", v->desired);
        return;
    }
    if (!x->decided) {
        buf_format(out,
                   "  %.*s: %.*s\n  As the scaler said last. --endpoint or --workspace, where it "
                   "queries, would tell of this moment.\n",
                   STR_ARG(v->reason), STR_ARG(v->message));
        return;
    }
    for (size_t i = 0; i < v->spec.trigger_count; i++) {
        put_reading(&v->spec.triggers[i], &v->readings[i], out);
    }
    buf_format(out, "  %d → %d replica%s, %s: %s\n", v->desired, d->replicas, fmt_s(d->replicas),
               decide_reason_name(d->reason), d->message);
    buf_append(out, STR("  Decided without the scaler's memory, as if it were seen for the first "
                        "time: stabilization and\n  policies may let go what is held here, or hold "
                        "what is not.\n"));
}

void explain_text(const struct explanation *x, struct buf *out)
{
    const struct view *v = x->view;
    buf_format(out, "Deployment %.*s/%.*s: %d replica%s wanted, %d there, %d ready\n",
               STR_ARG(v->namespace_), STR_ARG(v->name), v->desired, fmt_s(v->desired), v->replicas,
               v->ready);
    if (!v->scaled) {
        buf_append(out, STR("\nIt is not scaled: no annotation " SPEC_PREFIX "query or " SPEC_PREFIX
                            "triggers asks so.\n"));
        return;
    }
    put_contract(v, out);
    put_conditions(x, out);
    put_events(x, out);
    put_now(x, out);
}

/* ---- JSON ---- */

static void put_json_contract(const struct view *v, struct json_writer *j)
{
    struct str key, value;
    json_key(j, STR("annotations"));
    json_begin_object(j);
    for (size_t i = 0; i < v->annotations.count; i++) {
        if (is_ours(v->annotations.items[i].key)) {
            json_member_str(j, v->annotations.items[i].key, v->annotations.items[i].value);
        }
    }
    json_end_object(j);
    json_key(j, STR("defaults"));
    json_begin_object(j);
    for (size_t i = 0; v->usable && spec_default(&v->spec, i, &key, &value); i++) {
        json_member_str(j, key, value);
    }
    json_end_object(j);
}

static void put_json_events(const struct explanation *x, struct json_writer *j)
{
    char time[NUM_TEXT_BYTES];
    json_key(j, STR("events"));
    json_begin_array(j);
    for (size_t i = 0; i < x->event_count; i++) {
        const struct explain_event *event = &x->events[i];
        json_begin_object(j);
        json_member_str(j, STR("type"), event->type);
        json_member_str(j, STR("reason"), event->reason);
        json_member_str(j, STR("message"), event->note);
        json_member_int(j, STR("count"), event->count);
        json_key(j, STR("last"));
        if (event->last_ms > 0) {
            json_put_str(j, num_print_time(event->last_ms, 0, time));
        } else {
            json_put_null(j);
        }
        json_end_object(j);
    }
    json_end_array(j);
    if (x->events_error.ptr != NULL) {
        json_member_str(j, STR("eventsError"), x->events_error);
    }
}

void explain_json(const struct explanation *x, struct buf *out)
{
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    view_put_json(x->view, &j);
    put_json_contract(x->view, &j);
    put_json_events(x, &j);
    json_key(&j, STR("now"));
    if (x->decided) {
        json_begin_object(&j);
        json_member_int(&j, STR("replicas"), x->decision.replicas);
        json_member_str(&j, STR("reason"), str_from(decide_reason_name(x->decision.reason)));
        json_member_str(&j, STR("message"), str_from(x->decision.message));
        json_member_bool(&j, STR("withoutMemory"), true);
        json_end_object(&j);
    } else {
        json_put_null(&j);
    }
    json_end_object(&j);
    buf_append_char(out, '\n');
}
