#include "base/fmt.h"
#include "base/num_internal.h"

struct duration_unit {
    struct str name;
    int64_t ms;
    bool only_alone; /* printing: used only when nothing remains, "90d" reads better than "12w6d" */
};

/* As model.Duration of prometheus/common has them, in falling order. */
static const struct duration_unit UNITS[] = {
    {STR_INIT("y"), INT64_C(365) * 24 * 3600 * 1000, true},
    {STR_INIT("w"), INT64_C(7) * 24 * 3600 * 1000, true},
    {STR_INIT("d"), INT64_C(24) * 3600 * 1000, false},
    {STR_INIT("h"), INT64_C(3600) * 1000, false},
    {STR_INIT("m"), INT64_C(60) * 1000, false},
    {STR_INIT("s"), 1000, false},
    {STR_INIT("ms"), 1, false},
};

enum { UNIT_COUNT = sizeof(UNITS) / sizeof(UNITS[0]) };

static const uint64_t DURATION_MAX_MS = INT64_MAX / 1000000; /* Go counts nanoseconds in int64 */

static bool is_letter(char c)
{
    return char_is_lower(char_lower(c));
}

/* Index of the unit called `name`, or UNIT_COUNT. */
static size_t unit_find(struct str name)
{
    size_t i = 0;
    while (i < UNIT_COUNT && !str_eq(name, UNITS[i].name)) {
        i++;
    }
    return i;
}

/* A bare number gets its suggestion; "1h30" and "15 s" could mean several things. */
static int no_unit(struct err *e, struct str text, bool bare)
{
    char expected[NUM_SHOWN_BYTES + 64];
    if (!bare || text.len > NUM_SHOWN_BYTES / 2) {
        return num_invalid(e, text, "a duration like 15s, 1m30s or 500ms");
    }
    (void)fmt(expected, sizeof(expected), "a unit: did you mean \"%.*ss\"?", STR_ARG(text));
    return num_invalid(e, text, expected);
}

/* One "1.5h" off the front of *rest, added to *sum. `from` is the first unit still allowed. */
static int take_component(struct str text, struct str *rest, size_t *from, uint64_t *sum,
                          struct err *e)
{
    struct num_decimal number;
    if (!num_take_decimal(rest, &number)) {
        return num_invalid(e, text, "a duration like 15s, 1m30s or 500ms");
    }
    struct str name = num_take_while(rest, is_letter);
    if (name.len == 0) {
        return no_unit(e, text, rest->len == 0 && *from == 0);
    }
    size_t unit = unit_find(name);
    if (unit == UNIT_COUNT) {
        return num_invalid(e, text, "a duration in the units y w d h m s ms");
    }
    if (unit < *from) {
        return num_invalid(e, text, "units from large to small, each once, like 1h30m");
    }
    *from = unit + 1;
    bool inexact = false;
    uint64_t ms = 0;
    if (!num_decimal_times(&number, 0, (uint64_t)UNITS[unit].ms, &ms, &inexact) ||
        ms > DURATION_MAX_MS - *sum) {
        return num_fail(e, ERR_LIMIT, text, "a duration of at most 292 years");
    }
    if (inexact) {
        return num_invalid(e, text, "a duration in whole milliseconds");
    }
    *sum += ms;
    return 0;
}

int num_duration_ms(struct str text, int64_t *out_ms, struct err *e)
{
    uint64_t sum = 0;
    struct str rest = text;
    size_t from = 0;
    if (text.len > 0 && text.ptr[0] == '-') {
        return num_invalid(e, text, "a duration that is not negative");
    }
    if (str_eq(text, STR("0"))) { /* the one form that both sources allow without a unit */
        *out_ms = 0;
        return 0;
    }
    do {
        if (take_component(text, &rest, &from, &sum, e) != 0) {
            return -1;
        }
    } while (rest.len > 0);
    *out_ms = (int64_t)sum;
    return 0;
}

struct str num_print_duration(int64_t ms, char out[NUM_TEXT_BYTES])
{
    if (ms == 0) {
        return fmt(out, NUM_TEXT_BYTES, "0s");
    }
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t len = fmt(out, NUM_TEXT_BYTES, "%s", ms < 0 ? "-" : "").len;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        uint64_t unit = (uint64_t)UNITS[i].ms; /* never 0, but the analyzer cannot know */
        if (unit == 0 || left < unit || (UNITS[i].only_alone && left % unit != 0)) {
            continue;
        }
        len += fmt(out + len, NUM_TEXT_BYTES - len, "%llu%.*s", (unsigned long long)(left / unit),
                   STR_ARG(UNITS[i].name))
                   .len;
        left %= unit;
    }
    return (struct str){out, len};
}
