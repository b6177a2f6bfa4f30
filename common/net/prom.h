/* Prometheus / AMP query client: form POST to <base>/api/v1/query, signed for AMP.
 *
 * Credentials go only to the configured endpoint or workspace and to those the flags allow, and
 * only the configured role and those the flags allow are assumed: prom_resolve is the one place
 * that says so, and only what it gave may be queried.
 */
#ifndef AMPSCALE_NET_PROM_H
#define AMPSCALE_NET_PROM_H

#include <stdbool.h>

#include "base/promresult.h"
#include "base/str.h"
#include "net/awscreds.h"
#include "net/http.h"
#include "net/prom_url.h"

enum sigv4_mode { SIGV4_AUTO, SIGV4_ON, SIGV4_OFF };

/* Where queries go by default and where else they may go: from the common flags. Copied by
 * prom_new. */
struct prom_config {
    struct str endpoint;    /* base URL; absent when workspace is given */
    struct str workspace;   /* "ws-…" */
    struct str region;      /* --region, else AWS_REGION, else AWS_DEFAULT_REGION */
    enum sigv4_mode sigv4;  /* AUTO: AMP's hosts (aps-workspaces.…) are signed, others are not */
    const char *ca_file;    /* NULL: the system's store */
    struct aws_options aws; /* aws.role_arn: the configured role */
    const struct str *allow_endpoints;
    size_t allow_endpoint_count;
    const struct str *allow_workspaces;
    size_t allow_workspace_count;
    const struct str *allow_roles;
    size_t allow_role_count;
};

struct prom;

/* ERR_INVALID, naming the flag: endpoint and workspace both, a URL, workspace or role that is none.
 * Where the configured place is signed for, credentials begin to be fetched. */
int prom_new(struct http_client *http, const struct prom_config *c, struct prom **out,
             struct err *e) __attribute__((warn_unused_result));
/* Cancels its calls (callbacks are not called). Free the HTTP client after it. NULL is allowed. */
void prom_free(struct prom *p);

/* What stands in place of the configured for some askers; absent: as configured. */
struct prom_own {
    struct str whose; /* for messages: "namespace shop's own" */
    struct str endpoint, workspace, region, role_arn;
};

/* What a workload's annotations say of where to query and as whom; absent: as is its own. */
struct prom_wanted {
    struct str endpoint, workspace, region, role_arn;
    const struct prom_own *own; /* NULL: the configured */
};

/* Where to query, as whom. Queries are the same only where all three are. Region and role are views
 * of what was wanted (or its own), absent where that is what is configured. */
struct prom_place {
    char url[PROM_URL_BYTES];
    struct str region, role_arn;
};

bool prom_place_eq(const struct prom_place *a, const struct prom_place *b);

/* Errors: ERR_DENIED when the role, or the place, is neither the asker's own nor an allowed one,
 * naming it and the flag; ERR_INVALID when nothing is configured or the region is unknown. */
bool prom_allows_role(const struct prom *p, const struct prom_wanted *wanted); /* absent: yes */
int prom_resolve(const struct prom *p, const struct prom_wanted *wanted, struct prom_place *out,
                 struct err *e) __attribute__((warn_unused_result));

struct prom_call;

/* Called once, from the loop, never from inside prom_query; the call's pointer is dead when it
 * returns. e->code ERR_NONE: *result (views valid during the callback). Else as prom_result_parse
 * or http_done_fn, with http_status, retry_after_ms and AWS's error type in the text; all but
 * ERR_INVALID, which is PromQL's word on the query, and what is wrong with credentials name the
 * place. */
typedef void prom_done_fn(void *context, const struct prom_result *result, const struct err *e);

/* Run `query` at the place that prom_resolve gave. Region for the signature: the place's, else the
 * AMP host's, else the configured. While credentials are being fetched the query waits for them,
 * within its time; ERR_DENIED, naming what is wrong with them, when they cannot be had. */
int prom_query(struct prom *p, const struct prom_place *place, struct str query, int64_t timeout_ms,
               prom_done_fn *done, void *context, struct prom_call **out, struct err *e)
    __attribute__((warn_unused_result));
/* Give up: the callback will not be called. From anywhere. NULL is allowed. */
void prom_cancel(struct prom_call *call);

#endif
