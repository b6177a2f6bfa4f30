/* base64, RFC 4648 §4: with padding, without line breaks, as Kubernetes writes bytes. */
#ifndef AMPSCALE_BASE_BASE64_H
#define AMPSCALE_BASE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

void base64_append(struct buf *out, struct str bytes);

/* The bytes, in the arena. Line breaks are passed over, since people fold them; ERR_INVALID: any
 * other character, a length that is no multiple of four, '=' but at the end, or bits that are cut
 * off there. */
int base64_decode(struct str text, struct arena *a, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
