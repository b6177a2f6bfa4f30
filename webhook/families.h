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

/* Verdicts of reviews and of the policy are there from the start, as 0: the first of each is then
 * an increase. */
int webhook_metrics_new(const char *program, struct metrics **out, struct err *e)
    __attribute__((warn_unused_result));

#endif
