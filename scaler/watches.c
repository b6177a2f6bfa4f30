#include "scaler/watches.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

enum { OBJECT_ARENA_BYTES = 8 << 20, NAMESPACE_BYTES = 64, PATH_BYTES = 256 };

struct one_watch {
    struct watches *owner;
    char name[NAMESPACE_BYTES]; /* "": all namespaces */
    struct kube_watch *watch;   /* NULL: not begun */
    struct one_watch *then;     /* to begin when this one knows all, or knows that it cannot */
    bool needed;                /* for readiness */
    bool synced, lost;
};

struct watches {
    struct doors *doors;
    struct arena arena; /* of one object */
    size_t count;
    struct one_watch items[2 * FLAG_LIST_MAX];
};

static struct str namespace_of(const struct one_watch *w)
{
    return w->name[0] == '\0' ? (struct str){NULL, 0} : str_from(w->name);
}

/* ---- Deployments ---- */

static int decode(struct watches *ws, const struct json *object, struct deployment *out)
{
    struct err e = ERR_INIT;
    arena_reset(&ws->arena);
    if (deployment_decode(object, &ws->arena, out, &e) != 0) {
        LOG_AT(ws->doors->log, LOG_WARN, "a Deployment is passed over", F_ERR(&e));
        return -1;
    }
    return 0;
}

static void on_list_begin(void *context)
{
    struct one_watch *w = context;
    scaler_list_begin(w->owner->doors->core, namespace_of(w));
}

static void on_upsert(void *context, const struct json *object)
{
    struct one_watch *w = context;
    struct doors *d = w->owner->doors;
    struct deployment deployment;
    struct err e = ERR_INIT;
    if (decode(w->owner, object, &deployment) != 0) {
        scaler_on_unreadable(d->core, json_str(json_path(object, "metadata/uid")));
        return;
    }
    if (scaler_on_deployment(d->core, &deployment, doors_now(d), &e) != 0) {
        LOG_AT(d->log, LOG_ERROR, "a Deployment is not taken in",
               F_STR("namespace", deployment.namespace_), F_STR("deployment", deployment.name),
               F_ERR(&e));
    }
    doors_rearm(d);
}

static void on_removed(void *context, const struct json *object)
{
    struct one_watch *w = context;
    scaler_on_removed(w->owner->doors->core, json_str(json_path(object, "metadata/uid")));
    doors_rearm(w->owner->doors);
}

static void on_synced(void *context)
{
    struct one_watch *w = context;
    struct doors *d = w->owner->doors;
    scaler_list_end(d->core, namespace_of(w));
    if (!w->synced) {
        LOG_AT(d->log, LOG_INFO, "watching", F_STR("namespace", str_from(w->name)),
               F_INT("workloads", (int64_t)scaler_count(d->core)));
    }
    w->synced = true;
    doors_rearm(d);
}

static void on_lost(void *context, const struct err *e)
{
    struct one_watch *w = context;
    w->lost = true;
    LOG_AT(w->owner->doors->log, LOG_WARN, "watch lost, trying again",
           F_STR("namespace", str_from(w->name)), F_ERR(e));
}

static void on_recovered(void *context)
{
    struct one_watch *w = context;
    w->lost = false;
    LOG_AT(w->owner->doors->log, LOG_INFO, "watch recovered",
           F_STR("namespace", str_from(w->name)));
}

static const struct kube_watch_handler DEPLOYMENTS = {.list_begin = on_list_begin,
                                                      .upsert = on_upsert,
                                                      .removed = on_removed,
                                                      .synced = on_synced,
                                                      .lost = on_lost,
                                                      .recovered = on_recovered};

/* ---- HorizontalPodAutoscalers ---- */

static void on_hpa_list_begin(void *context)
{
    struct one_watch *w = context;
    scaler_hpa_list_begin(w->owner->doors->core, namespace_of(w));
}

static void tell_hpa(struct one_watch *w, const struct json *object, struct str deployment)
{
    struct doors *d = w->owner->doors;
    struct str namespace_ = json_str(json_path(object, "metadata/namespace"));
    struct str name = json_str(json_path(object, "metadata/name"));
    struct err e = ERR_INIT;
    if (scaler_on_hpa(d->core, namespace_, name, deployment, doors_now(d), &e) != 0) {
        LOG_AT(d->log, LOG_ERROR, "a HorizontalPodAutoscaler is not taken in",
               F_STR("namespace", namespace_), F_STR("hpa", name), F_ERR(&e));
    }
    doors_rearm(d);
}

