#include "cli/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "cli/observed.h"
#include "scaler/decide.h"

enum { SPEC_ARENA_BYTES = 1 << 20, LINE_ARENA_BYTES = 8 << 20, COMPLAINTS_BYTES = 32 << 10 };

struct simulation {
    struct arena spec_arena; /* what spec points to, copies of the annotations too */
    struct arena line_arena;
    struct scale_spec spec;
    struct decide_memory memory;
    struct decide_record *records;
    int64_t record_interval_ms; /* that `records` is sized for */
    int32_t replicas;           /* as last decided */
    size_t lines;
    bool begun, text;
    int64_t first_ms, last_ms; /* of the lines' t */
};

/* The annotations outlive the manifest they were read from. */
static int copy_annotations(const struct kv_list *from, struct arena *a, struct kv_list *out,
                            struct err *e)
{
    struct kv *items = arena_array(a, from->count, sizeof(struct kv));
    if (items == NULL) {
        return arena_err(a, e);
    }
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (!str_starts(from->items[i].key, STR(SPEC_PREFIX))) {
            continue;
        }
        if (arena_str(a, from->items[i].key, &items[count].key, e) != 0 ||
            arena_str(a, from->items[i].value, &items[count].value, e) != 0) {
            return -1;
        }
        count++;
    }
    *out = (struct kv_list){items, count};
    return 0;
}

static int read_spec(struct simulation *s, const struct deployment *d, struct buf *warnings,
                     struct err *e)
{
    struct kv_list annotations;
    struct complaints complaints;
    if (copy_annotations(&d->annotations, &s->spec_arena, &annotations, e) != 0 ||
        spec_parse(&annotations, &s->spec_arena, &s->spec, &complaints, e) != 0) {
        return -1;
    }
    if (spec_usable(&complaints)) {
        for (size_t i = 0; i < complaints.count; i++) {
            complaint_print(&complaints.items[i], warnings);
            buf_append_char(warnings, '\n');
        }
    } else {
        struct buf text;
        buf_init(&text, COMPLAINTS_BYTES);
        complaints_print(&complaints, STR("\n"), &text);
        (void)err_set(e, ERR_INVALID, "%.*s", STR_ARG(buf_view(&text)));
        buf_free(&text);
        return -1;
    }
    if (s->spec.trigger_count == 0) {
        return err_set(e, ERR_INVALID,
                       "nothing to scale on: " SPEC_PREFIX "query and " SPEC_PREFIX
                       "threshold, or " SPEC_PREFIX "triggers, are not there");
    }
    return 0;
}

/* The memory over histories for one record each s->record_interval_ms; what it held stays. */
static int make_room(struct simulation *s, struct err *e)
{
    struct scale_spec spec = s->spec;
    spec.polling_interval_ms = s->record_interval_ms;
    struct decide_record *records = calloc(decide_memory_records(&spec), sizeof(*records));
    if (records == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the past");
    }
    struct decide_memory roomy;
    decide_memory_init(&roomy, &spec, records);
    const struct decide_history *from[] = {&s->memory.proposals, &s->memory.ups, &s->memory.downs};
    struct decide_history *to[] = {&roomy.proposals, &roomy.ups, &roomy.downs};
    for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
        to[i]->count = from[i]->count;
        if (from[i]->count > 0) {
            memcpy(to[i]->records, from[i]->records, from[i]->count * sizeof(*records));
        }
    }
    s->memory.proposals = roomy.proposals;
    s->memory.ups = roomy.ups;
    s->memory.downs = roomy.downs;
    free(s->records);
    s->records = records;
    return 0;
}

static bool is_full(const struct decide_history *h)
{
    return h->capacity > 0 && h->count == h->capacity;
}

