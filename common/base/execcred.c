#include "base/execcred.h"

#include "base/json.h"
#include "base/num.h"

bool exec_credential_version(struct str api_version)
{
    return str_eq(api_version, STR("client.authentication.k8s.io/v1")) ||
           str_eq(api_version, STR("client.authentication.k8s.io/v1beta1"));
}

static int check_type(const struct json *root, struct str api_version, struct err *e)
{
    struct str kind = json_str(json_get(root, STR("kind")));
    struct str version = json_str(json_get(root, STR("apiVersion")));
    if (!str_eq(kind, STR("ExecCredential"))) {
        return err_set(e, ERR_INVALID, "kind: expected ExecCredential");
    }
    if (!str_eq(version, api_version)) {
        return err_set(e, ERR_INVALID,
                       "apiVersion: expected %.*s as the kubeconfig does, found %.*s",
                       STR_ARG(api_version), STR_ARG(str_slice(version, 0, 64)));
    }
    return 0;
}

/* A text that goes into a header or a file name's stead: no NUL and no line of its own. */
static int get_text(const struct json *status, const char *name, bool one_line, struct str *out,
                    struct err *e)
{
    const struct json *node = json_get(status, str_from(name));
    if (node == NULL || node->type == JSON_NULL) {
        *out = (struct str){NULL, 0};
        return 0;
    }
    struct str text = str_trim(json_str(node));
    bool bad = node->type != JSON_STRING;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bad = bad || c == '\0' || c == 0x7f || (one_line && c <= ' ');
    }
    if (bad) {
        return err_set(e, ERR_INVALID, "status.%s: expected a text%s", name,
                       one_line ? " without spaces and control characters" : "");
    }
    *out = text;
    return 0;
}

static int get_expiry(const struct json *status, int64_t *out, struct err *e)
{
    struct str text;
    int64_t ms;
    if (get_text(status, "expirationTimestamp", true, &text, e) != 0) {
        return -1;
    }
    if (text.len == 0) {
        *out = 0;
        return 0;
    }
    if (num_time_ms(text, &ms, e) != 0) {
        return err_prefix(e, "status.expirationTimestamp");
    }
    *out = ms > 0 ? ms : 1;
    return 0;
}

int exec_credential_parse(struct str text, struct str api_version, struct arena *a,
                          struct exec_credential *out, struct err *e)
{
    const struct json *root;
    struct exec_credential c;
    if (json_parse(text, &JSON_LIMITS_API, a, &root, e) != 0 ||
        check_type(root, api_version, e) != 0) {
        return -1;
    }
    const struct json *status = json_get(root, STR("status"));
    if (status == NULL || status->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "status: expected an object");
    }
    if (get_text(status, "token", true, &c.token, e) != 0 ||
        get_text(status, "clientCertificateData", false, &c.cert_pem, e) != 0 ||
        get_text(status, "clientKeyData", false, &c.key_pem, e) != 0 ||
        get_expiry(status, &c.expires_ms, e) != 0) {
        return -1;
    }
    if ((c.cert_pem.len == 0) != (c.key_pem.len == 0)) {
        return err_set(e, ERR_INVALID,
                       "status: expected clientCertificateData and clientKeyData together");
    }
    if (c.token.len == 0 && c.cert_pem.len == 0) {
        return err_set(e, ERR_INVALID, "status: expected a token or a client certificate");
    }
    *out = c;
    return 0;
}

int exec_credential_info(struct str api_version, struct arena *a, struct str *out, struct err *e)
{
    return arena_format(a, out, e,
                        "{\"kind\":\"ExecCredential\",\"apiVersion\":\"%.*s\","
                        "\"spec\":{\"interactive\":false}}",
                        STR_ARG(api_version));
}
