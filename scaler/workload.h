/* The workload table: every Deployment that asks to be scaled, by UID, and in order of due time.
 *
 * A workload owns copies of the few strings it needs; nothing points into a watch's memory. The
 * heap and the hash table hold the same workloads; both are intrusive, so a workload is one
 * allocation and its texts another.
 */
#ifndef AMPSCALE_SCALER_WORKLOAD_H
#define AMPSCALE_SCALER_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/kubeobj.h"
#include "base/promresult.h"
#include "base/spec.h"
#include "scaler/conditions.h"
#include "scaler/decide.h"

/* Where a workload is in gather → decide → apply. */
enum workload_phase {
    PHASE_IDLE,     /* waiting for its due time */
    PHASE_ASKING,   /* queries are out */
    PHASE_WRITING,  /* a new count is on its way to /scale */
    PHASE_CHECKING, /* that was a conflict: /scale is being read */
};

enum { RESOURCE_VERSION_BYTES = 32 };

/* What is kept of a decision until the next one. */
struct decided {
    bool made; /* since its annotations were read */
    int32_t replicas;
    enum decide_reason reason;
    int active; /* as struct decision's */
    bool fallback;
};

struct workload {
    struct str namespace_, name, uid;
    struct kv_list annotations; /* those with our prefix */
    void *texts;                /* one block under the views above; owned */
    size_t texts_bytes;

    bool usable; /* spec is one to act on; if not, the count is held */
    struct scale_spec spec;
    char *spec_texts; /* what spec points to beyond the annotations: texts of YAML; owned */
    unsigned long long
        triggers_hash; /* of what spec scales on: queries, thresholds, metric types */
    struct decide_memory memory;
    bool met; /* since it leads: what its conditions tell of the past was taken over */
    struct decide_record *records; /* of memory's histories; owned */
    int64_t clock_ms;              /* decide()'s time: Unix at first, then by bounded steps */
    int64_t ticked_ms;             /* monotonic time up to which clock_ms went on */
    struct reading *readings;      /* spec.trigger_count of them; owned */
    enum reading_kind *announced;  /* per trigger: what events and log last told; owned */
    void **calls;                  /* per trigger: the query that is out, or NULL; owned */
    size_t pending;                /* how many are out */

    int32_t replicas, ready;                       /* as last seen or acknowledged */
    char resource_version[RESOURCE_VERSION_BYTES]; /* that `replicas` was seen at; older news about
                                                      it is passed over */
    int32_t decided_at;                            /* the count that `decision` was made on */
    enum workload_phase phase;
    void *write;  /* the /scale call that is out, or NULL */
    int attempts; /* writes that this decision has cost so far */
    struct decided decision;
    char *message; /* the decision's sentence, owned; workload_message reads it */
    size_t message_bytes;
    enum decide_reason logged_reason; /* REASON_COUNT: nothing logged yet */
    int32_t logged_from, logged_to;
    bool write_failing; /* an event has said so */

    struct condition conditions[CONDITION_COUNT];
    bool conditions_dirty;   /* not written as they are */
    bool conditions_failing; /* they could not be written, and a log line has said so */
    void *conditions_call;   /* that write, while it is out */
    struct str conflict; /* name of an HPA with the same target; absent: none. Owned by the list */
    bool leads;          /* this process is to scale it */

    int64_t due_ms;   /* monotonic */
    size_t heap_slot; /* 1-based; 0: not in the heap */
    unsigned long long hash;
    struct workload *next; /* in its bucket */
    bool seen;             /* in the list that is being read */
};

/* A place in the heap. The time is here too, so that ordering touches no workload. */
struct due {
    int64_t ms;
    struct workload *workload;
};

struct workload_table {
    struct workload **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    struct due *heap;    /* [1..heap_count], the earliest first */
    size_t heap_count, heap_capacity;
    size_t count;
};

void table_init(struct workload_table *t);
/* Frees the workloads too; their calls must have been cancelled. */
void table_free(struct workload_table *t);

/* NULL when there is none. */
struct workload *table_find(const struct workload_table *t, struct str uid);

/* A new workload with copies of d's identity and our annotations. -1/ERR_MEMORY. */
int table_add(struct workload_table *t, const struct deployment *d, struct workload **out,
              struct err *e) __attribute__((warn_unused_result));
/* Take it out and free it; its calls must have been cancelled. */
void table_remove(struct workload_table *t, struct workload *w);

/* True when d's annotations with our prefix are the ones w was read from. */
bool workload_same_annotations(const struct workload *w, const struct deployment *d);
/* Replace w's texts by d's; w->spec then points to freed ones until workload_set_spec.
 * -1/ERR_MEMORY, w unchanged. */
int workload_copy_texts(struct workload *w, const struct deployment *d, struct err *e)
    __attribute__((warn_unused_result));
/* Take over a spec that was parsed from w->annotations, with copies of the texts that are not
 * theirs, without its collector's part, and with cleared per-trigger arrays of its size. No call of
 * w may be out. -1/ERR_MEMORY: w has no triggers. */
int workload_set_spec(struct workload *w, const struct scale_spec *spec, struct err *e)
    __attribute__((warn_unused_result));

/* Keep what was decided. Without memory its sentence is lost. */
void workload_take_decision(struct workload *w, const struct decision *d);
/* The sentence of the last decision; "" before the first. */
const char *workload_message(const struct workload *w);

/* Take over spec.replicas as it was at a version of the Deployment, by the watch or by an answer of
 * /scale: they overtake each other. False: w knows of a later version and is as it was. Versions
 * are decimal numbers that grow (kubernetes/enhancements KEP-5504); others cannot be told apart and
 * are taken. */
bool workload_take_replicas(struct workload *w, int32_t replicas, struct str version);

/* Put w (back) into the heap, due at due_ms. Never fails: room is made by table_add. */
void table_schedule(struct workload_table *t, struct workload *w, int64_t due_ms);
void table_unschedule(struct workload_table *t, struct workload *w);
/* The monotonic clock was set by so much: move what is counted on it along. */
void table_shift(struct workload_table *t, int64_t by_ms);
/* The one that is due first; NULL when none is scheduled. */
struct workload *table_first_due(const struct workload_table *t);

/* Every workload once, in no order; NULL at the end. *cursor starts at 0. Removing the one just
 * returned is allowed. */
struct table_cursor {
    size_t bucket;
    struct workload *next;
};
struct workload *table_each(const struct workload_table *t, struct table_cursor *cursor);

#endif
