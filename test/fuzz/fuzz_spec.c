/* The contract's parser: "key=value" lines of any bytes, where 0x1f in a value is a newline.
 * Properties: every complaint names a key and what is expected; a usable spec keeps the contract's
 * own promises, and so do the defaults that the webhook would write beside it. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec.h"
#include "fuzz.h"

enum { ITEMS_MAX = 64, TEXT_BYTES = 1 << 18 };

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_triggers(const struct scale_spec *spec)
{
    check(spec->trigger_count <= SPEC_TRIGGERS_MAX);
    for (size_t i = 0; i < spec->trigger_count; i++) {
        const struct trigger *t = &spec->triggers[i];
        check(t->threshold > 0 && isfinite(t->threshold) && isfinite(t->activation));
        check(t->query.len > 0 && t->query.len <= SPEC_QUERY_MAX_BYTES);
        check(str_is_utf8(t->query) && memchr(t->query.ptr, '\0', t->query.len) == NULL);
        check(t->name.len > 0 && t->name.len <= 63);
        check(t->type == METRIC_VALUE || t->type == METRIC_AVERAGE_VALUE);
        for (size_t j = 0; j < i; j++) {
            check(!str_eq(t->name, spec->triggers[j].name));
        }
    }
}

static void check_rules(const struct scaling_rules *rules, bool given)
{
    check(rules->window_seconds >= 0 && rules->window_seconds <= 3600);
    check(rules->tolerance >= 0 && isfinite(rules->tolerance));
    check(rules->select <= SELECT_DISABLED);
    check(rules->policy_count <= SPEC_POLICIES_MAX && (rules->policy_count > 0) == given);
    for (size_t i = 0; i < rules->policy_count; i++) {
        check(rules->policies[i].type <= POLICY_PERCENT && rules->policies[i].value > 0);
        check(rules->policies[i].period_seconds >= 1);
        check(rules->policies[i].period_seconds <= 1800);
    }
}

static void check_spec(const struct scale_spec *spec)
{
    check(spec->min_replicas >= 0 && spec->max_replicas >= 1);
    check(spec->min_replicas <= spec->max_replicas);
    check(!spec_has(spec, KEY_IDLE_REPLICAS) ||
          (spec->idle_replicas >= 0 && spec->idle_replicas < spec->min_replicas));
    check(spec->polling_interval_ms >= 1000 && spec->polling_interval_ms <= 86400000);
    check(spec->cooldown_ms >= 0 && spec->initial_cooldown_ms >= 0 && spec->fallback_after_ms >= 0);
    if (spec_has(spec, KEY_FALLBACK_REPLICAS)) {
        check(spec->fallback_replicas >= 0 && spec->fallback_replicas <= spec->max_replicas);
    } else {
        check(!spec_has(spec, KEY_FALLBACK_AFTER) && !spec_has(spec, KEY_FALLBACK_BEHAVIOR));
        check(spec->on_no_data != NO_DATA_FALLBACK);
    }
    check(spec->on_no_data <= NO_DATA_FALLBACK);
    check(spec->fallback_behavior <= FALLBACK_IF_LOWER);
    check(!spec_has(spec, KEY_PAUSED_REPLICAS) || spec->paused_replicas >= 0);
    check(spec->endpoint.ptr == NULL || spec->workspace.ptr == NULL);
    check(spec->behavior.given == spec_has(spec, KEY_BEHAVIOR));
    check_rules(&spec->behavior.up, spec->behavior.given);
    check_rules(&spec->behavior.down, spec->behavior.given);
    check_triggers(spec);
}

/* Beside what was written the defaults complain of nothing and change nothing. */
static void check_defaults(struct kv *items, struct kv_list list, const struct scale_spec *spec,
                           struct arena *arena)
{
    struct scale_spec again;
    struct complaints complaints;
    struct err e = ERR_INIT;
    struct kv added;
    for (size_t i = 0; spec_default(spec, i, &added.key, &added.value); i++) {
        check(i < KEY_COUNT);
        items[list.count++] = added;
    }
    if (spec_parse(&list, arena, &again, &complaints, &e) == 0) {
        check(spec_usable(&complaints));
        check(!spec_default(&again, 0, &added.key, &added.value));
        check(again.min_replicas == spec->min_replicas);
        check(again.max_replicas == spec->max_replicas);
        check(again.polling_interval_ms == spec->polling_interval_ms);
        check(again.cooldown_ms == spec->cooldown_ms);
        check(again.fallback_after_ms == spec->fallback_after_ms);
        check(again.fallback_behavior == spec->fallback_behavior);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kv items[ITEMS_MAX + KEY_COUNT];
    struct kv_list list = {items, 0};
    char *copy = malloc(size + 1);
    check(copy != NULL);
    for (size_t i = 0; i < size; i++) {
        copy[i] = (char)data[i];
    }
    struct str rest = {copy, size};
    while (rest.ptr != NULL && list.count < ITEMS_MAX) {
        struct str line = str_cut(rest, '\n', &rest);
        struct str value;
        struct str key = str_cut(line, '=', &value);
        for (size_t i = 0; i < value.len; i++) {
            size_t at = (size_t)(value.ptr - copy) + i;
            copy[at] = copy[at] == 0x1f ? '\n' : copy[at];
        }
        items[list.count++] = (struct kv){key, value.ptr == NULL ? STR("") : value};
    }
    struct arena arena;
    struct scale_spec spec;
    struct complaints complaints;
    struct err e = ERR_INIT;
    struct buf text;
    arena_init(&arena, 1 << 20);
    buf_init(&text, TEXT_BYTES);
    if (spec_parse(&list, &arena, &spec, &complaints, &e) == 0) {
        for (size_t i = 0; i < complaints.count; i++) {
            check(str_starts(complaints.items[i].key, STR(SPEC_PREFIX)));
            check(complaints.items[i].text.len > 0);
        }
        complaints_print(&complaints, STR("\n"), &text);
        if (spec_usable(&complaints)) {
            check_spec(&spec);
            check_defaults(items, list, &spec, &arena);
        }
    }
    buf_free(&text);
    arena_free(&arena);
    free(copy);
    return 0;
}
