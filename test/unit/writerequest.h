/* An independent, strict reading of what the collector sends: snappy's block format, then
 * prometheus.WriteRequest. Shared by unit tests and fuzz targets, so it is a header.
 *
 * What a receiver would tolerate is refused here: fields that are unknown, out of order or
 * repeated, varints longer than they need be, labels that are not strictly sorted, empty, reserved,
 * of another charset than AMP's, or no UTF-8; no __name__; no sample, or several.
 */
#ifndef AMPSCALE_TEST_WRITEREQUEST_H
#define AMPSCALE_TEST_WRITEREQUEST_H

#include <snappy-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { SENT_LABELS_MAX = 512 };

/* One TimeSeries with its sample. Views point into what is being read. */
struct sent {
    struct {
        struct str name, value;
    } labels[SENT_LABELS_MAX];
    size_t label_count;
    struct str encoded; /* all of its labels' bytes: equal for equal series */
    uint64_t bits;      /* of the value */
    int64_t time_ms;
};

struct sent_reader {
    struct str left;
    const char *wrong; /* what was, when a read fails */
};

static inline bool sent_fail(struct sent_reader *r, const char *wrong)
{
    r->wrong = wrong;
    return false;
}

static inline bool sent_varint(struct sent_reader *r, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < r->left.len && i < 10; i++) {
        uint8_t byte = (uint8_t)r->left.ptr[i];
        if (i == 9 && byte > 1) {
            return sent_fail(r, "a varint of more than 64 bits");
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            r->left = str_slice(r->left, i + 1, r->left.len);
            *out = value;
            return (byte > 0 || i == 0) || sent_fail(r, "a varint longer than it need be");
        }
    }
    return sent_fail(r, "a varint without end");
}

/* The tag of this field, then its length and bytes. */
static inline bool sent_bytes(struct sent_reader *r, uint64_t field, struct str *out)
{
    uint64_t tag = 0, length = 0;
    if (!sent_varint(r, &tag) || !sent_varint(r, &length)) {
        return false;
    }
    if (tag != (field << 3 | 2)) {
        return sent_fail(r, "another field than expected");
    }
    if (length > r->left.len) {
        return sent_fail(r, "a field longer than what it is in");
    }
    *out = str_slice(r->left, 0, length);
    r->left = str_slice(r->left, length, r->left.len);
    return true;
}

static inline bool sent_is_name(struct str name, bool colons)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = char_lower(name.ptr[i]);
        bool letter = char_is_lower(c) || c == '_' || (c == ':' && colons);
        if (!letter && (i == 0 || !char_is_digit(c))) {
            return false;
        }
    }
    return name.len > 0;
}

static inline bool sent_label(struct sent_reader *r, struct str bytes, struct sent *out)
{
    struct sent_reader inside = {bytes, NULL};
    struct str name, value;
    if (!sent_bytes(&inside, 1, &name) || !sent_bytes(&inside, 2, &value)) {
        return sent_fail(r, inside.wrong);
    }
    bool is_metric = str_eq(name, STR("__name__"));
    if (inside.left.len > 0 || value.len == 0 || out->label_count == SENT_LABELS_MAX) {
        return sent_fail(r, "a label with more than name and value, without value, or too many");
    }
    if (!sent_is_name(name, false) || (str_starts(name, STR("__")) && !is_metric) ||
        (is_metric && !sent_is_name(value, true)) || !str_is_utf8(value)) {
        return sent_fail(r, "a label's name or value that AMP refuses");
    }
    if (out->label_count > 0 && str_compare(out->labels[out->label_count - 1].name, name) >= 0) {
        return sent_fail(r, "labels that are not strictly sorted");
    }
    out->labels[out->label_count].name = name;
    out->labels[out->label_count++].value = value;
    return true;
}

static inline bool sent_sample(struct sent_reader *r, struct str bytes, struct sent *out)
{
    struct sent_reader inside = {bytes, NULL};
    uint64_t tag = 0, time = 0;
    if (!sent_varint(&inside, &tag) || tag != (1 << 3 | 1) || inside.left.len < 8) {
        return sent_fail(r, "a sample without its value");
    }
    out->bits = 0;
    for (size_t i = 0; i < 8; i++) {
        out->bits |= (uint64_t)(uint8_t)inside.left.ptr[i] << (8 * i);
    }
    inside.left = str_slice(inside.left, 8, inside.left.len);
    if (!sent_varint(&inside, &tag) || tag != (2 << 3 | 0) || !sent_varint(&inside, &time) ||
        inside.left.len > 0) {
        return sent_fail(r, "a sample without its time, or more in it");
    }
    memcpy(&out->time_ms, &time, sizeof(time));
    return true;
}

/* The next TimeSeries of a WriteRequest; false at its end (wrong stays NULL) or where it is wrong.
 */
static inline bool sent_next(struct sent_reader *r, struct sent *out)
{
    struct str series, bytes;
    if (r->left.len == 0 || !sent_bytes(r, 1, &series)) {
        return false;
    }
    struct sent_reader inside = {series, NULL};
    bool named = false;
    out->label_count = 0;
    while (inside.left.len > 0 && (uint8_t)inside.left.ptr[0] == (1 << 3 | 2)) {
        if (!sent_bytes(&inside, 1, &bytes) || !sent_label(&inside, bytes, out)) {
            return sent_fail(r, inside.wrong);
        }
        named = named || str_eq(out->labels[out->label_count - 1].name, STR("__name__"));
    }
    out->encoded = str_slice(series, 0, series.len - inside.left.len);
    if (!named) {
        return sent_fail(r, "a series without its name");
    }
    if (!sent_bytes(&inside, 2, &bytes) || !sent_sample(&inside, bytes, out)) {
        return sent_fail(r, inside.wrong);
    }
    return inside.left.len == 0 || sent_fail(r, "more than labels and one sample");
}

/* Uncompressed, in memory that the caller frees; NULL: it is no snappy block. */
static inline char *sent_open(struct str body, struct sent_reader *out)
{
    size_t size;
    if (snappy_uncompressed_length(body.ptr, body.len, &size) != SNAPPY_OK) {
        return NULL;
    }
    char *plain = malloc(size > 0 ? size : 1);
    if (plain == NULL || snappy_uncompress(body.ptr, body.len, plain, &size) != SNAPPY_OK) {
        free(plain);
        return NULL;
    }
    *out = (struct sent_reader){{plain, size}, NULL};
    return plain;
}

/* Value of a label; absent: it has none. */
static inline struct str sent_value(const struct sent *s, struct str name)
{
    for (size_t i = 0; i < s->label_count; i++) {
        if (str_eq(s->labels[i].name, name)) {
            return s->labels[i].value;
        }
    }
    return (struct str){0};
}

#endif
