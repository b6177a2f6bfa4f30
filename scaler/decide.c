/* The rules, in the order they apply:
 *
 *   1. Bounds. More than max or fewer than min is mended at once, without a metric.
 *   2. Proposals. Each trigger whose value is known proposes a count; the largest wins. An unknown
 * one proposes nothing, and while there is one the count may only rise.
 *   3. Activity. With min-replicas 0, nothing above its activation-threshold for the whole cooldown
 * means 0. Before that it may fall to 1 and never rises.
 *   4. The winner is put within [max(1, min), max].
 */
#include "scaler/decide.h"

#include <math.h>

#include "base/fmt.h"
#include "base/num.h"

#define SAME_INTEGER 1e-9 /* relative: 2.1 / 0.3 is 7, not 8 */

/* Numbers alone; the sentence is made from them at the end. */
struct proposal {
    int32_t replicas;
    int32_t trigger; /* -1: nobody proposes */
    bool tolerated;  /* the trigger is within tolerance of its target */
    int32_t unknown; /* index of the first unknown trigger, or -1 */
    bool active;
};

static const char *const REASON_NAMES[REASON_COUNT] = {
    [REASON_ABOVE_MAX] = "AboveMaxReplicas", [REASON_BELOW_MIN] = "BelowMinReplicas",
    [REASON_METRIC] = "MetricProposal",      [REASON_TOO_MANY] = "TooManyReplicas",
    [REASON_TOO_FEW] = "TooFewReplicas",     [REASON_WITHIN_TOLERANCE] = "WithinTolerance",
    [REASON_UNKNOWN] = "MetricUnknown",      [REASON_PARTLY_UNKNOWN] = "MetricPartlyUnknown",
    [REASON_COOLDOWN] = "Cooldown",          [REASON_INACTIVE] = "Inactive",
};

const char *decide_reason_name(enum decide_reason reason)
{
    return REASON_NAMES[reason];
}

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* ceil, but a quotient that rounding pushed just past an integer is that integer. Saturates. */
static int32_t ceil_count(double quotient)
{
    double nearest = round(quotient);
    double count =
        fabs(quotient - nearest) <= SAME_INTEGER * fabs(nearest) ? nearest : ceil(quotient);
    if (!(count > 0)) {
        return 0;
    }
    return count >= (double)INT32_MAX ? INT32_MAX : (int32_t)count;
}

int32_t decide_formula(const struct trigger *trigger, double value, int32_t ready)
{
    double quotient = fmax(value, 0.0) / trigger->threshold;
    if (trigger->type == METRIC_VALUE) {
        quotient *= (double)max32(ready, 0);
    }
    return ceil_count(quotient);
}

/* Value over target at the present count, where 1 is spot on. */
static double usage_ratio(const struct trigger *trigger, double value, int32_t replicas)
{
    double ratio = fmax(value, 0.0) / trigger->threshold;
    return trigger->type == METRIC_VALUE ? ratio : ratio / (double)replicas;
}

/* A value that a count can be computed from: with METRIC_VALUE and pods that are all unready, the
 * formula would say 0 pods, which nobody knows. */
static bool is_known(const struct trigger *trigger, const struct observation *obs,
                     const struct reading *reading)
{
    if (reading->kind != READING_VALUE || !isfinite(reading->value)) {
        return false;
    }
    return trigger->type != METRIC_VALUE || obs->replicas == 0 || obs->ready > 0;
}

/* What one known trigger proposes. Over the target never means fewer and under it never more: with
 * METRIC_VALUE the formula alone would say so while some pods are not ready, or while a rollout
 * surges. */
