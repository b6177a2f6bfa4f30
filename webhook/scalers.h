/* Which namespaces have a scaler at work, by their Leases `ampscale-scaler`.
 *
 * A Lease is judged by what was seen of it here and when, never by comparing its time stamps with
 * our clock: it is live once its holder was seen to renew it and while that is no longer ago than
 * it says it lasts. The Lease in the webhook's own namespace is that of a scaler of all namespaces.
 *
 * Feed it from a watch: list_begin, upsert…, synced; then upsert and removed; lost and recovered.
 * Pure: time is an argument (milliseconds of one monotonic clock, > 0). It owns its memory.
 */
#ifndef AMPSCALE_WEBHOOK_SCALERS_H
#define AMPSCALE_WEBHOOK_SCALERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define SCALER_LEASE "ampscale-scaler"

enum {
    SCALERS_MAX = 20000,          /* Leases kept */
    SCALERS_ABSENCE_MS = 60000,   /* a scaler that was at work may be away for so long: a rollout */
    SCALERS_NAMESPACE_BYTES = 64, /* with the NUL */
};

enum scaler_presence {
    SCALER_UNKNOWN, /* not seen yet, not seen for long enough, away for a moment, or not looked */
    SCALER_LIVE,
    SCALER_NONE,
};

struct scaler_lease;

/* Zeroed but for `own` to begin with. */
struct scalers {
    char own[SCALERS_NAMESPACE_BYTES]; /* the webhook's namespace; "": none is everybody's */
    struct scaler_lease *leases;
    size_t count, capacity;
    bool synced;         /* a list was read whole, and the watch goes on */
    int64_t watching_ms; /* since when it does so without a gap */
};

void scalers_free(struct scalers *s);

void scalers_list_begin(struct scalers *s);
/* A Lease as it is now; one of another name is passed over. -1: it is none, or there is no room for
 * one more; nothing is known of its namespace then but what was known before. */
int scalers_upsert(struct scalers *s, const struct json *lease, int64_t now_ms, struct err *e)
    __attribute__((warn_unused_result));
void scalers_removed(struct scalers *s, const struct json *lease);
/* The list is over: those that were not in it are gone. */
void scalers_synced(struct scalers *s, int64_t now_ms);
void scalers_lost(struct scalers *s);
void scalers_recovered(struct scalers *s, int64_t now_ms);

/* Of the namespace's own scaler or that of all namespaces, whichever is known to be more alive. */
enum scaler_presence scalers_in(const struct scalers *s, struct str namespace_, int64_t now_ms);

#endif
