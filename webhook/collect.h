/* What becomes of the collector in one Deployment.
 *
 * Sticky: where what it was rendered from is as it was, the sidecar stays byte for byte as
 * oldObject has it, also where the new object lacks it (kubectl replace, a Helm upgrade, another
 * manager's apply) and whatever the installation's image and defaults are now: an upgrade of
 * ampscale rolls no workload. "As it was" is either of two: the user's part of oldObject's template
 * is the same, or the recorded hash is (a mutation after ours makes oldObject's part another than
 * the one that we were shown). It is rendered anew when the user's own template changes, which
 * rolls the pods anyway, or an annotation does that it is made from, or `refresh`.
 */
#ifndef AMPSCALE_WEBHOOK_COLLECT_H
#define AMPSCALE_WEBHOOK_COLLECT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/spec.h"
#include "webhook/review.h"
#include "webhook/sidecar.h"
#include "webhook/verdict.h"

enum collect_change {
    COLLECT_LEFT, /* nothing of ours is there, or it cannot be: the template is not touched */
    COLLECT_PUT,
    COLLECT_STRIPPED,
};

struct collect {
    enum collect_change change;
    struct podtemplate pod;   /* of the object */
    struct sidecar sidecar;   /* to be put in */
    uint64_t template_inputs; /* for the record */
    enum collector_outcome outcome;
    bool put_back; /* somebody changed it by hand: it becomes again what it was */
};

/* `spec`: the object's, usable; NULL: no collector is wanted. -1: ERR_MEMORY, ERR_LIMIT. */
int collect_plan(const struct review *r, const struct scale_spec *spec,
                 const struct sidecar_options *options, struct arena *a, struct collect *out,
                 struct err *e) __attribute__((warn_unused_result));

/* The two sides of an update, as validation sees them. */
struct collect_facts {
    struct complaints wrong; /* that keeps the collector out */
    bool injected;           /* it is there */
    bool changed;            /* what it is rendered from, or there was none */
    struct str warnings[4];  /* of what is no fault */
    size_t warning_count;
};

/* For an object of which `spec` (usable) wants a collector. `old`: it is oldObject's side, of which
 * only the complaints matter. */
int collect_judge(const struct review *r, bool old, const struct scale_spec *spec,
                  const struct sidecar_options *options, struct arena *a, struct collect_facts *out,
                  struct err *e) __attribute__((warn_unused_result));

#endif
