/* AWS credentials for signing: who the process is to AWS, kept fresh.
 *
 * An identity is one principal: what the chain below finds, or a role assumed on top of it. The
 * first provider that is configured is the one; when it fails the chain stops there, because to
 * fall through to another principal is the classic surprise.
 *
 *     --role-arn with --web-identity-token-file   AssumeRoleWithWebIdentity
 *     AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE (IRSA)
 *     AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (ECS), …_FULL_URI (EKS Pod Identity)
 *     AWS_PROFILE of AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE
 *     IMDSv2, only where asked for
 *
 * (A profile that AWS_PROFILE names and that has credential_source is asked first, as it builds on
 * the others.)
 *
 * Fetched in the background: from the moment it is made, and again ahead of the expiry; the old
 * credentials serve until they truly expire. Files of tokens are read anew each time. Nothing here
 * waits, and no text holds a secret; memory that held one is wiped.
 *
 * Sources: AWS SDKs and Tools Reference Guide, "Standardized credential providers"; AWS STS API
 * reference; Amazon EKS user guide, "IAM roles for service accounts", "EKS Pod Identity".
 */
#ifndef AMPSCALE_NET_AWSCREDS_H
#define AMPSCALE_NET_AWSCREDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http.h"

struct aws_credentials {
    struct str access_key, secret_key;
    struct str session_token; /* absent: none */
};

/* From the common flags (common_aws_options); texts are copied by aws_identity_new. */
struct aws_options {
    struct str region;   /* of STS; absent: AWS_REGION, AWS_DEFAULT_REGION, the profile's */
    struct str role_arn; /* absent: what the chain finds is used as it is */
    struct str web_identity_token_file; /* only with role_arn, which is then assumed with it */
    /* As CloudTrail shows it: what is not of [A-Za-z0-9_+=,.@-] becomes '-', cut at 64 bytes.
     * AWS_ROLE_SESSION_NAME wins over it. Absent: "ampscale". */
    struct str session_name;
    struct str sts_endpoint;  /* absent: AWS_ENDPOINT_URL_STS, else the region's own */
    const char *ca_file;      /* for STS: AWS_CA_BUNDLE wins over it; NULL: the system's store */
    bool imds;                /* ask the EC2 instance when nothing else is configured */
    const struct logger *log; /* must outlive the identity; NULL: silent */
};

/* ERR_INVALID, naming the flag, for an option that is none. */
int aws_options_check(const struct aws_options *o, struct err *e)
    __attribute__((warn_unused_result));

struct aws_identity;

/* Begins to fetch at once. Errors: as aws_options_check; ERR_MEMORY. What the environment lacks is
 * no error here: aws_identity_get tells it. The client must outlive the identity. */
int aws_identity_new(struct http_client *http, const struct aws_options *o,
                     struct aws_identity **out, struct err *e) __attribute__((warn_unused_result));

/* Another role for the same process, assumed with what `of` has beneath its own role; one that `of`
 * has already is `of` itself. Freed on its own, in any order. */
int aws_identity_for_role(struct aws_identity *of, struct str role_arn, struct aws_identity **out,
                          struct err *e) __attribute__((warn_unused_result));

/* What to sign with now; the views are good until the next turn of the loop. ERR_UNAVAILABLE while
 * the first are being fetched: on_change tells when to ask again. ERR_DENIED when that failed: the
 * text has provider, role, HTTP status, AWS's code and message, and the fix. It is tried again in
 * the background. */
int aws_identity_get(struct aws_identity *i, struct aws_credentials *out, struct err *e)
    __attribute__((warn_unused_result));

/* The loop's time from which aws_identity_get may say something new: 0: any moment now, as it is
 * being fetched; INT64_MAX: never. */
int64_t aws_identity_next_ms(const struct aws_identity *i);

/* Called from the loop when aws_identity_get has something new to say: credentials or a failure.
 * One listener; NULL: none. It may free the identity. */
void aws_identity_on_change(struct aws_identity *i, void (*changed)(void *context), void *context);

/* AWS refused the credentials: fetch anew. One fetch at a time, at most one a minute for this. */
void aws_identity_renew(struct aws_identity *i);

/* NULL is allowed. */
void aws_identity_free(struct aws_identity *i);

/* ---- for whoever sends what they sign ---- */

/* Whether an answer says that the credentials are no good any more (expired, unknown), as opposed
 * to not allowed: then renew. `error_type` is x-amzn-errortype or the code of the body. */
bool aws_refused_credentials(int status, struct str error_type);

/* When AWS refused the time of a signature (`error_type`, e->text) and its clock (`date_ms`, Unix,
 * 0: unknown) is minutes from ours (`now_ms`), append to e->text how far, and that this is why. */
void aws_explain_clock(struct str error_type, int64_t date_ms, int64_t now_ms, struct err *e);

#endif
