/* The collector as a container: what a Deployment and the installation say about it, and the JSON
 * that the pod template gets.
 *
 * It is a native sidecar behind the user's own init containers, so that it delays none of them and
 * outlives the app. It is fit for Pod Security's *restricted*; it has no readiness, so neither it
 * nor AMP can hold traffic back; an empty directory lies over the app's ServiceAccount token, and
 * AWS's variables are set, because the webhooks that inject them (amazon-eks-pod-identity-webhook)
 * leave alone what is there. Every field that the API server would fill with a default is written
 * out, and quantities as it prints them: so what is stored is what was written.
 */
#ifndef AMPSCALE_WEBHOOK_SIDECAR_H
#define AMPSCALE_WEBHOOK_SIDECAR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/spec.h"
#include "webhook/podtemplate.h"

/* What the installation says: the webhook's flags. */
struct sidecar_options {
    struct str image; /* absent: no collector can be injected */
    /* Where to write if the Deployment does not say: one of the two, or neither. */
    struct str endpoint, workspace;
    struct str region;       /* absent: unknown */
    struct str sigv4;        /* auto, on, off: for the endpoint above */
    struct str role_arn;     /* to write with; absent: none */
    struct str sts_endpoint; /* absent: AWS's */
    struct str cpu, memory;  /* as spec_parse_value gives them; absent: 10m, 16Mi to 64Mi */
    struct str ca_configmap; /* of the app's namespace, with ca.crt in it; absent: none */
};

struct sidecar_request {
    struct str deployment; /* its name; absent: not known yet */
    const struct scale_spec *spec;
    const struct podtemplate *pod;
    /* NULL: of an installation that is not known: nothing that depends on it is wrong. */
    const struct sidecar_options *options;
};

/* Where the samples go. */
struct sidecar_place {
    struct str endpoint, workspace, region; /* one of the first two, or neither: nowhere */
    bool own;                               /* the installation's */
    bool signs;                             /* AWS wants a signature there */
    struct str role_arn;                    /* to sign with; absent: none */
};
void sidecar_place(const struct sidecar_request *r, struct sidecar_place *out);

/* What the app exposes, and where: from the annotations, else the pod template's prometheus.io/. */
struct scrape_target {
    int64_t port;
    struct str path;
    enum scrape_scheme scheme;
    struct str container; /* whose port it is; absent: not known */
};
/* What is wrong with it goes to *wrong (appended; texts in `a`); with nothing wrong *out is good.
 * -1/ERR_MEMORY. */
int scrape_target_find(const struct sidecar_request *r, struct arena *a, struct scrape_target *out,
                       struct complaints *wrong, struct err *e) __attribute__((warn_unused_result));

/* All that keeps the collector from being injected, appended to *wrong. -1/ERR_MEMORY. */
int sidecar_check(const struct sidecar_request *r, struct arena *a, struct complaints *wrong,
                  struct err *e) __attribute__((warn_unused_result));

/* Selectors for `metrics: from-query`. */
enum {
    SIDECAR_SELECTORS_MAX = 48, /* fewer than a list of flags may have */
    SIDECAR_SELECTORS_BYTES = 16 << 10,
};
struct sidecar_selectors {
    struct str texts[SIDECAR_SELECTORS_MAX];
    size_t count;
    struct str why_all; /* present: they cannot be had, so everything is sent, and why */
};
int sidecar_select(const struct scale_spec *spec, struct arena *a, struct sidecar_selectors *out,
                   struct err *e) __attribute__((warn_unused_result));

/* The container and its volumes, for what sidecar_check has nothing against; index is at the end.
 * The same request gives the same text. -1: ERR_MEMORY, ERR_LIMIT. */
int sidecar_render(const struct sidecar_request *r, struct arena *a, struct sidecar *out,
                   struct err *e) __attribute__((warn_unused_result));

#endif
