/* Where a query may go, and the query. */
#include "net/prom.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/awscreds.h"
#include "net/prom_url.h"

enum {
    SETTINGS_MAX_BYTES = 1024 * 1024,
    /* One series is what we want; this has room for thousands, so that they can be counted. */
    ANSWER_MAX_BYTES = 1024 * 1024,
    CALL_MAX_BYTES = 64 * 1024 * 1024, /* the tree of such an answer, at worst */
    FORM_MAX_BYTES = 1024 * 1024,
};

struct prom {
    struct http_client *http;
    struct arena arena;
    struct str endpoint; /* normal form; absent: none */
    struct str workspace, region;
    enum sigv4_mode sigv4;
    const char *ca_file;
    struct aws_identity *identity;
    struct str *allow_endpoints; /* normal form */
    size_t allow_endpoint_count;
    struct str *allow_workspaces;
    size_t allow_workspace_count;
    struct prom_call *calls;
};

struct prom_call {
    struct prom *prom;
    struct prom_call *previous, *next;
    struct http_call *http;
    struct arena arena;
    char base_url[PROM_URL_BYTES];
    prom_done_fn *done;
    void *context;
    bool delivering;
};

/* ---- where to ---- */

static bool is_in(const struct str *list, size_t count, struct str s)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(list[i], s)) {
            return true;
        }
    }
    return false;
}

static bool is_allowed_endpoint(const struct prom *p, struct str url)
{
    return (p->endpoint.len > 0 && str_eq(p->endpoint, url)) ||
           is_in(p->allow_endpoints, p->allow_endpoint_count, url);
}

static bool is_allowed_workspace(const struct prom *p, struct str workspace)
{
    return workspace.len > 0 && (str_eq(p->workspace, workspace) ||
                                 is_in(p->allow_workspaces, p->allow_workspace_count, workspace));
}

static int resolve_workspace(const struct prom *p, struct str workspace, struct str region,
                             char out[PROM_URL_BYTES], struct err *e)
{
    const struct str place = region.len > 0 ? region : p->region;
    if (place.len == 0) {
        return err_set(
            e, ERR_INVALID,
            "workspace \"%.*s\": its region is not known: set scale.amp/region or --region",
            STR_ARG(workspace));
    }
    if (prom_url_of_workspace(workspace, place, out, e) != 0) {
        return -1;
    }
    if (!is_allowed_workspace(p, workspace) && !is_allowed_endpoint(p, str_from(out))) {
        return err_set(e, ERR_DENIED,
                       "workspace %.*s: neither the configured one nor listed by --allow-workspace",
                       STR_ARG(workspace));
    }
    return 0;
}

static int resolve_endpoint(const struct prom *p, struct str endpoint, char out[PROM_URL_BYTES],
                            struct err *e)
{
    if (prom_url_normal(endpoint, out, e) != 0) {
        return err_prefix(e, "endpoint");
    }
    const struct str url = str_from(out);
    if (!is_allowed_endpoint(p, url) && !is_allowed_workspace(p, prom_url_amp_workspace(url))) {
        return err_set(e, ERR_DENIED,
                       "endpoint %s: neither the configured one nor listed by --allow-endpoint",
                       out);
    }
    return 0;
}

static int resolve(const struct prom *p, struct str endpoint, struct str workspace,
                   struct str region, char out[PROM_URL_BYTES], struct err *e)
{
    if (endpoint.len > 0 && workspace.len > 0) {
        return err_set(e, ERR_INVALID, "endpoint and workspace exclude each other");
    }
    if (endpoint.len > 0) {
        return resolve_endpoint(p, endpoint, out, e);
    }
    if (workspace.len > 0 || p->workspace.len > 0) {
        return resolve_workspace(p, workspace.len > 0 ? workspace : p->workspace, region, out, e);
    }
    if (p->endpoint.len == 0) {
        return err_set(e, ERR_INVALID, "nowhere to query: set --endpoint or --workspace");
    }
    memcpy(out, p->endpoint.ptr, p->endpoint.len);
    out[p->endpoint.len] = '\0';
    return 0;
}

int prom_resolve(const struct prom *p, struct str endpoint, struct str workspace, struct str region,
                 char *out, size_t size, struct err *e)
{
    char url[PROM_URL_BYTES];
    if (resolve(p, endpoint, workspace, region, url, e) != 0) {
        return -1;
    }
    if (strlen(url) >= size) {
        return err_set(e, ERR_LIMIT, "endpoint %s: longer than %zu bytes", url, size);
    }
    memcpy(out, url, strlen(url) + 1);
    return 0;
}