int simulation_new(const struct deployment *d, bool text, struct buf *warnings,
                   struct simulation **out, struct err *e)
{
    struct simulation *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a simulation");
    }
    arena_init(&s->spec_arena, SPEC_ARENA_BYTES);
    arena_init(&s->line_arena, LINE_ARENA_BYTES);
    s->replicas = d->replicas;
    s->text = text;
    int status = read_spec(s, d, warnings, e);
    if (status == 0) {
        s->record_interval_ms = s->spec.polling_interval_ms;
        status = make_room(s, e);
    }
    if (status != 0) {
        simulation_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void simulation_free(struct simulation *s)
{
    if (s == NULL) {
        return;
    }
    arena_free(&s->spec_arena);
    arena_free(&s->line_arena);
    free(s->records);
    free(s);
}

static int check_order(struct simulation *s, int64_t t_ms, struct err *e)
{
    if (s->begun && t_ms < s->last_ms) {
        return err_set(e, ERR_INVALID, "t: %lld is before the line above, which is at %lld",
                       (long long)t_ms, (long long)s->last_ms);
    }
    s->first_ms = s->begun ? s->first_ms : t_ms;
    s->last_ms = t_ms;
    s->begun = true;
    return 0;
}

static void write_decision(const struct simulation *s, const struct observation *obs,
                           const struct decision *d, struct buf *out)
{
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    json_member_int(&j, STR("t"), s->last_ms);
    json_member_int(&j, STR("replicas"), d->replicas);
    json_member_str(&j, STR("reason"), str_from(decide_reason_name(d->reason)));
    json_member_str(&j, STR("message"), str_from(d->message));
    json_member_int(&j, STR("from"), obs->replicas);
    json_key(&j, STR("trigger"));
    if (d->trigger < 0) {
        json_put_null(&j);
    } else {
        json_put_str(&j, s->spec.triggers[d->trigger].name);
    }
    json_key(&j, STR("proposal"));
    if (d->proposal < 0) {
        json_put_null(&j);
    } else {
        json_put_int(&j, d->proposal);
    }
    json_key(&j, STR("active"));
    if (d->active < 0) {
        json_put_null(&j);
    } else {
        json_put_bool(&j, d->active > 0);
    }
    json_member_bool(&j, STR("fallback"), d->fallback);
    json_end_object(&j);
    buf_append_char(out, '\n');
}

/* "15s   1 → 4   MetricProposal   default: 100/25 → 4 replicas"; time is counted from the first. */
static void write_text(const struct simulation *s, const struct observation *obs,
                       const struct decision *d, struct buf *out)
{
    char time[NUM_TEXT_BYTES];
    (void)num_print_duration(s->last_ms - s->first_ms, time);
    buf_format(out, "%-10s %5d → %-5d  %-20s  %s\n", time, obs->replicas, d->replicas,
               decide_reason_name(d->reason), d->message);
}

static int step(struct simulation *s, struct str line, struct buf *out, struct err *e)
{
    const struct json *node;
    struct observed seen;
    arena_reset(&s->line_arena);
    if (json_parse(line, &JSON_LIMITS_USER, &s->line_arena, &node, e) != 0 ||
        observed_read(node, &s->spec, &seen, e) != 0 || check_order(s, seen.t_ms, e) != 0) {
        return -1;
    }
    while (s->record_interval_ms > 1 && (is_full(&s->memory.proposals) || is_full(&s->memory.ups) ||
                                         is_full(&s->memory.downs))) {
        s->record_interval_ms /= 2;
        if (make_room(s, e) != 0) {
            return -1;
        }
    }
    int32_t replicas = seen.has_replicas ? seen.replicas : s->replicas;
    struct observation obs = {replicas, seen.has_ready ? seen.ready : replicas, seen.readings};
    struct decision d;
    /* decide() counts from 1: 0 is its mark for the first sight. */
    decide(&s->spec, &obs, &s->memory, seen.t_ms - s->first_ms + 1, &d);
    s->replicas = d.replicas;
    if (s->text) {
        write_text(s, &obs, &d, out);
    } else {
        write_decision(s, &obs, &d, out);
    }
    return buf_check(out, e);
}

int simulation_line(struct simulation *s, struct str line, struct buf *out, struct err *e)
{
    s->lines++;
    if (str_trim(line).len == 0) {
        return 0;
    }
    return step(s, line, out, e) == 0 ? 0 : err_prefix(e, "line %zu", s->lines);
}
