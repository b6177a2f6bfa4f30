/* The record of what the webhook wrote: the annotation scale.amp/injected.
 *
 *     {"version":1,"inputs":"9ae16a3b2f90404f","labels":{…},
 *      "annotations":{"scale.amp/max-replicas":"100",…}}
 *
 * Names and values as we wrote them: what still has its value is untouched, so it is ours to take
 * back. Version 2 is where the pod template has parts of ours too:
 *
 *      "template":{"inputs":"…","initContainers":["ampscale-collector"],"volumes":[…]}
 *
 * Its inputs are the hash of all that the parts were rendered from, the user's part of the template
 * as it was then included: another mutation that comes after ours does not change it. Users can
 * edit the record, so it is a claim and not a proof: it is believed only for keys that the webhook
 * fills with defaults, and for names in the template that are reserved for us. A record of another
 * version or of another shape claims nothing.
 */
#ifndef AMPSCALE_WEBHOOK_RECORD_H
#define AMPSCALE_WEBHOOK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/kubeobj.h"
#include "base/str.h"
#include "webhook/podtemplate.h"

struct record {
    const struct json *annotations; /* what it claims; NULL: nothing */
    bool claims_template;           /* the parts with our names are ours */
    uint64_t template_inputs;       /* 0: not known */
};

/* Any text is a record, if only one that claims nothing; the absent view too. -1/ERR_MEMORY alone.
 */
int record_decode(struct str text, struct arena *a, struct record *out, struct err *e)
    __attribute__((warn_unused_result));

/* True when the record proves that this annotation, with this value, is a default that we wrote. */
bool record_proves(const struct record *r, struct str key, struct str value);

/* What a record is to say. */
struct record_content {
    uint64_t inputs;                    /* hash of the user's keys */
    struct kv_list labels, annotations; /* that we write */
    const struct sidecar *sidecar;      /* that we write; NULL: none */
    uint64_t template_inputs;
};
/* The same content gives the same text. */
int record_encode(const struct record_content *c, struct arena *a, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
