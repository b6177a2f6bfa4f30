/* decide(): any spec within the contract, a behavior included, and any course of readings, counts
 * and clocks through one memory. At every tick:
 * - the result is within [floor, max], or a hold, or paused-replicas;
 * - what is unknown never lowers (the bounds and a fallback that is asked to excepted);
 * - gates and paused hold; a trigger that is named exists; there is a sentence;
 * - the same inputs, with the memory taken through JSON, give the same decision;
 * - a higher reading never gives fewer, where as many pods are ready as there are;
 * - the histories stay within their memory.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scaler/memory_json.h"

enum { TRIGGERS_MAX = 3, RECORDS_MAX = 8192, TICKS_MAX = 48, JSON_BYTES = 1 << 20 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Zeros behind the end. */
static void take(struct bytes *b, void *out, size_t size)
{
    size_t have = b->left < size ? b->left : size;
    memset(out, 0, size);
    if (have > 0) {
        memcpy(out, b->at, have);
    }
    b->at += have;
    b->left -= have;
}

static uint8_t take_byte(struct bytes *b)
{
    uint8_t value;
    take(b, &value, 1);
    return value;
}

static int32_t below(struct bytes *b, int32_t limit)
{
    uint16_t value;
    take(b, &value, sizeof(value));
    return value % limit;
}

static bool flag(struct bytes *b)
{
    return take_byte(b) % 2 == 1;
}

/* Mostly tame; one in sixteen any double. */
static double take_value(struct bytes *b)
{
    double wild;
    if (take_byte(b) % 16 != 15) {
        return (below(b, 4000) - 400) / 8.0;
    }
    take(b, &wild, sizeof(wild));
    return wild;
}

static int32_t take_large(struct bytes *b, int32_t limit)
{
    return take_byte(b) % 16 == 15 ? INT32_MAX : 1 + below(b, limit);
}

static void make_rules(struct bytes *b, struct scaling_rules *rules)
{
    rules->window_seconds = below(b, 3601);
    rules->select = (enum select_policy)(take_byte(b) % 3);
    rules->tolerance = take_byte(b) / 100.0;
    rules->policy_count = 1 + take_byte(b) % 3U;
    for (size_t i = 0; i < rules->policy_count; i++) {
        enum policy_type type = flag(b) ? POLICY_PERCENT : POLICY_PODS;
        rules->policies[i] = (struct scaling_policy){type, take_large(b, 300), 1 + below(b, 1800)};
    }
}

static void present(struct scale_spec *spec, enum spec_key key)
{
    spec->present |= UINT64_C(1) << key;
}

static void make_spec(struct bytes *b, struct scale_spec *spec)
{
    *spec = (struct scale_spec){.trigger_count = take_byte(b) % (TRIGGERS_MAX + 1U)};
    for (size_t i = 0; i < spec->trigger_count; i++) {
        double threshold = fabs(take_value(b)), activation = take_value(b);
        spec->triggers[i] =
            (struct trigger){.name = STR("t"),
                             .threshold = isfinite(threshold) && threshold > 0 ? threshold : 1,
                             .activation = isfinite(activation) ? activation : 0,
                             .type = flag(b) ? METRIC_VALUE : METRIC_AVERAGE_VALUE};
    }
    spec->min_replicas = below(b, 8);
    spec->max_replicas = take_large(b, 500);
    if (spec->max_replicas < spec->min_replicas) {
        spec->max_replicas = spec->min_replicas;
    }
    if (flag(b) && spec->min_replicas > 0) {
        present(spec, KEY_IDLE_REPLICAS);
        spec->idle_replicas = below(b, spec->min_replicas);
    }
    spec->polling_interval_ms = INT64_C(1000) * (1 + below(b, 120));
    spec->cooldown_ms = INT64_C(1000) * below(b, 600);
    spec->initial_cooldown_ms = INT64_C(1000) * below(b, 600);
    spec->on_no_data = (enum no_data)(take_byte(b) % 3);
    spec->behavior = (struct behavior){.up = {.tolerance = 0.1},
                                       .down = {.tolerance = 0.1, .window_seconds = 300}};
    if (flag(b)) {
        spec->behavior.given = true;
        make_rules(b, &spec->behavior.up);
        make_rules(b, &spec->behavior.down);
    }
    if (flag(b)) {
        present(spec, KEY_FALLBACK_REPLICAS);
        spec->fallback_replicas = below(b, 20);
        spec->fallback_after_ms = INT64_C(1000) * below(b, 120);
        spec->fallback_behavior = (enum fallback_behavior)(take_byte(b) % 4);
    }
    uint8_t rare = take_byte(b);
    spec->paused = rare % 16 == 1;
    spec->force_activation = rare % 16 == 2 || rare % 16 == 3;
    spec->paused_scale_in = rare / 16 == 1 || rare / 16 == 3;
    spec->paused_scale_out = rare / 16 == 2 || rare / 16 == 3;
    if (rare / 16 == 4) {
        present(spec, KEY_PAUSED_REPLICAS);
        spec->paused_replicas = below(b, 20);
    }
}

static bool is_known(const struct scale_spec *spec, const struct observation *obs, size_t i)
{
    const struct reading *r = &obs->readings[i];
    bool zero = r->kind == READING_EMPTY && spec->on_no_data == NO_DATA_ZERO;
    bool value = zero || (r->kind == READING_VALUE && isfinite(r->value));
    return value &&
           !(spec->triggers[i].type == METRIC_VALUE && obs->replicas > 0 && obs->ready == 0);
}

