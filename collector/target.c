#include "collector/target.h"

#include <stdbool.h>
#include <string.h>

#include "base/fmt.h"
#include "base/num.h"

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static int refuse(struct str url, const char *what, struct err *e)
{
    return err_set(e, ERR_INVALID, "\"%.*s\": %s: expected http(s)://host:port/path",
                   STR_ARG(str_slice(url, 0, 200)), what);
}

/* Cut host and port; port is absent where none is given. An IPv6 address is in brackets. */
static bool cut_port(struct str authority, struct str *host, struct str *port)
{
    size_t end = authority.len;
    while (end > 0 && char_is_digit(authority.ptr[end - 1])) {
        end--;
    }
    *host = authority;
    *port = (struct str){NULL, 0};
    if (end > 0 && authority.ptr[end - 1] == ':') {
        *host = str_slice(authority, 0, end - 1);
        *port = str_slice(authority, end, authority.len);
        if (port->len == 0) {
            return false;
        }
    }
    const bool bracketed = str_starts(*host, STR("[")) && str_ends(*host, STR("]"));
    return host->len > (bracketed ? 2U : 0U) &&
           (bracketed || str_find_char(*host, ':') == host->len);
}

int target_parse(struct str url, struct target *out, struct err *e)
{
    int64_t number = 0;
    struct err ignored;
    struct str host, port;
    const bool tls = str_starts(url, STR("https://"));
    if (url.len > TARGET_URL_MAX_BYTES) {
        return err_set(e, ERR_INVALID, "longer than %d bytes", TARGET_URL_MAX_BYTES);
    }
    if (!tls && !str_starts(url, STR("http://"))) {
        return refuse(url, "another scheme, or none", e);
    }
    if (!is_plain(url) || str_find_char(url, '#') < url.len) {
        return refuse(url, "a blank, a fragment (#) or a byte that is to be escaped", e);
    }
    struct str authority = str_slice(url, tls ? 8 : 7, url.len);
    authority = str_slice(authority, 0, str_find_char(authority, '/'));
    authority = str_slice(authority, 0, str_find_char(authority, '?'));
    if (str_find_char(authority, '@') < authority.len) {
        return err_set(e, ERR_INVALID, "has user info (@): a target is asked without credentials");
    }
    if (!cut_port(authority, &host, &port) || host.len > 255) {
        return refuse(url, "no host", e);
    }
    if (port.ptr != NULL && num_int(port, 1, 65535, &number, &ignored) != 0) {
        return refuse(url, "the port is not one of 1 to 65535", e);
    }
    struct str shown = port.ptr != NULL ? port : tls ? STR("443") : STR("80");
    out->url = url;
    (void)fmt(out->instance, sizeof out->instance, "%.*s:%.*s", STR_ARG(host), STR_ARG(shown));
    (void)fmt(out->socket_name, sizeof out->socket_name, "ampscale-collector-%016llx",
              str_hash(url));
    return 0;
}
