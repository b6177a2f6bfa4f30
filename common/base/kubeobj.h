/* The few Kubernetes objects ampscale reads, decoded once from their JSON into plain structs.
 *
 * Views point into the tree's source text; copy what must outlive it. Decoding is tolerant where
 * the API is (absent means default) and strict where a wrong guess would hurt (types of what we act
 * on).
 */
#ifndef AMPSCALE_BASE_KUBEOBJ_H
#define AMPSCALE_BASE_KUBEOBJ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct kv {
    struct str key, value;
};

struct kv_list {
    const struct kv *items;
    size_t count;
};

/* Value of `key` in the list; absent view when there is none. */
struct str kv_get(const struct kv_list *list, struct str key);

struct deployment {
    struct str name, namespace_, uid, resource_version;
    int64_t generation, observed_generation;
    struct kv_list annotations, labels;
    int32_t replicas;              /* spec.replicas; 1 when absent, as the API defaults it */
    bool replicas_present;         /* spec.replicas was written */
    int32_t status_replicas;       /* status.replicas */
    int32_t ready_replicas;        /* status.readyReplicas */
    bool deleting;                 /* metadata.deletionTimestamp is set */
    const struct json *conditions; /* status.conditions, or NULL */
    const struct json *node;       /* the whole object */
};

/* A Deployment of apps/v1, bare or as a list item. An annotation that is no string, a count that is
 * no int32, or metadata of the wrong type is ERR_INVALID with its path. */
int deployment_decode(const struct json *node, struct arena *a, struct deployment *out,
                      struct err *e) __attribute__((warn_unused_result));

/* One event of a watch stream: a line of JSON. */
enum watch_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK };

struct watch_event {
    enum watch_type type;
    const struct json *object;
    struct str resource_version; /* of the object */
};

/* Decode one line. An event of type ERROR is -1 with the Status' code: 410 → ERR_GONE, else by
 * status, and its message. Source: k8s.io/apimachinery pkg/watch, API concepts "efficient detection
 * of changes". */
int watch_event_decode(struct str line, struct arena *a, struct watch_event *out, struct err *e)
    __attribute__((warn_unused_result));

/* A metav1.Status answer into *e (code by HTTP status, message as sent). Returns -1. For a body
 * that is no Status, the first 200 bytes of it. */
int kube_status_err(int http_status, struct str body, struct arena *a, struct err *e);

#endif
