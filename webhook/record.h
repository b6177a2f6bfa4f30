/* The record of what the webhook wrote: the annotation scale.amp/injected.
 *
 *     {"version":1,"inputs":"9ae16a3b2f90404f","labels":{…},
 *      "annotations":{"scale.amp/max-replicas":"100",…}}
 *
 * Names and values as we wrote them: what still has its value is untouched, so it is ours to take
 * back. Users can edit the record, so it is a claim and not a proof: it is believed only for keys
 * that the webhook fills with defaults. A record of another version or of another shape claims
 * nothing.
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

enum { RECORD_VERSION = 1 };

struct record {
    const struct json *annotations; /* what it claims; NULL: nothing */
};

/* Any text is a record, if only one that claims nothing; the absent view too. -1/ERR_MEMORY alone.
 */
int record_decode(struct str text, struct arena *a, struct record *out, struct err *e)
    __attribute__((warn_unused_result));

/* True when the record proves that this annotation, with this value, is a default that we wrote. */
bool record_proves(const struct record *r, struct str key, struct str value);

/* The record for `annotations` and `labels` that we write now. `inputs` is the hash of the user's
 * keys. The same arguments give the same text. */
int record_encode(uint64_t inputs, const struct kv_list *labels, const struct kv_list *annotations,
                  struct arena *a, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
