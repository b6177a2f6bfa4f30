#include "collector/timing.h"

void timing_init(struct timing *t, int64_t interval_ms, struct str identity)
{
    const unsigned long long hash = str_hash(identity);
    *t = (struct timing){.interval_ms = interval_ms,
                         .phase_ms = (int64_t)(hash % (unsigned long long)interval_ms)};
}

int64_t timing_next(const struct timing *t, int64_t now_ms)
{
    const int64_t earliest_ms = now_ms + (t->interval_ms + 1) / 2;
    const int64_t over_ms = (earliest_ms - t->phase_ms) % t->interval_ms;
    const int64_t since_ms = over_ms < 0 ? over_ms + t->interval_ms : over_ms;
    return since_ms == 0 ? earliest_ms : earliest_ms + t->interval_ms - since_ms;
}

int64_t timing_stamp(struct timing *t, int64_t wall_ms, int64_t *back_ms)
{
    const int64_t back = t->last_timestamp_ms - wall_ms;
    *back_ms = 0;
    if (back < 0 || t->last_timestamp_ms == 0) {
        t->last_timestamp_ms = wall_ms;
    } else if (back < TIMING_PATIENCE_MS) {
        t->last_timestamp_ms++;
    } else {
        *back_ms = back;
        t->last_timestamp_ms = wall_ms;
    }
    return t->last_timestamp_ms;
}
