#include "scaler/decide_text.h"

#include <math.h>

#include "base/fmt.h"
#include "base/num.h"

static const char *const REASON_NAMES[REASON_COUNT] = {
    [REASON_PAUSED] = "Paused",
    [REASON_PAUSED_REPLICAS] = "PausedReplicas",
    [REASON_ABOVE_MAX] = "AboveMaxReplicas",
    [REASON_BELOW_MIN] = "BelowMinReplicas",
    [REASON_METRIC] = "MetricProposal",
    [REASON_TOO_MANY] = "TooManyReplicas",
    [REASON_TOO_FEW] = "TooFewReplicas",
    [REASON_WITHIN_TOLERANCE] = "WithinTolerance",
    [REASON_UNKNOWN] = "MetricUnknown",
    [REASON_PARTLY_UNKNOWN] = "MetricPartlyUnknown",
    [REASON_FALLBACK] = "Fallback",
    [REASON_ACTIVATED] = "Activated",
    [REASON_COOLDOWN] = "Cooldown",
    [REASON_INACTIVE] = "Inactive",
    [REASON_STABILIZED_DOWN] = "ScaleDownStabilized",
    [REASON_STABILIZED_UP] = "ScaleUpStabilized",
    [REASON_LIMITED_DOWN] = "ScaleDownLimit",
    [REASON_LIMITED_UP] = "ScaleUpLimit",
    [REASON_SCALE_IN_PAUSED] = "ScaleInPaused",
    [REASON_SCALE_OUT_PAUSED] = "ScaleOutPaused",
};

const char *decide_reason_name(enum decide_reason reason)
{
    return REASON_NAMES[reason];
}

static struct str short_name(const struct trigger *trigger)
{
    return str_slice(trigger->name, 0, 64);
}

/* Why a reading cannot be scaled on. */
static const char *print_why(const struct reading *reading, char number[NUM_TEXT_BYTES])
{
    switch (reading->kind) {
    case READING_NONE: return "not asked yet";
    case READING_VALUE:
        return isfinite(reading->value) ? "no pod is ready to divide the value by"
                                        : num_print_double(reading->value, number).ptr;
    case READING_EMPTY:
    case READING_ERROR: break;
    }
    return reading->text;
}

/* What broke the bounds: a count before and one after. */
static void print_bound(const struct scale_spec *spec, const struct observation *obs,
                        const struct decide_cause *cause, char *out, size_t size)
{
    bool above = cause->reason == REASON_ABOVE_MAX;
    (void)fmt(out, size, "%d is %s %s %d", obs->replicas, above ? "above" : "below",
              above                               ? "max-replicas"
              : spec_has(spec, KEY_IDLE_REPLICAS) ? "idle-replicas"
                                                  : "min-replicas",
              cause->replicas);
}

/* What the winning trigger says: "default: 100/25 → 4", or its fallback; or who decided without
 * one. Returns the count it ends in. */
static int32_t print_source(const struct scale_spec *spec, const struct observation *obs,
                            const struct decide_cause *cause, const struct decision *d, char *out,
                            size_t size)
{
    char value[NUM_TEXT_BYTES], threshold[NUM_TEXT_BYTES];
    if (cause->reason == REASON_ABOVE_MAX || cause->reason == REASON_BELOW_MIN) {
        print_bound(spec, obs, cause, out, size);
        return cause->replicas;
    }
    if (d->trigger < 0) { /* force-activation alone decides without a trigger's word */
        (void)fmt(out, size, "force-activation → %d", cause->replicas);
        return cause->replicas;
    }
    const struct trigger *t = &spec->triggers[d->trigger];
    const struct reading *reading = &obs->readings[d->trigger];
    if (!decide_is_known(spec, obs, (size_t)d->trigger)) {
        (void)fmt(out, size, "%.*s: fallback after %s → %d", STR_ARG(short_name(t)),
                  print_why(reading, value), d->proposal);
        return d->proposal;
    }
    double number = reading->kind == READING_EMPTY ? 0 : reading->value;
    int32_t count = decide_formula(t, number, obs->replicas == 0 ? 1 : obs->ready);
    (void)fmt(out, size, "%.*s: %.*s/%.*s → %d", STR_ARG(short_name(t)),
              STR_ARG(num_print_double(number, value)),
              STR_ARG(num_print_double(t->threshold, threshold)), count);
    return count;
}

