#include "webhook/scalers.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/lease.h"

struct scaler_lease {
    char namespace_[SCALERS_NAMESPACE_BYTES];
    unsigned long long hash; /* of the namespace */
    struct lease_view view;
    bool renewed; /* its holder or renewTime was seen to change: it is not a leftover */
    bool listed;  /* in the list under way */
};

void scalers_free(struct scalers *s)
{
    free(s->leases);
    s->leases = NULL;
    s->count = 0;
    s->capacity = 0;
}

static struct scaler_lease *find(const struct scalers *s, struct str namespace_)
{
    unsigned long long hash = str_hash(namespace_);
    for (size_t i = 0; i < s->count; i++) {
        struct scaler_lease *l = &s->leases[i];
        if (l->hash == hash && str_eq(str_from(l->namespace_), namespace_)) {
            return l;
        }
    }
    return NULL;
}

static int grow(struct scalers *s, struct err *e)
{
    size_t capacity = s->capacity == 0 ? 8 : 2 * s->capacity;
    if (s->count < s->capacity) {
        return 0;
    }
    if (s->count >= SCALERS_MAX) {
        return err_set(e, ERR_LIMIT, "more than %d scalers' Leases", SCALERS_MAX);
    }
    struct scaler_lease *more = realloc(s->leases, capacity * sizeof(*more));
    if (more == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for one more scaler's Lease");
    }
    s->leases = more;
    s->capacity = capacity;
    return 0;
}

static void drop(struct scalers *s, struct scaler_lease *l)
{
    *l = s->leases[s->count - 1];
    s->count--;
}

static bool is_ours(const struct json *lease)
{
    return str_eq(json_str(json_path(lease, "metadata/name")), STR(SCALER_LEASE));
}

static int insert(struct scalers *s, struct str namespace_, const struct json *lease,
                  int64_t now_ms, struct err *e)
{
    struct scaler_lease new = {.hash = str_hash(namespace_), .listed = true};
    if (namespace_.len == 0 || namespace_.len >= sizeof(new.namespace_)) {
        return err_set(e, ERR_INVALID, "the Lease has no usable namespace");
    }
    (void)fmt(new.namespace_, sizeof(new.namespace_), "%.*s", STR_ARG(namespace_));
    if (lease_observe(&new.view, lease, now_ms, e) != 0 || grow(s, e) != 0) {
        return -1;
    }
    s->leases[s->count++] = new;
    return 0;
}

int scalers_upsert(struct scalers *s, const struct json *lease, int64_t now_ms, struct err *e)
{
    struct str namespace_ = json_str(json_path(lease, "metadata/namespace"));
    if (!is_ours(lease)) {
        return 0;
    }
    struct scaler_lease *known = find(s, namespace_);
    if (known == NULL) {
        return insert(s, namespace_, lease, now_ms, e);
    }
    known->listed = true;
    struct lease_view before = known->view;
    if (lease_observe(&known->view, lease, now_ms, e) != 0) {
        return -1;
    }
    known->renewed = known->renewed || strcmp(before.holder, known->view.holder) != 0 ||
                     strcmp(before.renew_time, known->view.renew_time) != 0;
    return 0;
}

void scalers_removed(struct scalers *s, const struct json *lease)
{
    struct scaler_lease *known = find(s, json_str(json_path(lease, "metadata/namespace")));
    if (is_ours(lease) && known != NULL) {
        drop(s, known);
    }
}

void scalers_list_begin(struct scalers *s)
{
    for (size_t i = 0; i < s->count; i++) {
        s->leases[i].listed = false;
    }
}

void scalers_synced(struct scalers *s, int64_t now_ms)
{
    for (size_t i = s->count; i > 0; i--) {
        if (!s->leases[i - 1].listed) {
            drop(s, &s->leases[i - 1]);
        }
    }
    if (!s->synced) {
        s->synced = true;
        s->watching_ms = now_ms;
    }
}

void scalers_lost(struct scalers *s)
{
    s->synced = false;
}

void scalers_recovered(struct scalers *s, int64_t now_ms)
{
    s->synced = true;
    s->watching_ms = now_ms;
}

static enum scaler_presence judge(const struct scalers *s, struct str namespace_, int64_t now_ms)
{
    const struct scaler_lease *l = find(s, namespace_);
    if (!s->synced) {
        return SCALER_UNKNOWN;
    }
    if (l == NULL) {
        return SCALER_NONE;
    }
    /* What was not watched cannot have been seen to be renewed. */
    int64_t gap_ms = s->watching_ms > l->view.seen_ms ? s->watching_ms - l->view.seen_ms : 0;
    if (lease_held_by_other(&l->view, STR(""), now_ms - gap_ms)) {
        return l->renewed && gap_ms == 0 ? SCALER_LIVE : SCALER_UNKNOWN;
    }
    bool was_there = l->renewed && now_ms - gap_ms < l->view.seen_ms + SCALERS_ABSENCE_MS;
    return was_there ? SCALER_UNKNOWN : SCALER_NONE;
}

enum scaler_presence scalers_in(const struct scalers *s, struct str namespace_, int64_t now_ms)
{
    enum scaler_presence own = judge(s, namespace_, now_ms);
    struct str everybodys = str_from(s->own);
    enum scaler_presence all = everybodys.len > 0 ? judge(s, everybodys, now_ms) : SCALER_NONE;
    if (own == SCALER_LIVE || all == SCALER_LIVE) {
        return SCALER_LIVE;
    }
    return own == SCALER_UNKNOWN || all == SCALER_UNKNOWN ? SCALER_UNKNOWN : SCALER_NONE;
}
