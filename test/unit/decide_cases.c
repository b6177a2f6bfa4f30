#include "decide_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/fmt.h"
#include "base/num.h"
#include "golden.h"
#include "scaler/decide.h"

enum { KEYS_MAX = 16, START_MS = 1000000000, ARENA_BYTES = 1 << 20 };

struct course {
    const char *path;
    unsigned line;
    struct str name;
    struct arena arena;
    struct kv items[KEYS_MAX];
    size_t count;
    bool unpaced;
    bool ready; /* spec and memory are made */
    struct scale_spec spec;
    struct decide_memory memory;
    struct decide_record *records;
    struct reading readings[SPEC_TRIGGERS_MAX];
    int32_t replicas; /* as decided last */
    bool failed;
    size_t cases, mismatches;
};

__attribute__((format(printf, 2, 3))) static void mismatch(struct course *c, const char *format,
                                                           ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)fmt_v(text, sizeof(text), format, args);
    va_end(args);
    if (!c->failed) {
        print_error("%s:%u: %.*s: %s\n", c->path, c->line, STR_ARG(c->name), text);
        c->mismatches++;
    }
    c->failed = true;
}

/* The next word of *rest; empty at the end. */
static struct str word(struct str *rest)
{
    *rest = str_trim(*rest);
    struct str found = str_cut(*rest, ' ', rest);
    if (rest->ptr == NULL) {
        *rest = (struct str){"", 0};
    }
    return found;
}

static int64_t whole(struct course *c, struct str text)
{
    struct err e = ERR_INIT;
    int64_t value = 0;
    if (num_int(text, -1, INT64_MAX, &value, &e) != 0) {
        fail_msg("%s:%u: %s", c->path, c->line, e.text);
    }
    return value;
}

static int64_t duration(struct course *c, struct str text)
{
    struct err e = ERR_INIT;
    int64_t value = 0;
    if (num_duration_ms(text, &value, &e) != 0) {
        fail_msg("%s:%u: %s", c->path, c->line, e.text);
    }
    return value;
}

static void finish_case(struct course *c)
{
    if (c->name.ptr != NULL) {
        c->cases++;
        arena_free(&c->arena);
        free(c->records);
        c->records = NULL;
    }
}

static void begin_case(struct course *c, struct str name)
{
    finish_case(c);
    arena_init(&c->arena, ARENA_BYTES);
    c->name = name;
    c->count = 0;
    c->unpaced = c->ready = c->failed = false;
}

static void set(struct course *c, struct str key, struct str value)
{
    struct str full;
    struct err e = ERR_INIT;
    assert_true(c->count < KEYS_MAX);
    assert_int_equal(arena_format(&c->arena, &full, &e, "%s%.*s", SPEC_PREFIX, STR_ARG(key)), 0);
    c->items[c->count++] = (struct kv){full, value};
}

static void make_spec(struct course *c)
{
    struct kv_list list = {c->items, 0};
    struct complaints complaints;
    struct err e = ERR_INIT;
    bool has_triggers = false, has_threshold = false;
    for (size_t i = 0; i < c->count; i++) {
        has_triggers = has_triggers || str_eq(c->items[i].key, STR(SPEC_PREFIX "triggers"));
        has_threshold = has_threshold || str_eq(c->items[i].key, STR(SPEC_PREFIX "threshold"));
    }
    if (!has_triggers) {
        set(c, STR("query"), STR("up"));
        if (!has_threshold) {
            set(c, STR("threshold"), STR("25"));
        }
    }
    list.count = c->count;
    assert_int_equal(spec_parse(&list, &c->arena, &c->spec, &complaints, &e), 0);
    if (!spec_usable(&complaints)) {
        fail_msg("%s:%u: %.*s: %.*s", c->path, c->line, STR_ARG(complaints.items[0].key),
                 STR_ARG(complaints.items[0].text));
    }
    if (c->unpaced) {
        c->spec.behavior.down.window_seconds = -1;
    }
    c->records = calloc(decide_memory_records(&c->spec), sizeof(struct decide_record));
    assert_non_null(c->records);
    decide_memory_init(&c->memory, &c->spec, c->records);
    c->ready = true;
}

static struct reading read_reading(struct course *c, struct str text)
{
    /* The value of what is no value is never looked at. */
    struct reading reading = {READING_ERROR, .value = 999, .text = "connection refused"};
    struct err e = ERR_INIT;
    if (str_eq(text, STR("empty"))) {
        reading = (struct reading){READING_EMPTY, .value = 999, .text = "empty result"};
    } else if (str_eq(text, STR("none"))) {
        reading = (struct reading){READING_NONE, .value = 999};
    } else if (str_eq(text, STR("nan")) || str_eq(text, STR("inf"))) {
        double value = text.ptr[0] == 'n' ? (double)NAN : (double)INFINITY;
        reading = (struct reading){.kind = READING_VALUE, .value = value};
    } else if (!str_eq(text, STR("error"))) {
        reading = (struct reading){.kind = READING_VALUE};
        if (num_double(text, &reading.value, &e) != 0) {
            fail_msg("%s:%u: %s", c->path, c->line, e.text);
        }
    }
    return reading;
}

