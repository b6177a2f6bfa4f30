/* AWS STS: a role assumed with a web identity's token, or with other credentials.
 *
 * Both are form POSTs that are answered in XML. Source: AWS STS API reference,
 * AssumeRoleWithWebIdentity and AssumeRole.
 */
#include <string.h>

#include "base/awsname.h"
#include "base/fmt.h"
#include "base/num.h"
#include "net/aws_internal.h"
#include "net/prom_url.h"

enum {
    TIMEOUT_MS = 10000,
    CONNECT_TIMEOUT_MS = 3000,
    FORM_MAX_BYTES = 96 * 1024, /* a token, percent-encoded, and the rest */
    ANSWER_MAX_VALUES_BYTES = 256 * 1024,
    CHAINED_MAX_S = 3600,
};

int aws_sts_url(const struct aws_setup *s, char out[AWS_URL_BYTES], struct err *e)
{
    char host[AWSNAME_HOST_BYTES], url[PROM_URL_BYTES];
    unsigned kind = aws_env_true("AWS_USE_FIPS_ENDPOINT") ? AWSNAME_FIPS : AWSNAME_PLAIN;
    kind |= aws_env_true("AWS_USE_DUALSTACK_ENDPOINT") ? AWSNAME_DUALSTACK : AWSNAME_PLAIN;
    if (s->sts_endpoint.len > 0) {
        if (prom_url_normal(s->sts_endpoint, url, e) != 0) {
            return err_prefix(e, "STS endpoint");
        }
        (void)fmt(out, AWS_URL_BYTES, "%s/", url);
        return 0;
    }
    if (!awsname_is_label(s->region)) {
        return err_set(e, ERR_INVALID,
                       "the region of STS is not known: set --region or AWS_REGION");
    }
    (void)awsname_host(STR("sts"), s->region, kind, host);
    (void)fmt(out, AWS_URL_BYTES, "https://%s/", host);
    return 0;
}

/* ---- the request ---- */

static void add_common(const struct aws_identity *i, struct str action, struct buf *form)
{
    char number[NUM_TEXT_BYTES];
    const struct aws_setup *s = i->setup;
    int64_t duration_s = i->duration_s;
    http_form_add(form, STR("Action"), action);
    http_form_add(form, STR("Version"), STR("2011-06-15"));
    http_form_add(form, STR("RoleArn"), i->role_arn);
    http_form_add(form, STR("RoleSessionName"),
                  i->session_name.len > 0 ? i->session_name : s->session_name);
    if (i->base != NULL && duration_s > CHAINED_MAX_S) {
        duration_s = CHAINED_MAX_S;
    }
    if (duration_s > 0) {
        http_form_add(form, STR("DurationSeconds"),
                      fmt(number, sizeof number, "%lld", (long long)duration_s));
    }
    if (i->external_id.len > 0) {
        http_form_add(form, STR("ExternalId"), i->external_id);
    }
}

static void answered(void *context, const struct http_response *r, const struct err *failed);

static int post(struct aws_identity *i, struct str form, const struct http_sigv4 *sign,
                struct err *e)
{
    char url[AWS_URL_BYTES];
    if (aws_sts_url(i->setup, url, e) != 0) {
        return -1;
    }
    const struct http_request r = {
        .method = "POST",
        .url = url,
        .body = form,
        .content_type = "application/x-www-form-urlencoded",
        .tls = {.ca_file = i->setup->ca_file, .trust_hint = "--ca-file or AWS_CA_BUNDLE"},
        .sigv4 = sign,
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .max_body_bytes = AWS_ANSWER_MAX_BYTES,
        .secret_answer = true,
        .secret_body = sign == NULL, /* then it is a token */
    };
    return http_send(i->setup->http, &r, answered, i, &i->call, e);
}

static void keep_claims(struct aws_identity *i, struct str token)
{
    arena_free(&i->claims_arena);
    i->claims = awsanswer_claims(token, &i->claims_arena);
}

