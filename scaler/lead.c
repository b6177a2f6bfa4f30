/* Who is to scale what: leadership by namespace, and other autoscalers with the same target. */
#include <stdlib.h>

#include "base/fmt.h"
#include "scaler/core.h"

bool lead_in(const struct scaler *s, struct str namespace_)
{
    bool leads = !s->options.elects;
    for (size_t i = 0; i < s->leading_count; i++) {
        struct str said = str_from(s->leading[i].namespace_);
        if (said.len > 0 && str_eq(said, namespace_)) {
            return s->leading[i].leads;
        }
        leads = said.len == 0 ? s->leading[i].leads : leads;
    }
    return leads;
}

/* The entry for a namespace, made if there is none. */
static struct leading *entry(struct scaler *s, struct str namespace_, struct err *e)
{
    for (size_t i = 0; i < s->leading_count; i++) {
        if (str_eq(str_from(s->leading[i].namespace_), namespace_)) {
            return &s->leading[i];
        }
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
    struct leading *new = &more[s->leading_count++];
    (void)fmt(new->namespace_, sizeof(new->namespace_), "%.*s", STR_ARG(namespace_));
    return new;
}

int scaler_lead(struct scaler *s, struct str namespace_, bool leads, struct scaler_time now,
                struct err *e)
{
    struct leading *said = entry(s, namespace_, e);
    if (said == NULL) {
        return -1;
    }
    said->leads = leads;
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
