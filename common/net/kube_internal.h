/* Inside of the Kubernetes client: kube_config.c (where and as whom), kube.c (one request),
 * kube_watch.c (list and watch).
 */
#ifndef AMPSCALE_NET_KUBE_INTERNAL_H
#define AMPSCALE_NET_KUBE_INTERNAL_H

#include "net/kube.h"
#include "net/kube_exec.h"

/* Where the API server is and as whom to speak. Everything lives in the arena it was loaded into.
 */
struct kube_settings {
    const char *server; /* base URL without a trailing '/' */
    struct str namespace_;
    struct http_tls tls;
    struct str token;             /* absent: none */
    const char *token_file;       /* NULL: none; wins over token, as in client-go */
    const struct kube_exec *exec; /* NULL: none; where the credentials come from */
};

/* Environment, files and in-cluster mounts → settings. The rules are in net/kube.h. */
int kube_settings_load(const struct kube_config *c, struct arena *a, struct kube_settings *out,
                       struct err *e) __attribute__((warn_unused_result));

/* The text of a kubeconfig at `path`, whose folder relative file names refer to. */
int kube_settings_parse(struct str text, const char *path, const char *context, struct arena *a,
                        struct kube_settings *out, struct err *e)
    __attribute__((warn_unused_result));

/* Send with this client's address, trust and credentials; the answer as it comes. */
int kube_http(struct kube *k, const struct kube_request *r,
              int (*on_data)(void *context, struct str piece, struct err *e), http_done_fn *done,
              void *context, struct http_call **out, struct err *e)
    __attribute__((warn_unused_result));

/* The API server said 401: read the token file, or run the plugin, again before the next request.
 */
void kube_token_refused(struct kube *k);

struct loop *kube_loop(const struct kube *k);

#endif
