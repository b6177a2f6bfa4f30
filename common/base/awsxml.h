/* XML as the query APIs of AWS answer it (STS): elements and their text, as a small tree.
 *
 * Far less than XML on purpose, because what is read is secret and what sends it may be anybody:
 * an XML declaration, elements with attributes (which are checked and dropped), text, the five
 * entities and character references. A document type, other entities, comments, CDATA and
 * processing instructions are refused. Sources: XML 1.0, fifth edition; AWS STS API reference,
 * "Common errors" and the sample responses.
 */
#ifndef AMPSCALE_BASE_AWSXML_H
#define AMPSCALE_BASE_AWSXML_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { AWSXML_DEPTH_MAX = 16, AWSXML_ELEMENTS_MAX = 256 };

struct awsxml {
    struct str name;
    struct str text; /* decoded; of an element without children, else absent */
    struct awsxml *child, *next;
};

/* The root of the whole of `text`. Views point into `text` and `a`. Errors: ERR_INVALID with the
 * byte offset and what is wrong there, never what stands there; ERR_LIMIT; ERR_MEMORY. */
int awsxml_parse(struct str text, struct arena *a, const struct awsxml **out, struct err *e)
    __attribute__((warn_unused_result));

/* The first element down a path of '/'-separated names below `root`; NULL when there is none. */
const struct awsxml *awsxml_find(const struct awsxml *root, const char *path);
/* Its text; absent when there is no such element. */
struct str awsxml_text(const struct awsxml *root, const char *path);

#endif