/* ---- the answer ---- */

static void call_free(struct prom_call *call)
{
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        call->prom->calls = call->next;
    }
    arena_free(&call->arena);
    free(call);
}

/* What PromQL says is about the query; all else is about the place it was sent to, which is named.
 */
static void explain(const struct prom_call *call, const struct http_response *r, struct err *e)
{
    const size_t len = strlen(e->text);
    e->retry_after_ms = r->retry_after_ms;
    if (r->error_type.len > 0 &&
        memmem(e->text, len, r->error_type.ptr, r->error_type.len) == NULL) {
        struct err plain = *e;
        (void)err_set(e, plain.code, "%s (%.*s)", plain.text, STR_ARG(r->error_type));
        e->http_status = plain.http_status;
        e->retry_after_ms = plain.retry_after_ms;
    }
    if (e->code != ERR_INVALID) {
        (void)err_prefix(e, "%s", call->base_url);
    }
}

static void call_done(void *context, const struct http_response *r, const struct err *failed)
{
    struct prom_call *call = context;
    struct prom_result result = {.outcome = PROM_EMPTY};
    struct err e = *failed;
    call->http = NULL;
    call->delivering = true;
    if (e.code == ERR_LIMIT) {
        (void)err_set(&e, ERR_INVALID,
                      "the answer is larger than %d bytes: far more than one series; wrap the "
                      "query in sum(…)",
                      ANSWER_MAX_BYTES);
    } else if (e.code == ERR_NONE &&
               prom_result_parse(r->status, r->body, &call->arena, &result, &e) != 0) {
        explain(call, r, &e);
    }
    call->done(call->context, &result, &e);
    call_free(call);
}

/* ---- the query ---- */

/* Region for signatures: named → AMP host → configured. */
static int fill_sigv4(const struct prom *p, struct str base_url, struct str region,
                      struct http_sigv4 *out, struct err *e)
{
    struct aws_credentials c;
    const struct str of_host = prom_url_amp_region(base_url);
    struct str place = region.len > 0 ? region : of_host;
    place = place.len > 0 ? place : p->region;
    if (place.len == 0) {
        return err_set(e, ERR_INVALID,
                       "the region to sign for is not known: set scale.amp/region or --region");
    }
    if (aws_identity_get(p->identity, &c, e) != 0) {
        return -1;
    }
    *out = (struct http_sigv4){.access_key = c.access_key,
                               .secret_key = c.secret_key,
                               .session_token = c.session_token,
                               .region = place,
                               .service = STR("aps")};
    return 0;
}

static bool must_sign(const struct prom *p, struct str base_url)
{
    switch (p->sigv4) {
    case SIGV4_AUTO: return prom_url_amp_region(base_url).len > 0;
    case SIGV4_ON: return true;
    case SIGV4_OFF: return false;
    }
    return false;
}

static int call_send(struct prom_call *call, struct str region, struct str query,
                     int64_t timeout_ms, struct err *e)
{
    struct prom *p = call->prom;
    struct http_sigv4 sign;
    struct buf url, form;
    const struct str base_url = str_from(call->base_url);
    const bool signed_ = must_sign(p, base_url);
    if (signed_ && fill_sigv4(p, base_url, region, &sign, e) != 0) {
        return -1;
    }
    buf_init(&url, PROM_URL_BYTES + sizeof "/api/v1/query");
    buf_init(&form, FORM_MAX_BYTES);
    buf_format(&url, "%s/api/v1/query", call->base_url);
    buf_append_char(&url, '\0');
    http_form_add(&form, STR("query"), query);
    int result = buf_check(&url, e) != 0 || buf_check(&form, e) != 0 ? -1 : 0;
    if (result == 0) {
        const struct http_request r = {.method = "POST",
                                       .url = url.ptr,
                                       .body = buf_view(&form),
                                       .content_type = "application/x-www-form-urlencoded",
                                       .tls = {.ca_file = p->ca_file, .trust_hint = "--ca-file"},
                                       .sigv4 = signed_ ? &sign : NULL,
                                       .timeout_ms = timeout_ms,
                                       .max_body_bytes = ANSWER_MAX_BYTES};
        result = http_send(p->http, &r, call_done, call, &call->http, e);
    }
    buf_free(&url);
    buf_free(&form);
    return result;
}

