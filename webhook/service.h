/* What the webhook's IO shares: made by main.c, used by admission, lookup and the operator's paths.
 */
#ifndef AMPSCALE_WEBHOOK_SERVICE_H
#define AMPSCALE_WEBHOOK_SERVICE_H

#include "base/buf.h"
#include "base/log.h"
#include "base/log_batch.h"
#include "net/http.h"
#include "net/kube.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/prom.h"
#include "net/server.h"
#include "webhook/certs.h"
#include "webhook/lease_watch.h"
#include "webhook/query_cache.h"
#include "webhook/rulebook.h"
#include "webhook/sidecar.h"

struct admission;

struct service {
    struct logger log;
    struct log_batch lines; /* while it serves: the log's, a turn's at once */
    char user_agent[64];    /* the HTTP client keeps a pointer to it */
    struct loop *loop;
    struct http_client *http;
    struct prom *prom;
    struct kube *kube; /* NULL with --no-cluster */
    struct metrics *metrics;
    struct query_cache *queries;
    struct lease_watch *leases; /* NULL with --no-cluster */
    struct rulebook *rules;
    struct server *server;
    struct certs *certs;              /* NULL: the certificate's files are given */
    struct sidecar_options collector; /* views of the flags; a namespace may differ */

    /* admission.c's own */
    size_t waiting_count; /* reviews that wait for look-ups */
    size_t waiting_bytes; /* what those hold */
    struct admission *spare;
    struct buf answer; /* scratch */
};

#endif