static int32_t propose_one(const struct trigger *trigger, const struct observation *obs,
                           double value, bool *tolerated)
{
    *tolerated = false;
    if (obs->replicas == 0) {
        return decide_formula(trigger, value, 1);
    }
    double ratio = usage_ratio(trigger, value, obs->replicas);
    if (ratio >= 1.0 - DECIDE_TOLERANCE && ratio <= 1.0 + DECIDE_TOLERANCE) {
        *tolerated = true;
        return obs->replicas;
    }
    int32_t replicas = decide_formula(trigger, value, obs->ready);
    bool contrary = ratio > 1.0 ? replicas < obs->replicas : replicas > obs->replicas;
    return contrary ? obs->replicas : replicas;
}

static struct proposal propose(const struct scale_spec *spec, const struct observation *obs)
{
    struct proposal best = {.trigger = -1, .unknown = -1};
    for (size_t i = 0; i < spec->trigger_count; i++) {
        const struct trigger *trigger = &spec->triggers[i];
        const struct reading *reading = &obs->readings[i];
        if (!is_known(trigger, obs, reading)) {
            best.unknown = best.unknown < 0 ? (int32_t)i : best.unknown;
            continue;
        }
        bool tolerated;
        int32_t replicas = propose_one(trigger, obs, reading->value, &tolerated);
        if (best.trigger < 0 || replicas > best.replicas) {
            best.replicas = replicas;
            best.trigger = (int32_t)i;
            best.tolerated = tolerated;
        }
        best.active = best.active || reading->value > trigger->activation;
    }
    return best;
}

/* How long the workload has been inactive, by steps that a jumping clock cannot stretch. */
static void count_inactivity(const struct scale_spec *spec, const struct proposal *proposal,
                             struct decide_memory *memory, int64_t now_ms)
{
    int64_t step = memory->last_ms == 0 ? 0 : now_ms - memory->last_ms;
    int64_t longest = 2 * spec->polling_interval_ms;
    step = step < 0 ? 0 : step > longest ? longest : step;
    if (proposal->active) {
        memory->inactive_ms = 0;
    } else if (proposal->unknown < 0 && proposal->trigger >= 0) {
        memory->inactive_ms += step;
    }
    memory->last_ms = now_ms == 0 ? 1 : now_ms;
}

/* Rules 2 to 4 without the sentence. */
static struct decision decide_by_metric(const struct scale_spec *spec,
                                        const struct observation *obs,
                                        const struct proposal *proposal,
                                        const struct decide_memory *memory)
{
    struct decision d = {.replicas = obs->replicas, .trigger = proposal->trigger};
    if (proposal->trigger < 0) {
        d.reason = REASON_UNKNOWN;
        d.trigger = proposal->unknown;
        return d;
    }
    if (proposal->unknown >= 0 && proposal->replicas <= obs->replicas) {
        d.reason = REASON_PARTLY_UNKNOWN;
        d.trigger = proposal->unknown;
        return d;
    }
    int32_t lowest = max32(1, spec->min_replicas);
    if (spec->min_replicas == 0 && !proposal->active && proposal->unknown < 0) {
        bool over = obs->replicas == 0 || memory->inactive_ms >= spec->cooldown_ms;
        d.reason = over ? REASON_INACTIVE : REASON_COOLDOWN;
        int32_t wanted = max32(lowest, proposal->replicas);
        d.replicas = over ? 0 : (wanted < obs->replicas ? wanted : obs->replicas);
        return d;
    }
    d.replicas = proposal->replicas;
    d.reason = proposal->tolerated ? REASON_WITHIN_TOLERANCE : REASON_METRIC;
    if (d.replicas < lowest) {
        d.replicas = lowest;
        d.reason = REASON_TOO_FEW;
    } else if (d.replicas > spec->max_replicas) {
        d.replicas = spec->max_replicas;
        d.reason = REASON_TOO_MANY;
    }
    return d;
}

