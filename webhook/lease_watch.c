#include "webhook/lease_watch.h"

#include <stdlib.h>

#include "base/fmt.h"

static const char LEASES[] =
    "/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name%3D" SCALER_LEASE;

struct lease_watch {
    struct loop *loop;
    const struct logger *log;
    struct kube_watch *watch;
    struct scalers scalers;
};

static void on_list_begin(void *context)
{
    struct lease_watch *w = context;
    scalers_list_begin(&w->scalers);
}

static void on_upsert(void *context, const struct json *lease)
{
    struct lease_watch *w = context;
    struct err e = ERR_INIT;
    if (scalers_upsert(&w->scalers, lease, loop_now_ms(w->loop), &e) != 0) {
        LOG_AT(w->log, LOG_WARN, "a scaler's Lease is passed over",
               F_STR("namespace", json_str(json_path(lease, "metadata/namespace"))), F_ERR(&e));
    }
}

static void on_removed(void *context, const struct json *lease)
{
    struct lease_watch *w = context;
    scalers_removed(&w->scalers, lease);
}

static void on_synced(void *context)
{
    struct lease_watch *w = context;
    scalers_synced(&w->scalers, loop_now_ms(w->loop));
    LOG_AT(w->log, LOG_DEBUG, "scalers' Leases are watched",
           F_INT("leases", (int64_t)w->scalers.count));
}

static void on_lost(void *context, const struct err *e)
{
    struct lease_watch *w = context;
    scalers_lost(&w->scalers);
    LOG_AT(w->log, LOG_WARN, "scalers' Leases are not seen: who serves a namespace is not known",
           F_ERR(e));
}

static void on_recovered(void *context)
{
    struct lease_watch *w = context;
    scalers_recovered(&w->scalers, loop_now_ms(w->loop));
    log_write(w->log, LOG_INFO, "scalers' Leases are seen again", NULL, 0);
}

int lease_watch_start(struct loop *loop, struct kube *k, const struct logger *log,
                      struct lease_watch **out, struct err *e)
{
    static const struct kube_watch_handler HANDLER = {.list_begin = on_list_begin,
                                                      .upsert = on_upsert,
                                                      .removed = on_removed,
                                                      .synced = on_synced,
                                                      .lost = on_lost,
                                                      .recovered = on_recovered};
    struct lease_watch *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the watch of Leases");
    }
    w->loop = loop;
    w->log = log;
    (void)fmt(w->scalers.own, sizeof(w->scalers.own), "%.*s", STR_ARG(kube_namespace(k)));
    if (kube_watch_start(k, LEASES, NULL, &HANDLER, w, &w->watch, e) != 0) {
        free(w);
        return -1;
    }
    *out = w;
    return 0;
}

void lease_watch_stop(struct lease_watch *w)
{
    if (w != NULL) {
        kube_watch_stop(w->watch);
        scalers_free(&w->scalers);
        free(w);
    }
}

enum scaler_presence lease_watch_scaler(const struct lease_watch *w, struct str namespace_)
{
    return w == NULL ? SCALER_UNKNOWN : scalers_in(&w->scalers, namespace_, loop_now_ms(w->loop));
}
