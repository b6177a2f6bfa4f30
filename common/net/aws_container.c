/* Container credentials: EKS Pod Identity's agent, ECS.
 *
 * A GET with the pod's token as it is (no "Bearer"), answered in JSON. Sources: AWS SDKs and Tools
 * Reference Guide, "Container credential provider"; eks-pod-identity-agent, README and
 * internal/validation.
 */
#include <curl/curl.h>
#include <string.h>

#include "net/aws_internal.h"

enum { TIMEOUT_MS = 2000, VALUES_MAX_BYTES = 256 * 1024 };

/* Credentials go over http to no address but these, which do not leave the machine. */
static bool is_local(const char *host)
{
    static const char *const hosts[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                        "[fd00:ec2::23]"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (strcmp(host, hosts[i]) == 0) {
            return true;
        }
    }
    /* libcurl writes any form of an IPv4 address as four numbers. */
    struct str rest = str_from(host);
    size_t numbers = 0;
    while (rest.ptr != NULL) {
        const struct str number = str_cut(rest, '.', &rest);
        for (size_t i = 0; i < number.len; i++) {
            if (!char_is_digit(number.ptr[i])) {
                return false;
            }
        }
        numbers++;
    }
    return numbers == 4 && str_starts(str_from(host), STR("127."));
}

const char *aws_container_url_wrong(const char *url)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    const char *wrong = "expected a URL";
    CURLU *parts = curl_url();
    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
            wrong = "a user name has no place in it";
        } else if (strcmp(scheme, "https") == 0 ||
                   (strcmp(scheme, "http") == 0 && is_local(host))) {
            wrong = NULL;
        } else {
            wrong = "expected https, or http to the loopback, 169.254.170.2, 169.254.170.23 or "
                    "[fd00:ec2::23]";
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    return wrong;
}

static void hint(const struct http_response *r, struct err *e)
{
    if (r->status == 400) {
        aws_hint(e, "the agent or AWS refused the pod's token: is it of this cluster, and is there "
                    "a pod identity association for its ServiceAccount?");
    } else if (r->status == 401 || r->status == 403) {
        aws_hint(e, "the node's role must allow eks-auth:AssumeRoleForPodIdentity");
    } else if (r->status == 404) {
        aws_hint(e, "there is no pod identity association for this ServiceAccount: aws eks "
                    "create-pod-identity-association, then delete the pod");
    } else if (r->status == 429) {
        aws_hint(e, "the agent of this node has too many requests");
    }
}

static void answered(void *context, const struct http_response *r, const struct err *failed)
{
    struct aws_identity *i = context;
    struct aws_answer answer;
    struct arena arena;
    struct str code;
    struct err e = *failed;
    i->call = NULL;
    if (e.code != ERR_NONE) {
        const bool passing = e.code == ERR_TIMEOUT || e.code == ERR_UNAVAILABLE;
        if (passing) {
            aws_hint(&e, "is the EKS Pod Identity Agent running on this node?");
        }
        aws_failed(i, passing, &e);
        return;
    }
    arena_init(&arena, VALUES_MAX_BYTES);
    if (r->status != 200) {
        const bool passing = aws_refusal(r, &arena, &code, &e);
        hint(r, &e);
        (void)err_prefix(&e, "%.*s", STR_ARG(i->url));
        aws_failed(i, passing, &e);
    } else if (awsanswer_json(r->body, &arena, &answer, &e) != 0) {
        (void)err_prefix(&e, "%.*s", STR_ARG(i->url));
        aws_failed(i, false, &e);
    } else {
        aws_fetched(i, &answer);
    }
    arena_wipe(&arena);
}

static int fetch(struct aws_identity *i, struct err *e)
{
    struct http_header headers[2] = {{STR("Accept"), STR("application/json")}};
    size_t count = 1;
    struct buf token;
    buf_init(&token, AWS_TOKEN_MAX_BYTES);
    int result = i->token_file.len > 0 ? aws_read_token(i->token_file, &token, e) : 0;
    if (result == 0) {
        const struct str value = i->token_file.len > 0 ? buf_view(&token) : i->token;
        if (value.len > 0) {
            headers[count++] = (struct http_header){STR("Authorization"), value};
        }
        const struct http_request r = {
            .method = "GET",
            .url = i->url.ptr,
            .headers = headers,
            .header_count = count,
            .tls = {.ca_file = i->setup->ca_file, .trust_hint = "AWS_CA_BUNDLE"},
            .timeout_ms = TIMEOUT_MS,
            .connect_timeout_ms = TIMEOUT_MS,
            .max_body_bytes = AWS_ANSWER_MAX_BYTES,
            .secret_answer = true,
        };
        result = http_send(i->setup->http, &r, answered, i, &i->call, e);
    }
    buf_wipe(&token);
    return result;
}

const struct aws_provider AWS_CONTAINER = {.name = "container", .fetch = fetch, .tries = 3};
