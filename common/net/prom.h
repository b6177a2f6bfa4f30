/* Prometheus / AMP query client: form POST to <base>/api/v1/query, signed for AMP.
 *
 * Credentials go only to the configured endpoint or workspace and to those the flags allow:
 * prom_resolve is the one place that says so, and only what it gave may be queried.
 */
#ifndef AMPSCALE_NET_PROM_H
#define AMPSCALE_NET_PROM_H

#include <stdbool.h>

#include "base/promresult.h"
#include "base/str.h"
#include "net/awscreds.h"
#include "net/http.h"

enum sigv4_mode { SIGV4_AUTO, SIGV4_ON, SIGV4_OFF };

/* Where queries go by default and where else they may go: from the common flags. Copied by
 * prom_new. */
struct prom_config {
    struct str endpoint;   /* base URL; absent when workspace is given */
    struct str workspace;  /* "ws-…" */
    struct str region;     /* --region, else AWS_REGION */
    enum sigv4_mode sigv4; /* AUTO: AMP's hosts (aps-workspaces.…) are signed, others are not */
    const char *ca_file;   /* NULL: the system's store */
    struct aws_options aws;
    const struct str *allow_endpoints;
    size_t allow_endpoint_count;
    const struct str *allow_workspaces;
    size_t allow_workspace_count;
};

struct prom;

/* ERR_INVALID, naming the flag: endpoint and workspace both, a URL or workspace that is none. */
int prom_new(struct http_client *http, const struct prom_config *c, struct prom **out,
             struct err *e) __attribute__((warn_unused_result));
/* Cancels its calls (callbacks are not called). Free the HTTP client after it. NULL is allowed. */
void prom_free(struct prom *p);

/* Base URL for a workload's endpoint/workspace/region annotations (all may be absent: the
 * configured one). Resolved into `out` (size ≥ 512). Errors: ERR_DENIED when it is neither the
 * configured nor an allowed one, naming it and the flag; ERR_INVALID when nothing is configured or
 * the region is unknown. */
int prom_resolve(const struct prom *p, struct str endpoint, struct str workspace, struct str region,
                 char *out, size_t size, struct err *e) __attribute__((warn_unused_result));

struct prom_call;

/* Called once, from the loop, never from inside prom_query; the call's pointer is dead when it
 * returns. e->code ERR_NONE: *result (views valid during the callback). Else as prom_result_parse
 * or http_done_fn, with http_status, retry_after_ms and AWS's error type in the text; all but
 * ERR_INVALID, which is PromQL's word on the query, name the place. */
typedef void prom_done_fn(void *context, const struct prom_result *result, const struct err *e);

/* Run `query` at the base URL that prom_resolve gave. Region for the signature: `region`, else the
 * AMP host's, else the configured. ERR_DENIED without credentials to sign with, naming what is
 * missing. */
int prom_query(struct prom *p, const char *base_url, struct str region, struct str query,
               int64_t timeout_ms, prom_done_fn *done, void *context, struct prom_call **out,
               struct err *e) __attribute__((warn_unused_result));
/* Give up: the callback will not be called. From anywhere. NULL is allowed. */
void prom_cancel(struct prom_call *call);

#endif
