/* The webhook's metrics: one row a family, in families.c. */
#ifndef AMPSCALE_WEBHOOK_FAMILIES_H
#define AMPSCALE_WEBHOOK_FAMILIES_H

#include "net/metrics.h"

enum webhook_family {
    WEBHOOK_ADMISSIONS,         /* path, verdict */
    WEBHOOK_ADMISSION_DURATION, /* path */
    WEBHOOK_QUERY_DURATION,
    WEBHOOK_QUERY_ERRORS, /* reason: err_code_name */
    WEBHOOK_QUERY_CACHE,  /* result: hit, shared, miss */
    WEBHOOK_RESPONSES,    /* path, code */
    WEBHOOK_CERTIFICATE_EXPIRY,
    WEBHOOK_CERTIFICATE_ERRORS,
    WEBHOOK_CERTIFICATES_MADE,   /* kind: authority, certificate */
    WEBHOOK_CERTIFICATE_TRUSTED, /* configuration: mutating, validating */
    WEBHOOK_COLLECTORS,          /* outcome: collector_outcome */
    WEBHOOK_POLICY_VERDICTS,     /* rule, action: policy_outcome */
    WEBHOOK_FILE_LOADS,          /* file: policy, namespaces; result: loaded, refused */
    WEBHOOK_FILE_CURRENT,        /* file */
    WEBHOOK_FAMILY_COUNT,
};

extern const struct metric_family WEBHOOK_FAMILIES[WEBHOOK_FAMILY_COUNT];

#endif
