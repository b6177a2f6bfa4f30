/* A request as libcurl options. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/http_call.h"

enum {
    DEFAULT_BODY_BYTES = 16 * 1024 * 1024,
    DEFAULT_CONNECT_TIMEOUT_MS = 3000,
    ARGUMENT_BYTES = 4096, /* a header line, or one part of the credentials */
    /* A silent dead peer is noticed after 30 + 3 × 10 s, an unacknowledged request after 30 s. */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 3,
    UNACKNOWLEDGED_MS = 30000,
};

/* The first failure sticks, so options are set in a row and checked once. */
struct setter {
    CURL *easy;
    CURLcode rc;
};

#define SET(s, option, value)                                                                      \
    do {                                                                                           \
        if ((s)->rc == CURLE_OK) {                                                                 \
            (s)->rc = curl_easy_setopt((s)->easy, option, value);                                  \
        }                                                                                          \
    } while (0)

static int prepare_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context;
    (void)purpose;
    const int probes = KEEPALIVE_PROBES;
    const unsigned unacknowledged_ms = UNACKNOWLEDGED_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                     sizeof unacknowledged_ms);
    return CURL_SOCKOPT_OK;
}

static void set_transport(struct setter *s, struct http_call *call, const char *user_agent)
{
    SET(s, CURLOPT_NOSIGNAL, 1L);
    SET(s, CURLOPT_ERRORBUFFER, call->curl_text);
    SET(s, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(s, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(s, CURLOPT_PROXY, "");
    SET(s, CURLOPT_NOPROXY, "*");
    SET(s, CURLOPT_FOLLOWLOCATION, 0L);
    SET(s, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(s, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
    SET(s, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(s, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    SET(s, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    SET(s, CURLOPT_SOCKOPTFUNCTION, prepare_socket);
    SET(s, CURLOPT_USERAGENT, user_agent);
}

static void set_blob(struct setter *s, CURLoption option, struct str pem)
{
    if (pem.ptr == NULL || s->rc != CURLE_OK) {
        return;
    }
    char *data = malloc(pem.len + 1); /* libcurl's blob is not const */
    if (data == NULL) {
        s->rc = CURLE_OUT_OF_MEMORY;
        return;
    }
    memcpy(data, pem.ptr, pem.len);
    struct curl_blob blob = {.data = data, .len = pem.len, .flags = CURL_BLOB_COPY};
    s->rc = curl_easy_setopt(s->easy, option, &blob);
    explicit_bzero(data, pem.len);
    free(data);
}

static void set_tls(struct setter *s, const struct http_tls *tls)
{
    SET(s, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* One file is the trust: a directory as well would also keep libcurl from caching it parsed. */
    SET(s, CURLOPT_CAPATH, NULL);
    if (tls->ca_pem.ptr != NULL) {
        set_blob(s, CURLOPT_CAINFO_BLOB, tls->ca_pem);
    } else if (tls->ca_file != NULL) {
        SET(s, CURLOPT_CAINFO, tls->ca_file);
        SET(s, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    }
    SET(s, CURLOPT_SSLCERT, tls->cert_pem.ptr == NULL ? tls->cert_file : NULL);
    SET(s, CURLOPT_SSLKEY, tls->key_pem.ptr == NULL ? tls->key_file : NULL);
    set_blob(s, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    set_blob(s, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    SET(s, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
    SET(s, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
}

/* ---- headers ---- */

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static int add_header(struct http_call *call, struct str name, struct str value, struct err *e)
{
    if (!is_plain(value) || !is_plain(name) || value.len == 0) {
        return err_set(e, ERR_INVALID, "HTTP header %.*s: empty or holds a control character",
                       STR_ARG(name));
    }
    const size_t size = name.len + 2 + value.len + 1;
    char *line = malloc(size);
    struct curl_slist *list = NULL;
    if (line != NULL) {
        memcpy(line, name.ptr, name.len);
        memcpy(line + name.len, ": ", 2);
        memcpy(line + name.len + 2, value.ptr, value.len);
        line[size - 1] = '\0';
        list = curl_slist_append(call->headers, line);
        explicit_bzero(line, size);
        free(line);
    }
    if (list == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for an HTTP header");
    }
    call->headers = list;
    return 0;
}

void http_headers_wipe(struct curl_slist *list)
{
    for (; list != NULL; list = list->next) {
        explicit_bzero(list->data, strlen(list->data));
    }
}

static int add_headers(struct http_call *call, const struct http_request *r, struct err *e)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (add_header(call, r->headers[i].name, r->headers[i].value, e) != 0) {
            return -1;
        }
    }
    if (r->content_type != NULL &&
        add_header(call, STR("Content-Type"), str_from(r->content_type), e) != 0) {
        return -1;
    }
    if (r->gzip && add_header(call, STR("Accept-Encoding"), STR("gzip"), e) != 0) {
        return -1;
    }
    if (r->sigv4 != NULL && r->sigv4->session_token.len > 0) {
        return add_header(call, STR("X-Amz-Security-Token"), r->sigv4->session_token, e);
    }
    return 0;
}

/* ---- address, method, body ---- */

/* Where the URL's host and port are tls-server-name's, connect to the real ones; name them in Host.
 */
static int set_address(struct setter *s, struct http_call *call, const struct http_request *r,
                       struct err *e)
{
    char *host = NULL, *port = NULL, *url = NULL;
    struct buf text;
    int result = 0;
    if (r->tls.server_name == NULL) {
        SET(s, CURLOPT_URL, r->url);
        return 0;
    }
    CURLU *parts = curl_url();
    buf_init(&text, ARGUMENT_BYTES);
    if (parts == NULL || curl_url_set(parts, CURLUPART_URL, r->url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_set(parts, CURLUPART_HOST, r->tls.server_name, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_URL, &url, 0) != CURLUE_OK) {
        result = err_set(e, ERR_INVALID, "not a URL, or not a server name");
    } else {
        buf_format(&text, "::%s:%s", host, port);
        buf_append_char(&text, '\0');
        call->connect_to = text.failed ? NULL : curl_slist_append(NULL, text.ptr);
        SET(s, CURLOPT_URL, url);
        SET(s, CURLOPT_CONNECT_TO, call->connect_to);
        s->rc = call->connect_to == NULL ? CURLE_OUT_OF_MEMORY : s->rc;
        const struct str named = str_slice(buf_view(&text), 2, text.len - 1);
        result = text.failed ? 0 : add_header(call, STR("Host"), named, e);
    }
    buf_free(&text);
    curl_free(host);
    curl_free(port);
    curl_free(url);
    curl_url_cleanup(parts);
    return result;
}

/* Method and body. libcurl would derive the method from the body: it is always named. */
static void set_method(struct setter *s, const struct http_call *call, const struct http_request *r)
{
    const bool get = strcmp(r->method, "GET") == 0;
    if (get && r->body.len == 0) {
        SET(s, CURLOPT_HTTPGET, 1L);
        return;
    }
    if (r->body.len > 0 || strcmp(r->method, "POST") == 0) {
        SET(s, CURLOPT_POST, 1L);
        SET(s, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        if (call->sent.len > 0) {
            SET(s, CURLOPT_POSTFIELDS, call->sent.ptr);
        } else {
            SET(s, CURLOPT_COPYPOSTFIELDS, r->body.len > 0 ? r->body.ptr : "");
        }
    }
    SET(s, CURLOPT_CUSTOMREQUEST, r->method);
}

/* ---- signing ---- */

static int copy_text(struct str s, char out[ARGUMENT_BYTES], const char *what, struct err *e)
{
    if (s.len == 0 || s.len >= ARGUMENT_BYTES || !is_plain(s)) {
        return err_set(e, ERR_INVALID,
                       "AWS %s: empty, longer than %d bytes, or holds a control "
                       "character",
                       what, ARGUMENT_BYTES - 1);
    }
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return 0;
}

static int set_keys(struct setter *s, const struct http_sigv4 *v, struct err *e)
{
    char key[ARGUMENT_BYTES], secret[ARGUMENT_BYTES];
    int result = -1;
    if (copy_text(v->access_key, key, "access key", e) == 0 &&
        copy_text(v->secret_key, secret, "secret key", e) == 0) {
        SET(s, CURLOPT_USERNAME, key);
        SET(s, CURLOPT_PASSWORD, secret);
        result = 0;
    }
    explicit_bzero(secret, sizeof secret);
    return result;
}

static int set_sigv4(struct setter *s, const struct http_request *r, struct err *e)
{
    const struct http_sigv4 *v = r->sigv4;
    struct buf scope;
    if (strchr(r->url, '?') != NULL) {
        return err_set(e, ERR_INVALID, "a signed request carries its parameters in the body");
    }
    if (v->region.len == 0 || v->service.len == 0) {
        return err_set(e, ERR_INVALID, "signing needs a region and a service");
    }
    buf_init(&scope, ARGUMENT_BYTES);
    buf_format(&scope, "aws:amz:%.*s:%.*s", STR_ARG(v->region), STR_ARG(v->service));
    buf_append_char(&scope, '\0');
    int result = buf_check(&scope, e);
    if (result == 0) {
        SET(s, CURLOPT_AWS_SIGV4, scope.ptr);
        result = set_keys(s, v, e);
    }
    buf_free(&scope);
    return result;
}

/* All of a secret body's room at once, so that growing leaves no copy behind. */
static void init_bodies(struct http_call *call, const struct http_request *r)
{
    buf_init(&call->body, r->max_body_bytes > 0 ? r->max_body_bytes : DEFAULT_BODY_BYTES);
    call->secret = r->secret_answer;
    if (r->secret_answer) {
        call->body.ptr = calloc(1, call->body.max);
        call->body.cap = call->body.ptr != NULL ? call->body.max : 0;
    }
    buf_init(&call->sent, r->body.len);
    if (r->secret_body) {
        buf_append(&call->sent, r->body);
    }
}

int http_setup(struct http_call *call, const struct http_request *r, const char *user_agent,
               struct err *e)
{
    struct setter s = {.easy = call->easy, .rc = CURLE_OK};
    if (call->easy == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for an HTTP request");
    }
    if (strncmp(r->url, "http://", 7) != 0 && strncmp(r->url, "https://", 8) != 0) {
        return err_set(e, ERR_INVALID, "not an http or https URL");
    }
    if (r->body.len > 0 && r->content_type == NULL) {
        return err_set(e, ERR_INVALID, "a body needs a content type");
    }
    init_bodies(call, r);
    call->on_data = r->on_data;
    call->encoding = r->gzip ? ENCODING_UNKNOWN : ENCODING_AS_IT_IS;
    call->timeout_ms = r->timeout_ms;
    call->connect_timeout_ms =
        r->connect_timeout_ms > 0 ? r->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    call->trust_hint = r->tls.trust_hint;
    if (buf_check(&call->sent, e) != 0 || add_headers(call, r, e) != 0 ||
        (r->sigv4 != NULL && set_sigv4(&s, r, e) != 0) || set_address(&s, call, r, e) != 0) {
        return -1;
    }
    set_transport(&s, call, user_agent);
    set_tls(&s, &r->tls);
    set_method(&s, call, r);
    SET(&s, CURLOPT_HTTPHEADER, call->headers);
    if (s.rc == CURLE_OUT_OF_MEMORY) {
        return err_set(e, ERR_MEMORY, "out of memory for an HTTP request");
    }
    return s.rc == CURLE_OK ? 0 : err_set(e, ERR_INVALID, "%s", curl_easy_strerror(s.rc));
}
