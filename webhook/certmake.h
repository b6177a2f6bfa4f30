/* Certificates of the webhook's own, by OpenSSL: made, and read.
 *
 * Keys are ECDSA P-256. A CA is a root of one level (pathlen 0) whose common name begins with
 * CERT_CA_NAME; a leaf has the names of one Service and serves TLS. Both begin to be valid
 * CERT_BACKDATE_MS before they are made. Sources: RFC 5280 §4.2; k8s.io/apiserver
 * pkg/util/webhook/client.go (the name asked for is <service>.<namespace>.svc).
 *
 * Everything made is appended as PEM; buffers of keys are the caller's to wipe.
 */
#ifndef AMPSCALE_WEBHOOK_CERTMAKE_H
#define AMPSCALE_WEBHOOK_CERTMAKE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "webhook/certplan.h"

#define CERT_CA_NAME "ampscale-webhook-ca-"

enum { CERT_PEM_MAX_BYTES = 16 << 10, CERT_ID_BYTES = 32 };

/* The names of its leaf: <service>, <service>.<namespace>, ….svc and ….svc.cluster.local. */
struct cert_service {
    struct str name, namespace_;
};

int certmake_ca(int64_t now_ms, int64_t life_ms, struct buf *certificate, struct buf *key,
                struct err *e) __attribute__((warn_unused_result));
/* It ends with its CA at the latest. */
int certmake_leaf(struct str ca, struct str ca_key, const struct cert_service *s, int64_t now_ms,
                  int64_t life_ms, struct buf *certificate, struct buf *key, struct err *e)
    __attribute__((warn_unused_result));

/* One certificate that can be a CA of ours, valid now or not; `id` is the digest it is known by.
 * ERR_TLS: it is none. */
int certread_ca(struct str certificate, struct cert_span *span, unsigned char id[CERT_ID_BYTES],
                struct err *e) __attribute__((warn_unused_result));

/* ERR_TLS: it is no unencrypted key in PEM, or not that certificate's. */
int certread_key(struct str certificate, struct str key, struct err *e)
    __attribute__((warn_unused_result));

/* A leaf as certmake_leaf makes them, with its key: exactly the Service's names, and signed by
 * cas[*out_ca]. ERR_TLS: it is none, and why. */
int certread_leaf(struct str certificate, struct str key, const struct cert_service *s,
                  const struct str *cas, size_t ca_count, struct cert_span *span, size_t *out_ca,
                  struct err *e) __attribute__((warn_unused_result));

#endif
