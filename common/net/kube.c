/* One request to the API server, and the credentials it is made with. */
#include "net/kube.h"

#include <stdlib.h>

#include "net/file.h"
#include "net/kube_internal.h"

enum {
    SETTINGS_MAX_BYTES = 16 * 1024 * 1024, /* kubeconfig's tree included */
    CALL_MAX_BYTES = 8 * 1024 * 1024,    /* the request kept for a second try, the Status parsed */
    ANSWER_MAX_BYTES = 64 * 1024 * 1024, /* a page of a list */
    SECRET_MAX_BYTES = 2 * 1024 * 1024,  /* its data is at most 1 MiB */
    TOKEN_MAX_BYTES = 64 * 1024,
    CREDENTIAL_MAX_BYTES = 16 * 1024 * 1024, /* a plugin's answer and its tree */
    EXPIRY_MARGIN_MS = 10000,                /* a credential is not used up to its last moment */
    URL_MAX_BYTES = 16 * 1024,
    DEFAULT_TIMEOUT_MS = 10000,
    SECOND_MS = 1000,
};

struct kube {
    struct http_client *http;
    struct arena arena;
    struct kube_settings settings;
    struct buf token; /* "Bearer …" of the token file or the settings; empty: none */
    struct file_stamp token_stamp;
    struct arena credential; /* the plugin's certificate and key */
    bool credential_known;
    int64_t credential_expires_ms; /* Unix; 0: never */
    int64_t server_unix_ms;        /* what its last answer said, 0: nothing yet; */
    int64_t server_told_ms;        /* and when that was, on the loop's clock */
    struct kube_call *calls;
};

struct kube_call {
    struct kube *kube;
    struct kube_call *previous, *next;
    struct http_call *http;
    struct arena arena;
    struct kube_request request; /* kept in the arena */
    kube_done_fn *done;
    void *context;
    bool retried, delivering;
};

/* ---- token ---- */

static void token_set(struct buf *out, struct str token)
{
    buf_reset(out);
    buf_append(out, STR("Bearer "));
    buf_append(out, token);
}

/* Read the token file when it is not the one we know. An unreadable file leaves the token we have.
 */
static int token_refresh(struct kube *k, struct err *e)
{
    const char *path = k->settings.token_file;
    struct buf text;
    if (path == NULL || (!file_changed(path, &k->token_stamp) && k->token.len > 0)) {
        return 0;
    }
    buf_init(&text, TOKEN_MAX_BYTES);
    int result = file_read(path, &text, e);
    const struct str token = str_trim(buf_view(&text));
    if (result == 0 && token.len == 0) {
        result = err_set(e, ERR_DENIED, "%s: the token file is empty", path);
    }
    if (result == 0) {
        token_set(&k->token, token);
    } else {
        k->token_stamp = (struct file_stamp){.inode = 0};
        result = k->token.len > 0 ? 0 : result;
    }
    buf_wipe(&text);
    return result;
}

/* Run the plugin unless what it gave last is still good. */
static int credential_refresh(struct kube *k, struct err *e)
{
    struct exec_credential credential;
    bool expired = k->credential_expires_ms != 0 &&
                   loop_unix_ms() >= k->credential_expires_ms - EXPIRY_MARGIN_MS;
    if (k->settings.exec == NULL || (k->credential_known && !expired)) {
        return 0;
    }
    k->credential_known = false;
    k->settings.tls.cert_pem = k->settings.tls.key_pem = (struct str){NULL, 0};
    arena_reset(&k->credential);
    if (kube_exec_run(k->settings.exec, &k->credential, &credential, e) != 0) {
        return -1;
    }
    buf_reset(&k->token);
    if (credential.token.len > 0) {
        token_set(&k->token, credential.token);
    }
    k->settings.tls.cert_pem = credential.cert_pem;
    k->settings.tls.key_pem = credential.key_pem;
    k->credential_expires_ms = credential.expires_ms;
    k->credential_known = true;
    return buf_check(&k->token, e);
}

void kube_token_refused(struct kube *k)
{
    k->token_stamp = (struct file_stamp){.inode = 0};
    k->credential_known = false;
}

/* ---- one request ---- */

int kube_http(struct kube *k, const struct kube_request *r,
              int (*on_data)(void *context, struct str piece, struct err *e), http_done_fn *done,
              void *context, struct http_call **out, struct err *e)
{
    struct buf url;
    if (token_refresh(k, e) != 0 || credential_refresh(k, e) != 0) {
        return -1;
    }
    const struct http_header headers[] = {
        {STR("Accept"), STR("application/json")},
        {STR("Authorization"), buf_view(&k->token)},
    };
    buf_init(&url, URL_MAX_BYTES);
    buf_format(&url, "%s%s", k->settings.server, r->path);
    buf_append_char(&url, '\0');
    int result = buf_check(&url, e);
    if (result == 0) {
        const struct http_request request = {
            .method = r->method,
            .url = url.ptr,
            .body = r->body,
            .content_type =
                r->content_type == NULL && r->body.len > 0 ? "application/json" : r->content_type,
            .headers = headers,
            .header_count = k->token.len > 0 ? 2 : 1,
            .tls = k->settings.tls,
            .timeout_ms = r->timeout_ms > 0 ? r->timeout_ms : DEFAULT_TIMEOUT_MS,
            .max_body_bytes = r->secret ? SECRET_MAX_BYTES : ANSWER_MAX_BYTES,
            .secret_answer = r->secret,
            .secret_body = r->secret,
            .on_data = on_data,
            .warnings = r->warnings,
        };
        result = http_send(k->http, &request, done, context, out, e);
    }
    buf_free(&url);
    return result;
}

