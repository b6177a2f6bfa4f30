#include "webhook/forecast.h"

#include "base/fmt.h"
#include "base/num.h"
#include "scaler/decide.h"

enum {
    LINE_MAX_BYTES = 4096,
    TERM_BYTES = 320,
    TAIL_BYTES = 320,
    NAME_BYTES = 32,
    MORE_RUNES = 16, /* "; and 15 more" */
};

/* One trigger's part. */
struct term {
    bool known;       /* it proposes */
    bool as_zero;     /* it has no value, which is 0 by on-no-data */
    int32_t proposal; /* before bounds */
    double value;
    char text[TERM_BYTES]; /* "40/10", and what has to be said of it */
};

struct forecast {
    const struct scale_spec *spec;
    struct arena *arena;
    struct decide_record *records; /* room for decide()'s memory */
    int32_t current, ready;        /* ready -1: not known */
    struct term terms[SPEC_TRIGGERS_MAX];
    size_t count;
    int winner, unknown; /* indices; -1: none */
    bool active, inactive, paused;
    char tail[TAIL_BYTES];
};

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

struct str forecast_name(const struct scale_spec *spec, size_t i)
{
    bool named = spec_has(spec, KEY_TRIGGERS);
    return named ? str_slice(spec->triggers[i].name, 0, NAME_BYTES) : STR("query");
}

/* ---- one trigger ---- */

/* What decide() makes of this trigger alone; -1: nothing. */
static int32_t propose(const struct forecast *f, size_t i, double value)
{
    struct scale_spec alone = *f->spec;
    struct decide_memory memory;
    struct decision decision;
    struct reading reading = {.kind = READING_VALUE, .value = value};
    struct observation obs = {
        .replicas = f->current, .ready = larger(f->ready, 0), .readings = &reading};
    alone.triggers[0] = f->spec->triggers[i];
    alone.trigger_count = 1;
    alone.paused = false;
    alone.present &= ~(UINT64_C(1) << KEY_PAUSED_REPLICAS);
    alone.present &= ~(UINT64_C(1) << KEY_FALLBACK_REPLICAS); /* what is unknown proposes nothing */
    decide_memory_init(&memory, &alone, f->records);
    decide(&alone, &obs, &memory, 1, &decision);
    return decision.proposal;
}

static void describe(const struct forecast *f, size_t i, struct term *t)
{
    const struct trigger *trigger = &f->spec->triggers[i];
    char value[NUM_TEXT_BYTES];
    char threshold[NUM_TEXT_BYTES];
    char pods[NUM_TEXT_BYTES + sizeof(" ready × ")] = "";
    struct str over = num_print_double(trigger->threshold, threshold);
    bool by_pods = trigger->type == METRIC_VALUE && f->current > 0;
    if (by_pods && !t->known) {
        (void)fmt(t->text, sizeof(t->text), "ready pods × %.*s/%.*s, and none is known to be ready",
                  STR_ARG(num_print_double(t->value, value)), STR_ARG(over));
        return;
    }
    if (by_pods) {
        (void)fmt(pods, sizeof(pods), "%d ready × ", f->ready);
    }
    bool tolerated = t->proposal != decide_formula(trigger, t->value, by_pods ? f->ready : 1);
    (void)fmt(t->text, sizeof(t->text), "%s%.*s/%.*s%s", pods,
              STR_ARG(num_print_double(t->value, value)), STR_ARG(over),
              tolerated ? " within tolerance" : "");
}

static bool is_empty(const struct query_fact *fact)
{
    if (fact->outcome != QUERY_ANSWERED) {
        return false;
    }
    switch (fact->result->outcome) {
    case PROM_EMPTY:
    case PROM_NAN:
    case PROM_INF: return true;
    case PROM_VALUE:
    case PROM_MANY:
    case PROM_MATRIX: break;
    }
    return false;
}

static void add_term(struct forecast *f, size_t i, const struct query_fact *fact)
{
    struct term *t = &f->terms[i];
    t->as_zero = f->spec->on_no_data == NO_DATA_ZERO && is_empty(fact);
    if (t->as_zero || (fact->outcome == QUERY_ANSWERED && fact->result->outcome == PROM_VALUE)) {
        t->value = t->as_zero ? 0 : fact->result->value;
        t->proposal = propose(f, i, t->value);
        t->known = t->proposal >= 0;
        describe(f, i, t);
    }
    if (!t->known) {
        f->unknown = f->unknown < 0 ? (int)i : f->unknown;
        return;
    }
    if (f->winner < 0 || t->proposal > f->terms[f->winner].proposal) {
        f->winner = (int)i;
    }
    f->active = f->active || t->value > f->spec->triggers[i].activation;
}

/* ---- all of them ---- */

/* The count while inactive, if that is less than the least while active; -1: there is none. */
static int32_t idle_count(const struct scale_spec *spec)
{
    if (spec_has(spec, KEY_IDLE_REPLICAS)) {
        return spec->idle_replicas;
    }
    return spec->min_replicas == 0 ? 0 : -1;
}

