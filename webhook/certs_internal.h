/* What certs.c (reading, serving) and certs_write.c (what the plan says) share. Nobody else
 * includes this.
 */
#ifndef AMPSCALE_WEBHOOK_CERTS_INTERNAL_H
#define AMPSCALE_WEBHOOK_CERTS_INTERNAL_H

#include "net/leader.h"
#include "webhook/certs.h"
#include "webhook/certview.h"

/* What can fail on its own: told once, and again when it fails in another way. */
enum cert_trouble {
    TROUBLE_SECRET,
    TROUBLE_CONFIGS, /* and the next one */
    TROUBLE_CONTENT = TROUBLE_CONFIGS + CERT_BUNDLES,
    TROUBLE_SERVING,
    TROUBLE_WRITING,
    TROUBLE_COUNT,
};

/* What a configuration was last seen to say of the CA of the leaf that serves. */
enum cert_carried { CARRIED_UNKNOWN, CARRIED_ABSENT, CARRIED_NO, CARRIED_YES };

struct cert_serving {
    bool there;
    struct cert_span span;
    unsigned long long leaf; /* its text's hash */
    struct buf ca;           /* PEM of the CA that signed it */
    enum cert_carried carried[CERT_BUNDLES];
    bool was_ready;
};

struct certs {
    struct certs_options o;
    struct cert_service service;
    struct cert_lives lives;
    struct leader *leader;
    bool released;
    struct loop_timer timer;
    struct kube_call *call;
    uint32_t random;
    unsigned long long told[TROUBLE_COUNT]; /* hash of the text told last; 0: it is well */
    struct cert_serving serving;
    int64_t published_since_ms; /* loop's clock; 0: it is not */
    unsigned long long published;

    /* of one round */
    struct arena arena; /* holds key material: wiped */
    struct cert_secret secret;
    struct cert_config configs[CERT_BUNDLES];
    enum cert_bundle bundles[CERT_BUNDLES];
    struct cert_view view;
    size_t asking; /* which configuration */
    struct cert_plan plan;
    int writes; /* since nothing was left to do */
};

extern const char *const CERT_CONFIGS[CERT_BUNDLES]; /* as in the API's paths */

/* The next round, about that far away. */
void certs_later(struct certs *c, int64_t in_ms);
void certs_poll_later(struct certs *c);

void certs_trouble(struct certs *c, enum cert_trouble what, const struct err *e);
void certs_well(struct certs *c, enum cert_trouble what);

int certs_send(struct certs *c, const struct kube_request *r, kube_done_fn *done, struct err *e)
    __attribute__((warn_unused_result));
void certs_secret_path(const struct certs *c, struct buf *out);
void certs_config_path(const struct certs *c, size_t which, const char *query, struct buf *out);

/* certs_write.c: do c->plan. */
void certs_act(struct certs *c);

#endif
