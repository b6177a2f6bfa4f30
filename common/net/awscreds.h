/* AWS credentials for signing.
 *
 * Now: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment. Getting
 * never waits: a source that has to fetch keeps itself fresh and says here what it has.
 */
#ifndef AMPSCALE_NET_AWSCREDS_H
#define AMPSCALE_NET_AWSCREDS_H

#include "base/err.h"
#include "base/str.h"

struct aws_credentials {
    struct str access_key, secret_key;
    struct str session_token; /* absent: none */
};

/* The credentials to sign with now; the views are good until the next turn of the loop. ERR_DENIED
 * names what is missing. */
int aws_credentials_get(struct aws_credentials *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
