/* Who is in the table, and with which spec. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "scaler/core.h"

enum { LINE_BYTES = 256 << 10, SPEC_ARENA_BYTES = 1 << 20, QUERY_TIMEOUT_MS = 5000 };

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
    s->leads_rest = !options->elects;
    table_init(&s->table);
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
    autoscalers_free(&s->autoscalers);
    free(s->leading);
    buf_free(&s->line);
    free(s->records);
    free(s);
}

void conditions_publish(struct scaler *s, struct workload *w, int64_t unix_ms)
{
    /* A wall clock that was set back must not make inactivity look old to the next process. */
    int64_t stamp_ms = unix_ms > w->clock_ms ? unix_ms : w->clock_ms;
    w->conditions_dirty = conditions_update(w, stamp_ms) || w->conditions_dirty;
    if (!w->conditions_dirty || w->conditions_call != NULL || s->options.dry_run) {
        return;
    }
    struct err e = ERR_INIT;
    w->conditions_dirty = false;
    if (s->io.write_conditions(s->io.context, w, &w->conditions_call, &e) != 0) {
        w->conditions_dirty = true;
        LOG_AT(s->options.log, LOG_WARN, "conditions not written",
               F_STR("namespace", w->namespace_), F_STR("deployment", w->name), F_ERR(&e));
    }
}

void scaler_on_conditions_written(struct scaler *s, struct workload *w, const struct err *e)
{
    bool failed_before = w->conditions_failing;
    w->conditions_call = NULL;
    w->conditions_failing = e->code != ERR_NONE && e->code != ERR_NOT_FOUND;
    if (!w->conditions_failing) {
        return;
    }
    if (e->code != ERR_DENIED) { /* what may not be written is not tried each tick */
        w->conditions_dirty = true;
    }
    if (!failed_before) {
        LOG_AT(s->options.log, LOG_WARN, "conditions not written",
               F_STR("namespace", w->namespace_), F_STR("deployment", w->name), F_ERR(e));
    }
}

/* At first sight by the condition. Annotations that changed under us begin the cooldown anew, and
 * need no wall clock. */
static void restore_activity(struct workload *w, const struct decide_memory *before,
                             int64_t unix_ms)
{
    if (w->met) {
        w->memory.ever_active = before->ever_active;
    } else {
        condition_restore(&w->conditions[CONDITION_ACTIVE], &w->spec, unix_ms, &w->memory);
    }
}

static void let_go(struct scaler *s, struct workload *w, const char *why, bool there,
                   int32_t restore)
{
    tick_cancel(s, w);
    tell_released(s, w, why);
    s->io.released(s->io.context, w, there && w->leads && !s->options.dry_run, restore);
    table_remove(&s->table, w);
}

/* The count to go back to when the annotations went and no webhook saw it: then its own are still
 * there, and so is the wish. -1: none. */
static int32_t count_to_restore(const struct workload *w, const struct deployment *d)
{
    struct str original = kv_get(&d->annotations, STR(SPEC_ORIGINAL_REPLICAS));
    struct err ignored = ERR_INIT;
    int64_t count;
    if (!w->usable || !w->spec.restore_replicas || w->conflict.ptr != NULL ||
        original.ptr == NULL || num_int(original, 0, INT32_MAX, &count, &ignored) != 0) {
        return -1;
    }
    return (int32_t)count;
}

/* From the wall's time at first, then by what passed: nothing that is kept is older than that. */
static void begin_clock(struct workload *w, struct scaler_time now)
{
    if (!w->met) {
        w->clock_ms = now.unix_ms;
    } else if (now.monotonic_ms > w->ticked_ms) {
        w->clock_ms += now.monotonic_ms - w->ticked_ms;
    }
    w->ticked_ms = now.monotonic_ms;
}