static void on_hpa(void *context, const struct json *object)
{
    const struct json *target = json_path(object, "spec/scaleTargetRef");
    bool deployment = str_eq(json_str(json_get(target, STR("kind"))), STR("Deployment")) &&
                      str_starts(json_str(json_get(target, STR("apiVersion"))), STR("apps/"));
    struct str name = json_str(json_get(target, STR("name")));
    tell_hpa(context, object, deployment ? name : (struct str){NULL, 0});
}

static void on_hpa_removed(void *context, const struct json *object)
{
    tell_hpa(context, object, (struct str){NULL, 0});
}

static int start_one(struct one_watch *w, const char *collection,
                     const struct kube_watch_handler *handler, struct err *e)
{
    char path[PATH_BYTES];
    const char *name = strrchr(collection, '/') + 1;
    if (w->name[0] == '\0') {
        (void)fmt(path, sizeof(path), "/apis/%s", collection);
    } else {
        (void)fmt(path, sizeof(path), "/apis/%.*snamespaces/%s/%s", (int)(name - collection),
                  collection, w->name, name);
    }
    return kube_watch_start(w->owner->doors->kube, path, NULL, handler, w, &w->watch, e);
}

/* A Deployment is not scaled before it is known whether an HPA does so. */
static void begin_deployments(struct one_watch *hpas)
{
    struct err e = ERR_INIT;
    if (hpas->then->watch == NULL &&
        start_one(hpas->then, "apps/v1/deployments", &DEPLOYMENTS, &e) != 0) {
        LOG_AT(hpas->owner->doors->log, LOG_ERROR, "the Deployments are not watched",
               F_STR("namespace", str_from(hpas->name)), F_ERR(&e));
    }
}

static void on_hpa_synced(void *context)
{
    struct one_watch *w = context;
    struct doors *d = w->owner->doors;
    scaler_hpa_list_end(d->core, namespace_of(w), doors_now(d));
    w->synced = true;
    begin_deployments(w);
}

static void on_hpa_lost(void *context, const struct err *e)
{
    struct one_watch *w = context;
    w->lost = true;
    LOG_AT(w->owner->doors->log, LOG_WARN,
           "HorizontalPodAutoscalers cannot be watched; one with the same target would not be "
           "noticed",
           F_STR("namespace", str_from(w->name)), F_ERR(e));
    begin_deployments(w);
}

static const struct kube_watch_handler AUTOSCALERS = {.list_begin = on_hpa_list_begin,
                                                      .upsert = on_hpa,
                                                      .removed = on_hpa_removed,
                                                      .synced = on_hpa_synced,
                                                      .lost = on_hpa_lost,
                                                      .recovered = on_recovered};

/* ---- both ---- */

static int start_both(struct watches *ws, struct str namespace_, struct err *e)
{
    struct one_watch *hpas = &ws->items[ws->count++], *deployments = &ws->items[ws->count++];
    hpas->owner = deployments->owner = ws;
    hpas->then = deployments;
    deployments->needed = true;
    (void)fmt(hpas->name, sizeof(hpas->name), "%.*s", STR_ARG(namespace_));
    memcpy(deployments->name, hpas->name, sizeof(hpas->name));
    return start_one(hpas, "autoscaling/v2/horizontalpodautoscalers", &AUTOSCALERS, e);
}

int watches_start(struct doors *d, const struct flag_list *namespaces, struct watches **out,
                  struct err *e)
{
    struct watches *ws = calloc(1, sizeof(*ws));
    if (ws == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the watches");
    }
    ws->doors = d;
    arena_init(&ws->arena, OBJECT_ARENA_BYTES);
    int status = namespaces->count == 0 ? start_both(ws, STR(""), e) : 0;
    for (size_t i = 0; status == 0 && i < namespaces->count; i++) {
        status = start_both(ws, namespaces->items[i], e);
    }
    if (status != 0) {
        watches_stop(ws);
        return -1;
    }
    *out = ws;
    return 0;
}

void watches_stop(struct watches *ws)
{
    if (ws == NULL) {
        return;
    }
    for (size_t i = 0; i < ws->count; i++) {
        kube_watch_stop(ws->items[i].watch);
    }
    arena_free(&ws->arena);
    free(ws);
}

bool watches_synced(const struct watches *ws)
{
    for (size_t i = 0; i < ws->count; i++) {
        const struct one_watch *w = &ws->items[i];
        if (w->needed && (!w->synced || w->lost)) {
            return false;
        }
    }
    return true;
}
