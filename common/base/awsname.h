/* Names in AWS: partitions with the hosts of their regional services, roles, sessions.
 *
 * Sources: botocore data/partitions.json and the endpoint rule sets of sts and amp; AMP user guide,
 * "Service endpoints and quotas"; AWS STS API reference, AssumeRole.
 */
#ifndef AMPSCALE_BASE_AWSNAME_H
#define AMPSCALE_BASE_AWSNAME_H

#include <stdbool.h>

#include "base/str.h"

enum { AWSNAME_HOST_BYTES = 256, AWSNAME_SESSION_BYTES = 65, AWSNAME_LABEL_MAX = 64 };

/* Which of a service's hosts. */
enum awsname_host_kind {
    AWSNAME_PLAIN = 0,
    AWSNAME_FIPS = 1 << 0,      /* AWS_USE_FIPS_ENDPOINT */
    AWSNAME_DUALSTACK = 1 << 1, /* AWS_USE_DUALSTACK_ENDPOINT: IPv4 and IPv6 */
};

/* Small letters, digits and '-', up to 64: a region or a workspace, as part of a URL. */
bool awsname_is_label(struct str text);

/* "sts.eu-central-1.amazonaws.com" for "sts"; the partition is the region's, `kind` a set of bits.
 * The region must be one. */
struct str awsname_host(struct str service, struct str region, unsigned kind,
                        char out[AWSNAME_HOST_BYTES]);

/* The region in such a host of any kind; absent when the host is not the service's. */
struct str awsname_region_of(struct str host, struct str service);

/* arn:PARTITION:iam::ACCOUNT:role/NAME. */
bool awsname_is_role(struct str arn);

/* A RoleSessionName: what is not of [A-Za-z0-9_+=,.@-] becomes '-', cut at 64 bytes; "ampscale"
 * when it has fewer than the two that STS wants. */
struct str awsname_session(struct str wanted, char out[AWSNAME_SESSION_BYTES]);

#endif
