/* Kubernetes API client: in-cluster or kubeconfig, over net/http.
 *
 * In-cluster: KUBERNETES_SERVICE_HOST/PORT and
 * /var/run/secrets/kubernetes.io/serviceaccount/{token,ca.crt}. kubeconfig: clusters, users
 * (client-certificate[-data], client-key[-data], token, tokenFile, exec), contexts,
 * current-context, namespace. Token files are re-read when they change (kubelet rotates them) and
 * once after a 401; an exec plugin is run when its credential has expired, and once after a 401
 * (net/kube_exec.h).
 */
#ifndef AMPSCALE_NET_KUBE_H
#define AMPSCALE_NET_KUBE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/kubeobj.h"
#include "net/http.h"

struct kube;

struct kube_config {
    /* NULL: in-cluster (unless a context is named), else the first existing file of $KUBECONFIG,
     * else
     * ~/.kube/config. Files are not merged. */
    const char *kubeconfig;
    const char *context; /* NULL: current-context */
};

int kube_new(struct http_client *http, const struct kube_config *c, struct kube **out,
             struct err *e) __attribute__((warn_unused_result));
/* Cancels its calls (callbacks are not called). Stop the watches first; free the HTTP client after
 * it. NULL is allowed. */
void kube_free(struct kube *k);

/* Namespace of the pod or of the context; "default" when neither says. */
struct str kube_namespace(const struct kube *k);
/* The API server's base URL, for logs. */
struct str kube_server(const struct kube *k);
/* Unix time by the API server's clock: as its last answer said, and what passed since; ours until
 * it has said so. All who write times into objects then mean the same clock, however wrong their
 * own is. */
int64_t kube_unix_ms(const struct kube *k);

struct kube_call;

/* e->code ERR_NONE: 2xx and `body` is the answer. Else the API's Status message in *e
 * (kube_status_err). */
typedef void kube_done_fn(void *context, int status, struct str body, const struct err *e);

struct kube_request {
    const char *method; /* as http_request */
    const char *path;   /* "/apis/apps/v1/namespaces/shop/deployments/web/scale?fieldManager=…" */
    struct str body;    /* copied */
    const char *content_type; /* NULL: none with an empty body, else application/json */
    int64_t timeout_ms;       /* 0: 10 s */
    struct buf *warnings; /* gets the warnings of webhooks and API server, as http_request has it */
    bool secret;          /* what is sent and answered (at most 2 MiB) is wiped afterwards */
};

int kube_send(struct kube *k, const struct kube_request *r, kube_done_fn *done, void *context,
              struct kube_call **out, struct err *e) __attribute__((warn_unused_result));
/* Give up: the callback will not be called. From anywhere. NULL is allowed. */
void kube_cancel(struct kube_call *call);

/* List + watch of one collection, for good: pages of 100, bookmarks, resume from the last
 * resourceVersion, 410 → relist, closed or failed → again with backoff (100 ms doubling to 10 s,
 * jittered). After each (re)list, objects that are gone are reported by `synced`'s caller comparing
 * what it saw: between list_begin and synced every live object comes through `upsert`. */
struct kube_watch_handler {
    void (*list_begin)(void *context);
    void (*upsert)(void *context, const struct json *object);
    void (*removed)(void *context, const struct json *object);
    void (*synced)(void *context);
    /* The stream broke and could not be taken up at once; it is being retried. Called once a loss,
     * not each try; e says why. Not called for what the server does in good order (its time-out,
     * 410). */
    void (*lost)(void *context, const struct err *e);
    /* Streaming again after `lost`, for a second or with an event. */
    void (*recovered)(void *context);
};

/* collection_path: "/apis/apps/v1/namespaces/x/deployments", and perhaps a query of its own,
 * encoded
 * ("…/leases?fieldSelector=metadata.name%3Dx"). label_selector: NULL for all. */
struct kube_watch;
int kube_watch_start(struct kube *k, const char *collection_path, const char *label_selector,
                     const struct kube_watch_handler *handler, void *context,
                     struct kube_watch **out, struct err *e) __attribute__((warn_unused_result));
/* No handler is called any more. NULL is allowed. */
void kube_watch_stop(struct kube_watch *w);

#endif
