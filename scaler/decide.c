#include "scaler/decide.h"

#include <math.h>

#include "scaler/decide_text.h"
#include "scaler/pace.h"

#define SAME_INTEGER 1e-9 /* relative: 2.1 / 0.3 is 7, not 8 */

/* ceil, but a quotient that rounding pushed just past an integer is that integer. Saturates. */
static int32_t ceil_count(double quotient)
{
    double nearest = round(quotient);
    bool same = fabs(quotient - nearest) <= SAME_INTEGER * fabs(nearest);
    double count = same ? nearest : ceil(quotient);
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

/* The count while inactive, if that is less than min-replicas; -1: there is no such thing. */
static int32_t idle_count(const struct scale_spec *spec)
{
    if (spec_has(spec, KEY_IDLE_REPLICAS)) {
        return spec->idle_replicas;
    }
    return spec->min_replicas == 0 ? 0 : -1;
}

/* One trigger's part in the decision. */
enum standing { STANDING_KNOWN, STANDING_UNKNOWN, STANDING_FALLBACK };

struct share {
    enum standing standing;
    double value; /* KNOWN */
};

/* An empty result that the user calls zero. */
static bool is_zero(const struct scale_spec *spec, const struct reading *reading)
{
    return reading->kind == READING_EMPTY && spec->on_no_data == NO_DATA_ZERO;
}

bool decide_is_known(const struct scale_spec *spec, const struct observation *obs, size_t i)
{
    const struct reading *reading = &obs->readings[i];
    bool number = reading->kind == READING_VALUE && isfinite(reading->value);
    bool divided = spec->triggers[i].type == METRIC_VALUE && obs->replicas > 0;
    return (number || is_zero(spec, reading)) && !(divided && obs->ready <= 0);
}

/* What starts the clock of fallback-after, and keeps it going. */
static bool counts_as_unknown(const struct scale_spec *spec, const struct observation *obs,
                              size_t i)
{
    switch (obs->readings[i].kind) {
    case READING_EMPTY:
        if (spec->on_no_data == NO_DATA_HOLD) {
            return false;
        }
        break;
    case READING_NONE: return false;
    case READING_VALUE:
    case READING_ERROR: break;
    }
    return !decide_is_known(spec, obs, i);
}

static struct share read_share(const struct scale_spec *spec, const struct observation *obs,
                               size_t i, int64_t unknown_ms)
{
    const struct reading *reading = &obs->readings[i];
    bool over = spec_has(spec, KEY_FALLBACK_REPLICAS) && counts_as_unknown(spec, obs, i) &&
                unknown_ms > spec->fallback_after_ms;
    if (decide_is_known(spec, obs, i)) {
        return (struct share){STANDING_KNOWN, is_zero(spec, reading) ? 0 : reading->value};
    }
    return (struct share){.standing = over ? STANDING_FALLBACK : STANDING_UNKNOWN};
}

static int32_t fallback_count(const struct scale_spec *spec, int32_t current)
{
    switch (spec->fallback_behavior) {
    case FALLBACK_STATIC: return spec->fallback_replicas;
    case FALLBACK_CURRENT: return current;
    case FALLBACK_IF_HIGHER: return max32(spec->fallback_replicas, current);
    case FALLBACK_IF_LOWER: return min32(spec->fallback_replicas, current);
    }
    return current;
}

/* In thousandths, as the HPA counts: a number of at most three decimals is then a whole one, and
 * 0.075 / 0.1 is at a tolerance of 0.25, not a hair outside. */
static double thousandths(double x)
{
    double exact = x * 1000;
    double nearest = round(exact);
    return fabs(exact - nearest) <= SAME_INTEGER * nearest ? nearest : exact;
}

/* Value over target at the present count, where 1 is spot on. Operand order as in the HPA. */
static double usage_ratio(const struct trigger *trigger, double value, int32_t replicas)
{
    double usage = thousandths(fmax(value, 0.0));
    double target = thousandths(trigger->threshold);
    return trigger->type == METRIC_VALUE ? usage / target : usage / (target * (double)replicas);
}

/* What one known trigger proposes. *tolerated is set where that is to stay. */
static int32_t propose_one(const struct scale_spec *spec, const struct trigger *trigger,
                           const struct observation *obs, double value, bool *tolerated)
{
    if (obs->replicas == 0) {
        return decide_formula(trigger, value, 1);
    }
    double ratio = usage_ratio(trigger, value, obs->replicas);
    if (ratio >= 1.0 - spec->behavior.down.tolerance &&
        ratio <= 1.0 + spec->behavior.up.tolerance) {
        *tolerated = true;
        return obs->replicas;
    }
    return decide_formula(trigger, value, obs->ready);
}

/* Numbers alone; the sentence is made from them at the end. */
struct proposal {
    int32_t replicas;
    int32_t trigger; /* -1: nobody proposes */
    enum standing standing;
    bool tolerated;  /* the winner is within tolerance of its target */
    int32_t unknown; /* index of the first trigger that proposes nothing, or -1 */
    bool active, all_known, fallback;
    bool wakes; /* some fallback asks for more than there is */
};

static struct proposal propose(const struct scale_spec *spec, const struct observation *obs,
                               const struct decide_memory *memory)
{
    struct proposal best = {.trigger = -1, .unknown = -1, .all_known = true};
    best.active = spec->force_activation;
    for (size_t i = 0; i < spec->trigger_count; i++) {
        struct share share = read_share(spec, obs, i, memory->unknown_ms[i]);
        best.all_known = best.all_known && share.standing == STANDING_KNOWN;
        if (share.standing == STANDING_UNKNOWN) {
            best.unknown = best.unknown < 0 ? (int32_t)i : best.unknown;
            continue;
        }
        bool tolerated = false;
        bool known = share.standing == STANDING_KNOWN;
        int32_t replicas = known
                               ? propose_one(spec, &spec->triggers[i], obs, share.value, &tolerated)
                               : fallback_count(spec, obs->replicas);
        if (best.trigger < 0 || replicas > best.replicas) {
            best.replicas = replicas;
            best.trigger = (int32_t)i;
            best.standing = share.standing;
            best.tolerated = tolerated;
        }
        best.fallback = best.fallback || !known;
        best.wakes = best.wakes || (!known && replicas > obs->replicas);
        best.active = best.active || (known && share.value > spec->triggers[i].activation);
    }
    return best;
}

/* Time since the call before, into the counters that it belongs to. */
static void count_unknown(const struct scale_spec *spec, const struct observation *obs,
                          struct decide_memory *memory, int64_t step_ms)
{
    for (size_t i = 0; i < spec->trigger_count; i++) {
        if (counts_as_unknown(spec, obs, i)) {
            /* Unknown from now on; what passed before counts once it was unknown already. */
            bool already = memory->unknown_ms[i] > 0;
            memory->unknown_ms[i] = already ? memory->unknown_ms[i] + step_ms : 1;
        } else if (obs->readings[i].kind != READING_NONE) {
            memory->unknown_ms[i] = 0;
        }
    }
}

/* Inactivity counts once everything is known. Of a workload that was never active it counts from
 * the end of the initial cooldown on. */
static void count_inactivity(const struct scale_spec *spec, const struct proposal *proposal,
                             struct decide_memory *memory, int64_t step_ms)
{
    if (proposal->active) {
        memory->inactive_ms = 0;
        memory->ever_active = true;
        return;
    }
    int64_t since_ms = memory->last_ms - memory->adopted_ms - spec->initial_cooldown_ms;
    int64_t counts_ms = memory->ever_active || since_ms > step_ms ? step_ms : since_ms;
    if (proposal->all_known && counts_ms > 0) {
        memory->inactive_ms += counts_ms;
    }
}

static bool cooldown_over(const struct scale_spec *spec, const struct decide_memory *memory)
{
    bool initial =
        !memory->ever_active && memory->last_ms - memory->adopted_ms < spec->initial_cooldown_ms;
    return !initial && memory->inactive_ms >= spec->cooldown_ms;
}

static void limit_by_bounds(const struct scale_spec *spec, struct decision *d)
{
    int32_t lowest = max32(1, spec->min_replicas);
    if (d->replicas < lowest) {
        d->replicas = lowest;
        d->reason = REASON_TOO_FEW;
    } else if (d->replicas > spec->max_replicas) {
        d->replicas = spec->max_replicas;
        /* What keeps it up is the past proposal, not that this one is too large. */
        d->reason = d->reason == REASON_STABILIZED_DOWN ? d->reason : REASON_TOO_MANY;
    }
}

/* D, then the bounds. */
static void pace_and_bound(const struct scale_spec *spec, const struct observation *obs,
                           int32_t proposal, struct decide_memory *memory, struct decision *d,
                           struct decide_record *cause)
{
    struct pace p = pace(spec, memory, obs->replicas, proposal, memory->last_ms);
    d->replicas = p.replicas;
    *cause = p.cause;
    switch (p.limit) {
    case PACE_FREE: break;
    case PACE_STABILIZED_UP: d->reason = REASON_STABILIZED_UP; break;
    case PACE_STABILIZED_DOWN: d->reason = REASON_STABILIZED_DOWN; break;
    case PACE_LIMITED_UP: d->reason = REASON_LIMITED_UP; break;
    case PACE_LIMITED_DOWN: d->reason = REASON_LIMITED_DOWN; break;
    }
    limit_by_bounds(spec, d);
}

/* C.4: nothing is active, and everything is known. */
static void decide_inactive(const struct scale_spec *spec, const struct observation *obs,
                            const struct proposal *proposal, struct decide_memory *memory,
                            struct decision *d, struct decide_record *cause)
{
    int32_t idle = idle_count(spec);
    if (obs->replicas <= idle || cooldown_over(spec, memory)) {
        d->replicas = idle;
        d->reason = REASON_INACTIVE;
        return;
    }
    pace_and_bound(spec, obs, min32(proposal->replicas, obs->replicas), memory, d, cause);
    if (d->replicas > obs->replicas) {
        d->replicas = obs->replicas;
    }
    d->reason = REASON_COOLDOWN;
}

/* C.5: active at 0 or idle, which is below min; or a fallback asks for more than that. */
static void decide_activated(const struct scale_spec *spec, const struct observation *obs,
                             const struct proposal *proposal, struct decide_memory *memory,
                             struct decision *d, struct decide_record *cause)
{
    if (proposal->standing == STANDING_FALLBACK) {
        d->reason = REASON_FALLBACK;
    }
    if (spec->behavior.given) {
        pace_and_bound(spec, obs, proposal->replicas, memory, d, cause);
    } else {
        (void)pace(spec, memory, obs->replicas, proposal->replicas, memory->last_ms);
        d->replicas = proposal->replicas;
        limit_by_bounds(spec, d);
    }
    if (proposal->active && (d->reason == REASON_METRIC || d->reason == REASON_TOO_FEW)) {
        d->reason = REASON_ACTIVATED;
    }
}

/* C and D. */
static void decide_by_metric(const struct scale_spec *spec, const struct observation *obs,
                             const struct proposal *proposal, struct decide_memory *memory,
                             struct decision *d, struct decide_record *cause)
{
    int32_t idle = idle_count(spec);
    bool resting = idle >= 0 && obs->replicas < max32(1, spec->min_replicas);
    if (idle >= 0 && !proposal->active && proposal->all_known && spec->trigger_count > 0) {
        decide_inactive(spec, obs, proposal, memory, d, cause);
        return;
    }
    if (resting && (proposal->active || proposal->wakes)) {
        decide_activated(spec, obs, proposal, memory, d, cause);
        return;
    }
    if (proposal->trigger < 0 || (proposal->unknown >= 0 && proposal->replicas < obs->replicas)) {
        d->reason = proposal->trigger < 0 ? REASON_UNKNOWN : REASON_PARTLY_UNKNOWN;
        d->trigger = proposal->unknown;
        return;
    }
    if (resting) {
        /* Nothing known is active, and no fallback asks for more. */
        d->reason = proposal->unknown >= 0 ? REASON_PARTLY_UNKNOWN : REASON_FALLBACK;
        d->trigger = proposal->unknown >= 0 ? proposal->unknown : d->trigger;
        return;
    }
    if (proposal->standing == STANDING_FALLBACK) {
        d->reason = REASON_FALLBACK;
    } else if (proposal->tolerated) {
        d->reason = REASON_WITHIN_TOLERANCE;
    }
    pace_and_bound(spec, obs, proposal->replicas, memory, d, cause);
    if (proposal->unknown >= 0 && d->replicas == obs->replicas) {
        d->reason = REASON_PARTLY_UNKNOWN;
        d->trigger = proposal->unknown;
    }
}

/* E. */
static void gate(const struct scale_spec *spec, const struct observation *obs, struct decision *d)
{
    if (d->replicas < obs->replicas && spec->paused_scale_in) {
        d->replicas = obs->replicas;
        d->reason = REASON_SCALE_IN_PAUSED;
    } else if (d->replicas > obs->replicas && spec->paused_scale_out) {
        d->replicas = obs->replicas;
        d->reason = REASON_SCALE_OUT_PAUSED;
    }
}

/* A. True when it settles the matter; *d is a hold so far. */
static bool decide_paused(const struct scale_spec *spec, struct decision *d)
{
    if (spec_has(spec, KEY_PAUSED_REPLICAS)) {
        d->replicas = spec->paused_replicas;
        d->reason = REASON_PAUSED_REPLICAS;
        return true;
    }
    d->reason = REASON_PAUSED;
    return spec->paused;
}

void decide(const struct scale_spec *spec, const struct observation *obs,
            struct decide_memory *memory, int64_t now_ms, struct decision *out)
{
    struct decision d = {.replicas = obs->replicas, .trigger = -1, .proposal = -1, .active = -1};
    struct decide_cause cause = {.reason = REASON_PAUSED};
    if (memory->last_ms == 0) {
        memory->adopted_ms = now_ms;
        memory->last_ms = now_ms;
        pace_begin(spec, memory, obs->replicas, now_ms);
    }
    int64_t step_ms = now_ms > memory->last_ms ? now_ms - memory->last_ms : 0;
    /* A change took place unless the count is what it was; what came later is somebody else's. */
    if (memory->last_from != memory->last_to && obs->replicas != memory->last_from) {
        pace_changed(spec, memory, memory->last_from, memory->last_to, memory->last_ms);
    }
    memory->last_ms += step_ms;
    if (!decide_paused(spec, &d)) {
        count_unknown(spec, obs, memory, step_ms);
        struct proposal proposal = propose(spec, obs, memory);
        count_inactivity(spec, &proposal, memory, step_ms);
        d.trigger = proposal.trigger;
        d.proposal = proposal.trigger < 0 ? -1 : proposal.replicas;
        d.active = proposal.active ? 1 : proposal.all_known ? 0 : -1;
        d.fallback = proposal.fallback;
        d.reason = REASON_METRIC;
        int32_t idle = idle_count(spec);
        int32_t floor = idle >= 0 ? idle : spec->min_replicas;
        if (obs->replicas > spec->max_replicas) {
            d.replicas = spec->max_replicas;
            d.reason = REASON_ABOVE_MAX;
            d.trigger = -1;
        } else if (obs->replicas < floor) {
            d.replicas = floor;
            d.reason = REASON_BELOW_MIN;
            d.trigger = -1;
        } else {
            decide_by_metric(spec, obs, &proposal, memory, &d, &cause.proposed);
        }
        cause.replicas = d.replicas;
        cause.reason = d.reason;
        gate(spec, obs, &d);
    }
    memory->last_from = obs->replicas;
    memory->last_to = d.replicas;
    decide_explain(spec, obs, memory, &cause, &d);
    *out = d;
}
