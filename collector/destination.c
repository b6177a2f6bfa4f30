#include "collector/destination.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "net/prom_url.h"

static struct str environment(const char *name)
{
    return str_from(getenv(name));
}

/* --region, else what AWS' tools take. */
static struct str region_of(const struct common_flags *c)
{
    const struct str rows[] = {c->region, environment("AWS_REGION"),
                               environment("AWS_DEFAULT_REGION")};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].len > 0) {
            return rows[i];
        }
    }
    return (struct str){NULL, 0};
}

/* The region of AMP's host in a URL of any path; absent when the host is not AMP's. */
static struct str amp_region(struct str url, char normal[PROM_URL_BYTES])
{
    struct err ignored;
    const struct str rest = str_starts(url, STR("https://")) ? str_slice(url, 8, url.len) : url;
    const size_t scheme_bytes = url.len - rest.len;
    const struct str origin = str_slice(url, 0, scheme_bytes + str_find_char(rest, '/'));
    if (scheme_bytes == 0 || prom_url_normal(origin, normal, &ignored) != 0) {
        return (struct str){NULL, 0};
    }
    return prom_url_amp_region(str_from(normal));
}

static int base_url(const struct common_flags *c, char base[PROM_URL_BYTES], struct err *e)
{
    if (c->workspace.len == 0) {
        return prom_url_normal(c->endpoint, base, e) != 0 ? err_prefix(e, "--endpoint") : 0;
    }
    const struct str region = region_of(c);
    if (region.len == 0) {
        return err_set(e, ERR_INVALID, "--workspace needs --region or AWS_REGION");
    }
    return prom_url_of_workspace(c->workspace, region, base, e) != 0 ? err_prefix(e, "--workspace")
                                                                     : 0;
}

/* /workspaces/ws-… is AMP's path, whatever the host: a VPC endpoint's, a proxy's. */
static bool is_workspace(struct str base)
{
    static const struct str mark = STR_INIT("/workspaces/ws-");
    size_t slash = base.len;
    for (int i = 0; i < 2 && slash > 0; i++) {
        do {
            slash--;
        } while (slash > 0 && base.ptr[slash] != '/');
    }
    return str_starts(str_slice(base, slash, base.len), mark);
}

static bool has_user(struct str url)
{
    struct str rest, ignored;
    (void)str_cut(url, ':', &rest);
    struct str host = str_starts(rest, STR("//")) ? str_slice(rest, 2, rest.len) : rest;
    host = str_cut(str_cut(host, '/', &ignored), '?', &ignored);
    return str_find_char(host, '@') < host.len;
}

static int find_url(const struct common_flags *c, struct str exact, struct destination *out,
                    struct err *e)
{
    char base[PROM_URL_BYTES];
    const int given = (exact.len > 0) + (c->endpoint.len > 0) + (c->workspace.len > 0);
    if (given != 1) {
        return err_set(e, ERR_INVALID,
                       "%s of --endpoint, --workspace and --remote-write-url: where to send to",
                       given == 0 ? "one is needed" : "only one may be given");
    }
    if (exact.len >= sizeof out->url) {
        return err_set(e, ERR_INVALID, "--remote-write-url: longer than %zu bytes",
                       sizeof out->url - 1);
    }
    if (exact.len > 0) {
        if (has_user(exact)) {
            return err_set(e, ERR_INVALID,
                           "--remote-write-url has user info (@), which is not sent: expected "
                           "https://host/path");
        }
        (void)fmt(out->url, sizeof out->url, "%.*s", STR_ARG(exact));
        return 0;
    }
    if (base_url(c, base, e) != 0) {
        return -1;
    }
    (void)fmt(out->url, sizeof out->url, "%s/api/v1/%s", base,
              is_workspace(str_from(base)) ? "remote_write" : "write");
    return 0;
}

int destination_find(const struct common_flags *c, struct str exact, struct destination *out,
                     struct err *e)
{
    char normal[PROM_URL_BYTES];
    struct destination found = {.sign = false};
    if (find_url(c, exact, &found, e) != 0) {
        return -1;
    }
    const struct str host_region = amp_region(str_from(found.url), normal);
    const enum sigv4_mode mode = (enum sigv4_mode)c->sigv4;
    found.sign = mode == SIGV4_ON || (mode == SIGV4_AUTO && host_region.len > 0);
    if (found.sign) {
        struct str region = c->region.len > 0 ? c->region : host_region;
        region = region.len > 0 ? region : region_of(c);
        if (region.len == 0 || region.len >= sizeof found.region) {
            return err_set(e, ERR_INVALID,
                           "the region to sign for is not known: set --region or AWS_REGION");
        }
        if (strchr(found.url, '?') != NULL) {
            return err_set(e, ERR_INVALID, "a URL with a query (?) cannot be signed: see --sigv4");
        }
        (void)fmt(found.region, sizeof found.region, "%.*s", STR_ARG(region));
    }
    *out = found;
    return 0;
}

struct str destination_shown(const struct destination *d)
{
    struct str ignored;
    return str_cut(str_from(d->url), '?', &ignored);
}
