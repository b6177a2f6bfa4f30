#include "scaler/leadership.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "net/leader.h"
#include "scaler/foreign.h"
#include "scaler/scaler_metrics.h"

enum { NAMESPACE_BYTES = 64 };

static const char LEASE_NAME[] = "ampscale-scaler";

/* One namespace that is watched, or all. */
struct seat {
    struct leadership *owner;
    char namespace_[NAMESPACE_BYTES]; /* "": all */
    struct leader *leader;            /* NULL without election */
    bool holds;                       /* the Lease, or there is none to hold */
};

struct leadership {
    struct leadership_options o;
    struct foreign *foreign;
    bool foreign_known, stopped;
    size_t count, releasing;
    struct seat seats[FLAG_LIST_MAX];
    void (*released)(void *context);
    void *released_context;
};

bool leadership_waits(const struct leadership_options *o)
{
    return o->elects || (o->yields && o->namespaces->count == 0);
}

static void after_telling(struct doors *d, int result, const struct err *e)
{
    if (result != 0) {
        LOG_AT(d->log, LOG_ERROR, "stopping: leadership cannot be told", F_ERR(e));
        _Exit(1);
    }
    doors_rearm(d);
}

static void tell_core(struct leadership *l, struct str namespace_, bool leads)
{
    struct doors *d = l->o.doors;
    struct err e = ERR_INIT;
    after_telling(d, scaler_lead(d->core, namespace_, leads, doors_now(d), &e), &e);
}

static bool leads_at(const struct seat *s)
{
    return s->holds && !s->owner->stopped && (s->owner->foreign == NULL || s->owner->foreign_known);
}

/* A scaler for all leaves alone a namespace that has one of its own. */
static void tell_tenant(void *context, struct str namespace_, bool live)
{
    struct leadership *l = context;
    struct doors *d = l->o.doors;
    struct err e = ERR_INIT;
    if (live) {
        tell_core(l, namespace_, false);
    } else {
        after_telling(d, scaler_lead_as_rest(d->core, namespace_, doors_now(d), &e), &e);
    }
}

static void tell_seat(struct seat *s)
{
    struct leadership *l = s->owner;
    bool all = s->namespace_[0] == '\0';
    bool leads = leads_at(s);
    metrics_leader(l->o.doors->metrics, all ? STR("*") : str_from(s->namespace_), leads);
    tell_core(l, all ? (struct str){NULL, 0} : str_from(s->namespace_), leads);
}

static void lease_changed(void *context, bool leads)
{
    struct seat *s = context;
    s->holds = leads;
    tell_seat(s);
}

static void foreign_known(void *context)
{
    struct leadership *l = context;
    l->foreign_known = true;
    tell_seat(&l->seats[0]);
}

static int start_seat(struct leadership *l, struct str namespace_, struct err *e)
{
    struct seat *s = &l->seats[l->count++];
    const struct doors *d = l->o.doors;
    *s = (struct seat){.owner = l, .holds = !l->o.elects};
    (void)fmt(s->namespace_, sizeof(s->namespace_), "%.*s", STR_ARG(namespace_));
    if (!l->o.elects) {
        tell_seat(s);
        return 0;
    }
    metrics_leader(d->metrics, namespace_.len == 0 ? STR("*") : namespace_, false);
    struct leader_options options = {.loop = d->loop,
                                     .kube = d->kube,
                                     .log = d->log,
                                     .namespace_ = namespace_.len == 0 ? l->o.home : namespace_,
                                     .name = str_from(LEASE_NAME),
                                     .identity = l->o.identity,
                                     .changed = lease_changed,
                                     .context = s};
    return leader_start(&options, &s->leader, e);
}

static int start_all(struct leadership *l, struct err *e)
{
    const struct doors *d = l->o.doors;
    struct foreign_options options = {.loop = d->loop,
                                      .kube = d->kube,
                                      .log = d->log,
                                      .name = str_from(LEASE_NAME),
                                      .home = l->o.home,
                                      .changed = tell_tenant,
                                      .known = foreign_known,
                                      .context = l};
    if (l->o.yields && foreign_start(&options, &l->foreign, e) != 0) {
        return -1;
    }
    return start_seat(l, STR(""), e);
}

int leadership_start(const struct leadership_options *o, struct leadership **out, struct err *e)
{
    struct leadership *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for leadership");
    }
    l->o = *o;
    int status = o->namespaces->count == 0 ? start_all(l, e) : 0;
    for (size_t i = 0; status == 0 && i < o->namespaces->count; i++) {
        status = start_seat(l, o->namespaces->items[i], e);
    }
    if (status != 0) {
        leadership_free(l);
        return -1;
    }
    *out = l;
    return 0;
}

bool leadership_allows(void *context, struct str namespace_)
{
    const struct leadership *l = context;
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        const struct seat *s = &l->seats[i];
        if (s->namespace_[0] == '\0' || str_eq(str_from(s->namespace_), namespace_)) {
            return leads_at(s) && (s->leader == NULL || leader_leads(s->leader));
        }
    }
    return false;
}

static void seat_released(void *context)
{
    struct seat *s = context;
    struct leadership *l = s->owner;
    leader_free(s->leader);
    s->leader = NULL;
    if (--l->releasing == 0) {
        l->released(l->released_context);
    }
}

void leadership_release(struct leadership *l, void (*released)(void *context), void *context)
{
    l->stopped = true;
    l->released = released;
    l->released_context = context;
    for (size_t i = 0; i < l->count; i++) {
        tell_seat(&l->seats[i]);
        l->releasing += l->seats[i].leader != NULL;
    }
    if (l->releasing == 0) {
        released(context);
        return;
    }
    for (size_t i = 0; i < l->count; i++) {
        if (l->seats[i].leader != NULL) {
            leader_release(l->seats[i].leader, seat_released, &l->seats[i]);
        }
    }
}

void leadership_free(struct leadership *l)
{
    if (l == NULL) {
        return;
    }
    foreign_free(l->foreign);
    for (size_t i = 0; i < l->count; i++) {
        leader_free(l->seats[i].leader);
    }
    free(l);
}
