#include "scaler/foreign.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "base/lease.h"

enum {
    PATH_BYTES = 512,
    NAME_BYTES = 64,
    ANSWER_BYTES = 1 << 20,
    RETRY_MS = 2000,
    BUCKETS = 1024,
};

/* The scaler of one namespace; there as long as its Lease is. */
struct tenant {
    struct tenant *next, **link; /* in its bucket */
    struct foreign *owner;
    char namespace_[NAME_BYTES];
    struct lease_view view;
    bool live, seen;
    struct loop_timer expiry;
    struct kube_call *call; /* the last look before it is believed to be gone */
};

struct foreign {
    struct foreign_options o;
    char name[NAME_BYTES], home[NAME_BYTES];
    struct kube_watch *watch;
    bool known;
    struct tenant *buckets[BUCKETS]; /* by namespace */
};

static void set_live(struct tenant *t, bool live)
{
    const struct foreign_options *o = &t->owner->o;
    if (t->live == live) {
        return;
    }
    t->live = live;
    LOG_AT(o->log, LOG_INFO,
           live ? "a namespace has a scaler of its own" : "a namespace has no scaler of its own",
           F_STR("namespace", str_from(t->namespace_)), F_STR("holder", str_from(t->view.holder)));
    o->changed(o->context, str_from(t->namespace_), live);
}

static void arm(struct tenant *t, int64_t due_ms)
{
    struct err e = ERR_INIT;
    if (loop_timer_set(t->owner->o.loop, &t->expiry, due_ms, &e) != 0) {
        LOG_AT(t->owner->o.log, LOG_ERROR, "a Lease is believed to be live for good",
               F_STR("namespace", str_from(t->namespace_)), F_ERR(&e));
    }
}

/* Take in a Lease as it stands now. */
static void take(struct tenant *t, const struct json *object)
{
    struct err e = ERR_INIT;
    int64_t now_ms = loop_now_ms(t->owner->o.loop);
    if (lease_observe(&t->view, object, now_ms, &e) != 0) {
        LOG_AT(t->owner->o.log, LOG_WARN, "a Lease is passed over",
               F_STR("namespace", str_from(t->namespace_)), F_ERR(&e));
        return;
    }
    bool live = lease_held_by_other(&t->view, STR(""), now_ms);
    loop_timer_cancel(t->owner->o.loop, &t->expiry);
    if (live) {
        arm(t, t->view.seen_ms + t->view.duration_ms);
    }
    set_live(t, live);
}

/* Its Lease is gone. */
static void drop(struct tenant *t)
{
    loop_timer_cancel(t->owner->o.loop, &t->expiry);
    kube_cancel(t->call);
    t->view = (struct lease_view){0};
    set_live(t, false);
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
    free(t);
}

static void looked(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    struct tenant *t = context;
    struct arena arena;
    const struct json *object;
    struct err e = *failed;
    t->call = NULL;
    if (e.code == ERR_NOT_FOUND) {
        drop(t);
        return;
    }
    arena_init(&arena, ANSWER_BYTES);
    if (e.code == ERR_NONE && json_parse(body, &JSON_LIMITS_API, &arena, &object, &e) == 0) {
        take(t, object);
    } else {
        t->view.seen_ms = 0; /* what is seen next is news, good for a whole duration */
        arm(t, loop_now_ms(t->owner->o.loop) + RETRY_MS);
    }
    arena_free(&arena);
}

static void expired(void *context)
{
    struct tenant *t = context;
    char path[PATH_BYTES];
    struct err e = ERR_INIT;
    (void)fmt(path, sizeof(path), "/apis/coordination.k8s.io/v1/namespaces/%s/leases/%s",
              t->namespace_, t->owner->name);
    struct kube_request request = {.method = "GET", .path = path};
    if (kube_send(t->owner->o.kube, &request, looked, t, &t->call, &e) != 0) {
        arm(t, loop_now_ms(t->owner->o.loop) + RETRY_MS);
    }
}

static struct tenant **bucket_of(struct foreign *f, struct str namespace_)
{
    return &f->buckets[str_hash(namespace_) % BUCKETS];
}

