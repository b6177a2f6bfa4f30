#include "scaler/conditions.h"

#include <string.h>

#include "base/fmt.h"
#include "base/num.h"
#include "scaler/workload.h"

const struct str SCALER_CONDITION_TYPES[CONDITION_COUNT] = {
    [CONDITION_ACTIVE] = STR_INIT(SPEC_PREFIX "Active"),
    [CONDITION_ABLE_TO_SCALE] = STR_INIT(SPEC_PREFIX "AbleToScale"),
    [CONDITION_SCALING_LIMITED] = STR_INIT(SPEC_PREFIX "ScalingLimited"),
    [CONDITION_PAUSED] = STR_INIT(SPEC_PREFIX "Paused"),
    [CONDITION_FALLBACK] = STR_INIT(SPEC_PREFIX "Fallback"),
};

/* Every reason there is, so that one read back is one of these. */
static const char ACTIVE[] = "ScalerActive", INACTIVE[] = "ScalerNotActive",
                  NEVER[] = "ScalerNeverActive", COOLING[] = "ScalerCooldown",
                  UNKNOWN[] = "FailedGetMetric", FORCED[] = "ForcedActivation",
                  READY[] = "ReadyForNewScale", RESCALED[] = "SucceededRescale",
                  STABILIZED[] = "ScaleDownStabilized", UP_STABILIZED[] = "ScaleUpStabilized",
                  FAILED[] = "FailedUpdateScale", CONFLICT[] = "AmbiguousSelector",
                  INVALID[] = "InvalidAnnotations", WITHIN[] = "DesiredWithinRange",
                  TOO_MANY[] = "TooManyReplicas", TOO_FEW[] = "TooFewReplicas",
                  UP_LIMIT[] = "ScaleUpLimit", DOWN_LIMIT[] = "ScaleDownLimit", PAUSED[] = "Paused",
                  PAUSED_IN[] = "ScaleInPaused", PAUSED_OUT[] = "ScaleOutPaused",
                  RUNNING[] = "NotPaused", FALLBACK[] = "FallbackExists",
                  NO_FALLBACK[] = "NoFallbackFound", NOTHING[] = "";
static const char *const REASONS[] = {
    ACTIVE,     INACTIVE,      NEVER,  COOLING,   UNKNOWN,    FORCED,  READY,    RESCALED,
    STABILIZED, UP_STABILIZED, FAILED, CONFLICT,  INVALID,    WITHIN,  TOO_MANY, TOO_FEW,
    UP_LIMIT,   DOWN_LIMIT,    PAUSED, PAUSED_IN, PAUSED_OUT, RUNNING, FALLBACK, NO_FALLBACK};
enum { REASON_TEXTS = sizeof(REASONS) / sizeof(REASONS[0]) };

static struct condition is(enum condition_status status, const char *reason)
{
    return (struct condition){.status = status, .reason = reason};
}

static struct condition active(const struct workload *w)
{
    const struct decided *d = &w->decision;
    if (w->spec.force_activation) {
        return is(STATUS_TRUE, FORCED);
    }
    if (d->active < 0) {
        return is(STATUS_UNKNOWN, UNKNOWN);
    }
    if (d->active > 0) {
        return is(STATUS_TRUE, ACTIVE);
    }
    if (!w->memory.ever_active) {
        return is(STATUS_FALSE, NEVER); /* a restart must not take it for one that was */
    }
    return is(STATUS_FALSE, d->reason == REASON_COOLDOWN ? COOLING : INACTIVE);
}

static struct condition able(const struct workload *w)
{
    if (!w->usable) {
        return is(STATUS_FALSE, INVALID);
    }
    if (w->conflict.ptr != NULL) {
        return is(STATUS_FALSE, CONFLICT);
    }
    if (w->write_failing) {
        return is(STATUS_FALSE, FAILED);
    }
    if (w->decision.reason == REASON_STABILIZED_DOWN) {
        return is(STATUS_TRUE, STABILIZED);
    }
    if (w->decision.reason == REASON_STABILIZED_UP) {
        return is(STATUS_TRUE, UP_STABILIZED);
    }
    return is(STATUS_TRUE, w->decision.replicas == w->replicas ? READY : RESCALED);
}

static struct condition limited(const struct workload *w)
{
    switch (w->decision.reason) {
    case REASON_ABOVE_MAX:
    case REASON_TOO_MANY: return is(STATUS_TRUE, TOO_MANY);
    case REASON_BELOW_MIN:
    case REASON_TOO_FEW: return is(STATUS_TRUE, TOO_FEW);
    case REASON_LIMITED_UP: return is(STATUS_TRUE, UP_LIMIT);
    case REASON_LIMITED_DOWN: return is(STATUS_TRUE, DOWN_LIMIT);
    case REASON_SCALE_IN_PAUSED: return is(STATUS_TRUE, PAUSED_IN);
    case REASON_SCALE_OUT_PAUSED: return is(STATUS_TRUE, PAUSED_OUT);
    case REASON_UNKNOWN:
    case REASON_PARTLY_UNKNOWN: return is(STATUS_UNKNOWN, UNKNOWN);
    case REASON_PAUSED:
    case REASON_PAUSED_REPLICAS:
    case REASON_METRIC:
    case REASON_WITHIN_TOLERANCE:
    case REASON_FALLBACK:
    case REASON_ACTIVATED:
    case REASON_COOLDOWN:
    case REASON_INACTIVE:
    case REASON_STABILIZED_DOWN:
    case REASON_STABILIZED_UP:
    case REASON_COUNT: break;
    }
    return is(STATUS_FALSE, WITHIN);
}

