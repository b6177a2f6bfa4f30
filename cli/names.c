#include "cli/names.h"

#include <stdbool.h>

enum { LABEL_MAX = 63, SUBDOMAIN_MAX = 253 };

/* Letters, digits and inner dashes; `dots` too between such parts. RFC 1123 as the API has it. */
static bool is_dns(struct str s, size_t max, bool dots)
{
    bool inner = false; /* the character before may be followed by a dash, a dot or the end */
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alphanumeric = char_is_lower(c) || char_is_digit(c);
        if (!alphanumeric && !(c == '-' && i > 0 && s.ptr[i - 1] != '.') &&
            !(c == '.' && dots && inner)) {
            return false;
        }
        inner = alphanumeric;
    }
    return inner && s.len <= max;
}

int names_deployment(struct str text, struct str *out, struct err *e)
{
    struct str name, kind = str_cut(text, '/', &name);
    if (name.ptr == NULL) {
        name = text;
    } else if (!str_eq(kind, STR("deployment")) && !str_eq(kind, STR("deploy")) &&
               !str_eq(kind, STR("deployments")) && !str_eq(kind, STR("deployment.apps")) &&
               !str_eq(kind, STR("deployments.apps"))) {
        return err_set(e, ERR_INVALID, "%.*s: expected a Deployment",
                       STR_ARG(str_slice(text, 0, SUBDOMAIN_MAX)));
    }
    if (!is_dns(name, SUBDOMAIN_MAX, true)) {
        return err_set(e, ERR_INVALID, "\"%.*s\" is no name of a Deployment",
                       STR_ARG(str_slice(name, 0, SUBDOMAIN_MAX)));
    }
    *out = name;
    return 0;
}

int names_namespace(struct str text, struct err *e)
{
    if (!is_dns(text, LABEL_MAX, false)) {
        return err_set(e, ERR_INVALID, "\"%.*s\" is no name of a namespace",
                       STR_ARG(str_slice(text, 0, SUBDOMAIN_MAX)));
    }
    return 0;
}