static void explain_unknown(const struct scale_spec *spec, const struct observation *obs,
                            struct decision *d)
{
    char number[NUM_TEXT_BYTES];
    if (d->trigger < 0) {
        (void)fmt(d->message, sizeof(d->message), "held at %d: there is no trigger", d->replicas);
        return;
    }
    (void)fmt(d->message, sizeof(d->message), "held at %d: %.*s is unknown: %s", d->replicas,
              STR_ARG(short_name(&spec->triggers[d->trigger])),
              print_why(&obs->readings[d->trigger], number));
}

static void explain_cooldown(const struct scale_spec *spec, const struct decide_memory *memory,
                             const char *source, struct decision *d)
{
    char took[NUM_TEXT_BYTES], needs[NUM_TEXT_BYTES];
    bool initial =
        !memory->ever_active && memory->inactive_ms == 0 && spec->initial_cooldown_ms > 0;
    int64_t took_ms = initial ? memory->last_ms - memory->adopted_ms : memory->inactive_ms;
    int64_t needs_ms = initial ? spec->initial_cooldown_ms : spec->cooldown_ms;
    (void)fmt(d->message, sizeof(d->message), "%s, inactive for %.*s of the %scooldown's %.*s",
              source, STR_ARG(num_print_duration(took_ms, took)), initial ? "initial " : "",
              STR_ARG(num_print_duration(needs_ms, needs)));
}

static void explain_stabilized(const struct decide_memory *memory,
                               const struct decide_record *cause, const char *source, bool down,
                               struct decision *d)
{
    (void)fmt(d->message, sizeof(d->message),
              "%s; %s %d by %s stabilization: %d was proposed %lld s ago", source, "kept at",
              d->replicas, down ? "scaleDown" : "scaleUp", cause->replicas,
              (long long)((memory->last_ms - cause->ms + 500) / 1000));
}

void decide_explain(const struct scale_spec *spec, const struct observation *obs,
                    const struct decide_memory *memory, const struct decide_cause *cause,
                    struct decision *d)
{
    char source[320];
    char *out = d->message;
    size_t size = sizeof(d->message);
    int32_t count = print_source(spec, obs, cause, d, source, sizeof(source));
    switch (d->reason) {
    case REASON_PAUSED: (void)fmt(out, size, "paused at %d", d->replicas); return;
    case REASON_PAUSED_REPLICAS:
        (void)fmt(out, size, "paused at paused-replicas %d", d->replicas);
        return;
    case REASON_ABOVE_MAX:
    case REASON_BELOW_MIN: (void)fmt(out, size, "%s", source); return;
    case REASON_METRIC:
    case REASON_FALLBACK: (void)fmt(out, size, "%s replica%s", source, fmt_s(count)); return;
    case REASON_ACTIVATED:
        (void)fmt(out, size, "%s replica%s, active at %d", source, fmt_s(count), obs->replicas);
        return;
    case REASON_TOO_MANY:
        (void)fmt(out, size, "%s, limited to max-replicas %d", source, spec->max_replicas);
        return;
    case REASON_TOO_FEW:
        (void)fmt(out, size, "%s, raised to %s %d", source,
                  spec->min_replicas > 0 ? "min-replicas" : "the least while active,", d->replicas);
        return;
    case REASON_WITHIN_TOLERANCE:
        (void)fmt(out, size, "%s, within tolerance of the target at %d: held", source,
                  obs->replicas);
        return;
    case REASON_UNKNOWN:
    case REASON_PARTLY_UNKNOWN: explain_unknown(spec, obs, d); return;
    case REASON_COOLDOWN:
    case REASON_INACTIVE: explain_cooldown(spec, memory, source, d); return;
    case REASON_STABILIZED_DOWN:
    case REASON_STABILIZED_UP:
        explain_stabilized(memory, &cause->proposed, source, d->reason == REASON_STABILIZED_DOWN,
                           d);
        return;
    case REASON_LIMITED_DOWN:
    case REASON_LIMITED_UP:
        (void)fmt(out, size, "%s, %s's policies allow %d now", source,
                  d->reason == REASON_LIMITED_DOWN ? "scaleDown" : "scaleUp", d->replicas);
        return;
    case REASON_SCALE_IN_PAUSED:
    case REASON_SCALE_OUT_PAUSED:
        (void)fmt(out, size, "%s, held at %d: %s", source, d->replicas,
                  d->reason == REASON_SCALE_IN_PAUSED ? "paused-scale-in" : "paused-scale-out");
        return;
    case REASON_COUNT: return;
    }
}
