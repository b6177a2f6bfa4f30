/* Base URLs of Prometheus-compatible endpoints: one spelling each, so that they can be compared,
 * and what AMP's say of themselves.
 *
 * AMP: https://aps-workspaces.<region>.amazonaws.com/workspaces/<workspace>, also
 * aps-workspaces-fips, the dual-stack api.aws, and the hosts of other partitions
 * (base/awsname.h). Source: AMP user guide, "Service endpoints and quotas".
 */
#ifndef AMPSCALE_NET_PROM_URL_H
#define AMPSCALE_NET_PROM_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { PROM_URL_BYTES = 512 }; /* room for any base URL, with the NUL */

/* scheme://host[:port][/path] in lower case up to the path, without the default port and trailing
 * '/'. ERR_INVALID when it is no http(s) URL, has user info, a query or a fragment, ends in
 * /api/v1…, is plain http to AMP, or is too long; the text names the URL (without user info) and
 * what is wrong. */
int prom_url_normal(struct str url, char out[PROM_URL_BYTES], struct err *e)
    __attribute__((warn_unused_result));

/* The region in an AMP base URL's host (normal form); absent when the host is not AMP's. */
struct str prom_url_amp_region(struct str url);
/* The workspace of an AMP base URL (normal form) whose path is exactly /workspaces/<workspace>. */
struct str prom_url_amp_workspace(struct str url);

/* The base URL of a workspace, at the FIPS or dual-stack host where AWS_USE_FIPS_ENDPOINT or
 * AWS_USE_DUALSTACK_ENDPOINT is true. ERR_INVALID when either is not of the form of one. */
int prom_url_of_workspace(struct str workspace, struct str region, char out[PROM_URL_BYTES],
                          struct err *e) __attribute__((warn_unused_result));

#endif