static int fetch_web_identity(struct aws_identity *i, struct err *e)
{
    struct buf token, form;
    buf_init(&token, AWS_TOKEN_MAX_BYTES);
    buf_init(&form, FORM_MAX_BYTES);
    int result = aws_read_token(i->token_file, &token, e);
    if (result == 0) {
        keep_claims(i, buf_view(&token));
        add_common(i, STR("AssumeRoleWithWebIdentity"), &form);
        http_form_add(&form, STR("WebIdentityToken"), buf_view(&token));
        result = buf_check(&form, e) != 0 ? -1 : post(i, buf_view(&form), NULL, e);
    }
    buf_wipe(&token);
    buf_wipe(&form);
    return result;
}

static int assume(struct aws_identity *i, const struct aws_credentials *c, struct err *e)
{
    char url[AWS_URL_BYTES];
    struct buf form;
    if (aws_sts_url(i->setup, url, e) != 0) {
        return -1;
    }
    if (!awsname_is_label(i->setup->region)) {
        return err_set(e, ERR_INVALID,
                       "the region to sign for is not known: set --region or AWS_REGION");
    }
    const struct http_sigv4 sign = {.access_key = c->access_key,
                                    .secret_key = c->secret_key,
                                    .session_token = c->session_token,
                                    .region = i->setup->region,
                                    .service = STR("sts")};
    buf_init(&form, FORM_MAX_BYTES);
    add_common(i, STR("AssumeRole"), &form);
    const int result = buf_check(&form, e) != 0 ? -1 : post(i, buf_view(&form), &sign, e);
    buf_free(&form);
    return result;
}

/* Begins, or waits for the base: then nothing has failed yet. */
static int fetch_assume_role(struct aws_identity *i, struct err *e)
{
    struct aws_credentials c;
    struct err why = ERR_INIT;
    if (aws_identity_get(i->base, &c, &why) == 0) {
        return assume(i, &c, e);
    }
    i->waits = true;
    if (why.code == ERR_UNAVAILABLE) {
        return 0;
    }
    *e = why;
    return -1;
}

void aws_assume_go_on(struct aws_identity *i)
{
    struct err e = ERR_INIT;
    i->waits = false;
    if (!i->fetching) {
        aws_fetch(i);
    } else if (fetch_assume_role(i, &e) != 0) {
        aws_failed(i, false, &e);
    }
}

/* ---- the fix ---- */

static void hint_web_identity(const struct aws_identity *i, struct str code, struct err *e)
{
    char time[NUM_TEXT_BYTES];
    const struct aws_claims *c = &i->claims;
    const struct str subject = c->subject.len > 0 ? c->subject : STR("(unknown)");
    const struct str audience = c->audience.len > 0 ? c->audience : STR("(unknown)");
    const struct str issuer = c->issuer.len > 0 ? c->issuer : STR("(unknown)");
    if (str_eq(code, STR("AccessDenied"))) {
        aws_hint(e,
                 "the role's trust policy must allow sts:AssumeRoleWithWebIdentity to subject %.*s "
                 "with audience %.*s of the OIDC provider %.*s",
                 STR_ARG(str_slice(subject, 0, 128)), STR_ARG(str_slice(audience, 0, 64)),
                 STR_ARG(str_slice(issuer, 0, 128)));
    } else if (str_starts(code, STR("InvalidIdentityToken"))) {
        aws_hint(e,
                 "the token is for audience %.*s from %.*s: the account of the role needs an IAM "
                 "OIDC provider for that issuer with that audience as client ID (IRSA's is "
                 "sts.amazonaws.com)",
                 STR_ARG(str_slice(audience, 0, 64)), STR_ARG(str_slice(issuer, 0, 128)));
    } else if (str_starts(code, STR("ExpiredToken"))) {
        aws_hint(
            e, "the token in %.*s ran out at %.*s: does the kubelet still renew it?",
            STR_ARG(i->token_file),
            STR_ARG(c->expires_ms > 0 ? num_print_time(c->expires_ms, 0, time) : STR("(unknown)")));
    } else if (str_eq(code, STR("IDPCommunicationError"))) {
        aws_hint(e, "AWS could not read the signing keys of %.*s", STR_ARG(issuer));
    }
}