static struct condition paused(const struct workload *w)
{
    if (w->spec.paused || spec_has(&w->spec, KEY_PAUSED_REPLICAS)) {
        return is(STATUS_TRUE, PAUSED);
    }
    if (w->spec.paused_scale_in || w->spec.paused_scale_out) {
        return is(STATUS_TRUE, w->spec.paused_scale_in ? PAUSED_IN : PAUSED_OUT);
    }
    return is(STATUS_FALSE, RUNNING);
}

static struct condition fallback(const struct workload *w)
{
    if (!spec_has(&w->spec, KEY_FALLBACK_REPLICAS)) {
        return is(STATUS_ABSENT, NULL);
    }
    return w->decision.fallback ? is(STATUS_TRUE, FALLBACK) : is(STATUS_FALSE, NO_FALLBACK);
}

static struct condition (*const MAKE[CONDITION_COUNT])(const struct workload *w) = {
    [CONDITION_ACTIVE] = active,           [CONDITION_ABLE_TO_SCALE] = able,
    [CONDITION_SCALING_LIMITED] = limited, [CONDITION_PAUSED] = paused,
    [CONDITION_FALLBACK] = fallback,
};

static bool same_reason(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool conditions_update(struct workload *w, int64_t unix_ms)
{
    bool changed = false;
    bool decided = w->decision.made;
    bool held = w->spec.paused || spec_has(&w->spec, KEY_PAUSED_REPLICAS);
    for (int i = 0; i < CONDITION_COUNT; i++) {
        struct condition *old = &w->conditions[i];
        if (i == CONDITION_ACTIVE && (held || !w->usable)) {
            continue; /* nothing was asked: what was known stays */
        }
        if (i != CONDITION_ABLE_TO_SCALE && !decided) {
            continue;
        }
        struct condition new = MAKE[i](w);
        new.transition_ms = new.status == old->status ? old->transition_ms : unix_ms;
        changed = changed || new.status != old->status || !same_reason(new.reason, old->reason);
        *old = new;
    }
    return changed;
}

static const char *known_reason(struct str text)
{
    for (size_t i = 0; i < REASON_TEXTS; i++) {
        if (str_eq(text, str_from(REASONS[i]))) {
            return REASONS[i];
        }
    }
    return NOTHING;
}

static enum condition_status status_of(struct str text)
{
    return str_eq(text, STR("True"))    ? STATUS_TRUE
           : str_eq(text, STR("False")) ? STATUS_FALSE
                                        : STATUS_UNKNOWN;
}

struct condition condition_from(struct str status, struct str reason, int64_t transition_ms)
{
    return (struct condition){status_of(status), known_reason(reason), transition_ms};
}

void conditions_read(struct workload *w, const struct json *conditions)
{
    const struct json *item = conditions != NULL ? conditions->child : NULL;
    memset(w->conditions, 0, sizeof(w->conditions));
    for (; item != NULL; item = item->next) {
        struct str type = json_str(json_get(item, STR("type")));
        for (size_t i = 0; i < CONDITION_COUNT; i++) {
            struct err ignored = ERR_INIT;
            int64_t ms = 0;
            if (!str_eq(type, SCALER_CONDITION_TYPES[i])) {
                continue;
            }
            struct str time = json_str(json_get(item, STR("lastTransitionTime")));
            if (num_time_ms(time, &ms, &ignored) != 0) {
                ms = 0;
            }
            w->conditions[i] = condition_from(json_str(json_get(item, STR("status"))),
                                              json_str(json_get(item, STR("reason"))), ms);
        }
    }
}

void condition_restore(const struct condition *active, const struct scale_spec *spec,
                       int64_t unix_ms, struct decide_memory *memory)
{
    switch (active->status) {
    case STATUS_ABSENT: return;
    case STATUS_UNKNOWN: /* it may have been active, or not: the longer promise is kept */
        memory->ever_active = spec->initial_cooldown_ms == 0;
        return;
    case STATUS_TRUE: memory->ever_active = true; return;
    case STATUS_FALSE: break;
    }
    memory->ever_active = active->reason != NEVER;
    int64_t counts_from_ms =
        active->transition_ms + (memory->ever_active ? 0 : spec->initial_cooldown_ms);
    if (active->transition_ms > 0 && counts_from_ms < unix_ms) {
        memory->inactive_ms = unix_ms - counts_from_ms;
    }
}

struct str conditions_message(const struct workload *w, enum scaler_condition which, char *out,
                              size_t size)
{
    switch (which) {
    case CONDITION_ABLE_TO_SCALE:
        if (w->conflict.ptr != NULL) {
            return fmt(out, size,
                       "HorizontalPodAutoscaler %.*s scales it too; delete one of the two",
                       STR_ARG(w->conflict));
        }
        if (!w->usable) {
            return fmt(out, size, "the annotations cannot be used; see the events");
        }
        break;
    case CONDITION_PAUSED:
        if (w->conditions[which].status == STATUS_FALSE) {
            return fmt(out, size, "no annotation pauses it");
        }
        break;
    case CONDITION_ACTIVE:
    case CONDITION_SCALING_LIMITED:
    case CONDITION_FALLBACK:
    case CONDITION_COUNT: break;
    }
    return fmt(out, size, "%s", workload_message(w));
}
