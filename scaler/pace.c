#include "scaler/pace.h"

#include <math.h>

int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t saturate(int64_t x)
{
    return x > INT32_MAX ? INT32_MAX : x < 0 ? 0 : (int32_t)x;
}

static int64_t longest_period_ms(const struct scaling_rules *rules)
{
    int32_t longest = 0;
    for (size_t i = 0; i < rules->policy_count; i++) {
        longest = max32(longest, rules->policies[i].period_seconds);
    }
    return (int64_t)longest * 1000;
}

static int64_t longest_window_ms(const struct behavior *b)
{
    return (int64_t)max32(b->up.window_seconds, b->down.window_seconds) * 1000;
}

/* Records within a span: one an interval, one at either end, and two for a tick that decides twice.
 */
static size_t slots(int64_t span_ms, int64_t interval_ms)
{
    return (size_t)(span_ms / interval_ms) + 4;
}

struct sizes {
    size_t proposals, ups, downs;
};

static struct sizes sizes_of(const struct scale_spec *spec)
{
    int64_t interval = spec->polling_interval_ms;
    const struct behavior *b = &spec->behavior;
    bool paced = b->given;
    return (struct sizes){slots(longest_window_ms(b), interval),
                          paced ? slots(longest_period_ms(&b->up), interval) : 0,
                          paced ? slots(longest_period_ms(&b->down), interval) : 0};
}

size_t decide_memory_records(const struct scale_spec *spec)
{
    struct sizes s = sizes_of(spec);
    return s.proposals + s.ups + s.downs;
}

void decide_memory_init(struct decide_memory *memory, const struct scale_spec *spec,
                        struct decide_record *records)
{
    struct sizes s = sizes_of(spec);
    *memory = (struct decide_memory){
        .proposals = {records, 0, s.proposals},
        .ups = {records + s.proposals, 0, s.ups},
        .downs = {records + s.proposals + s.ups, 0, s.downs},
    };
}

static void copy_history(const struct decide_history *from, struct decide_history *out)
{
    for (size_t i = 0; i < from->count; i++) {
        out->records[i] = from->records[i];
    }
    out->count = from->count;
}

void decide_memory_copy(const struct decide_memory *from, const struct scale_spec *spec,
                        struct decide_record *records, struct decide_memory *out)
{
    struct decide_memory histories, copy = *from;
    decide_memory_init(&histories, spec, records);
    copy_history(&from->proposals, &histories.proposals);
    copy_history(&from->ups, &histories.ups);
    copy_history(&from->downs, &histories.downs);
    copy.proposals = histories.proposals;
    copy.ups = histories.ups;
    copy.downs = histories.downs;
    *out = copy;
}

/* Drop what is older than `oldest_ms`. */
static void forget_before(struct decide_history *h, int64_t oldest_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (h->records[i].ms >= oldest_ms) {
            h->records[kept++] = h->records[i];
        }
    }
    h->count = kept;
}

/* Put records of the same interval together: one that is as young and as large as either, or of
 * changes, that is their sum. So nothing goes down earlier for it, and it ages as the rest does. */
static void compact(struct decide_history *h, int64_t interval_ms, bool sum)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++) {
        struct decide_record next = h->records[i];
        size_t same = 0;
        while (same < kept && h->records[same].ms / interval_ms != next.ms / interval_ms) {
            same++;
        }
        struct decide_record *r = &h->records[same];
        if (same == kept) {
            *r = next;
            kept++;
        } else {
            r->ms = next.ms > r->ms ? next.ms : r->ms;
            r->replicas = sum ? saturate((int64_t)r->replicas + next.replicas)
                              : max32(r->replicas, next.replicas);
        }
    }
    h->count = kept;
}

/* Append. A history is full only where ticks came faster than the interval; compact then makes
 * room, since what it holds spans no more than slots() was asked for. */
static void remember(struct decide_history *h, const struct scale_spec *spec, bool sum,
                     struct decide_record record)
{
    if (h->count == h->capacity) {
        compact(h, spec->polling_interval_ms, sum);
    }
    h->records[h->count++] = record;
}

static struct pace stabilize(const struct scale_spec *spec, const struct decide_memory *memory,
                             int32_t current, int32_t proposal, int64_t now_ms)
{
    const struct behavior *b = &spec->behavior;
    struct decide_record lowest = {now_ms, proposal}, highest = lowest;
    int64_t up_from = now_ms - (int64_t)b->up.window_seconds * 1000;
    int64_t down_from = now_ms - (int64_t)b->down.window_seconds * 1000;
    for (size_t i = 0; i < memory->proposals.count; i++) {
        struct decide_record r = memory->proposals.records[i];
        /* With a behavior the window is open at its old end, without one it is closed. */
        bool in_down = b->given ? r.ms > down_from : r.ms >= down_from;
        if (b->given && r.ms > up_from && r.replicas < lowest.replicas) {
            lowest = r;
        }
        if (in_down && r.replicas > highest.replicas) {
            highest = r;
        }
    }
    if (!b->given) {
        bool held = highest.replicas > proposal;
        return (struct pace){highest.replicas, held ? PACE_STABILIZED_DOWN : PACE_FREE, highest};
    }
    struct pace p = {.replicas = current};
    if (p.replicas < lowest.replicas) {
        p.replicas = lowest.replicas;
    }
    if (p.replicas > highest.replicas) {
        p.replicas = highest.replicas;
    }
    if (p.replicas < proposal) {
        p.limit = PACE_STABILIZED_UP;
        p.cause = lowest;
    } else if (p.replicas > proposal) {
        p.limit = PACE_STABILIZED_DOWN;
        p.cause = highest;
    }
    return p;
}

