/* JSON: text to a tree of views, and a writer.
 *
 * The parser accepts what RFC 8259 does (separators, number grammar, escapes, control characters,
 * UTF-8, one value only) and builds the tree in the caller's arena. Strings are views into the
 * source text unless they hold escapes; those are decoded into the arena. So the source must live
 * as long as the tree. The same node type carries YAML documents (base/yaml.h).
 */
#ifndef AMPSCALE_BASE_JSON_H
#define AMPSCALE_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    bool boolean;          /* JSON_BOOL */
    struct str text;       /* JSON_STRING: decoded (may hold NUL bytes); JSON_NUMBER: the literal */
    struct str key;        /* decoded member name, when the parent is an object */
    struct str raw;        /* the value as it stands in the source, for copying a subtree verbatim;
                              absent in trees made from YAML */
    struct json *child;    /* first element or member */
    struct json *next;     /* next sibling */
    size_t count;          /* elements or members */
    uint32_t line, column; /* 1-based place in a YAML source; 0 in JSON trees */
};

enum json_duplicates {
    JSON_DUPLICATES_REFUSE, /* a repeated member name is an error: what we decide on */
    JSON_DUPLICATES_KEEP, /* all are kept in order; json_get finds the last, as Go's decoder does */
};

struct json_limits {
    size_t max_depth;  /* nesting of arrays and objects */
    size_t max_values; /* nodes in the tree */
    enum json_duplicates duplicates;
};

/* Limits for what one API object or answer needs: depth 64, 500,000 values, duplicates kept. */
extern const struct json_limits JSON_LIMITS_API;
/* Limits for what a user writes into one annotation: depth 16, 2,000 values, duplicates refused. */
extern const struct json_limits JSON_LIMITS_USER;

/* Parse the whole of `text` (one value, surrounding white space allowed) into a tree in `a`.
 * Errors: ERR_INVALID with the byte offset and what was expected there; ERR_LIMIT naming the limit;
 * ERR_MEMORY. Invalid UTF-8 anywhere is ERR_INVALID. A lone surrogate escape is ERR_INVALID. */
int json_parse(struct str text, const struct json_limits *limits, struct arena *a,
               const struct json **out, struct err *e) __attribute__((warn_unused_result));

/* Member `name` of an object; NULL when node is NULL, no object, or has no such member. */
const struct json *json_get(const struct json *node, struct str name);
/* The same down a path of '/'-separated plain names ("metadata/annotations"). */
const struct json *json_path(const struct json *node, const char *path);

/* Value of a string node; absent view when node is NULL or of another type. */
struct str json_str(const struct json *node);
/* Integer value of a number node without fraction or exponent, within [INT64_MIN, INT64_MAX].
 * False (and *out untouched) otherwise. */
bool json_int(const struct json *node, int64_t *out);
/* Finite double of a number node. False otherwise. */
bool json_double(const struct json *node, double *out);
/* True only for a JSON_BOOL that is true. */
bool json_is_true(const struct json *node);

/* "null", "bool", "number", "string", "array", "object": for messages. */
const char *json_type_name(enum json_type type);

/* Deep equality: numbers by literal text, objects regardless of member order. */
bool json_equal(const struct json *a, const struct json *b);

/* Writer. Puts commas itself; the caller pairs begin and end. What does not fit makes out->failed.
 */
struct json_writer {
    struct buf *out;
    bool comma; /* the next value or key needs one before it */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
/* Escapes '"', '\\', control characters, and '<' '>' '&' never; invalid UTF-8 bytes become U+FFFD.
 */
void json_put_str(struct json_writer *w, struct str value);
void json_put_int(struct json_writer *w, int64_t value);
/* Shortest form that parses back to the same double; NaN and Inf become null (JSON has neither). */
void json_put_double(struct json_writer *w, double value);
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
/* Text that is already one JSON value. */
void json_put_raw(struct json_writer *w, struct str json);
/* A whole tree: its raw text where it has one, else re-encoded. */
void json_put_tree(struct json_writer *w, const struct json *node);
/* A key and its value. */
void json_member_str(struct json_writer *w, struct str key, struct str value);
void json_member_int(struct json_writer *w, struct str key, int64_t value);
void json_member_bool(struct json_writer *w, struct str key, bool value);

#endif
