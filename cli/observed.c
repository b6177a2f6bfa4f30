#include "cli/observed.h"

#include <math.h>

#include "base/fmt.h"
#include "base/nearest.h"

#define LARGEST_WHOLE 9007199254740992.0 /* 2^53 */

enum { SHOWN_BYTES = 64 };

/* A whole number, also where it is written 15000.0 or 1.5e4. */
static int read_whole(const struct json *node, const char *name, double min, double max,
                      int64_t *out, struct err *e)
{
    double value;
    if (!json_double(node, &value) || value < min || value > max || trunc(value) < value ||
        trunc(value) > value) {
        return err_set(e, ERR_INVALID, "%s: expected a whole number from %.0f to %.0f", name, min,
                       max);
    }
    *out = (int64_t)value;
    return 0;
}

static int read_count(const struct json *node, const char *name, bool *has, int32_t *out,
                      struct err *e)
{
    int64_t value;
    if (read_whole(node, name, 0, INT32_MAX, &value, e) != 0) {
        return -1;
    }
    *has = true;
    *out = (int32_t)value;
    return 0;
}

static struct reading unread(enum reading_kind kind, struct str text)
{
    struct reading reading = {.kind = kind};
    (void)fmt_ends(reading.text, sizeof(reading.text), text);
    return reading;
}

static int read_reading(const struct json *node, struct reading *out, struct err *e)
{
    double value;
    if (json_double(node, &value)) {
        *out = (struct reading){.kind = READING_VALUE, .value = value};
        return 0;
    }
    if (node->type == JSON_NULL) {
        *out = unread(READING_EMPTY, STR("empty result"));
        return 0;
    }
    const struct json *only = node->type == JSON_OBJECT && node->count == 1 ? node->child : NULL;
    if (only != NULL && only->type == JSON_STRING && str_eq(only->key, STR("error"))) {
        bool asked = !str_eq(only->text, STR("not asked yet")); /* the scaler's words for it */
        *out = unread(asked ? READING_ERROR : READING_NONE, only->text);
        return 0;
    }
    if (only != NULL && only->type == JSON_STRING && str_eq(only->key, STR("empty"))) {
        *out = unread(READING_EMPTY, only->text);
        return 0;
    }
    return err_set(e, ERR_INVALID,
                   "readings.%.*s: expected a finite number, null, {\"empty\": \"…\"} or"
                   " {\"error\": \"…\"}",
                   STR_ARG(str_slice(node->key, 0, SHOWN_BYTES)));
}

static int unknown_member(const char *path, struct str name, const struct str *known, size_t count,
                          struct err *e)
{
    struct str hint = nearest(name, known, count);
    name = str_slice(name, 0, SHOWN_BYTES);
    if (hint.ptr == NULL) {
        return err_set(e, ERR_INVALID, "%s%.*s: unknown", path, STR_ARG(name));
    }
    return err_set(e, ERR_INVALID, "%s%.*s: unknown: did you mean %.*s?", path, STR_ARG(name),
                   STR_ARG(hint));
}

static int unknown_trigger(const struct scale_spec *spec, struct str name, struct err *e)
{
    struct str names[SPEC_TRIGGERS_MAX];
    for (size_t i = 0; i < spec->trigger_count; i++) {
        names[i] = spec->triggers[i].name;
    }
    if (spec->trigger_count == 1) {
        return err_set(e, ERR_INVALID, "readings.%.*s: unknown: the only trigger is %.*s",
                       STR_ARG(str_slice(name, 0, SHOWN_BYTES)), STR_ARG(names[0]));
    }
    return unknown_member("readings.", name, names, spec->trigger_count, e);
}

static int read_readings(const struct json *node, const struct scale_spec *spec,
                         struct reading *out, struct err *e)
{
    if (node->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "readings: expected an object, found %s",
                       json_type_name(node->type));
    }
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        size_t i = 0;
        while (i < spec->trigger_count && !str_eq(item->key, spec->triggers[i].name)) {
            i++;
        }
        if (i == spec->trigger_count) {
            return unknown_trigger(spec, item->key, e);
        }
        if (read_reading(item, &out[i], e) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < spec->trigger_count; i++) {
        if (json_get(node, spec->triggers[i].name) == NULL) {
            return err_set(e, ERR_INVALID, "readings.%.*s: missing: expected each trigger's",
                           STR_ARG(str_slice(spec->triggers[i].name, 0, SHOWN_BYTES)));
        }
    }
    return 0;
}

static const struct str MEMBERS[] = {STR_INIT("t"), STR_INIT("ready"), STR_INIT("replicas"),
                                     STR_INIT("readings")};
enum member { T, READY, REPLICAS, READINGS, MEMBER_COUNT };

static int read_member(const struct json *item, const struct scale_spec *spec, struct observed *out,
                       unsigned *seen, struct err *e)
{
    unsigned which = 0;
    while (which < MEMBER_COUNT && !str_eq(item->key, MEMBERS[which])) {
        which++;
    }
    *seen |= 1U << which;
    switch ((enum member)which) {
    case T: return read_whole(item, "t", -LARGEST_WHOLE, LARGEST_WHOLE, &out->t_ms, e);
    case READY: return read_count(item, "ready", &out->has_ready, &out->ready, e);
    case REPLICAS: return read_count(item, "replicas", &out->has_replicas, &out->replicas, e);
    case READINGS: return read_readings(item, spec, out->readings, e);
    case MEMBER_COUNT: break;
    }
    return unknown_member("", item->key, MEMBERS, MEMBER_COUNT, e);
}

int observed_read(const struct json *node, const struct scale_spec *spec, struct observed *out,
                  struct err *e)
{
    struct observed seen = {.t_ms = 0};
    unsigned members = 0;
    if (node->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "expected an object, found %s", json_type_name(node->type));
    }
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        if (read_member(item, spec, &seen, &members, e) != 0) {
            return -1;
        }
    }
    if ((members & 1U << T) == 0 || (members & 1U << READINGS) == 0) {
        return err_set(e, ERR_INVALID, "%s: missing", (members & 1U << T) == 0 ? "t" : "readings");
    }
    *out = seen;
    return 0;
}
