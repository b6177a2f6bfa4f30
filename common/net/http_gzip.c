/* Content-Encoding: gzip, undone here and not by libcurl, which does not tell that it ends early:
 * where a connection's end is the body's (no Content-Length), half a body would be a whole one.
 *
 * Source: RFC 1952, which lets members follow one another (§2.2).
 */
#define ZLIB_CONST
#include <stdlib.h>
#include <zlib.h>

#include "net/http_call.h"

enum { PIECE_BYTES = 16 << 10, GZIP_ONLY = 16 };

struct http_gunzip {
    z_stream z;
    bool whole; /* a member has ended, and no other has begun */
    unsigned char out[PIECE_BYTES];
};

static int gunzip_new(struct http_gunzip **out, struct err *e)
{
    struct http_gunzip *g = calloc(1, sizeof *g);
    if (g == NULL || inflateInit2(&g->z, MAX_WBITS + GZIP_ONLY) != Z_OK) {
        free(g);
        return err_set(e, ERR_MEMORY, "out of memory for a compressed answer");
    }
    *out = g;
    return 0;
}

static int begin(struct http_call *call, struct err *e)
{
    struct curl_header *h = NULL;
    struct str encoding = {NULL, 0};
    if (curl_easy_header(call->easy, "Content-Encoding", 0, CURLH_HEADER, -1, &h) == CURLHE_OK) {
        encoding = str_trim(str_from(h->value));
    }
    if (str_eq_nocase(encoding, STR("gzip")) || str_eq_nocase(encoding, STR("x-gzip"))) {
        call->encoding = ENCODING_GZIP;
        return gunzip_new(&call->gunzip, e);
    }
    if (encoding.len > 0 && !str_eq_nocase(encoding, STR("identity"))) {
        return err_set(e, ERR_UNAVAILABLE, "the answer's encoding is \"%.*s\", expected gzip",
                       STR_ARG(str_slice(encoding, 0, 64)));
    }
    call->encoding = ENCODING_NONE;
    return 0;
}

/* One step of at most PIECE_BYTES. */
static int step(struct http_gunzip *g, struct str *decoded, struct err *e)
{
    if (g->whole) {
        (void)inflateReset(&g->z);
    }
    g->z.next_out = g->out;
    g->z.avail_out = sizeof g->out;
    const int rc = inflate(&g->z, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR) {
        return err_set(e, ERR_MEMORY, "out of memory for a compressed answer");
    }
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
        return err_set(e, ERR_UNAVAILABLE, "the answer's encoding is broken");
    }
    g->whole = rc == Z_STREAM_END;
    *decoded = (struct str){(const char *)g->out, sizeof g->out - g->z.avail_out};
    return 0;
}

static bool gunzip(struct http_call *call, struct str piece, http_deliver_fn *deliver)
{
    struct http_gunzip *g = call->gunzip;
    struct str decoded;
    g->z.next_in = (const Bytef *)piece.ptr;
    g->z.avail_in = (uInt)piece.len;
    do {
        if (step(g, &decoded, &call->failed) != 0 || (decoded.len > 0 && !deliver(call, decoded))) {
            return false;
        }
    } while (g->z.avail_in > 0 || (g->z.avail_out == 0 && !g->whole));
    return true;
}

bool http_decode(struct http_call *call, struct str piece, http_deliver_fn *deliver)
{
    if (call->encoding == ENCODING_UNKNOWN && begin(call, &call->failed) != 0) {
        return false;
    }
    return call->encoding == ENCODING_GZIP ? gunzip(call, piece, deliver) : deliver(call, piece);
}

int http_decode_end(struct http_call *call, struct err *e)
{
    if (call->encoding == ENCODING_UNKNOWN && begin(call, e) != 0) {
        return -1;
    }
    if (call->gunzip != NULL && !call->gunzip->whole) {
        return err_set(e, ERR_UNAVAILABLE, "the answer ended early, within its encoding");
    }
    return 0;
}

void http_decode_free(struct http_call *call)
{
    if (call->gunzip != NULL) {
        (void)inflateEnd(&call->gunzip->z);
        free(call->gunzip);
        call->gunzip = NULL;
    }
}
