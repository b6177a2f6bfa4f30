/* Inside of the HTTP client, shared by http.c (life of a call), http_setup.c (request → libcurl
 * options), http_gzip.c (compressed answers) and http_error.c (libcurl's results → errors).
 */
#ifndef AMPSCALE_NET_HTTP_CALL_H
#define AMPSCALE_NET_HTTP_CALL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "net/http.h"

enum call_state {
    CALL_QUEUED,    /* sent from inside libcurl; to be added when it returns */
    CALL_ACTIVE,    /* in the multi handle */
    CALL_CANCELLED, /* from inside libcurl; to be removed when it returns */
    CALL_FINISHED,  /* its callback is running */
};

/* Of the answer's body. */
enum call_encoding {
    ENCODING_AS_IT_IS, /* gzip was not asked for: nothing is undone */
    ENCODING_UNKNOWN,  /* gzip was, and the body has not begun */
    ENCODING_NONE,
    ENCODING_GZIP,
};

struct http_call {
    struct http_client *client;
    struct http_call *previous, *next; /* all calls of the client */
    struct http_call *next_deferred;
    bool deferred; /* in the client's deferred list */
    enum call_state state;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct loop_timer deadline;
    int64_t timeout_ms, connect_timeout_ms;
    http_done_fn *done;
    void *context;
    int (*on_data)(void *context, struct str piece, struct err *e);
    struct buf body;
    bool secret;                /* the body: wiped, and never moved while it grows */
    struct buf *warnings;       /* of http_request */
    struct http_gunzip *gunzip; /* ENCODING_GZIP */
    enum call_encoding encoding;
    struct buf sent; /* a secret body that libcurl reads from here; wiped */
    size_t header_bytes;
    bool begun;        /* on_data had its empty piece */
    bool truncated;    /* a body of another status than 2xx was cut at the cap */
    struct err failed; /* why one of our callbacks aborted; ERR_NONE when none did */
    const char *trust_hint;
    char curl_text[CURL_ERROR_SIZE];
};

/* Set every option of call->easy for r; callbacks excepted. */
int http_setup(struct http_call *call, const struct http_request *r, const char *user_agent,
               struct err *e) __attribute__((warn_unused_result));

/* Overwrite what a list of headers holds: some are secret, and libcurl frees its copies as they
 * are. */
void http_headers_wipe(struct curl_slist *list);

/* Take a piece of a body, decoded. Returns whether to go on. */
typedef bool http_deliver_fn(struct http_call *call, struct str piece);
/* Undo the encoding of the next piece; `deliver` is given pieces of at most 16 KiB. Returns whether
 * to go on: when not, call->failed says why, or what `deliver` did. */
bool http_decode(struct http_call *call, struct str piece, http_deliver_fn *deliver);
/* The body is over: ERR_UNAVAILABLE where its encoding is not. */
int http_decode_end(struct http_call *call, struct err *e) __attribute__((warn_unused_result));
void http_decode_free(struct http_call *call);

/* The failure of `call` for libcurl's result rc, which is not CURLE_OK. */
void http_error_from(const struct http_call *call, CURLcode rc, struct err *e);
/* Append the texts of the answer's Warning headers to call->warnings. */
void http_warnings_take(const struct http_call *call);
/* Begin *e's text with the peer: "https://host:port: …". */
void http_error_peer(const struct http_call *call, struct err *e);

#endif
