/* Where this process scales: Leases told to the core.
 *
 * One Lease `ampscale-scaler` a namespace that is watched; for all namespaces one in the process'
 * own, and the namespaces that have a live scaler of their own are left alone
 * (scaler/foreign.h). Without election it leads at once. If the core cannot be told, the process
 * ends on the spot: one that goes on writing without its Lease is worse than a restart.
 */
#ifndef AMPSCALE_SCALER_LEADERSHIP_H
#define AMPSCALE_SCALER_LEADERSHIP_H

#include <stdbool.h>

#include "base/flags.h"
#include "scaler/doors.h"

struct leadership;

struct leadership_options {
    struct doors *doors;                /* with its core attached */
    const struct flag_list *namespaces; /* empty: all */
    struct str home;                    /* the process' own namespace; copied */
    struct str identity;                /* unique: pod name and a random part; copied */
    bool elects;                        /* false: no Lease is taken */
    bool yields;                        /* leave namespaces with a live scaler alone; for all */
};

/* True when the core is to wait for scaler_lead: its `elects`. */
bool leadership_waits(const struct leadership_options *o);

int leadership_start(const struct leadership_options *o, struct leadership **out, struct err *e)
    __attribute__((warn_unused_result));

/* struct doors' may_write, with the struct leadership as context: leads there, and the Lease has
 * not run out in this very moment. */
bool leadership_allows(void *context, struct str namespace_);

/* Lead nowhere any more and give the Leases away; `released` is called when that is done, at most
 * 2 s later, perhaps from inside. */
void leadership_release(struct leadership *l, void (*released)(void *context), void *context);

/* NULL is allowed. */
void leadership_free(struct leadership *l);

#endif
