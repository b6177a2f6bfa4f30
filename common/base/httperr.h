/* What an HTTP answer that means failure is turned into, whoever sent it. */
#ifndef AMPSCALE_BASE_HTTPERR_H
#define AMPSCALE_BASE_HTTPERR_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { HTTPERR_EXCERPT_BYTES = 201 }; /* room for an excerpt, with the NUL */

/* 401 and 403, 404, 408, 409, 410, 413, 429 and 5xx have codes of their own; all else is ERR_HTTP.
 */
enum err_code httperr_code(int http_status);

/* The first line that says something of a body that is not what was asked for (HTML without its
 * tags, XML, plain text), at most 200 bytes of UTF-8; "empty body" when there is none. Returns the
 * view into `out`. */
struct str httperr_excerpt(struct str body, char out[HTTPERR_EXCERPT_BYTES]);

/* Somebody else's text without what looks like a token (100 and more of its characters in a row
 * become "(withheld)"), at most `room` bytes of it, into `out`: AWS's complaints about a signature
 * quote the headers that were signed, the session token among them. */
struct str httperr_withhold(struct str text, char *out, size_t room);

/* Fill *e for a redirect, none of which is followed: where it leads, without a query, and what to
 * do. Returns -1. */
int httperr_redirect(struct err *e, int http_status, struct str where);

/* Fill *e for such an answer: "HTTP 502: Bad Gateway". Returns -1. */
int httperr_set(struct err *e, int http_status, struct str body);

#endif
