/* Where a query may go, and as whom. */
#include "net/prom.h"

#include <stdlib.h>
#include <string.h>

#include "base/awsname.h"
#include "net/prom_internal.h"

enum { SETTINGS_MAX_BYTES = 1024 * 1024, SHOWN_BYTES = 200 };

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

/* What is the asker's own, in full. */
struct own {
    struct str whose, endpoint, workspace, region, role_arn;
    char url[PROM_URL_BYTES]; /* under `endpoint`, where that is not the configured */
};

static int own_of(const struct prom *p, const struct prom_own *given, struct own *out,
                  struct err *e)
{
    out->whose = STR("the configured one");
    out->endpoint = p->endpoint;
    out->workspace = p->workspace;
    out->region = p->region;
    out->role_arn = p->aws.role_arn;
    if (given == NULL) {
        return 0;
    }
    out->whose = given->whose;
    if (given->endpoint.len > 0 || given->workspace.len > 0) {
        out->endpoint = (struct str){NULL, 0};
        out->workspace = given->workspace;
    }
    if (given->endpoint.len > 0) {
        if (prom_url_normal(given->endpoint, out->url, e) != 0) {
            return err_prefix(e, "endpoint of %.*s", STR_ARG(given->whose));
        }
        out->endpoint = str_from(out->url);
    }
    out->region = given->region.len > 0 ? given->region : out->region;
    out->role_arn = given->role_arn.len > 0 ? given->role_arn : out->role_arn;
    return 0;
}

static bool is_allowed_endpoint(const struct prom *p, const struct own *own, struct str url)
{
    return (own->endpoint.len > 0 && str_eq(own->endpoint, url)) ||
           is_in(p->allow_endpoints, p->allow_endpoint_count, url);
}

static bool is_allowed_workspace(const struct prom *p, const struct own *own, struct str workspace)
{
    return workspace.len > 0 && (str_eq(own->workspace, workspace) ||
                                 is_in(p->allow_workspaces, p->allow_workspace_count, workspace));
}

static int resolve_workspace(const struct prom *p, const struct own *own, struct str workspace,
                             struct str region, char out[PROM_URL_BYTES], struct err *e)
{
    const struct str place = region.len > 0 ? region : own->region;
    if (place.len == 0) {
        return err_set(
            e, ERR_INVALID,
            "workspace \"%.*s\": its region is not known: set scale.amp/region or --region",
            STR_ARG(workspace));
    }
    if (prom_url_of_workspace(workspace, place, out, e) != 0) {
        return -1;
    }
    if (!is_allowed_workspace(p, own, workspace) && !is_allowed_endpoint(p, own, str_from(out))) {
        return err_set(e, ERR_DENIED,
                       "workspace %.*s: neither %.*s nor listed by --allow-workspace",
                       STR_ARG(workspace), STR_ARG(own->whose));
    }
    return 0;
}

static int resolve_endpoint(const struct prom *p, const struct own *own, struct str endpoint,
                            char out[PROM_URL_BYTES], struct err *e)
{
    if (prom_url_normal(endpoint, out, e) != 0) {
        return err_prefix(e, "endpoint");
    }
    const struct str url = str_from(out);
    if (!is_allowed_endpoint(p, own, url) &&
        !is_allowed_workspace(p, own, prom_url_amp_workspace(url))) {
        return err_set(e, ERR_DENIED, "endpoint %s: neither %.*s nor listed by --allow-endpoint",
                       out, STR_ARG(own->whose));
    }
    return 0;
}

static int resolve(const struct prom *p, const struct own *own, const struct prom_wanted *wanted,
                   char out[PROM_URL_BYTES], struct err *e)
{
    if (wanted->endpoint.len > 0 && wanted->workspace.len > 0) {
        return err_set(e, ERR_INVALID, "endpoint and workspace exclude each other");
    }
    if (wanted->endpoint.len > 0) {
        return resolve_endpoint(p, own, wanted->endpoint, out, e);
    }
    if (wanted->workspace.len > 0 || own->workspace.len > 0) {
        const bool named = wanted->workspace.len > 0;
        return resolve_workspace(p, own, named ? wanted->workspace : own->workspace, wanted->region,
                                 out, e);
    }
    if (own->endpoint.len == 0) {
        return err_set(e, ERR_INVALID, "nowhere to query: set --endpoint or --workspace");
    }
    memcpy(out, own->endpoint.ptr, own->endpoint.len);
    out[own->endpoint.len] = '\0';
    return 0;
}

static bool allows_role(const struct prom *p, const struct own *own, struct str role_arn)
{
    return role_arn.len == 0 || str_eq(role_arn, own->role_arn) ||
           is_in(p->allow_roles, p->allow_role_count, role_arn);
}

bool prom_allows_role(const struct prom *p, const struct prom_wanted *wanted)
{
    struct own own;
    struct err ignored = ERR_INIT;
    return own_of(p, wanted->own, &own, &ignored) == 0 && allows_role(p, &own, wanted->role_arn);
}

