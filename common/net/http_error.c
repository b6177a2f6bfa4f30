/* libcurl's results as errors that a user can act on. */
#include <errno.h>
#include <string.h>

#include "base/fmt.h"
#include "net/http_call.h"

enum { PEER_BYTES = 320, DETAIL_BYTES = 400 };

/* What to add to a row's text: it depends on the exchange. */
enum detail {
    DETAIL_NONE,
    DETAIL_SYSTEM, /* the socket's errno */
    DETAIL_CURL,   /* libcurl's own sentence */
    DETAIL_TRUST,  /* why the certificate is not trusted, and the flag that would help */
    DETAIL_CONNECT_TIMEOUT,
};

struct failure {
    CURLcode rc;
    enum err_code code;
    enum detail detail;
    const char *text;
};

static const struct failure FAILURES[] = {
    {CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE, DETAIL_NONE, "host name not found"},
    {CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE, DETAIL_SYSTEM, "cannot connect"},
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, DETAIL_CONNECT_TIMEOUT, "no connection"},
    {CURLE_GOT_NOTHING, ERR_UNAVAILABLE, DETAIL_NONE, "connection closed without an answer"},
    {CURLE_PARTIAL_FILE, ERR_UNAVAILABLE, DETAIL_NONE, "the answer ended early"},
    {CURLE_RECV_ERROR, ERR_UNAVAILABLE, DETAIL_SYSTEM, "receiving failed"},
    {CURLE_SEND_ERROR, ERR_UNAVAILABLE, DETAIL_SYSTEM, "sending failed"},
    {CURLE_BAD_CONTENT_ENCODING, ERR_UNAVAILABLE, DETAIL_NONE, "the answer's encoding is broken"},
    {CURLE_WEIRD_SERVER_REPLY, ERR_UNAVAILABLE, DETAIL_NONE, "the answer is not HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_UNAVAILABLE, DETAIL_NONE, "the answer is not HTTP/1.1"},
    /* libcurl says so too of one header line above its own 100 KiB */
    {CURLE_OUT_OF_MEMORY, ERR_MEMORY, DETAIL_NONE, "out of memory, or a header line too long"},
    {CURLE_URL_MALFORMAT, ERR_INVALID, DETAIL_NONE, "not a URL"},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_TLS, DETAIL_TRUST, "certificate verify failed"},
    {CURLE_SSL_CACERT_BADFILE, ERR_TLS, DETAIL_CURL, "cannot read the trusted certificates"},
    {CURLE_SSL_CERTPROBLEM, ERR_TLS, DETAIL_CURL, "cannot use the client certificate"},
    {CURLE_SSL_CONNECT_ERROR, ERR_TLS, DETAIL_CURL, "TLS handshake failed"},
};

static const struct failure *find(CURLcode rc)
{
    for (size_t i = 0; i < sizeof FAILURES / sizeof FAILURES[0]; i++) {
        if (FAILURES[i].rc == rc) {
            return &FAILURES[i];
        }
    }
    return NULL;
}

/* "scheme://host:port" of the call's URL; "" when it is none. */
static struct str peer_of(const struct http_call *call, char out[PEER_BYTES])
{
    char *url = NULL, *scheme = NULL, *host = NULL, *port = NULL;
    struct str peer = {"", 0};
    CURLU *parts = curl_url();
    (void)curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
    if (parts != NULL && url != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        peer = fmt(out, PEER_BYTES, "%s://%s:%s", scheme, host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return peer;
}

void http_error_peer(const struct http_call *call, struct err *e)
{
    char text[PEER_BYTES];
    const struct str peer = peer_of(call, text);
    if (peer.len > 0) {
        (void)err_prefix(e, "%s", text);
    }
}

static const char *system_text(const struct http_call *call, const char *otherwise)
{
    long number = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    if (number == ECONNREFUSED) {
        return "connection refused";
    }
    if (number == ECONNRESET) {
        return "connection reset";
    }
    const char *text = number != 0 ? strerrordesc_np((int)number) : NULL;
    return text != NULL ? text : otherwise;
}

/* libcurl's sentence without the words that the row says already. */
static struct str curl_text(const struct http_call *call)
{
    static const struct str noise[] = {
        STR_INIT("SSL certificate problem: "),
        STR_INIT("SSL: "),
    };
    struct str text = str_from(call->curl_text);
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) {
        if (str_starts(text, noise[i])) {
            text = str_slice(text, noise[i].len, text.len);
        }
    }
    return text;
}

static void describe(const struct http_call *call, const struct failure *f, struct err *e)
{
    const struct str said = curl_text(call);
    switch (f->detail) {
    case DETAIL_NONE: (void)err_set(e, f->code, "%s", f->text); return;
    case DETAIL_SYSTEM:
        if (str_starts(said, STR("OpenSSL "))) { /* an alert, as for a missing client certificate */
            (void)err_set(e, ERR_TLS, "TLS failed: %.*s", STR_ARG(said));
        } else {
            (void)err_set(e, f->code, "%s", system_text(call, f->text));
        }
        return;
    case DETAIL_CURL: (void)err_set(e, f->code, "%s: %.*s", f->text, STR_ARG(said)); return;
    case DETAIL_TRUST:
        if (call->trust_hint != NULL) {
            (void)err_set(e, f->code, "%s: %.*s (set %s)", f->text, STR_ARG(said),
                          call->trust_hint);
        } else {
            (void)err_set(e, f->code, "%s: %.*s", f->text, STR_ARG(said));
        }
        return;
    case DETAIL_CONNECT_TIMEOUT:
        (void)err_set(e, f->code, "%s within %lld ms", f->text,
                      (long long)call->connect_timeout_ms);
        return;
    }
}

void http_error_from(const struct http_call *call, CURLcode rc, struct err *e)
{
    const struct failure *f = find(rc);
    if (f != NULL) {
        describe(call, f, e);
    } else {
        (void)err_set(e, ERR_UNAVAILABLE, "%s", curl_easy_strerror(rc));
    }
    http_error_peer(call, e);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void form_escape(struct buf *out, struct str s)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t begin = 0; /* of what goes as it is */
    for (size_t i = 0; i < s.len; i++) {
        if (!is_unreserved(s.ptr[i])) {
            const unsigned char c = (unsigned char)s.ptr[i];
            const char escaped[] = {'%', digits[c >> 4], digits[c & 15]};
            buf_append(out, str_slice(s, begin, i));
            buf_append(out, (struct str){escaped, sizeof(escaped)});
            begin = i + 1;
        }
    }
    buf_append(out, str_slice(s, begin, s.len));
}

void http_form_add(struct buf *out, struct str name, struct str value)
{
    if (out->len > 0) {
        buf_append_char(out, '&');
    }
    form_escape(out, name);
    buf_append_char(out, '=');
    form_escape(out, value);
}
