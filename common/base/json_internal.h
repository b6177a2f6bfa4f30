/* What the files behind base/json.h and base/yaml.h share. Not for anybody else. */
#ifndef AMPSCALE_BASE_JSON_INTERNAL_H
#define AMPSCALE_BASE_JSON_INTERNAL_H

#include "base/json.h"

/* True when the whole of s is one number in JSON's grammar (RFC 8259, section 6). */
bool json_is_number(struct str s);

/* Decode the escape at s[at] (its backslash) into `out`, which has room for as many bytes as are
 * read. Returns the bytes written, *used the bytes read; 0 when it is no escape of JSON or half a
 * surrogate pair. */
size_t json_unescape(struct str s, size_t at, char *out, size_t *used);

/* Append `child` to an array or object whose last child is *last (NULL: none yet). */
void json_append(struct json *parent, struct json **last, struct json *child);

/* The second of two members with the same name into *out, or NULL when all names differ.
 * n log n; scratch from the arena. -1/ERR_MEMORY. */
int json_find_duplicate(const struct json *object, struct arena *a, const struct json **out,
                        struct err *e) __attribute__((warn_unused_result));

#endif
