#include "scaler/memory_json.h"

#define TIME_MAX_MS (INT64_MAX / 4) /* sums of two still fit */

static void put_history(struct json_writer *j, struct str key, const struct decide_history *h)
{
    json_key(j, key);
    json_begin_array(j);
    for (size_t i = 0; i < h->count; i++) {
        json_begin_array(j);
        json_put_int(j, h->records[i].ms);
        json_put_int(j, h->records[i].replicas);
        json_end_array(j);
    }
    json_end_array(j);
}

void memory_write(struct json_writer *j, const struct decide_memory *memory, size_t triggers)
{
    json_begin_object(j);
    json_member_int(j, STR("lastMs"), memory->last_ms);
    json_member_int(j, STR("adoptedMs"), memory->adopted_ms);
    json_member_bool(j, STR("everActive"), memory->ever_active);
    json_member_int(j, STR("inactiveMs"), memory->inactive_ms);
    json_key(j, STR("unknownMs"));
    json_begin_array(j);
    for (size_t i = 0; i < triggers; i++) {
        json_put_int(j, memory->unknown_ms[i]);
    }
    json_end_array(j);
    json_member_int(j, STR("lastFrom"), memory->last_from);
    json_member_int(j, STR("lastTo"), memory->last_to);
    put_history(j, STR("proposals"), &memory->proposals);
    put_history(j, STR("ups"), &memory->ups);
    put_history(j, STR("downs"), &memory->downs);
    json_end_object(j);
}

static int get_int(const struct json *node, struct str key, int64_t min, int64_t max, int64_t *out,
                   struct err *e)
{
    int64_t value;
    if (!json_int(json_get(node, key), &value) || value < min || value > max) {
        return err_set(e, ERR_INVALID, "memory.%.*s: expected a whole number from %lld to %lld",
                       STR_ARG(key), (long long)min, (long long)max);
    }
    *out = value;
    return 0;
}

static int get_count(const struct json *node, struct str key, int32_t *out, struct err *e)
{
    int64_t value;
    if (get_int(node, key, 0, INT32_MAX, &value, e) != 0) {
        return -1;
    }
    *out = (int32_t)value;
    return 0;
}

static int get_history(const struct json *node, struct str key, int64_t last_ms,
                       struct decide_history *h, struct err *e)
{
    const struct json *list = json_get(node, key);
    if (list == NULL || list->type != JSON_ARRAY) {
        return err_set(e, ERR_INVALID, "memory.%.*s: expected a list", STR_ARG(key));
    }
    if (list->count > h->capacity) {
        return err_set(e, ERR_LIMIT, "memory.%.*s: at most %zu records", STR_ARG(key), h->capacity);
    }
    for (const struct json *item = list->child; item != NULL; item = item->next) {
        int64_t ms, replicas;
        if (item->type != JSON_ARRAY || item->count != 2 || !json_int(item->child, &ms) ||
            !json_int(item->child->next, &replicas) || replicas < 0 || replicas > INT32_MAX ||
            ms < 0 || ms > last_ms) {
            return err_set(e, ERR_INVALID, "memory.%.*s[%zu]: expected [ms, replicas]",
                           STR_ARG(key), h->count);
        }
        h->records[h->count++] = (struct decide_record){ms, (int32_t)replicas};
    }
    return 0;
}

static int get_unknown(const struct json *node, struct decide_memory *memory, struct err *e)
{
    const struct json *list = json_get(node, STR("unknownMs"));
    if (list == NULL || list->type != JSON_ARRAY || list->count > SPEC_TRIGGERS_MAX) {
        return err_set(e, ERR_INVALID, "memory.unknownMs: expected a list of at most %d",
                       SPEC_TRIGGERS_MAX);
    }
    size_t i = 0;
    for (const struct json *item = list->child; item != NULL; item = item->next) {
        if (!json_int(item, &memory->unknown_ms[i]) || memory->unknown_ms[i] < 0 ||
            memory->unknown_ms[i] > TIME_MAX_MS) {
            return err_set(e, ERR_INVALID, "memory.unknownMs[%zu]: expected milliseconds", i);
        }
        i++;
    }
    return 0;
}

int memory_read(const struct json *node, struct decide_memory *memory, struct err *e)
{
    const struct json *ever = json_get(node, STR("everActive"));
    if (ever == NULL || ever->type != JSON_BOOL) {
        return err_set(e, ERR_INVALID, "memory.everActive: expected true or false");
    }
    memory->ever_active = ever->boolean;
    bool failed =
        get_int(node, STR("lastMs"), 0, TIME_MAX_MS, &memory->last_ms, e) != 0 ||
        get_int(node, STR("adoptedMs"), 0, TIME_MAX_MS, &memory->adopted_ms, e) != 0 ||
        get_int(node, STR("inactiveMs"), 0, TIME_MAX_MS, &memory->inactive_ms, e) != 0 ||
        get_count(node, STR("lastFrom"), &memory->last_from, e) != 0 ||
        get_count(node, STR("lastTo"), &memory->last_to, e) != 0 ||
        get_unknown(node, memory, e) != 0 ||
        get_history(node, STR("proposals"), memory->last_ms, &memory->proposals, e) != 0 ||
        get_history(node, STR("ups"), memory->last_ms, &memory->ups, e) != 0 ||
        get_history(node, STR("downs"), memory->last_ms, &memory->downs, e) != 0;
    return failed ? -1 : 0;
}
