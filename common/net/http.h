/* The HTTP client: libcurl's multi interface on our loop. The only way out for every program.
 *
 * Connections are kept alive and pooled per client, bounded in number: HTTP/1.1, one exchange at a
 * time on each, TCP keep-alive so that a dead peer is noticed within a minute. Every request has a
 * deadline and caps on body and header size (64 KiB). Redirects are not followed: 3xx is an answer.
 * Proxies, netrc and credentials of the environment are not used; TLS is 1.2 or newer. A transport
 * failure is an `err`; an HTTP answer of any status is an answer, kept whole up to the cap. No
 * error text holds a header's value, a URL's query or a body that was sent.
 */
#ifndef AMPSCALE_NET_HTTP_H
#define AMPSCALE_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct buf;
struct http_client;

struct http_client_options {
    const char *user_agent; /* "ampscale-scaler/0.1.0"; must outlive the client */
    /* In all (0: 64) and to one host (0: 8); further requests wait, within their deadline. Streams
     * (those with on_data) come on top, so watches never keep requests waiting. */
    long max_connections, max_host_connections;
};

int http_client_new(struct loop *l, const struct http_client_options *o, struct http_client **out,
                    struct err *e) __attribute__((warn_unused_result));
struct loop *http_loop(const struct http_client *c);
/* Cancels what is under way (callbacks are not called) and closes all connections. Not from inside
 * a callback of its own. NULL is allowed. */
void http_client_free(struct http_client *c);

/* TLS trust and client certificate of one peer. Files are read when a connection is made, so
 * replacing a file takes effect with the next connection. PEM text, where present, is used instead
 * of the file and copied at http_send. */
struct http_tls {
    const char *ca_file;   /* NULL: the system's store; else only what the file holds is trusted */
    const char *cert_file; /* client certificate and key, PEM; NULL: none */
    const char *key_file;
    struct str ca_pem, cert_pem, key_pem;
    bool insecure; /* kubeconfig's insecure-skip-tls-verify only */
    /* kubeconfig's tls-server-name: for SNI and verification instead of the URL's host, which stays
     * the address and the Host header. NULL: none. */
    const char *server_name;
    /* What to set when the peer is not trusted: "--ca-file"; NULL: unknown. Must outlive the call.
     */
    const char *trust_hint;
};

/* SigV4 by libcurl ("aws:amz:<region>:<service>"). Views are copied at http_send. A signed request
 * carries its parameters in the body: libcurl up to 8.18 signs many query strings wrongly, so a
 * URL with '?' is ERR_INVALID. */
struct http_sigv4 {
    struct str access_key, secret_key, session_token; /* token absent: none */
    struct str region, service;
};

struct http_header {
    struct str name, value;
};

struct http_request {
    const char *method;       /* "GET", "POST", "PATCH", "PUT", "DELETE" */
    const char *url;          /* complete, already escaped; http or https */
    struct str body;          /* sent as is; copied */
    const char *content_type; /* required with a body */
    const struct http_header
        *headers; /* further ones; copied; control characters are ERR_INVALID */
    size_t header_count;
    struct http_tls tls;
    const struct http_sigv4 *sigv4; /* NULL: not signed */
    int64_t timeout_ms;             /* whole exchange, connect included; 0: none (watches) */
    int64_t connect_timeout_ms;     /* TLS handshake included; 0: 3000 */
    /* A 2xx body that is larger is ERR_LIMIT; another status' body is cut there. 0: 16 MiB. With
     * `on_data` it caps the bodies of other statuses only. */
    size_t max_body_bytes;
    /* Streaming, only for a 2xx answer: called with done's context, first with an empty piece when
     * the answer begins, then with each piece as it arrives; -1 aborts with *e. May send and
     * cancel, also its own call. */
    int (*on_data)(void *context, struct str piece, struct err *e);
    /* Accept a compressed answer (Accept-Encoding: gzip). Body, pieces and caps are then of what it
     * decodes to, which arrives in pieces of at most 16 KiB however much one byte stands for. An
     * encoding that is broken, another than gzip, or one that a 2xx body ends within: then nobody
     * knows what is missing, so it is ERR_UNAVAILABLE. */
    bool gzip;
    /* The texts of the answer's Warning headers (RFC 7234 §5.5, as the API server sends its
     * webhooks' warnings), one a line, are appended to it. It must outlive the call. NULL: not
     * wanted. */
    struct buf *warnings;
    bool secret_answer; /* its body is wiped from memory afterwards */
    bool secret_body;   /* and so is the copy of what is sent */
};

struct http_response {
    int status;      /* 0 when there was no answer */
    struct str body; /* valid during the callback; empty when streamed */
    struct str content_type;
    struct str error_type; /* x-amzn-errortype without what follows a ':', absent when none */
    int retry_after_ms;    /* Retry-After (seconds or date), 0 when absent */
    int64_t date_ms;       /* Date: the server's clock, Unix, in whole seconds; 0 when absent */
    struct str redirect;   /* where a 3xx points, absolute; absent when nowhere */
    int64_t duration_us;   /* also of an exchange that failed */
};

struct http_call;

/* Called once, from the loop, never from inside http_send. e->code is ERR_NONE when there was an
 * answer (whatever its status), else ERR_TIMEOUT, ERR_TLS, ERR_UNAVAILABLE, ERR_LIMIT, ERR_MEMORY,
 * ERR_INVALID (a URL libcurl refuses) or what on_data gave, with a text that begins with scheme,
 * host and port and, when known, ends with the fix. The call is over: its pointer is dead when the
 * callback returns. */
typedef void http_done_fn(void *context, const struct http_response *r, const struct err *e);

int http_send(struct http_client *c, const struct http_request *r, http_done_fn *done,
              void *context, struct http_call **out, struct err *e)
    __attribute__((warn_unused_result));

/* Content-Type of the answer that on_data is given; absent when it has none. Only inside on_data,
 * until its call is cancelled. */
struct str http_content_type(const struct http_call *call);

/* Give up: the callback will not be called. From anywhere, callbacks included. NULL is allowed. */
void http_cancel(struct http_call *call);

/* Append application/x-www-form-urlencoded "name=value" (with '&' when out is not empty). */
void http_form_add(struct buf *out, struct str name, struct str value);

#endif