/* "default: 100 / 25 → 4" of trigger i. */
static struct str formula_text(const struct scale_spec *spec, const struct observation *obs,
                               int32_t i, char *out, size_t size)
{
    const struct trigger *t = &spec->triggers[i];
    char value[NUM_TEXT_BYTES], threshold[NUM_TEXT_BYTES];
    double reading = obs->readings[i].value;
    int32_t ready = obs->replicas == 0 ? 1 : obs->ready;
    return fmt(out, size, "%.*s: %.*s/%.*s → %d", STR_ARG(str_slice(t->name, 0, 64)),
               STR_ARG(num_print_double(reading, value)),
               STR_ARG(num_print_double(t->threshold, threshold)),
               decide_formula(t, reading, ready));
}

static void explain_unknown(const struct scale_spec *spec, const struct observation *obs,
                            struct decision *d)
{
    if (d->trigger < 0) {
        (void)fmt(d->message, sizeof(d->message), "held: there is no trigger");
        return;
    }
    const struct reading *r = &obs->readings[d->trigger];
    const char *why = r->kind == READING_NONE    ? "not asked yet"
                      : r->kind == READING_VALUE ? "no pod is ready to divide the value by"
                                                 : r->text;
    (void)fmt(d->message, sizeof(d->message), "held at %d: %.*s is unknown: %s", d->replicas,
              STR_ARG(str_slice(spec->triggers[d->trigger].name, 0, 64)), why);
}

static void explain(const struct scale_spec *spec, const struct observation *obs,
                    const struct decide_memory *memory, struct decision *d)
{
    char formula[256] = "";
    char took[NUM_TEXT_BYTES], needs[NUM_TEXT_BYTES];
    if (d->trigger >= 0 && obs->readings[d->trigger].kind == READING_VALUE) {
        (void)formula_text(spec, obs, d->trigger, formula, sizeof(formula));
    }
    char *out = d->message;
    size_t size = sizeof(d->message);
    switch (d->reason) {
    case REASON_ABOVE_MAX:
        (void)fmt(out, size, "%d is above max-replicas %d", obs->replicas, spec->max_replicas);
        return;
    case REASON_BELOW_MIN:
        (void)fmt(out, size, "%d is below min-replicas %d", obs->replicas, spec->min_replicas);
        return;
    case REASON_METRIC: (void)fmt(out, size, "%s replicas", formula); return;
    case REASON_TOO_MANY:
        (void)fmt(out, size, "%s, limited to max-replicas %d", formula, spec->max_replicas);
        return;
    case REASON_TOO_FEW:
        (void)fmt(out, size, "%s, raised to %s %d", formula,
                  spec->min_replicas > 0 ? "min-replicas" : "the least while active,", d->replicas);
        return;
    case REASON_WITHIN_TOLERANCE:
        (void)fmt(out, size, "%s, within 10%% of the target at %d: held", formula, obs->replicas);
        return;
    case REASON_UNKNOWN:
    case REASON_PARTLY_UNKNOWN: explain_unknown(spec, obs, d); return;
    case REASON_COOLDOWN:
    case REASON_INACTIVE:
        (void)fmt(out, size, "%s: inactive for %.*s of the cooldown's %.*s", formula,
                  STR_ARG(num_print_duration(memory->inactive_ms, took)),
                  STR_ARG(num_print_duration(spec->cooldown_ms, needs)));
        return;
    case REASON_COUNT: return;
    }
}

void decide(const struct scale_spec *spec, const struct observation *obs,
            struct decide_memory *memory, int64_t now_ms, struct decision *out)
{
    struct proposal proposal = propose(spec, obs);
    count_inactivity(spec, &proposal, memory, now_ms);
    struct decision d = {.replicas = obs->replicas, .trigger = -1};
    if (obs->replicas > spec->max_replicas) {
        d.replicas = spec->max_replicas;
        d.reason = REASON_ABOVE_MAX;
    } else if (obs->replicas < spec->min_replicas) {
        d.replicas = spec->min_replicas;
        d.reason = REASON_BELOW_MIN;
    } else {
        d = decide_by_metric(spec, obs, &proposal, memory);
    }
    explain(spec, obs, memory, &d);
    *out = d;
}