static void call_free(struct kube_call *call)
{
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        call->kube->calls = call->next;
    }
    if (call->request.secret) {
        arena_wipe(&call->arena);
    } else {
        arena_free(&call->arena);
    }
    free(call);
}

static void deliver(struct kube_call *call, int status, struct str body, const struct err *e)
{
    call->delivering = true;
    call->done(call->context, status, body, e);
    call_free(call);
}

/* It is told in whole seconds: what fits them is kept, and so becomes finer with each that begins.
 */
static void note_time(struct kube *k, const struct http_response *r)
{
    const int64_t believed_ms = kube_unix_ms(k);
    const bool fits =
        k->server_unix_ms > 0 && believed_ms >= r->date_ms && believed_ms < r->date_ms + SECOND_MS;
    if (r->date_ms > 0 && !fits) {
        k->server_unix_ms = r->date_ms;
        k->server_told_ms = loop_now_ms(kube_loop(k));
    }
}

static void call_done(void *context, const struct http_response *r, const struct err *e)
{
    struct kube_call *call = context;
    struct err failed = *e;
    call->http = NULL;
    note_time(call->kube, r);
    if (e->code == ERR_NONE && r->status == 401 && !call->retried &&
        (call->kube->settings.token_file != NULL || call->kube->settings.exec != NULL)) {
        call->retried = true;
        kube_token_refused(call->kube);
        if (kube_http(call->kube, &call->request, NULL, call_done, call, &call->http, &failed) ==
            0) {
            return;
        }
    } else if (e->code == ERR_NONE && (r->status < 200 || r->status > 299)) {
        (void)kube_status_err(r->status, r->body, &call->arena, &failed);
        failed.retry_after_ms = r->retry_after_ms;
    }
    deliver(call, r->status, failed.code == ERR_NONE ? r->body : (struct str){NULL, 0}, &failed);
}

/* Keep r in the call's own memory: a 401 may need it a second time. */
static int keep_request(struct kube_call *call, const struct kube_request *r, struct err *e)
{
    struct str method, path, content_type = {NULL, 0};
    call->request = *r;
    if (arena_str(&call->arena, str_from(r->method), &method, e) != 0 ||
        arena_str(&call->arena, str_from(r->path), &path, e) != 0 ||
        arena_str(&call->arena, r->body, &call->request.body, e) != 0 ||
        (r->content_type != NULL &&
         arena_str(&call->arena, str_from(r->content_type), &content_type, e) != 0)) {
        return -1;
    }
    call->request.method = method.ptr;
    call->request.path = path.ptr;
    call->request.content_type = content_type.ptr;
    return 0;
}

int kube_send(struct kube *k, const struct kube_request *r, kube_done_fn *done, void *context,
              struct kube_call **out, struct err *e)
{
    struct kube_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a request to the API server");
    }
    call->kube = k;
    call->done = done;
    call->context = context;
    call->next = k->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    k->calls = call;
    arena_init(&call->arena, CALL_MAX_BYTES);
    if (keep_request(call, r, e) != 0 ||
        kube_http(k, &call->request, NULL, call_done, call, &call->http, e) != 0) {
        call_free(call);
        return -1;
    }
    *out = call;
    return 0;
}

void kube_cancel(struct kube_call *call)
{
    if (call == NULL || call->delivering) {
        return;
    }
    http_cancel(call->http);
    call_free(call);
}

/* ---- the client ---- */

int kube_new(struct http_client *http, const struct kube_config *c, struct kube **out,
             struct err *e)
{
    struct kube *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the Kubernetes client");
    }
    k->http = http;
    arena_init(&k->arena, SETTINGS_MAX_BYTES);
    arena_init(&k->credential, CREDENTIAL_MAX_BYTES);
    buf_init(&k->token, TOKEN_MAX_BYTES + sizeof "Bearer ");
    if (kube_settings_load(c, &k->arena, &k->settings, e) != 0) {
        kube_free(k);
        return -1;
    }
    if (k->settings.token.len > 0 && k->settings.token_file == NULL) {
        token_set(&k->token, k->settings.token);
    }
    *out = k;
    return 0;
}

void kube_free(struct kube *k)
{
    if (k == NULL) {
        return;
    }
    for (struct kube_call *call = k->calls, *next; call != NULL; call = next) {
        next = call->next;
        kube_cancel(call);
    }
    buf_wipe(&k->token);
    arena_free(&k->credential);
    arena_free(&k->arena);
    free(k);
}

struct str kube_namespace(const struct kube *k)
{
    return k->settings.namespace_;
}

struct str kube_server(const struct kube *k)
{
    return str_from(k->settings.server);
}

struct loop *kube_loop(const struct kube *k)
{
    return http_loop(k->http);
}

int64_t kube_unix_ms(const struct kube *k)
{
    return k->server_unix_ms == 0
               ? loop_unix_ms()
               : k->server_unix_ms + loop_now_ms(kube_loop(k)) - k->server_told_ms;
}
