/* Final labels of a series: from what a target exposes and what all its series share, to the bytes
 * that are sent.
 *
 * A series' own labels (the name included) are encoded once, as prometheus.TimeSeries' field 1:
 * Label{1 name, 2 value}. The shared ones lie between them by name, but where is the same for each
 * request: a record says after how many shared ones each run of own bytes stands.
 */
#ifndef AMPSCALE_COLLECTOR_LABELS_H
#define AMPSCALE_COLLECTOR_LABELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "collector/exposition.h"
#include "collector/series.h"

enum { LABEL_BYTES_MAX = 32768 }; /* names and values of one series, the largest limit */

/* ---- those that all series have ---- */

struct shared_labels {
    struct series_label *items; /* sorted by name, no empty value */
    size_t count;
    size_t text_bytes;      /* names and values */
    unsigned char *encoded; /* all, one after the other */
    size_t *ends;           /* [i]: bytes of encoded up to and with items[i - 1]; ends[0] = 0 */
};

/* One allocation (*out.items) that has all of it; free() it. ERR_INVALID: a name that is not
 * [a-zA-Z_][a-zA-Z0-9_]*, begins with "__" or stands twice; more than 255. ERR_LIMIT: larger than
 * LABEL_BYTES_MAX. */
int labels_share(const struct series_label *labels, size_t count, struct shared_labels *out,
                 struct err *e) __attribute__((warn_unused_result));

/* ---- those of one series ---- */

struct own_labels {
    struct series_label items[EXPOSITION_LABELS_MAX + 1]; /* sorted by name; with __name__ */
    size_t count;
    size_t text_bytes;
};

/* Views point into *in, and into `names` (of `room` bytes) where a label became exported_….
 * -1: those do not fit. */
int labels_resolve(const struct exposed_series *in, const struct shared_labels *shared, char *names,
                   size_t room, struct own_labels *out) __attribute__((warn_unused_result));

/* A name that is sent under no label of the target's: up, … */
void labels_of_name(struct str name, struct own_labels *out);

/* ---- encoded ---- */

struct label_record {
    uint32_t owner; /* series, for the store */
    uint16_t bytes; /* of the encoded labels */
    uint16_t runs;
    unsigned char data[]; /* runs × {shared labels before it, bytes of it}, then the labels */
};

/* Bytes of the largest record that such limits allow. */
size_t labels_record_room(size_t text_bytes, size_t count);
size_t labels_record_bytes(const struct label_record *r);
struct str labels_record_text(const struct label_record *r); /* the encoded labels, its identity */

/* *out has labels_record_room bytes; owner is left alone. */
void labels_encode(const struct own_labels *own, const struct shared_labels *shared,
                   struct label_record *out);

/* All labels of the series in order: r->bytes + shared->ends[count] bytes; returns their end. */
unsigned char *labels_write(const struct label_record *r, const struct shared_labels *shared,
                            unsigned char *to);

#endif
