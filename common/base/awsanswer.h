/* What AWS's credential services answer, as one struct each: credentials, or a fault.
 *
 * STS: <AssumeRole…Response><AssumeRole…Result><Credentials>, and <ErrorResponse><Error> (or
 * <Error> alone). The container agents (EKS Pod Identity, ECS) and the instance's metadata service:
 * JSON, with Token for the session's. Sources: AWS STS API reference; Amazon EKS Pod Identity
 * agent, internal/…/credentials; AWS SDKs and Tools Reference Guide, "Container credential
 * provider", "IMDS credential provider".
 */
#ifndef AMPSCALE_BASE_AWSANSWER_H
#define AMPSCALE_BASE_AWSANSWER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { AWSANSWER_KEY_BYTES = 256, AWSANSWER_TOKEN_BYTES = 16384 };

/* Keys: printable ASCII without blanks, of bounded length. Views are in the body or the arena. */
struct aws_answer {
    struct str access_key, secret_key;
    struct str session_token; /* absent: none */
    int64_t expires_ms;       /* Unix; INT64_MAX: they do not expire */
};

/* `operation`: "AssumeRole" or "AssumeRoleWithWebIdentity". Errors: ERR_INVALID, naming what is
 * missing or malformed, never what was there; ERR_LIMIT; ERR_MEMORY. */
int awsanswer_sts(struct str body, struct str operation, struct arena *a, struct aws_answer *out,
                  struct err *e) __attribute__((warn_unused_result));
/* A JSON body with a Code other than "Success" is ERR_DENIED with that code and its message. */
int awsanswer_json(struct str body, struct arena *a, struct aws_answer *out, struct err *e)
    __attribute__((warn_unused_result));

/* Why a service refused. */
struct aws_fault {
    struct str code;    /* "AccessDenied"; absent: the body has none */
    struct str message; /* absent: none */
};

/* Out of an error's body: STS's XML, AWS's JSON (code or __type, message), else both absent. Views
 * are in the body or the arena, and hold whatever the sender wrote. */
struct aws_fault awsanswer_fault(struct str body, struct arena *a);

/* What a token (a JWT, signature unchecked) says of itself: for messages, as it is no secret. All
 * absent when it is none. */
struct aws_claims {
    struct str issuer, subject;
    struct str audience; /* the first one */
    int64_t expires_ms;  /* Unix; 0: it does not say */
};
struct aws_claims awsanswer_claims(struct str token, struct arena *a);

#endif
