#include "net/awscreds.h"

#include <stdlib.h>

/* Set and not empty, else absent. */
static struct str from_environment(const char *name)
{
    const struct str value = str_from(getenv(name));
    return value.len > 0 ? value : (struct str){NULL, 0};
}

int aws_credentials_get(struct aws_credentials *out, struct err *e)
{
    const struct aws_credentials c = {
        .access_key = from_environment("AWS_ACCESS_KEY_ID"),
        .secret_key = from_environment("AWS_SECRET_ACCESS_KEY"),
        .session_token = from_environment("AWS_SESSION_TOKEN"),
    };
    if (c.access_key.ptr == NULL || c.secret_key.ptr == NULL) {
        return err_set(e, ERR_DENIED, "no AWS credentials to sign with: %s%s%s not set",
                       c.access_key.ptr == NULL ? "AWS_ACCESS_KEY_ID" : "",
                       c.access_key.ptr == NULL && c.secret_key.ptr == NULL ? " and " : "",
                       c.secret_key.ptr == NULL ? "AWS_SECRET_ACCESS_KEY" : "");
    }
    *out = c;
    return 0;
}
