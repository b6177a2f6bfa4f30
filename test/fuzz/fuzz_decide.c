/* decide(): any spec within the contract, any readings, any clock. Properties:
 * - the result is within [min, max], or 0 with min 0, or a hold;
 * - what is unknown never lowers (but above max, the bound does);
 * - the same inputs give the same decision;
 * - a higher value of a trigger never gives fewer.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scaler/decide.h"

enum { TRIGGERS = 3 };

struct input {
    double threshold[TRIGGERS], value[TRIGGERS], activation[TRIGGERS];
    uint8_t kind[TRIGGERS], type[TRIGGERS];
    int32_t min, max, replicas, ready;
    int64_t now_ms, last_ms, inactive_ms;
};

static double positive(double x)
{
    return isfinite(x) && x > 0 ? x : 1.0;
}

static int32_t within(int32_t x, int32_t low)
{
    return x < low ? low : x;
}

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

static void build(const struct input *in, struct scale_spec *spec, struct reading *readings)
{
    *spec = (struct scale_spec){.trigger_count = TRIGGERS,
                                .min_replicas = within(in->min, 0),
                                .polling_interval_ms = 15000,
                                .cooldown_ms = 300000};
    spec->max_replicas = within(in->max, within(spec->min_replicas, 1));
    for (size_t i = 0; i < TRIGGERS; i++) {
        spec->triggers[i] =
            (struct trigger){.name = STR("t"),
                             .threshold = positive(in->threshold[i]),
                             .activation = isfinite(in->activation[i]) ? in->activation[i] : 0,
                             .type = in->type[i] % 2 ? METRIC_VALUE : METRIC_AVERAGE_VALUE};
        readings[i] =
            (struct reading){.kind = (enum reading_kind)(in->kind[i] % 4), .value = in->value[i]};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {0};
    memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
    struct scale_spec spec;
    struct reading readings[TRIGGERS];
    build(&in, &spec, readings);
    struct observation obs = {within(in.replicas, 0), within(in.ready, 0), readings};
    int64_t inactive = in.inactive_ms < 0 ? 0 : in.inactive_ms % 1000000;
    struct decide_memory memory = {in.last_ms / 2, inactive}, again = memory,
                         higher_memory = memory;
    struct decision first, second, higher;
    decide(&spec, &obs, &memory, in.now_ms / 2, &first);
    decide(&spec, &obs, &again, in.now_ms / 2, &second);
    check(first.replicas == second.replicas && first.reason == second.reason);
    check(strcmp(first.message, second.message) == 0 && first.message[0] != '\0');
    check(memcmp(&memory, &again, sizeof(memory)) == 0);

    bool held = first.replicas == obs.replicas;
    bool bounded = first.replicas >= spec.min_replicas && first.replicas <= spec.max_replicas;
    check(held || bounded);
    bool all_known = true;
    for (size_t i = 0; i < TRIGGERS; i++) {
        all_known = all_known && readings[i].kind == READING_VALUE && isfinite(readings[i].value);
    }
    check(all_known || first.replicas >= obs.replicas || obs.replicas > spec.max_replicas);

    if (all_known && readings[0].value < 1e300) {
        readings[0].value += fabs(readings[0].value) + 1;
        decide(&spec, &obs, &higher_memory, in.now_ms / 2, &higher);
        check(higher.replicas >= first.replicas);
    }
    return 0;
}