static struct str bounds(const struct scale_spec *spec, char out[TERM_BYTES])
{
    if (spec_has(spec, KEY_IDLE_REPLICAS)) {
        return fmt(out, TERM_BYTES, "(min %d, max %d, idle %d)", spec->min_replicas,
                   spec->max_replicas, spec->idle_replicas);
    }
    return fmt(out, TERM_BYTES, "(min %d, max %d)", spec->min_replicas, spec->max_replicas);
}

/* "4 replicas (min 1, max 30)", and what holds it. */
static void end_with_count(struct forecast *f, const char *lead, int32_t count)
{
    const struct scale_spec *spec = f->spec;
    char limits[TERM_BYTES];
    bool no_fewer = spec->paused_scale_in && count < f->current;
    bool no_more = spec->paused_scale_out && count > f->current;
    struct str text = bounds(spec, limits);
    if (no_fewer || no_more) {
        (void)fmt(f->tail, sizeof(f->tail), "%s%d replica%s %.*s, but %s keeps %d", lead, count,
                  fmt_s(count), STR_ARG(text), no_fewer ? "paused-scale-in" : "paused-scale-out",
                  f->current);
        return;
    }
    (void)fmt(f->tail, sizeof(f->tail), "%s%d replica%s %.*s", lead, count, fmt_s(count),
              STR_ARG(text));
}

/* Nothing is above its activation-threshold. */
static void end_inactive(struct forecast *f, int32_t idle)
{
    char limits[TERM_BYTES];
    char period[NUM_TEXT_BYTES];
    struct str text = bounds(f->spec, limits);
    struct str cooldown = num_print_duration(f->spec->cooldown_ms, period);
    f->inactive = true;
    if (f->current > idle && f->spec->paused_scale_in) {
        (void)fmt(f->tail, sizeof(f->tail), "inactive, but paused-scale-in keeps %d %.*s",
                  f->current, STR_ARG(text));
    } else if (f->current > idle) {
        (void)fmt(f->tail, sizeof(f->tail),
                  "inactive: %d replica%s after the cooldown of %.*s %.*s", idle, fmt_s(idle),
                  STR_ARG(cooldown), STR_ARG(text));
    } else {
        (void)fmt(f->tail, sizeof(f->tail), "inactive: %d replica%s %.*s", idle, fmt_s(idle),
                  STR_ARG(text));
    }
}

static void end_paused(struct forecast *f)
{
    f->paused = true;
    if (spec_has(f->spec, KEY_PAUSED_REPLICAS)) {
        (void)fmt(f->tail, sizeof(f->tail), "but paused: %d replica%s (paused-replicas)",
                  f->spec->paused_replicas, fmt_s(f->spec->paused_replicas));
    } else {
        (void)fmt(f->tail, sizeof(f->tail), "but paused: the replicas stay at %d", f->current);
    }
}

static void end_unknown(struct forecast *f)
{
    struct str name = forecast_name(f->spec, (size_t)f->unknown);
    if (f->count == 1) { /* only its pods are unknown, or there were no forecast */
        (void)fmt(f->tail, sizeof(f->tail), "the replicas stay at %d until one is", f->current);
    } else {
        (void)fmt(f->tail, sizeof(f->tail), "the replicas stay at %d while %.*s is unknown",
                  f->current, STR_ARG(name));
    }
}

/* Where the count settles: decide()'s rules A to C and E. */
static void conclude(struct forecast *f)
{
    const struct scale_spec *spec = f->spec;
    int32_t idle = idle_count(spec);
    int32_t lowest = larger(1, spec->min_replicas);
    int32_t best = f->winner < 0 ? -1 : f->terms[f->winner].proposal;
    bool active = f->active || spec->force_activation;
    bool rests = idle >= 0 && !active && f->current < lowest;
    if (spec->paused || spec_has(spec, KEY_PAUSED_REPLICAS)) {
        end_paused(f);
    } else if (idle >= 0 && !active && f->unknown < 0) {
        end_inactive(f, idle);
    } else if (f->unknown >= 0 && (best < f->current || rests) &&
               f->current <= spec->max_replicas) {
        end_unknown(f);
    } else {
        best = larger(best, f->unknown >= 0 ? f->current : lowest);
        best = larger(best, lowest);
        end_with_count(f, f->count > 1 ? "the largest wins: " : "",
                       best < spec->max_replicas ? best : spec->max_replicas);
    }
}

/* ---- in words ---- */

