/* The pure half of leader election: what a Lease says, and what to do about it. */
#ifndef AMPSCALE_BASE_LEASE_H
#define AMPSCALE_BASE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

enum { LEASE_TEXT_BYTES = 256 };

/* A Lease as last seen, and since when it has stood like that. */
struct lease_view {
    char holder[LEASE_TEXT_BYTES];
    char renew_time[64]; /* as text: only its changes matter */
    char acquire_time[64];
    char version[32]; /* resourceVersion */
    int64_t duration_ms;
    int64_t transitions;
    int64_t seen_ms; /* monotonic time at which holder or renew_time last changed; 0: never read */
};

enum lease_step {
    LEASE_WAIT,  /* somebody else holds it */
    LEASE_TAKE,  /* nobody does, or it expired: write it as ours */
    LEASE_RENEW, /* we do: write a new renewTime */
};

/* Take in a Lease object. -1/ERR_INVALID: it is none. */
int lease_observe(struct lease_view *v, const struct json *object, int64_t now_ms, struct err *e)
    __attribute__((warn_unused_result));

enum lease_step lease_next(const struct lease_view *v, struct str identity, int64_t now_ms);

/* True while a holder other than `identity` is within its lease. */
bool lease_held_by_other(const struct lease_view *v, struct str identity, int64_t now_ms);

/* The Lease as it is to be written: by `identity` for duration_ms, or given away when identity is
 * empty (then for 1 s). `metadata`: the object's own as JSON, as it was observed last; a PUT
 * replaces it all, so labels, annotations and owners that are not sent would be lost. Absent: it is
 * one to be created. */
void lease_print(const struct lease_view *v, struct str metadata, struct str namespace_,
                 struct str name, struct str identity, int64_t duration_ms, int64_t unix_ms,
                 struct buf *out);

#endif
