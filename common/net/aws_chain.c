/* Which provider: the first that the environment configures. */
#include <stdlib.h>

#include "base/awsname.h"
#include "base/fmt.h"
#include "net/aws_internal.h"

struct str aws_env(const char *name)
{
    const struct str value = str_from(getenv(name));
    return value.len > 0 ? value : (struct str){NULL, 0};
}

bool aws_env_true(const char *name)
{
    return str_eq_nocase(aws_env(name), STR("true"));
}

/* ---- static keys of the environment ---- */

static int look_environment(struct aws_credentials *out, struct err *e)
{
    const struct aws_credentials c = {
        .access_key = aws_env("AWS_ACCESS_KEY_ID"),
        .secret_key = aws_env("AWS_SECRET_ACCESS_KEY"),
        .session_token = aws_env("AWS_SESSION_TOKEN"),
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

const struct aws_provider AWS_ENVIRONMENT = {.name = "environment", .look = look_environment};

/* ---- none ---- */

const struct aws_provider AWS_NOTHING = {.name = "none"};

struct aws_identity *aws_nothing(struct aws_setup *s, const struct err *e)
{
    struct aws_identity *i = aws_identity_make(s, &AWS_NOTHING);
    if (i != NULL) {
        i->error = *e;
        i->error.code = ERR_DENIED;
        i->failures = 1;
        if (s->log != NULL) {
            LOG_AT(s->log, LOG_ERROR, "there are no AWS credentials", F_ERR(e));
        }
    }
    return i;
}

/* ---- web identity ---- */

static struct aws_identity *web_identity(struct aws_setup *s)
{
    const struct str role = aws_env("AWS_ROLE_ARN");
    const struct str file = aws_env("AWS_WEB_IDENTITY_TOKEN_FILE");
    struct err e = ERR_INIT;
    if (role.len == 0 || file.len == 0) {
        (void)err_set(&e, ERR_DENIED,
                      "AWS credentials (web identity): %s is set and %s is not: IRSA sets both",
                      role.len > 0 ? "AWS_ROLE_ARN" : "AWS_WEB_IDENTITY_TOKEN_FILE",
                      role.len > 0 ? "AWS_WEB_IDENTITY_TOKEN_FILE" : "AWS_ROLE_ARN");
        return aws_nothing(s, &e);
    }
    if (!awsname_is_role(role)) {
        (void)err_set(&e, ERR_DENIED,
                      "AWS credentials (web identity): AWS_ROLE_ARN \"%.*s\": expected "
                      "arn:aws:iam::ACCOUNT:role/NAME, as the ServiceAccount's annotation "
                      "eks.amazonaws.com/role-arn has it",
                      STR_ARG(str_slice(role, 0, 200)));
        return aws_nothing(s, &e);
    }
    struct aws_identity *i = aws_identity_make(s, &AWS_WEB_IDENTITY);
    if (i != NULL && (arena_str(&i->texts, role, &i->role_arn, &e) != 0 ||
                      arena_str(&i->texts, file, &i->token_file, &e) != 0)) {
        aws_identity_free(i);
        return NULL;
    }
    return i;
}

/* ---- container ---- */

bool aws_chain_has_container(void)
{
    return aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").len > 0 ||
           aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI").len > 0;
}

struct aws_identity *aws_chain_container(struct aws_setup *s)
{
    char url[AWS_URL_BYTES];
    struct err e = ERR_INIT;
    const struct str relative = aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const struct str full = aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const struct str written =
        relative.len > 0 ? fmt(url, sizeof url, "http://169.254.170.2%.*s", STR_ARG(relative))
                         : fmt(url, sizeof url, "%.*s", STR_ARG(full));
    const char *wrong = aws_container_url_wrong(url);
    if (written.len + 1 >= sizeof url) {
        wrong = "too long";
    }
    if (wrong != NULL) {
        (void)err_set(&e, ERR_DENIED, "AWS credentials (container): %s: %s",
                      relative.len > 0 ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                                       : "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                      wrong);
        return aws_nothing(s, &e);
    }
    struct aws_identity *i = aws_identity_make(s, &AWS_CONTAINER);
    const struct str file = aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (i != NULL) {
        i->token = aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        if (arena_str(&i->texts, written, &i->url, &e) != 0 ||
            (file.len > 0 && arena_str(&i->texts, file, &i->token_file, &e) != 0)) {
            aws_identity_free(i);
            return NULL;
        }
    }
    return i;
}

/* ---- the chain ---- */

static struct aws_identity *instance_or_nothing(struct aws_setup *s)
{
    struct err e = ERR_INIT;
    if (s->imds) {
        struct aws_identity *i = aws_identity_make(s, &AWS_IMDS);
        if (i != NULL) {
            i->url = aws_imds_url(&i->texts);
            if (i->url.len > 0) {
                return i;
            }
            aws_identity_free(i);
        }
        (void)err_set(&e, ERR_DENIED,
                      "AWS credentials (IMDS): --imds is given and AWS_EC2_METADATA_DISABLED is "
                      "true");
        return i == NULL ? NULL : aws_nothing(s, &e);
    }
    (void)err_set(&e, ERR_DENIED,
                  "no AWS credentials to sign with: neither AWS_ACCESS_KEY_ID, AWS_ROLE_ARN with "
                  "AWS_WEB_IDENTITY_TOKEN_FILE (IRSA), AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod "
                  "Identity) nor a profile is there, and --imds is not given; on EKS annotate the "
                  "ServiceAccount with eks.amazonaws.com/role-arn or create a pod identity "
                  "association, then delete the pod");
    return aws_nothing(s, &e);
}

struct aws_identity *aws_chain(struct aws_setup *s)
{
    if (aws_profile_composes()) {
        return aws_profile_identity(s);
    }
    if (aws_env("AWS_ACCESS_KEY_ID").len > 0 || aws_env("AWS_SECRET_ACCESS_KEY").len > 0) {
        return aws_identity_make(s, &AWS_ENVIRONMENT);
    }
    if (aws_env("AWS_ROLE_ARN").len > 0 || aws_env("AWS_WEB_IDENTITY_TOKEN_FILE").len > 0) {
        return web_identity(s);
    }
    if (aws_chain_has_container()) {
        return aws_chain_container(s);
    }
    if (aws_profile_configured()) {
        return aws_profile_identity(s);
    }
    return instance_or_nothing(s);
}
