/* JSON Patch (RFC 6902) documents, built into a bounded buffer.
 *
 * `parent` is a JSON Pointer (RFC 6901) that is written as it stands; `key` is one reference token
 * and is escaped ('~' → ~0, '/' → ~1).
 */
#ifndef AMPSCALE_WEBHOOK_PATCH_H
#define AMPSCALE_WEBHOOK_PATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

struct patch {
    struct json_writer writer;
    size_t operations;
};

/* `out` is empty and outlives the patch. */
void patch_begin(struct patch *p, struct buf *out);

/* Add or overwrite a member (or insert before an array index, or append with key "-") with a
 * string, or with text that is one JSON value already. */
void patch_add_str(struct patch *p, struct str parent, struct str key, struct str value);
void patch_add_raw(struct patch *p, struct str parent, struct str key, struct str json);
/* Overwrite a member that is there. */
void patch_replace_str(struct patch *p, struct str parent, struct str key, struct str value);
void patch_replace_raw(struct patch *p, struct str parent, struct str key, struct str json);
/* The same with a tree as the value. */
void patch_add_tree(struct patch *p, struct str parent, struct str key, const struct json *value);
void patch_replace_tree(struct patch *p, struct str parent, struct str key,
                        const struct json *value);
/* Remove a member that is there. */
void patch_remove(struct patch *p, struct str parent, struct str key);

/* Close the document: its text, or the absent view when there was no operation. Check the buffer
 * (buf_check) before using it. */
struct str patch_end(struct patch *p);

/* One map of strings under metadata, edited by key. */
struct patch_map {
    struct str name;         /* "annotations" */
    struct str pointer;      /* "/metadata/annotations" */
    const struct json *node; /* what the object has; NULL when absent (or null) */
    bool added;              /* an operation that adds the empty map was written */
};

/* Of a whole API object. `pointer` is "/metadata/" and the name. */
struct patch_map patch_map_of(const struct json *object, struct str name, struct str pointer);

/* Make key have this value: adds the map when it is absent; nothing when it is so already. */
void patch_map_set(struct patch *p, struct patch_map *m, struct str key, struct str value);
/* Make key absent; nothing when it is. */
void patch_map_remove(struct patch *p, const struct patch_map *m, struct str key);

#endif
