/* What is to be done next about the webhook's own certificates: from facts to one step.
 *
 * One authority ("CA") signs the leaf that serves; the API server trusts what the caBundle of the
 * webhook configurations holds. All is kept in one Secret:
 *
 *     ca.crt   the CAs to be trusted, newest first    ca.key   key of the one that signs
 *     tls.crt  the leaf                               tls.key  its key
 *
 * so that a step is one write, and whoever reads the Secret sees where things stand. The order of
 * steps keeps every handshake good:
 *
 *   - A new CA is in ca.crt, then in caBundle, and has been there for settle_ms (API servers follow
 *     a change a moment later), before a leaf of it is made.
 *   - ca.key is of the new CA from its first moment, so no leaf of an older one is younger. An
 *     older CA stays in ca.crt, and so in caBundle, until the last leaf that it can have signed
 *     has expired: a replica that is cut off from the API server may serve it to its end.
 *   - A leaf that expired, or a first one, waits for nothing: it cannot make things worse.
 *
 * A Secret that was edited by hand is a fact like any other: what cannot be used is made anew, and
 * CAs that caBundle holds still are taken back into ca.crt, since what serves may be theirs.
 *
 * Times are Unix milliseconds by the API server's clock, which is the one that judges them.
 */
#ifndef AMPSCALE_WEBHOOK_CERTPLAN_H
#define AMPSCALE_WEBHOOK_CERTPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CERT_CAS_MAX = 8,
    CERT_BUNDLES = 2, /* the mutating configuration's and the validating one's */
    /* Certificates begin to be valid this long before they are made, for clocks that are behind. */
    CERT_BACKDATE_MS = 3600 * 1000,
};

struct cert_span {
    int64_t not_before_ms, not_after_ms;
};

/* A CA that the Secret or a caBundle holds. */
struct cert_ca {
    struct cert_span span;
    bool in_secret;
};

/* A caBundle beside ca.crt. */
enum cert_bundle {
    BUNDLE_UNKNOWN, /* could not be read */
    BUNDLE_ABSENT,  /* there is no configuration of that name: nobody calls by it */
    BUNDLE_SAME,
    BUNDLE_OTHER,
};

struct cert_facts {
    struct cert_ca cas[CERT_CAS_MAX]; /* newest first */
    size_t ca_count;
    bool signs; /* ca.key is the key of cas[signer] */
    size_t signer;
    bool list_clean;  /* ca.crt holds those in_secret, in this order, and nothing else */
    bool leaf_usable; /* tls.crt has our names, tls.key is its key, cas[leaf_ca] signed it */
    size_t leaf_ca;
    struct cert_span leaf;
    enum cert_bundle bundles[CERT_BUNDLES];
    int64_t published_ms; /* for how long no bundle was OTHER or UNKNOWN; 0: one is */
};

struct cert_lives {
    int64_t ca_ms, leaf_ms; /* of those that are made now */
    int64_t settle_ms;
};

enum cert_step {
    CERT_WAIT,
    CERT_NEW_CA,    /* make one, write it before those to be kept, and its key */
    CERT_NEW_LEAF,  /* make one of the CA that signs, and write it */
    CERT_WRITE_CAS, /* write ca.crt anew: those to be kept */
    CERT_PUBLISH,   /* write ca.crt into the bundles that are OTHER */
};

struct cert_plan {
    enum cert_step step;
    const char *why; /* a phrase for the log */
    int64_t wait_ms; /* WAIT: until something is due, if no fact changes */
};

struct cert_plan certplan(const struct cert_facts *f, const struct cert_lives *lives,
                          int64_t now_ms);

/* Which of the cas are to be in ca.crt. */
void certplan_kept(const struct cert_facts *f, const struct cert_lives *lives, int64_t now_ms,
                   bool out[CERT_CAS_MAX]);

bool cert_span_holds(const struct cert_span *s, int64_t now_ms);

#endif
