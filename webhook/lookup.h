/* The world between the two stages of /validate: the namespace's other autoscalers, and the live
 * queries, all at once and within one deadline. What is not there by then is reported as not
 * answered. Whether a scaler serves the namespace is known already.
 */
#ifndef AMPSCALE_WEBHOOK_LOOKUP_H
#define AMPSCALE_WEBHOOK_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "webhook/service.h"
#include "webhook/validate.h"

enum {
    LOOKUP_MAX_MS = 2000,
    LOOKUP_RESERVE_MS = 500, /* left of the API server's timeout for the way back */
};

enum lookup_list { LIST_HPAS, LIST_SCALED_OBJECTS, LIST_COUNT };

struct lookup;

struct lookup_query {
    struct lookup *lookup;
    struct query_waiter *waiter;
    struct err error;
    struct prom_result result;
};

struct lookup_list_call {
    struct lookup *lookup;
    struct kube_call *call;
    const struct json *list;
};

/* Lives in the admission. lookup_start fills all of it but `pending`, which is 0 before and after,
 * and the queries that there are none of. */
struct lookup {
    struct service *service;
    struct arena *arena;
    void (*done)(void *context);
    void *context;
    size_t pending;
    struct loop_timer deadline;
    int64_t budget_ms;
    bool dry_run; /* no query is sent */

    struct str namespace_;
    struct lookup_list_call lists[LIST_COUNT];
    struct err lists_error;
    struct lookup_query queries[SPEC_TRIGGERS_MAX];
    struct query_fact query_facts[SPEC_TRIGGERS_MAX];
    size_t query_count;
    struct validate_facts facts; /* complete when `done` is called */
};

/* Look up what `v` wants until deadline_ms (loop's clock). True: everything is there already and
 * `done` will not be called. False: `done` is called once, later. */
bool lookup_start(struct lookup *l, struct service *s, const struct validation *v, struct arena *a,
                  int64_t deadline_ms, void (*done)(void *context), void *context);
/* Give up; `done` is not called any more. */
void lookup_cancel(struct lookup *l);

#endif
