/* Who is in the table, and with which spec. */
#include <stdlib.h>
#include <string.h>

#include "scaler/core.h"

enum { STEP_ARENA_BYTES = 1 << 20, LINE_BYTES = 64 << 10, QUERY_TIMEOUT_MS = 5000 };

int scaler_new(const struct scaler_options *options, const struct scaler_io *io,
               struct scaler **out, struct err *e)
{
    struct scaler *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the scaler");
    }
    s->options = *options;
    if (s->options.query_timeout_ms == 0) {
        s->options.query_timeout_ms = QUERY_TIMEOUT_MS;
    }
    s->io = *io;
    table_init(&s->table);
    arena_init(&s->arena, STEP_ARENA_BYTES);
    buf_init(&s->line, LINE_BYTES);
    *out = s;
    return 0;
}

void scaler_free(struct scaler *s)
{
    if (s == NULL) {
        return;
    }
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(&s->table, &cursor); w != NULL;
         w = table_each(&s->table, &cursor)) {
        tick_cancel(s, w);
    }
    table_free(&s->table);
    arena_free(&s->arena);
    buf_free(&s->line);
    free(s);
}

static void let_go(struct scaler *s, struct workload *w, const char *why)
{
    tick_cancel(s, w);
    tell_released(s, w, why);
    s->io.released(s->io.context, w);
    table_remove(&s->table, w);
}

/* Read w's annotations into w->spec and start it afresh: a changed query's value says nothing about
 * the old one's cooldown. */
static int read_spec(struct scaler *s, struct workload *w, struct scaler_time now, struct err *e)
{
    struct complaints complaints;
    struct scale_spec spec;
    arena_reset(&s->arena);
    table_unschedule(&s->table, w);
    w->usable = false;
    if (spec_parse(&w->annotations, &s->arena, &spec, &complaints, e) != 0) {
        w->spec.trigger_count = 0;
        return -1;
    }
    if (workload_set_spec(w, &spec, e) != 0) {
        return -1;
    }
    w->usable = spec_usable(&complaints) && spec.trigger_count > 0;
    w->memory = (struct decide_memory){0};
    w->logged_reason = REASON_COUNT;
    if (complaints.count > 0) {
        tell_complaints(s, w, &complaints);
    }
    if (w->usable) {
        table_schedule(&s->table, w, now.monotonic_ms);
    }
    return 0;
}

static void observe(struct workload *w, const struct deployment *d)
{
    if (!w->seen) {
        w->resource_version[0] = '\0'; /* a new list counts, whatever its versions */
        w->seen = true;
    }
    w->ready = d->ready_replicas;
    (void)workload_take_replicas(w, d->replicas, d->resource_version);
}

static int adopt(struct scaler *s, const struct deployment *d, struct scaler_time now,
                 struct err *e)
{
    struct workload *w;
    if (table_add(&s->table, d, &w, e) != 0) {
        return -1;
    }
    observe(w, d);
    tell_adopted(s, w);
    if (read_spec(s, w, now, e) != 0) {
        table_remove(&s->table, w);
        return -1;
    }
    return 0;
}

int scaler_on_deployment(struct scaler *s, const struct deployment *d, struct scaler_time now,
                         struct err *e)
{
    struct workload *w = table_find(&s->table, d->uid);
    bool wanted = spec_wants_scaling(&d->annotations) && !d->deleting;
    if (w == NULL) {
        return wanted ? adopt(s, d, now, e) : 0;
    }
    if (!wanted) {
        let_go(s, w, d->deleting ? "the Deployment is being deleted" : "its annotations are gone");
        return 0;
    }
    observe(w, d);
    if (workload_same_annotations(w, d)) {
        return 0;
    }
    tick_cancel(s, w);
    if (workload_copy_texts(w, d, e) != 0) {
        return -1;
    }
    tell_spec_changed(s, w);
    return read_spec(s, w, now, e);
}

void scaler_on_removed(struct scaler *s, struct str uid)
{
    struct workload *w = table_find(&s->table, uid);
    if (w != NULL) {
        let_go(s, w, "the Deployment was deleted");
    }
}

void scaler_list_begin(struct scaler *s, struct str namespace_)
{
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(&s->table, &cursor); w != NULL;
         w = table_each(&s->table, &cursor)) {
        if (namespace_.ptr == NULL || str_eq(w->namespace_, namespace_)) {
            w->seen = false;
        }
    }
}

void scaler_list_end(struct scaler *s, struct str namespace_)
{
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(&s->table, &cursor); w != NULL;
         w = table_each(&s->table, &cursor)) {
        bool listed = namespace_.ptr == NULL || str_eq(w->namespace_, namespace_);
        if (listed && !w->seen) {
            let_go(s, w, "the Deployment was deleted");
        }
    }
}

int64_t scaler_next_due_ms(const struct scaler *s)
{
    const struct workload *first = table_first_due(&s->table);
    return first == NULL ? INT64_MAX : first->due_ms;
}

void scaler_run_due(struct scaler *s, struct scaler_time now)
{
    struct workload *w = table_first_due(&s->table);
    while (w != NULL && w->due_ms <= now.monotonic_ms) {
        table_unschedule(&s->table, w);
        tick_start(s, w, now);
        w = table_first_due(&s->table);
    }
}

size_t scaler_count(const struct scaler *s)
{
    return s->table.count;
}