static void read_readings(struct course *c, struct str list)
{
    size_t count = 0;
    while (list.ptr != NULL && count < SPEC_TRIGGERS_MAX) {
        struct str one = str_cut(list, ',', &list);
        c->readings[count++] = read_reading(c, one);
    }
    if (count != c->spec.trigger_count) {
        fail_msg("%s:%u: %zu readings for %zu triggers", c->path, c->line, count,
                 c->spec.trigger_count);
    }
}

static bool fact_holds(struct course *c, const struct decision *d, struct str fact)
{
    static const struct str ACTIVITY[] = {STR_INIT("unsure"), STR_INIT("inactive"),
                                          STR_INIT("active")};
    for (int i = 0; i < 3; i++) {
        if (str_eq(fact, ACTIVITY[i])) {
            return d->active == i - 1;
        }
    }
    if (str_starts(fact, STR("by="))) {
        struct str name = str_slice(fact, 3, fact.len);
        if (name.len == 0) {
            return d->trigger == -1;
        }
        return d->trigger >= 0 && str_eq(c->spec.triggers[d->trigger].name, name);
    }
    if (str_starts(fact, STR("proposal="))) {
        return d->proposal == (int32_t)whole(c, str_slice(fact, 9, fact.len));
    }
    if (str_eq(fact, STR("fallback"))) {
        return d->fallback;
    }
    fail_msg("%s:%u: unknown fact %.*s", c->path, c->line, STR_ARG(fact));
    return false;
}

static void check(struct course *c, int64_t since_ms, const struct decision *d, struct str wanted)
{
    struct str part;
    struct str facts = str_cut(wanted, '|', &part);
    int64_t replicas = whole(c, word(&facts));
    struct str reason = word(&facts);
    if (d->replicas != replicas || !str_eq(str_from(decide_reason_name(d->reason)), reason)) {
        mismatch(c, "at %lld ms: %d %s (%s)", (long long)since_ms, d->replicas,
                 decide_reason_name(d->reason), d->message);
    }
    for (struct str fact = word(&facts); fact.len > 0; fact = word(&facts)) {
        if (!fact_holds(c, d, fact)) {
            mismatch(c, "at %lld ms: not %.*s (active %d, trigger %d, proposal %d)",
                     (long long)since_ms, STR_ARG(fact), d->active, d->trigger, d->proposal);
        }
    }
    part = part.ptr == NULL ? STR("") : str_trim(part);
    if (memmem(d->message, strlen(d->message), part.ptr, part.len) == NULL) {
        mismatch(c, "at %lld ms: «%s» does not hold «%.*s»", (long long)since_ms, d->message,
                 STR_ARG(part));
    }
    if (d->message[0] == '\0') {
        mismatch(c, "at %lld ms: no message", (long long)since_ms);
    }
}

static void tick(struct course *c, int64_t since_ms, struct str count, struct str wanted)
{
    struct decision d;
    struct str ready;
    struct str seen = str_cut(count, '/', &ready);
    int32_t replicas = str_eq(seen, STR(".")) ? c->replicas : (int32_t)whole(c, seen);
    struct observation obs = {replicas, ready.ptr == NULL ? replicas : (int32_t)whole(c, ready),
                              c->readings};
    decide(&c->spec, &obs, &c->memory, START_MS + since_ms, &d);
    c->replicas = d.replicas;
    check(c, since_ms, &d, wanted);
}

static void step(struct course *c, bool each, struct str line)
{
    size_t arrow = 0;
    while (arrow + 2 < line.len && !str_starts(str_slice(line, arrow, line.len), STR("=>"))) {
        arrow++;
    }
    struct str wanted = str_slice(line, arrow + 2, line.len);
    line = str_slice(line, 0, arrow);
    if (!c->ready) {
        make_spec(c);
    }
    int64_t from = duration(c, word(&line));
    int64_t to = each ? duration(c, word(&line)) : from;
    int64_t by = each ? duration(c, word(&line)) : 1;
    struct str count = word(&line);
    read_readings(c, word(&line));
    for (int64_t t = from; t <= to; t += by) {
        tick(c, t, count, wanted);
    }
}

static void take_line(struct course *c, struct str line)
{
    struct str rest = line;
    struct str verb = word(&rest);
    if (str_eq(verb, STR("case"))) {
        begin_case(c, rest);
    } else if (str_eq(verb, STR("set"))) {
        struct str key = word(&rest);
        set(c, key, rest);
    } else if (str_eq(verb, STR("unpaced"))) {
        c->unpaced = true;
    } else if (str_eq(verb, STR("at")) || str_eq(verb, STR("each"))) {
        step(c, verb.ptr[0] == 'e', rest);
    } else if (verb.len > 0 && verb.ptr[0] != '#') {
        fail_msg("%s:%u: unknown verb %.*s", c->path, c->line, STR_ARG(verb));
    }
}

void decide_cases(const char *path)
{
    struct str content = golden_read(path);
    struct course *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->path = path;
    for (struct str rest = content; rest.len > 0;) {
        struct str line = str_cut(rest, '\n', &rest);
        c->line++;
        take_line(c, line);
    }
    finish_case(c);
    golden_free(content);
    size_t cases = c->cases, mismatches = c->mismatches;
    free(c);
    assert_true(cases > 0);
    assert_int_equal(mismatches, 0);
}
