/* Who is to scale what: leadership by namespace, and other autoscalers with the same target. */
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "scaler/core.h"

/* Where a namespace stands, or would, in s->leading, which is in order of names. */
static size_t place_of(const struct scaler *s, struct str namespace_)
{
    size_t from = 0, to = s->leading_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (str_compare(str_from(s->leading[middle].namespace_), namespace_) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* What was said of a namespace by its name; NULL: nothing. */
static struct leading *word_on(const struct scaler *s, struct str namespace_)
{
    size_t at = place_of(s, namespace_);
    bool there = at < s->leading_count && str_eq(str_from(s->leading[at].namespace_), namespace_);
    return there ? &s->leading[at] : NULL;
}

bool lead_in(const struct scaler *s, struct str namespace_)
{
    const struct leading *word = word_on(s, namespace_);
    return word != NULL ? word->leads : s->leads_rest;
}

/* The entry of a namespace, made if there is none. */
static struct leading *entry(struct scaler *s, struct str namespace_, struct err *e)
{
    struct leading *word = word_on(s, namespace_);
    if (word != NULL) {
        return word;
    }
    if (namespace_.len >= sizeof(s->leading[0].namespace_)) {
        (void)err_set(e, ERR_INVALID, "namespace \"%.*s\" is longer than Kubernetes allows",
                      STR_ARG(str_slice(namespace_, 0, 64)));
        return NULL;
    }
    struct leading *more = realloc(s->leading, (s->leading_count + 1) * sizeof(struct leading));
    if (more == NULL) {
        (void)err_set(e, ERR_MEMORY, "out of memory for one more namespace");
        return NULL;
    }
    s->leading = more;
    size_t at = place_of(s, namespace_);
    memmove(&more[at + 1], &more[at], (s->leading_count - at) * sizeof(struct leading));
    s->leading_count++;
    more[at] = (struct leading){.leads = false};
    (void)fmt(more[at].namespace_, sizeof(more[at].namespace_), "%.*s", STR_ARG(namespace_));
    return &more[at];
}

/* Let the workloads of a namespace, or all, do as was said. */
static int follow(struct scaler *s, struct str namespace_, struct scaler_time now, struct err *e)
{
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(&s->table, &cursor); w != NULL;
         w = table_each(&s->table, &cursor)) {
        bool before = w->leads;
        if (namespace_.len > 0 && !str_eq(w->namespace_, namespace_)) {
            continue;
        }
        w->leads = lead_in(s, w->namespace_);
        if (before && !w->leads) {
            tick_cancel(s, w);
            table_unschedule(&s->table, w);
        } else if (!before && w->leads) {
            w->met = false; /* as after a restart */
            if (spec_reread(s, w, now, e) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int scaler_lead(struct scaler *s, struct str namespace_, bool leads, struct scaler_time now,
                struct err *e)
{
    if (namespace_.len == 0) {
        s->leads_rest = leads;
    } else {
        struct leading *word = entry(s, namespace_, e);
        if (word == NULL) {
            return -1;
        }
        word->leads = leads;
    }
    return follow(s, namespace_, now, e);
}

int scaler_lead_as_rest(struct scaler *s, struct str namespace_, struct scaler_time now,
                        struct err *e)
{
    const struct leading *word = word_on(s, namespace_);
    if (word == NULL) {
        return 0;
    }
    size_t at = (size_t)(word - s->leading);
    s->leading_count--;
    memmove(&s->leading[at], &s->leading[at + 1], (s->leading_count - at) * sizeof(struct leading));
    return follow(s, namespace_, now, e);
}

static void update_conflict(struct scaler *s, struct workload *w, struct scaler_time now)
{
    struct str hpa = autoscalers_of(&s->autoscalers, w->namespace_, w->name);
    bool appeared = hpa.ptr != NULL && w->conflict.ptr == NULL;
    bool vanished = hpa.ptr == NULL && w->conflict.ptr != NULL;
    w->conflict = hpa;
    if (w->leads && (appeared || vanished)) {
        tell_conflict(s, w);
        conditions_publish(s, w, now.unix_ms);
    }
}

/* Of the Deployment `name` in a namespace, or of all when it is absent. */
static void update_conflicts(struct scaler *s, struct str namespace_, struct str name,
                             struct scaler_time now)
{
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(&s->table, &cursor); w != NULL;
         w = table_each(&s->table, &cursor)) {
        if (name.ptr == NULL || (str_eq(w->name, name) && str_eq(w->namespace_, namespace_))) {
            update_conflict(s, w, now);
        }
    }
}

int scaler_on_hpa(struct scaler *s, struct str namespace_, struct str hpa, struct str deployment,
                  struct scaler_time now, struct err *e)
{
    bool changed;
    char before[256]; /* the name goes with its entry */
    struct str target = fmt(before, sizeof(before), "%.*s",
                            STR_ARG(autoscalers_target(&s->autoscalers, namespace_, hpa)));
    if (autoscalers_set(&s->autoscalers, namespace_, hpa, deployment, &changed, e) != 0) {
        return -1;
    }
    if (changed && target.len > 0) {
        update_conflicts(s, namespace_, target, now);
    }
    if (changed && deployment.len > 0) {
        update_conflicts(s, namespace_, deployment, now);
    }
    return 0;
}

void scaler_hpa_list_begin(struct scaler *s, struct str namespace_)
{
    autoscalers_list_begin(&s->autoscalers, namespace_);
}

void scaler_hpa_list_end(struct scaler *s, struct str namespace_, struct scaler_time now)
{
    autoscalers_list_end(&s->autoscalers, namespace_);
    update_conflicts(s, namespace_, (struct str){NULL, 0}, now);
}
