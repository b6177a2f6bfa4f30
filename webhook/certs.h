/* The webhook's own certificates, kept in a Secret and published in caBundle: the IO around
 * webhook/certplan.h.
 *
 * Every replica reads the Secret and both configurations every few seconds, by name (it may neither
 * list nor watch them), and serves the leaf that it finds there. The one that holds the Lease also
 * does what the plan says: it alone writes, and a write is bound to the resourceVersion that was
 * read. It owns caBundle of the webhooks that call its Service, and nothing else of them.
 *
 * A leaf of another CA is not taken up before the bundles that are there carry that CA, so a
 * replica never serves what is not trusted while it has what is. When the API server is away, or
 * forbids, it goes on with what it has.
 */
#ifndef AMPSCALE_WEBHOOK_CERTS_H
#define AMPSCALE_WEBHOOK_CERTS_H

#include "base/log.h"
#include "net/kube.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/server.h"

struct certs;

struct certs_options {
    struct loop *loop;
    struct kube *kube; /* the Secret, the Lease and the Service are in its namespace */
    struct server *server;
    size_t listen; /* index of the one with tls_given */
    struct metrics *metrics;
    const struct logger *log;
    struct str secret, lease, service, configuration; /* names; outlive it */
    int64_t ca_life_ms, leaf_life_ms;
};

int certs_start(const struct certs_options *o, struct certs **out, struct err *e)
    __attribute__((warn_unused_result));

/* It serves a valid leaf, and the caBundle of both configurations has been seen to carry its CA.
 * Once so it stays so while one of them may: leaving the Service mends no caBundle, and would take
 * the other configuration's calls away. *why: a phrase, when it is not. */
bool certs_ready(const struct certs *c, const char **why);

/* Give the Lease away, and write nothing any more; it goes on reading and serving. */
void certs_release(struct certs *c);

/* Before the server is freed. NULL is allowed. */
void certs_free(struct certs *c);

#endif
