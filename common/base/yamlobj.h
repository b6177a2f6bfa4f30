/* Strict objects out of a YAML tree: each is read by a table of its fields.
 *
 * An unknown or repeated field, a wrong type or a value out of range is a complaint with its path
 * and place: "scaleUp.policies[0].periodSeconds: expected a whole number from 1 to 1800 (line 4,
 * column 9)". For what users write: the `triggers` and `behavior` annotations, policy files.
 */
#ifndef AMPSCALE_BASE_YAMLOBJ_H
#define AMPSCALE_BASE_YAMLOBJ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct yamlobj_reader {
    struct arena *a; /* for what is made while reading; texts are views of the tree */
    struct err *why;
};

/* Where a node is, for complaints; NULL: the whole document. */
struct yamlobj_place {
    const struct yamlobj_place *parent;
    struct str name; /* of a field; absent for an element */
    size_t index;    /* of an element */
};

struct yamlobj_field;
/* Read `node`, which is not null, into *out. 0, or -1 with the complaint in r->why. */
typedef int yamlobj_read_fn(struct yamlobj_reader *r, const struct json *node,
                            const struct yamlobj_field *field, const struct yamlobj_place *place,
                            void *out);

struct yamlobj_field {
    struct str name;
    yamlobj_read_fn *read;
    size_t offset; /* in what is being filled */
    bool required;
    int64_t min, max;
    const struct str *words;
    size_t word_count;
};

/* "path: text (line, column)", ERR_INVALID. Returns -1. */
__attribute__((format(printf, 4, 5))) int yamlobj_complain(struct yamlobj_reader *r,
                                                           const struct json *node,
                                                           const struct yamlobj_place *place,
                                                           const char *format, ...);

/* Fill `out` from an object. Fields that are absent or null stay as they are. -1 with the first
 * complaint; what was read before it is in `out`. */
int yamlobj_read(struct yamlobj_reader *r, const struct json *node,
                 const struct yamlobj_field *fields, size_t count,
                 const struct yamlobj_place *place, void *out) __attribute__((warn_unused_result));

/* An int32_t within field->min and field->max. */
yamlobj_read_fn yamlobj_int32;
/* One of field->words: its index, into an enum. */
yamlobj_read_fn yamlobj_word;
/* The number 1, the version of every file that is read so; nothing is filled. */
yamlobj_read_fn yamlobj_version;

#endif