static void check_decision(const struct scale_spec *spec, const struct observation *obs,
                           const struct decision *d)
{
    bool idles = spec_has(spec, KEY_IDLE_REPLICAS);
    int32_t floor = idles ? spec->idle_replicas : spec->min_replicas;
    check(d->trigger >= -1 && d->trigger < (int32_t)spec->trigger_count);
    check(d->message[0] != '\0' && memchr(d->message, '\0', sizeof(d->message)) != NULL);
    if (spec_has(spec, KEY_PAUSED_REPLICAS)) {
        check(d->replicas == spec->paused_replicas);
        return;
    }
    bool held = d->replicas == obs->replicas;
    check(held || (d->replicas >= floor && d->replicas <= spec->max_replicas));
    check(held || !spec->paused);
    check(d->replicas >= obs->replicas || !spec->paused_scale_in);
    check(d->replicas <= obs->replicas || !spec->paused_scale_out);
    bool all_known = true;
    for (size_t i = 0; i < spec->trigger_count; i++) {
        all_known = all_known && is_known(spec, obs, i);
    }
    bool asked = d->fallback && (spec->fallback_behavior == FALLBACK_STATIC ||
                                 spec->fallback_behavior == FALLBACK_IF_LOWER);
    check(all_known || asked || d->replicas >= obs->replicas || obs->replicas > spec->max_replicas);
}

static void copy_memory(const struct decide_memory *from, const struct scale_spec *spec,
                        struct decide_memory *to, struct decide_record *records)
{
    struct decide_memory fresh;
    decide_memory_init(&fresh, spec, records);
    memcpy(records, from->proposals.records, decide_memory_records(spec) * sizeof(*records));
    *to = *from;
    to->proposals.records = fresh.proposals.records;
    to->ups.records = fresh.ups.records;
    to->downs.records = fresh.downs.records;
}

/* Written and read again. */
static void through_json(const struct decide_memory *from, const struct scale_spec *spec,
                         struct decide_memory *to, struct decide_record *records)
{
    struct buf text;
    struct json_writer j;
    struct arena arena;
    const struct json *tree = NULL;
    struct err e = ERR_INIT;
    buf_init(&text, JSON_BYTES);
    arena_init(&arena, (size_t)16 * JSON_BYTES);
    json_writer_init(&j, &text);
    memory_write(&j, from, spec->trigger_count);
    check(json_parse(buf_view(&text), &JSON_LIMITS_API, &arena, &tree, &e) == 0);
    decide_memory_init(to, spec, records);
    check(memory_read(tree, to, &e) == 0);
    arena_free(&arena);
    buf_free(&text);
}

static void check_higher(const struct scale_spec *spec, struct observation obs,
                         struct decide_memory *memory, int64_t now_ms, int32_t replicas)
{
    struct reading readings[TRIGGERS_MAX];
    struct decision higher;
    memcpy(readings, obs.readings, sizeof(readings));
    obs.readings = readings;
    if (spec->trigger_count == 0 || readings[0].kind != READING_VALUE ||
        !(fabs(readings[0].value) < 1e300) || obs.ready != obs.replicas) {
        return;
    }
    readings[0].value += fabs(readings[0].value) + 1;
    decide(spec, &obs, memory, now_ms, &higher);
    check(higher.replicas >= replicas);
}

static void make_observation(struct bytes *b, const struct scale_spec *spec, int32_t decided,
                             struct reading *readings, struct observation *obs)
{
    uint8_t how = take_byte(b);
    obs->replicas = how < 200 ? decided : how < 250 ? below(b, 600) : take_large(b, 600);
    obs->ready = how % 4 == 0 ? below(b, 600) : obs->replicas;
    obs->readings = readings;
    for (size_t i = 0; i < spec->trigger_count; i++) {
        static const enum reading_kind KINDS[] = {READING_VALUE, READING_VALUE, READING_VALUE,
                                                  READING_VALUE, READING_VALUE, READING_EMPTY,
                                                  READING_ERROR, READING_NONE};
        readings[i] = (struct reading){.kind = KINDS[take_byte(b) % 8], .text = "why"};
        readings[i].value = readings[i].kind == READING_VALUE ? take_value(b) : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decide_record records[3][RECORDS_MAX];
    struct bytes b = {data, size};
    struct scale_spec spec;
    struct decide_memory memory, same, raised;
    make_spec(&b, &spec);
    check(decide_memory_records(&spec) <= RECORDS_MAX);
    decide_memory_init(&memory, &spec, records[0]);
    int64_t now_ms = 1 + below(&b, 10000);
    int32_t replicas = below(&b, 100);
    for (int tick = 0; tick < TICKS_MAX && b.left > 0; tick++) {
        struct reading readings[TRIGGERS_MAX] = {0};
        struct observation obs;
        struct decision got, again;
        make_observation(&b, &spec, replicas, readings, &obs);
        copy_memory(&memory, &spec, &raised, records[2]);
        through_json(&memory, &spec, &same, records[1]);
        decide(&spec, &obs, &memory, now_ms, &got);
        decide(&spec, &obs, &same, now_ms, &again);
        check_decision(&spec, &obs, &got);
        check(got.replicas == again.replicas && got.reason == again.reason);
        check(strcmp(got.message, again.message) == 0);
        check(memory.proposals.count <= memory.proposals.capacity);
        check(memory.ups.count <= memory.ups.capacity);
        check(memory.downs.count <= memory.downs.capacity);
        check_higher(&spec, obs, &raised, now_ms, got.replicas);
        replicas = got.replicas;
        now_ms += take_byte(&b) % 16 == 15 ? -below(&b, 60000) : 10 * below(&b, 6000);
        now_ms = now_ms < 1 ? 1 : now_ms;
    }
    return 0;
}
