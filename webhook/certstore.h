/* The Secret and the webhook configurations as they are kept: API objects to PEM texts, and back.
 *
 * Only the form is judged here; what a certificate says is webhook/certread.h's to know. A value
 * that is no base64 reads as an empty one, so it is made anew like any other that cannot be used.
 */
#ifndef AMPSCALE_WEBHOOK_CERTSTORE_H
#define AMPSCALE_WEBHOOK_CERTSTORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum { CERT_HOOKS_MAX = 16 };

/* PEM texts; absent: the Secret has no such key. */
struct cert_texts {
    struct str cas;  /* ca.crt */
    struct str key;  /* ca.key */
    struct str leaf; /* tls.crt */
    struct str leaf_key;
};

struct cert_secret {
    const struct json *object;
    struct cert_texts texts;
};

/* An answer of the API server. Views into `body` and the arena, which hold key material: wipe both.
 * ERR_INVALID: it is no object with a resourceVersion. */
int certstore_read_secret(struct str body, struct arena *a, struct cert_secret *out, struct err *e)
    __attribute__((warn_unused_result));

/* The Secret as it is to be written (PUT): with `texts` (absent: without that key), all else as it
 * was read. */
void certstore_print_secret(const struct cert_secret *read, const struct cert_texts *texts,
                            struct buf *out);

/* One webhook of a configuration that calls our Service. */
struct cert_hook {
    size_t index;
    struct str name;
    struct str bundle; /* caBundle, PEM; absent when there is none */
};

struct cert_config {
    struct cert_hook hooks[CERT_HOOKS_MAX];
    size_t hook_count; /* at least 1 */
};

/* A {Mutating,Validating}WebhookConfiguration. ERR_INVALID: none of its webhooks calls that
 * Service. ERR_LIMIT: more than CERT_HOOKS_MAX do. */
int certstore_read_config(struct str body, struct str service, struct str namespace_,
                          struct arena *a, struct cert_config *out, struct err *e)
    __attribute__((warn_unused_result));

/* True when all of its hooks' bundles are this text. */
bool certstore_carries(const struct cert_config *c, struct str bundle);

/* A JSON Patch that makes them so; it fails if the webhooks have changed places meanwhile. */
void certstore_print_patch(const struct cert_config *c, struct str bundle, struct buf *out);

/* The next block "-----BEGIN CERTIFICATE-----" … "-----END CERTIFICATE-----" in *rest, which is
 * moved behind it; what is between blocks is passed over. False: there is none. */
bool certstore_next_block(struct str *rest, struct str *out);

#endif
