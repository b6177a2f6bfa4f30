/* The EC2 instance's role, from its metadata service, version 2 only: a session's token, the name
 * of the role, its credentials.
 *
 * One second a step and one attempt: where there is none, nobody waits. Source: Amazon EC2 user
 * guide, "Use the Instance Metadata Service"; AWS SDKs and Tools Reference Guide, "IMDS credential
 * provider".
 */
#include <string.h>

#include "base/fmt.h"
#include "net/aws_internal.h"
#include "net/prom_url.h"

enum { TIMEOUT_MS = 1000, VALUES_MAX_BYTES = 256 * 1024, ROLE_MAX_BYTES = 128 };

#define CREDENTIALS "/latest/meta-data/iam/security-credentials/"

struct str aws_imds_url(struct arena *a)
{
    char url[PROM_URL_BYTES];
    struct err e = ERR_INIT;
    struct str out = {NULL, 0};
    const struct str named = aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const bool six = str_eq_nocase(aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), STR("IPv6"));
    if (aws_env_true("AWS_EC2_METADATA_DISABLED")) {
        return out;
    }
    const bool good = named.len > 0 && prom_url_normal(named, url, &e) == 0;
    const struct str chosen =
        good ? str_from(url)
             : (six ? STR("http://[fd00:ec2::254]") : STR("http://169.254.169.254"));
    return arena_str(a, chosen, &out, &e) == 0 ? out : (struct str){NULL, 0};
}

static int send(struct aws_identity *i, const char *method, struct str path,
                const struct http_header *header, http_done_fn *done, struct err *e)
{
    char url[AWS_URL_BYTES + ROLE_MAX_BYTES];
    (void)fmt(url, sizeof url, "%.*s%.*s", STR_ARG(i->url), STR_ARG(path));
    const struct http_request r = {
        .method = method,
        .url = url,
        .headers = header,
        .header_count = 1,
        .tls = {.ca_file = i->setup->ca_file, .trust_hint = "AWS_CA_BUNDLE"},
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = TIMEOUT_MS,
        .max_body_bytes = AWS_ANSWER_MAX_BYTES,
        .secret_answer = true,
    };
    return http_send(i->setup->http, &r, done, i, &i->call, e);
}

/* Whether the step brought what the next one needs; if not, the fetch has failed. */
static bool came(struct aws_identity *i, const struct http_response *r, const struct err *failed)
{
    struct err e = *failed;
    i->call = NULL;
    if (e.code == ERR_TIMEOUT || e.code == ERR_UNAVAILABLE) {
        aws_hint(&e, "a pod does not reach it where the instance's hop limit is 1: give the pod a "
                     "role of its own (EKS Pod Identity, IRSA), or raise the limit to 2");
    } else if (e.code == ERR_NONE && r->status != 200) {
        struct arena arena;
        struct str code;
        arena_init(&arena, VALUES_MAX_BYTES);
        (void)aws_refusal(r, &arena, &code, &e);
        arena_wipe(&arena);
        if (r->status == 404) {
            aws_hint(&e, "the instance has no role (instance profile)");
        } else if (r->status == 403) {
            aws_hint(&e, "the instance's metadata service is turned off");
        }
        (void)err_prefix(&e, "%.*s", STR_ARG(i->url));
    }
    if (e.code != ERR_NONE) {
        aws_failed(i, true, &e);
    }
    return e.code == ERR_NONE;
}

static void gone_wrong(struct aws_identity *i, struct err *e)
{
    (void)err_prefix(e, "%.*s", STR_ARG(i->url));
    aws_failed(i, true, e);
}

static void has_credentials(void *context, const struct http_response *r, const struct err *failed)
{
    struct aws_identity *i = context;
    struct aws_answer answer;
    struct arena arena;
    struct err e = ERR_INIT;
    if (!came(i, r, failed)) {
        return;
    }
    arena_init(&arena, VALUES_MAX_BYTES);
    if (awsanswer_json(r->body, &arena, &answer, &e) != 0) {
        gone_wrong(i, &e);
    } else {
        aws_fetched(i, &answer);
    }
    arena_wipe(&arena);
}

/* A name of a role, as it may stand in a path. */
static bool is_role(struct str name)
{
    for (size_t n = 0; n < name.len; n++) {
        const char c = name.ptr[n];
        if (!char_is_lower(char_lower(c)) && !char_is_digit(c) &&
            (c == '\0' || strchr("_+=,.@-", c) == NULL)) {
            return false;
        }
    }
    return name.len > 0 && name.len <= ROLE_MAX_BYTES - sizeof CREDENTIALS;
}

static int with_token(struct aws_identity *i, struct str path, http_done_fn *done, struct err *e)
{
    const struct http_header header = {STR("X-aws-ec2-metadata-token"), buf_view(&i->secret)};
    return send(i, "GET", path, &header, done, e);
}

static void has_role(void *context, const struct http_response *r, const struct err *failed)
{
    struct aws_identity *i = context;
    char path[ROLE_MAX_BYTES];
    struct err e = ERR_INIT;
    if (!came(i, r, failed)) {
        return;
    }
    struct str rest;
    const struct str name = str_trim(str_cut(str_trim(r->body), '\n', &rest));
    int result = -1;
    if (is_role(name)) {
        const struct str full = fmt(path, sizeof path, CREDENTIALS "%.*s", STR_ARG(name));
        result = with_token(i, full, has_credentials, &e);
    } else {
        (void)err_set(&e, ERR_INVALID, "the answer is no name of a role");
    }
    if (result != 0) {
        gone_wrong(i, &e);
    }
}

static void has_token(void *context, const struct http_response *r, const struct err *failed)
{
    struct aws_identity *i = context;
    struct err e = ERR_INIT;
    if (!came(i, r, failed)) {
        return;
    }
    buf_wipe(&i->secret);
    buf_append(&i->secret, str_trim(r->body));
    if (i->secret.failed || i->secret.len == 0) {
        (void)err_set(&e, ERR_INVALID, "the answer is no token");
        buf_wipe(&i->secret);
        gone_wrong(i, &e);
    } else if (with_token(i, STR(CREDENTIALS), has_role, &e) != 0) {
        gone_wrong(i, &e);
    }
}

static int fetch(struct aws_identity *i, struct err *e)
{
    const struct http_header header = {STR("X-aws-ec2-metadata-token-ttl-seconds"), STR("21600")};
    return send(i, "PUT", STR("/latest/api/token"), &header, has_token, e);
}

const struct aws_provider AWS_IMDS = {.name = "IMDS", .fetch = fetch, .tries = 1};
