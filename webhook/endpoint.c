#include "webhook/endpoint.h"

struct parts {
    bool tls;
    struct str host, port, path; /* port: the default where it is not written; path: no '/' last */
};

static struct parts split(struct str url)
{
    struct parts p = {.tls = str_starts(url, STR("https://"))};
    struct str rest = str_slice(url, p.tls ? 8 : 7, url.len);
    size_t slash = str_find_char(rest, '/');
    p.path = str_slice(rest, slash, rest.len);
    while (str_ends(p.path, STR("/"))) {
        p.path.len--;
    }
    p.host = str_slice(rest, 0, slash);
    size_t bracket = str_find_char(p.host, ']'); /* of an IPv6 address */
    size_t from = bracket < p.host.len ? bracket : 0;
    size_t colon = from + str_find_char(str_slice(p.host, from, p.host.len), ':');
    p.port = str_slice(p.host, colon + 1, p.host.len);
    p.host = str_slice(p.host, 0, colon);
    if (p.port.len == 0) {
        p.port = p.tls ? STR("443") : STR("80");
    }
    return p;
}

bool endpoint_eq(struct str a, struct str b)
{
    const struct parts x = split(a);
    const struct parts y = split(b);
    return x.tls == y.tls && str_eq_nocase(x.host, y.host) && str_eq(x.port, y.port) &&
           str_eq(x.path, y.path);
}

static bool is_amp_host(struct str host)
{
    while (host.ptr != NULL) {
        struct str label = str_cut(host, '.', &host);
        if (str_eq_nocase(label, STR("aps-workspaces")) ||
            str_eq_nocase(label, STR("aps-workspaces-fips"))) {
            return true;
        }
    }
    return false;
}

bool endpoint_is_amp(struct str url, struct str *workspace)
{
    static const struct str PREFIX = STR_INIT("/workspaces/");
    const struct parts p = split(url);
    struct str name = {NULL, 0};
    if (!is_amp_host(p.host)) {
        return false;
    }
    if (str_starts(p.path, PREFIX)) {
        name = str_slice(p.path, PREFIX.len, p.path.len);
    }
    *workspace =
        name.len > 0 && str_find_char(name, '/') == name.len ? name : (struct str){NULL, 0};
    return true;
}