/* Parse w's annotations, in `a`, into a spec of its own. */
static int read_spec(struct scaler *s, struct workload *w, struct arena *a,
                     struct complaints *complaints, struct err *e)
{
    struct scale_spec spec;
    if (spec_parse(&w->annotations, a, &spec, complaints, e) != 0) {
        w->spec.trigger_count = 0;
        return -1;
    }
    return workload_set_spec(w, &spec, e) != 0 || tell_room(s, &w->spec, e) != 0 ? -1 : 0;
}

static int reread(struct scaler *s, struct workload *w, struct arena *a, struct scaler_time now,
                  struct err *e)
{
    struct complaints complaints;
    struct decide_memory before = w->memory; /* its counters alone; the histories go */
    unsigned long long triggers_before = w->triggers_hash;
    table_unschedule(&s->table, w);
    w->usable = false;
    w->decision = (struct decided){.replicas = w->replicas};
    if (read_spec(s, w, a, &complaints, e) != 0) {
        return -1;
    }
    w->usable = spec_usable(&complaints) && w->spec.trigger_count > 0;
    begin_clock(w, now);
    w->logged_reason = REASON_COUNT;
    if (complaints.count > 0 && w->leads) {
        tell_complaints(s, w, &complaints);
    }
    restore_activity(w, &before, now.unix_ms);
    if (before.last_ms != 0 && triggers_before != w->triggers_hash) {
        /* The user changed what is measured: past proposals say nothing of it, and neither does the
         * present count. What the new metric asks for takes effect with its first value. */
        w->memory.last_ms = w->clock_ms;
        w->memory.adopted_ms = w->clock_ms;
    }
    w->met = true;
    if (!w->leads) {
        return 0;
    }
    if (w->usable) {
        table_schedule(&s->table, w, now.monotonic_ms);
    } else {
        conditions_publish(s, w, now.unix_ms);
    }
    return 0;
}

int spec_reread(struct scaler *s, struct workload *w, struct scaler_time now, struct err *e)
{
    struct arena arena;
    arena_init(&arena, SPEC_ARENA_BYTES);
    int result = reread(s, w, &arena, now, e);
    arena_free(&arena);
    return result;
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
    w->leads = lead_in(s, w->namespace_);
    w->conflict = autoscalers_of(&s->autoscalers, w->namespace_, w->name);
    observe(w, d);
    conditions_read(w, d->conditions);
    tell_adopted(s, w);
    if (spec_reread(s, w, now, e) != 0) {
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
        if (d->deleting) {
            let_go(s, w, "the Deployment is being deleted", false, -1);
            return 0;
        }
        observe(w, d);
        let_go(s, w, "its annotations are gone", true, count_to_restore(w, d));
        return 0;
    }
    observe(w, d);
    if (!w->leads) {
        conditions_read(w, d->conditions); /* who leads writes them */
    }
    if (workload_same_annotations(w, d)) {
        return 0;
    }
    tick_cancel(s, w);
    if (workload_copy_texts(w, d, e) != 0) {
        return -1;
    }
    tell_spec_changed(s, w);
    return spec_reread(s, w, now, e);
}

void scaler_on_removed(struct scaler *s, struct str uid)
{
    struct workload *w = table_find(&s->table, uid);
    if (w != NULL) {
        let_go(s, w, "the Deployment was deleted", false, -1);
    }
}

void scaler_on_unreadable(struct scaler *s, struct str uid)
{
    struct workload *w = table_find(&s->table, uid);
    if (w != NULL) {
        w->seen = true;
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
            let_go(s, w, "the Deployment was deleted", false, -1);
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
    if (now.monotonic_ms < s->run_ms) { /* somebody fakes the clock: nobody waits for the old one */
        table_shift(&s->table, now.monotonic_ms - s->run_ms);
    }
    s->run_ms = now.monotonic_ms;
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

void scaler_each(const struct scaler *s, void (*visit)(void *context, const struct workload *w),
                 void *context)
{
    struct table_cursor cursor = {0};
    for (const struct workload *w = table_each(&s->table, &cursor); w != NULL;
         w = table_each(&s->table, &cursor)) {
        visit(context, w);
    }
}