static struct tenant *find(struct foreign *f, struct str namespace_)
{
    struct tenant *t = *bucket_of(f, namespace_);
    while (t != NULL && !str_eq(str_from(t->namespace_), namespace_)) {
        t = t->next;
    }
    return t;
}

static struct tenant *add(struct foreign *f, struct str namespace_)
{
    struct tenant *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        LOG_AT(f->o.log, LOG_ERROR, "out of memory for a Lease", F_STR("namespace", namespace_));
        return NULL;
    }
    t->owner = f;
    t->expiry = (struct loop_timer){.fire = expired, .context = t};
    (void)fmt(t->namespace_, sizeof(t->namespace_), "%.*s", STR_ARG(namespace_));
    t->link = bucket_of(f, namespace_);
    t->next = *t->link;
    if (t->next != NULL) {
        t->next->link = &t->next;
    }
    *t->link = t;
    return t;
}

static void on_list_begin(void *context)
{
    struct foreign *f = context;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct tenant *t = f->buckets[i]; t != NULL; t = t->next) {
            t->seen = false;
        }
    }
}

static void on_upsert(void *context, const struct json *object)
{
    struct foreign *f = context;
    struct str namespace_ = json_str(json_path(object, "metadata/namespace"));
    struct str name = json_str(json_path(object, "metadata/name"));
    if (namespace_.len == 0 || namespace_.len >= NAME_BYTES ||
        str_eq(namespace_, str_from(f->home)) || !str_eq(name, str_from(f->name))) {
        return;
    }
    struct tenant *t = find(f, namespace_);
    t = t != NULL ? t : add(f, namespace_);
    if (t == NULL) {
        return;
    }
    t->seen = true;
    kube_cancel(t->call);
    t->call = NULL;
    take(t, object);
}

static void on_removed(void *context, const struct json *object)
{
    struct foreign *f = context;
    struct tenant *t = find(f, json_str(json_path(object, "metadata/namespace")));
    if (t != NULL) {
        drop(t);
    }
}

static void become_known(struct foreign *f)
{
    if (!f->known) {
        f->known = true;
        f->o.known(f->o.context);
    }
}

static void on_synced(void *context)
{
    struct foreign *f = context;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct tenant *t = f->buckets[i], *next; t != NULL; t = next) {
            next = t->next;
            if (!t->seen) {
                drop(t);
            }
        }
    }
    become_known(f);
}

static void on_lost(void *context, const struct err *e)
{
    struct foreign *f = context;
    LOG_AT(f->o.log, LOG_WARN, "the Leases of other scalers cannot be watched", F_ERR(e));
    if (e->code == ERR_DENIED || e->code == ERR_NOT_FOUND) {
        become_known(f);
    }
}

static void on_recovered(void *context)
{
    struct foreign *f = context;
    LOG_AT(f->o.log, LOG_INFO, "the Leases of other scalers are watched again",
           F_STR("name", str_from(f->name)));
}

static const struct kube_watch_handler HANDLER = {.list_begin = on_list_begin,
                                                  .upsert = on_upsert,
                                                  .removed = on_removed,
                                                  .synced = on_synced,
                                                  .lost = on_lost,
                                                  .recovered = on_recovered};

int foreign_start(const struct foreign_options *o, struct foreign **out, struct err *e)
{
    char path[PATH_BYTES];
    struct foreign *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the Leases of other scalers");
    }
    f->o = *o;
    (void)fmt(f->name, sizeof(f->name), "%.*s", STR_ARG(o->name));
    (void)fmt(f->home, sizeof(f->home), "%.*s", STR_ARG(o->home));
    (void)fmt(path, sizeof(path),
              "/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name%%3D%s", f->name);
    if (kube_watch_start(o->kube, path, NULL, &HANDLER, f, &f->watch, e) != 0) {
        free(f);
        return -1;
    }
    *out = f;
    return 0;
}

void foreign_free(struct foreign *f)
{
    if (f == NULL) {
        return;
    }
    kube_watch_stop(f->watch);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct tenant *t = f->buckets[i], *next; t != NULL; t = next) {
            next = t->next;
            loop_timer_cancel(f->o.loop, &t->expiry);
            kube_cancel(t->call);
            free(t);
        }
    }
    free(f);
}