int prom_resolve(const struct prom *p, const struct prom_wanted *wanted, struct prom_place *out,
                 struct err *e)
{
    char url[PROM_URL_BYTES];
    struct own own;
    if (own_of(p, wanted->own, &own, e) != 0) {
        return -1;
    }
    if (!allows_role(p, &own, wanted->role_arn)) {
        return err_set(e, ERR_DENIED, "role %.*s: neither %.*s nor listed by --allow-role",
                       STR_ARG(str_slice(wanted->role_arn, 0, SHOWN_BYTES)), STR_ARG(own.whose));
    }
    if (resolve(p, &own, wanted, url, e) != 0) {
        return -1;
    }
    *out = (struct prom_place){.region = wanted->region};
    if (wanted->region.len == 0 && wanted->own != NULL && str_eq(str_from(url), own.endpoint)) {
        out->region = wanted->own->region;
    }
    const struct str role = wanted->role_arn.len > 0 ? wanted->role_arn : own.role_arn;
    out->role_arn = str_eq(role, p->aws.role_arn) ? (struct str){NULL, 0} : role;
    memcpy(out->url, url, strlen(url) + 1);
    return 0;
}

bool prom_place_eq(const struct prom_place *a, const struct prom_place *b)
{
    return strcmp(a->url, b->url) == 0 && str_eq(a->region, b->region) &&
           str_eq(a->role_arn, b->role_arn);
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

static int copy_settings(struct prom *p, const struct prom_config *c, struct err *e)
{
    const struct str texts[] = {c->endpoint,
                                c->workspace,
                                c->region,
                                str_from(c->ca_file),
                                c->aws.region,
                                c->aws.role_arn,
                                c->aws.web_identity_token_file,
                                c->aws.session_name,
                                c->aws.sts_endpoint,
                                str_from(c->aws.ca_file)};
    struct str *kept = NULL;
    if (copy_list(p, texts, sizeof texts / sizeof texts[0], &kept, e) != 0 ||
        copy_list(p, c->allow_endpoints, c->allow_endpoint_count, &p->allow_endpoints, e) != 0 ||
        copy_list(p, c->allow_workspaces, c->allow_workspace_count, &p->allow_workspaces, e) != 0 ||
        copy_list(p, c->allow_roles, c->allow_role_count, &p->allow_roles, e) != 0) {
        return -1;
    }
    p->endpoint = kept[0];
    p->workspace = kept[1];
    p->region = kept[2];
    p->ca_file = c->ca_file != NULL ? kept[3].ptr : NULL;
    p->aws = (struct aws_options){.region = kept[4],
                                  .role_arn = kept[5],
                                  .web_identity_token_file = kept[6],
                                  .session_name = kept[7],
                                  .sts_endpoint = kept[8],
                                  .ca_file = c->aws.ca_file != NULL ? kept[9].ptr : NULL,
                                  .imds = c->aws.imds,
                                  .log = c->aws.log};
    p->sigv4 = c->sigv4;
    p->allow_endpoint_count = c->allow_endpoint_count;
    p->allow_workspace_count = c->allow_workspace_count;
    p->allow_role_count = c->allow_role_count;
    return 0;
}

static int check_settings(struct prom *p, struct err *e)
{
    if (p->endpoint.len > 0 && p->workspace.len > 0) {
        return err_set(e, ERR_INVALID, "--endpoint and --workspace exclude each other");
    }
    if (aws_options_check(&p->aws, e) != 0 ||
        (p->endpoint.len > 0 && normalise(p, &p->endpoint, "--endpoint", e) != 0) ||
        (p->workspace.len > 0 && check_workspace(p->workspace, "--workspace", e) != 0)) {
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
    for (size_t i = 0; i < p->allow_role_count; i++) {
        if (!awsname_is_role(p->allow_roles[i])) {
            return err_set(e, ERR_INVALID,
                           "--allow-role \"%.*s\": expected arn:aws:iam::ACCOUNT:role/NAME",
                           STR_ARG(str_slice(p->allow_roles[i], 0, SHOWN_BYTES)));
        }
    }
    return 0;
}

/* The credentials for the configured place are there, or on their way, before the first query. */
static int prefetch(struct prom *p, struct err *e)
{
    struct prom_place place;
    struct prom_signer *signer;
    struct err unset = ERR_INIT;
    if (prom_resolve(p, &(struct prom_wanted){.endpoint = {NULL, 0}}, &place, &unset) != 0 ||
        !prom_must_sign(p, str_from(place.url))) {
        return 0;
    }
    if (prom_signer_get(p, str_from(place.url), place.role_arn, &signer, e) != 0) {
        return -1;
    }
    prom_signer_leave(p, signer);
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
    if (copy_settings(p, c, e) != 0 || check_settings(p, e) != 0 || prefetch(p, e) != 0) {
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
    prom_calls_cancel(p);
    prom_signers_free(p);
    arena_free(&p->arena);
    free(p);
}