int prom_query(struct prom *p, const char *base_url, struct str region, struct str query,
               int64_t timeout_ms, prom_done_fn *done, void *context, struct prom_call **out,
               struct err *e)
{
    if (strlen(base_url) >= PROM_URL_BYTES) {
        return err_set(e, ERR_LIMIT, "the base URL is longer than %d bytes", PROM_URL_BYTES - 1);
    }
    struct prom_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    call->prom = p;
    call->done = done;
    call->context = context;
    memcpy(call->base_url, base_url, strlen(base_url));
    arena_init(&call->arena, CALL_MAX_BYTES);
    call->next = p->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    p->calls = call;
    if (call_send(call, region, query, timeout_ms, e) != 0) {
        call_free(call);
        return -1;
    }
    *out = call;
    return 0;
}

void prom_cancel(struct prom_call *call)
{
    if (call == NULL || call->delivering) {
        return;
    }
    http_cancel(call->http);
    call_free(call);
}

/* ---- the client ---- */

static int copy_list(struct prom *p, const struct str *from, size_t count, struct str **out,
                     struct err *e)
{
    struct str *list = arena_array(&p->arena, count, sizeof *list);
    if (list == NULL) {
        return arena_err(&p->arena, e);
    }
    for (size_t i = 0; i < count; i++) {
        if (arena_str(&p->arena, from[i], &list[i], e) != 0) {
            return -1;
        }
    }
    *out = list;
    return 0;
}

/* Bring an endpoint to its normal form, in the client's memory. */
static int normalise(struct prom *p, struct str *url, const char *flag, struct err *e)
{
    char text[PROM_URL_BYTES];
    if (prom_url_normal(*url, text, e) != 0) {
        return err_prefix(e, "%s", flag);
    }
    return arena_str(&p->arena, str_from(text), url, e);
}

static int check_workspace(struct str workspace, const char *flag, struct err *e)
{
    char url[PROM_URL_BYTES];
    if (prom_url_of_workspace(workspace, STR("any-region"), url, e) != 0) {
        return err_prefix(e, "%s", flag);
    }
    return 0;
}

static int configure(struct prom *p, const struct prom_config *c, struct err *e)
{
    struct str one[] = {c->endpoint, c->workspace, c->region, str_from(c->ca_file)};
    struct str *kept = NULL;
    if (c->endpoint.len > 0 && c->workspace.len > 0) {
        return err_set(e, ERR_INVALID, "--endpoint and --workspace exclude each other");
    }
    if (copy_list(p, one, sizeof one / sizeof one[0], &kept, e) != 0 ||
        copy_list(p, c->allow_endpoints, c->allow_endpoint_count, &p->allow_endpoints, e) != 0 ||
        copy_list(p, c->allow_workspaces, c->allow_workspace_count, &p->allow_workspaces, e) != 0) {
        return -1;
    }
    p->endpoint = kept[0];
    p->workspace = kept[1];
    p->region = kept[2];
    p->ca_file = c->ca_file != NULL ? kept[3].ptr : NULL;
    p->sigv4 = c->sigv4;
    p->allow_endpoint_count = c->allow_endpoint_count;
    p->allow_workspace_count = c->allow_workspace_count;
    if ((c->endpoint.len > 0 && normalise(p, &p->endpoint, "--endpoint", e) != 0) ||
        (c->workspace.len > 0 && check_workspace(p->workspace, "--workspace", e) != 0)) {
        return -1;
    }
    for (size_t i = 0; i < p->allow_endpoint_count; i++) {
        if (normalise(p, &p->allow_endpoints[i], "--allow-endpoint", e) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < p->allow_workspace_count; i++) {
        if (check_workspace(p->allow_workspaces[i], "--allow-workspace", e) != 0) {
            return -1;
        }
    }
    return 0;
}

int prom_new(struct http_client *http, const struct prom_config *c, struct prom **out,
             struct err *e)
{
    struct prom *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the query client");
    }
    p->http = http;
    arena_init(&p->arena, SETTINGS_MAX_BYTES);
    if (configure(p, c, e) != 0 || aws_identity_new(http, &c->aws, &p->identity, e) != 0) {
        prom_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

void prom_free(struct prom *p)
{
    if (p == NULL) {
        return;
    }
    for (struct prom_call *call = p->calls, *next; call != NULL; call = next) {
        next = call->next;
        prom_cancel(call);
    }
    aws_identity_free(p->identity);
    arena_free(&p->arena);
    free(p);
}
