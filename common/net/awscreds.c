#include "net/awscreds.h"

#include <stdlib.h>

struct aws_identity {
    void (*changed)(void *context);
    void *context;
};

/* Set and not empty, else absent. */
static struct str from_environment(const char *name)
{
    const struct str value = str_from(getenv(name));
    return value.len > 0 ? value : (struct str){NULL, 0};
}

int aws_identity_new(struct http_client *http, const struct aws_options *o,
                     struct aws_identity **out, struct err *e)
{
    (void)http;
    (void)o;
    struct aws_identity *i = calloc(1, sizeof *i);
    if (i == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for AWS credentials");
    }
    *out = i;
    return 0;
}

int aws_identity_get(struct aws_identity *i, struct aws_credentials *out, struct err *e)
{
    (void)i;
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

void aws_identity_on_change(struct aws_identity *i, void (*changed)(void *context), void *context)
{
    i->changed = changed;
    i->context = context;
}

void aws_identity_renew(struct aws_identity *i)
{
    (void)i;
}

void aws_identity_free(struct aws_identity *i)
{
    free(i);
}