static size_t runes(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

static void print_value(const struct forecast *f, size_t i, struct buf *out)
{
    const struct term *t = &f->terms[i];
    char value[NUM_TEXT_BYTES];
    buf_append(out, forecast_name(f->spec, i));
    if (t->as_zero) {
        buf_append(out, STR(" has no data now and counts as 0"));
    } else {
        buf_format(out, " is %.*s now", STR_ARG(num_print_double(t->value, value)));
    }
}

/* What follows "query is 100 now; ". */
static void print_one(const struct forecast *f, struct buf *out)
{
    const struct term *t = &f->terms[0];
    char value[NUM_TEXT_BYTES];
    char activation[NUM_TEXT_BYTES];
    bool bounded =
        t->proposal < larger(1, f->spec->min_replicas) || t->proposal > f->spec->max_replicas;
    if (f->inactive) {
        buf_format(out, "%.*s ≤ activation-threshold %.*s → %s",
                   STR_ARG(num_print_double(t->value, value)),
                   STR_ARG(num_print_double(f->spec->triggers[0].activation, activation)), f->tail);
    } else if (!t->known) {
        buf_format(out, "%s%s %s", t->text, f->paused ? "," : ":", f->tail);
    } else if (f->paused) {
        buf_format(out, "%s → %d, %s", t->text, t->proposal, f->tail);
    } else if (bounded) {
        buf_format(out, "%s = %d → %s", t->text, t->proposal, f->tail);
    } else {
        buf_format(out, "%s → %s", t->text, f->tail);
    }
}

/* "query is 100 now; 100/25 → 4 replicas (min 1, max 30)" */
static int tell_one(const struct forecast *f, struct verdict *verdict, struct err *e)
{
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    print_value(f, 0, &line);
    buf_append(&line, STR("; "));
    print_one(f, &line);
    int status = verdict_warn(verdict, f->arena, e, "%.*s", STR_ARG(buf_view(&line)));
    buf_free(&line);
    return status;
}

static void print_term(const struct forecast *f, size_t i, struct buf *out)
{
    const struct term *t = &f->terms[i];
    if (t->text[0] == '\0') {
        buf_format(out, "%.*s is unknown", STR_ARG(forecast_name(f->spec, i)));
        return;
    }
    print_value(f, i, out);
    buf_format(out, ", %s", t->text);
    if (t->known) {
        buf_format(out, " → %d", t->proposal);
    }
}

/* One more trigger behind the others, unless it would not fit; the winner always does. */
static bool append_term(const struct forecast *f, size_t i, size_t budget, bool must,
                        struct buf *line)
{
    struct buf text;
    bool first = line->len == sizeof("triggers: ") - 1;
    buf_init(&text, LINE_MAX_BYTES);
    print_term(f, i, &text);
    bool fits = must || runes(buf_view(line)) + runes(buf_view(&text)) + 2 <= budget;
    if (fits) {
        buf_format(line, "%s%.*s", first ? "" : "; ", STR_ARG(buf_view(&text)));
    }
    buf_free(&text);
    return fits;
}

/* "triggers: queue is 40 now, 40/10 → 4; …; the largest wins: 4 replicas (min 1, max 30)", the
 * winner first. */
static int tell_many(const struct forecast *f, struct verdict *verdict, struct err *e)
{
    size_t room = VERDICT_WARNING_MAX_RUNES - MORE_RUNES - 2;
    size_t tail = runes(str_from(f->tail)) + (f->inactive ? runes(STR("none is active → ")) : 0);
    size_t first = f->winner < 0 ? 0 : (size_t)f->winner;
    size_t left_out = 0;
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    buf_append(&line, STR("triggers: "));
    (void)append_term(f, first, room, true, &line);
    for (size_t i = 0; i < f->count; i++) {
        if (i != first && (left_out > 0 || !append_term(f, i, room - tail, false, &line))) {
            left_out++;
        }
    }
    if (left_out > 0) {
        buf_format(&line, "; and %zu more", left_out);
    }
    buf_format(&line, "; %s%s", f->inactive ? "none is active → " : "", f->tail);
    int status = verdict_warn(verdict, f->arena, e, "%.*s", STR_ARG(buf_view(&line)));
    buf_free(&line);
    return status;
}

int forecast_report(struct validation *v, const struct query_fact *facts, struct arena *a,
                    struct err *e)
{
    const struct review *r = v->review;
    struct forecast *f = arena_alloc(a, sizeof(*f));
    if (f == NULL) {
        return arena_err(a, e);
    }
    *f = (struct forecast){.spec = &v->spec,
                           .arena = a,
                           .current = r->object.replicas,
                           .ready = r->has_old ? r->old.ready_replicas : -1,
                           .count = v->query_count,
                           .winner = -1,
                           .unknown = -1};
    f->records = arena_array(a, decide_memory_records(&v->spec), sizeof(*f->records));
    if (f->records == NULL) {
        return arena_err(a, e);
    }
    bool says_something = false;
    for (size_t i = 0; i < f->count; i++) {
        add_term(f, i, &facts[i]); /* query i is that of trigger i */
        says_something = says_something || f->terms[i].text[0] != '\0';
    }
    if (!says_something) {
        return 0;
    }
    conclude(f);
    return f->count == 1 ? tell_one(f, &v->verdict, e) : tell_many(f, &v->verdict, e);
}