static int64_t changed_within(const struct decide_history *h, int64_t now_ms,
                              int32_t period_seconds)
{
    int64_t sum = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (h->records[i].ms > now_ms - (int64_t)period_seconds * 1000) {
            sum += h->records[i].replicas;
        }
    }
    return sum;
}

/* The count at the start of a policy's period. */
static int64_t period_start(const struct decide_memory *memory, int32_t current, int64_t now_ms,
                            const struct scaling_policy *policy)
{
    return current - changed_within(&memory->ups, now_ms, policy->period_seconds) +
           changed_within(&memory->downs, now_ms, policy->period_seconds);
}

/* A count of a double, its fraction cut. */
static int32_t cut(double x)
{
    return x >= (double)INT32_MAX ? INT32_MAX : x <= 0 ? 0 : (int32_t)x;
}

/* Doubles as in the HPA: ceil(100 * (1 + 10/100.0)) is 111. */
static int32_t percent_up(int64_t start, int32_t value)
{
    return cut(ceil((double)start * (1 + (double)value / 100)));
}

static int32_t percent_down(int64_t start, int32_t value)
{
    return cut((double)start * (1 - (double)value / 100));
}

static int32_t up_limit(const struct scale_spec *spec, const struct decide_memory *memory,
                        int32_t current, int64_t now_ms)
{
    const struct scaling_rules *rules = &spec->behavior.up;
    if (rules->select == SELECT_DISABLED) {
        return current;
    }
    int32_t limit = rules->select == SELECT_MIN ? INT32_MAX : 0;
    for (size_t i = 0; i < rules->policy_count; i++) {
        const struct scaling_policy *policy = &rules->policies[i];
        int64_t start = period_start(memory, current, now_ms, policy);
        int32_t one = policy->type == POLICY_PODS ? saturate(start + policy->value)
                                                  : percent_up(start, policy->value);
        limit = rules->select == SELECT_MIN ? min32(limit, one) : max32(limit, one);
    }
    return max32(limit, current);
}

static int32_t down_limit(const struct scale_spec *spec, const struct decide_memory *memory,
                          int32_t current, int64_t now_ms)
{
    const struct scaling_rules *rules = &spec->behavior.down;
    if (rules->select == SELECT_DISABLED) {
        return current;
    }
    int32_t limit = rules->select == SELECT_MIN ? 0 : INT32_MAX;
    for (size_t i = 0; i < rules->policy_count; i++) {
        const struct scaling_policy *policy = &rules->policies[i];
        int64_t start = period_start(memory, current, now_ms, policy);
        int32_t one = policy->type == POLICY_PODS ? saturate(start - policy->value)
                                                  : percent_down(start, policy->value);
        limit = rules->select == SELECT_MIN ? max32(limit, one) : min32(limit, one);
    }
    return min32(limit, current);
}

static void limit_step(const struct scale_spec *spec, const struct decide_memory *memory,
                       int32_t current, int64_t now_ms, struct pace *p)
{
    if (p->replicas > current) {
        int32_t highest = up_limit(spec, memory, current, now_ms);
        if (p->replicas > highest) {
            p->limit = PACE_LIMITED_UP;
            p->replicas = highest;
        }
    } else if (p->replicas < current) {
        int32_t lowest = down_limit(spec, memory, current, now_ms);
        if (p->replicas < lowest) {
            p->limit = PACE_LIMITED_DOWN;
            p->replicas = lowest;
        }
    }
}

void pace_begin(const struct scale_spec *spec, struct decide_memory *memory, int32_t current,
                int64_t now_ms)
{
    remember(&memory->proposals, spec, false, (struct decide_record){now_ms, current});
}

struct pace pace(const struct scale_spec *spec, struct decide_memory *memory, int32_t current,
                 int32_t proposal, int64_t now_ms)
{
    struct pace p = stabilize(spec, memory, current, proposal, now_ms);
    forget_before(&memory->proposals, now_ms - longest_window_ms(&spec->behavior));
    remember(&memory->proposals, spec, false, (struct decide_record){now_ms, proposal});
    if (spec->behavior.given) {
        limit_step(spec, memory, current, now_ms, &p);
    }
    return p;
}

void pace_changed(const struct scale_spec *spec, struct decide_memory *memory, int32_t from,
                  int32_t to, int64_t ms)
{
    if (!spec->behavior.given || from == to) {
        return;
    }
    bool up = to > from;
    struct decide_history *h = up ? &memory->ups : &memory->downs;
    const struct scaling_rules *rules = up ? &spec->behavior.up : &spec->behavior.down;
    struct decide_record change = {ms, up ? to - from : from - to};
    int64_t oldest_ms = ms - longest_period_ms(rules);
    /* As the HPA's storeScaleEvent: the last that its own direction's policies no longer look at
     * makes room; until then it counts where the other direction's look back further. */
    for (size_t i = h->count; i > 0; i--) {
        if (h->records[i - 1].ms < oldest_ms) {
            h->records[i - 1] = change;
            return;
        }
    }
    remember(h, spec, true, change);
}