static void hint_assume_role(const struct aws_identity *i, struct str code, struct err *e)
{
    if (str_eq(code, STR("AccessDenied"))) {
        aws_hint(e,
                 "the trust policy of the role must allow sts:AssumeRole to the caller%s, and the "
                 "caller's own policy must allow it on the role",
                 i->external_id.len > 0 ? " with this external ID" : "");
    } else if (str_eq(code, STR("InvalidClientTokenId")) ||
               str_eq(code, STR("UnrecognizedClientException"))) {
        aws_hint(e, "AWS does not know the access key (%s)", i->base->provider->name);
    } else if (str_starts(code, STR("ExpiredToken"))) {
        aws_hint(e, "the credentials below it ran out (%s)", i->base->provider->name);
    } else if (str_eq(code, STR("SignatureDoesNotMatch"))) {
        aws_hint(e, "the secret key is not the access key's, or the clock is wrong (%s)",
                 i->base->provider->name);
    }
}

static void hint(const struct aws_identity *i, struct str code, struct err *e)
{
    if (i->base != NULL) {
        hint_assume_role(i, code, e);
    } else {
        hint_web_identity(i, code, e);
    }
    if (str_eq(code, STR("RegionDisabledException"))) {
        aws_hint(e, "activate STS in region %.*s, or set --region", STR_ARG(i->setup->region));
    } else if (str_eq(code, STR("ValidationError"))) {
        aws_hint(e, "is the role's ARN right, and the session name \"%.*s\"?",
                 STR_ARG(i->session_name.len > 0 ? i->session_name : i->setup->session_name));
    }
}

/* ---- the answer ---- */

static void refused(struct aws_identity *i, const struct http_response *r, struct arena *a)
{
    char url[AWS_URL_BYTES];
    struct err e = ERR_INIT, ignored = ERR_INIT;
    struct str code;
    const bool passing = aws_refusal(r, a, &code, &e);
    const bool expired = str_starts(code, STR("ExpiredToken"));
    hint(i, code, &e);
    aws_explain_clock(code, r->date_ms, loop_unix_ms(), &e);
    if (aws_sts_url(i->setup, url, &ignored) == 0) {
        (void)err_prefix(&e, "%.*s", (int)strlen(url) - 1, url);
    }
    if (expired && i->base == NULL && !i->reread) {
        i->reread = true; /* the kubelet may have written a new one meanwhile */
        if (fetch_web_identity(i, &ignored) == 0) {
            return;
        }
    }
    if (i->base != NULL && aws_refused_credentials(r->status, code)) {
        aws_identity_renew(i->base);
    }
    aws_failed(i, passing, &e);
}

static void answered(void *context, const struct http_response *r, const struct err *failed)
{
    struct aws_identity *i = context;
    struct aws_answer answer;
    struct arena arena;
    struct err e = *failed;
    i->call = NULL;
    if (e.code != ERR_NONE) {
        aws_failed(i, e.code != ERR_LIMIT && e.code != ERR_INVALID && e.code != ERR_TLS, &e);
        return;
    }
    arena_init(&arena, ANSWER_MAX_VALUES_BYTES);
    if (r->status != 200) {
        refused(i, r, &arena);
    } else if (awsanswer_sts(r->body,
                             i->base != NULL ? STR("AssumeRole") : STR("AssumeRoleWithWebIdentity"),
                             &arena, &answer, &e) != 0) {
        char url[AWS_URL_BYTES];
        struct err ignored = ERR_INIT;
        if (aws_sts_url(i->setup, url, &ignored) == 0) {
            (void)err_prefix(&e, "%.*s", (int)strlen(url) - 1, url);
        }
        aws_failed(i, false, &e);
    } else {
        aws_fetched(i, &answer);
    }
    arena_wipe(&arena);
}

const struct aws_provider AWS_WEB_IDENTITY = {
    .name = "web identity", .fetch = fetch_web_identity, .tries = 3};
const struct aws_provider AWS_ASSUME_ROLE = {
    .name = "assumed", .fetch = fetch_assume_role, .tries = 3};
