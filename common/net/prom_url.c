#include "net/prom_url.h"

#include <curl/curl.h>
#include <string.h>

#include "base/awsname.h"
#include "base/fmt.h"
#include "net/aws_internal.h"

enum { SHOWN_BYTES = 200 }; /* of a URL in a message */

static void lower(char *s)
{
    for (; *s != '\0'; s++) {
        *s = char_lower(*s);
    }
}

static bool has(CURLU *parts, CURLUPart part)
{
    char *value = NULL;
    const bool there = curl_url_get(parts, part, &value, 0) == CURLUE_OK;
    curl_free(value);
    return there;
}

/* What a base URL must not have; NULL when it has none of it. */
static const char *complaint_of(CURLU *parts)
{
    static const struct {
        CURLUPart part;
        const char *text;
    } rows[] = {
        {CURLUPART_USER, "a base URL has no user name: credentials come from the environment"},
        {CURLUPART_PASSWORD, "a base URL has no password: credentials come from the environment"},
        {CURLUPART_QUERY, "a base URL has no query (?)"},
        {CURLUPART_FRAGMENT, "a base URL has no fragment (#)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (has(parts, rows[i].part)) {
            return rows[i].text;
        }
    }
    return NULL;
}

static const char *complaint_of_parts(const char *scheme, struct str path)
{
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        return "expected http or https";
    }
    if (str_ends(path, STR("/api/v1")) || str_ends(path, STR("/api/v1/query")) ||
        str_ends(path, STR("/api/v1/remote_write"))) {
        return "a base URL ends before /api/v1";
    }
    return NULL;
}

/* The parts joined again. Returns what is wrong, NULL when nothing is. */
static const char *join(CURLU *parts, char out[PROM_URL_BYTES])
{
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    const char *wrong = "not a URL";
    if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
        (void)curl_url_get(parts, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
        lower(scheme);
        lower(host);
        struct str trimmed = str_from(path);
        while (str_ends(trimmed, STR("/"))) {
            trimmed.len--;
        }
        wrong = complaint_of_parts(scheme, trimmed);
        const struct str written =
            fmt(out, PROM_URL_BYTES, "%s://%s%s%s%.*s", scheme, host, port != NULL ? ":" : "",
                port != NULL ? port : "", STR_ARG(trimmed));
        if (wrong == NULL && written.len >= PROM_URL_BYTES - 4) {
            wrong = "too long";
        }
        if (wrong == NULL && strcmp(scheme, "http") == 0 && prom_url_amp_region(written).len > 0) {
            wrong = "AMP is reached by https only";
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    return wrong;
}

/* For a message: without what stands before an '@', which may be a password. */
static struct str shown(struct str url)
{
    const size_t at = str_find_char(url, '@');
    return str_slice(at < url.len ? str_slice(url, at + 1, url.len) : url, 0, SHOWN_BYTES);
}

int prom_url_normal(struct str url, char out[PROM_URL_BYTES], struct err *e)
{
    char text[PROM_URL_BYTES], joined[PROM_URL_BYTES];
    const char *wrong = "out of memory";
    CURLU *parts = NULL;
    if (url.len >= sizeof text || (url.len > 0 && memchr(url.ptr, '\0', url.len) != NULL)) {
        wrong = "too long, or not text";
    } else {
        parts = curl_url();
        (void)fmt(text, sizeof text, "%.*s", STR_ARG(url));
    }
    if (parts != NULL) {
        wrong = curl_url_set(parts, CURLUPART_URL, text, 0) != CURLUE_OK
                    ? "expected http(s)://host[:port][/path]"
                    : complaint_of(parts);
        wrong = wrong != NULL ? wrong : join(parts, joined);
        curl_url_cleanup(parts);
    }
    if (wrong != NULL) {
        return err_set(e, ERR_INVALID, "\"%.*s\": %s", STR_ARG(shown(url)), wrong);
    }
    memcpy(out, joined, sizeof joined);
    return 0;
}

/* ---- AMP ---- */

static bool is_workspace(struct str s)
{
    return str_starts(s, STR("ws-")) && awsname_is_label(s);
}

/* s without `prefix`; absent when it does not start so. */
static struct str after(struct str s, struct str prefix)
{
    return str_starts(s, prefix) ? str_slice(s, prefix.len, s.len) : (struct str){NULL, 0};
}

/* Host and path of a URL in normal form. */
static struct str split(struct str url, struct str *path)
{
    const size_t scheme = str_starts(url, STR("https://")) ? 8 : 7;
    const struct str rest = str_slice(url, scheme, url.len);
    const size_t slash = str_find_char(rest, '/');
    *path = str_slice(rest, slash, rest.len);
    return str_slice(rest, 0, slash);
}

struct str prom_url_amp_region(struct str url)
{
    struct str path;
    return awsname_region_of(split(url, &path), STR("aps-workspaces"));
}

struct str prom_url_amp_workspace(struct str url)
{
    struct str path;
    (void)split(url, &path);
    const struct str workspace = after(path, STR("/workspaces/"));
    return prom_url_amp_region(url).ptr != NULL && awsname_is_label(workspace)
               ? workspace
               : (struct str){NULL, 0};
}

int prom_url_of_workspace(struct str workspace, struct str region, char out[PROM_URL_BYTES],
                          struct err *e)
{
    char host[AWSNAME_HOST_BYTES];
    unsigned kind = aws_env_true("AWS_USE_FIPS_ENDPOINT") ? AWSNAME_FIPS : AWSNAME_PLAIN;
    kind |= aws_env_true("AWS_USE_DUALSTACK_ENDPOINT") ? AWSNAME_DUALSTACK : AWSNAME_PLAIN;
    if (!is_workspace(workspace)) {
        return err_set(e, ERR_INVALID,
                       "workspace \"%.*s\": expected ws-… (small letters, digits, -)",
                       STR_ARG(str_slice(workspace, 0, SHOWN_BYTES)));
    }
    if (!awsname_is_label(region)) {
        return err_set(e, ERR_INVALID, "region \"%.*s\": expected one as in eu-central-1",
                       STR_ARG(str_slice(region, 0, SHOWN_BYTES)));
    }
    (void)awsname_host(STR("aps-workspaces"), region, kind, host);
    (void)fmt(out, PROM_URL_BYTES, "https://%s/workspaces/%.*s", host, STR_ARG(workspace));
    return 0;
}
