/* Where the API server is and as whom to speak: in-cluster mounts or a kubeconfig.
 *
 * Sources: client-go rest.InClusterConfig and tools/clientcmd/api/v1 types.go.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"
#include "net/file.h"
#include "net/kube_internal.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

enum { CONFIG_MAX_BYTES = 4 * 1024 * 1024, SMALL_FILE_MAX_BYTES = 64 * 1024 };

/* ---- texts in the arena ---- */

static int keep_text(struct str s, struct arena *a, const char **out, struct err *e)
{
    struct str kept;
    if (arena_str(a, s, &kept, e) != 0) {
        return -1;
    }
    *out = kept.ptr;
    return 0;
}

/* The file of `name` in kubeconfig at `path`: relative names are relative to its folder. */
static int keep_path(struct str name, const char *path, struct arena *a, const char **out,
                     struct err *e)
{
    const char *slash = strrchr(path, '/');
    struct str joined;
    if (name.len == 0) {
        return 0;
    }
    if (name.ptr[0] == '/' || slash == NULL) {
        return keep_text(name, a, out, e);
    }
    if (arena_format(a, &joined, e, "%.*s/%.*s", (int)(slash - path), path, STR_ARG(name)) != 0) {
        return -1;
    }
    *out = joined.ptr;
    return 0;
}

static int decode_base64(struct str text, struct arena *a, struct str *out, struct err *e)
{
    EVP_ENCODE_CTX *c = EVP_ENCODE_CTX_new();
    unsigned char *data = arena_alloc(a, text.len + 1);
    int len = 0, last = 0, result = 0;
    if (c == NULL || data == NULL) {
        result = arena_err(a, e);
    } else {
        EVP_DecodeInit(c);
        if (EVP_DecodeUpdate(c, data, &len, (const unsigned char *)text.ptr, (int)text.len) < 0 ||
            EVP_DecodeFinal(c, data + len, &last) < 0 || len + last == 0) {
            result = err_set(e, ERR_INVALID, "not base64");
        } else {
            *out = (struct str){(const char *)data, (size_t)(len + last)};
        }
    }
    EVP_ENCODE_CTX_free(c);
    return result;
}

/* ---- kubeconfig ---- */

struct reader {
    const char *path;
    struct arena *arena;
    struct kube_settings *out;
};

/* The `kind` ("cluster") called `name` in the list `list` ("clusters"). */
static int find_named(const struct json *root, const char *list, const char *kind, struct str name,
                      const struct json **out, struct err *e)
{
    const struct json *items = json_get(root, str_from(list));
    for (const struct json *i = items != NULL ? items->child : NULL; i != NULL; i = i->next) {
        if (str_eq(json_str(json_get(i, STR("name"))), name)) {
            *out = json_get(i, str_from(kind));
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "%s: no %s is called \"%.*s\"", list, kind, STR_ARG(name));
}

/* `name-data` (base64) into *pem, else the file of `name` into *file. */
static int read_pem(const struct reader *r, const struct json *node, const char *name,
                    struct str *pem, const char **file, struct err *e)
{
    struct str data_name;
    if (arena_format(r->arena, &data_name, e, "%s-data", name) != 0) {
        return -1;
    }
    const struct str data = json_str(json_get(node, data_name));
    if (data.len == 0) {
        return keep_path(json_str(json_get(node, str_from(name))), r->path, r->arena, file, e);
    }
    return decode_base64(data, r->arena, pem, e) == 0 ? 0 : err_prefix(e, "%s", data_name.ptr);
}

static int read_server(struct str url, struct arena *a, const char **out, struct err *e)
{
    while (str_ends(url, STR("/"))) {
        url.len--;
    }
    if (!str_starts(url, STR("https://")) && !str_starts(url, STR("http://"))) {
        return err_set(e, ERR_INVALID, "server: expected an http or https URL, found \"%.*s\"",
                       STR_ARG(url));
    }
    return keep_text(url, a, out, e);
}

static int read_cluster(const struct reader *r, const struct json *node, struct err *e)
{
    struct kube_settings *s = r->out;
    const struct str server_name = json_str(json_get(node, STR("tls-server-name")));
    if (json_get(node, STR("proxy-url")) != NULL) {
        return err_set(e, ERR_INVALID, "proxy-url is not supported");
    }
    if (server_name.len > 0 && keep_text(server_name, r->arena, &s->tls.server_name, e) != 0) {
        return -1;
    }
    s->tls.insecure = json_is_true(json_get(node, STR("insecure-skip-tls-verify")));
    s->tls.trust_hint = "certificate-authority in the kubeconfig";
    return read_server(json_str(json_get(node, STR("server"))), r->arena, &s->server, e) != 0 ||
                   read_pem(r, node, "certificate-authority", &s->tls.ca_pem, &s->tls.ca_file, e) !=
                       0
               ? -1
               : 0;
}

/* What we cannot do must not turn into an anonymous request. */
static int refuse_unsupported(const struct json *node, struct err *e)
{
    if (json_get(node, STR("auth-provider")) != NULL || json_get(node, STR("username")) != NULL) {
        return err_set(e, ERR_INVALID,
                       "auth-provider and username are not supported: use a token, "
                       "tokenFile, client certificate or exec");
    }
    return 0;
}

/* A token that is written there wins over the plugin, as in client-go. */
static int read_plugin(const struct reader *r, const struct json *node, struct err *e)
{
    const struct json *exec = json_get(node, STR("exec"));
    if (exec == NULL || exec->type == JSON_NULL || r->out->token.len > 0 ||
        r->out->token_file != NULL) {
        return 0;
    }
    return kube_exec_read(exec, r->path, r->arena, &r->out->exec, e) == 0 ? 0
                                                                          : err_prefix(e, "exec");
}

static int read_user(const struct reader *r, const struct json *node, struct err *e)
{
    struct kube_settings *s = r->out;
    const struct str token = str_trim(json_str(json_get(node, STR("token"))));
    if (refuse_unsupported(node, e) != 0) {
        return -1;
    }
    if (token.len > 0 && arena_str(r->arena, token, &s->token, e) != 0) {
        return -1;
    }
    return keep_path(json_str(json_get(node, STR("tokenFile"))), r->path, r->arena, &s->token_file,
                     e) != 0 ||
                   read_pem(r, node, "client-certificate", &s->tls.cert_pem, &s->tls.cert_file,
                            e) != 0 ||
                   read_pem(r, node, "client-key", &s->tls.key_pem, &s->tls.key_file, e) != 0 ||
                   read_plugin(r, node, e) != 0
               ? -1
               : 0;
}

/* Context → its cluster and its user. */
static int read_context(const struct reader *r, const struct json *root, struct str name,
                        struct err *e)
{
    const struct json *context = NULL, *cluster = NULL, *user = NULL;
    if (name.len == 0) {
        return err_set(e, ERR_INVALID, "current-context is not set: name one with --context");
    }
    if (find_named(root, "contexts", "context", name, &context, e) != 0) {
        return -1;
    }
    const struct str cluster_name = json_str(json_get(context, STR("cluster")));
    const struct str user_name = json_str(json_get(context, STR("user")));
    const struct str namespace_ = json_str(json_get(context, STR("namespace")));
    if (find_named(root, "clusters", "cluster", cluster_name, &cluster, e) != 0) {
        return -1;
    }
    if (read_cluster(r, cluster, e) != 0) {
        return err_prefix(e, "cluster %.*s", STR_ARG(cluster_name));
    }
    if (user_name.len > 0) {
        if (find_named(root, "users", "user", user_name, &user, e) != 0) {
            return -1;
        }
        if (read_user(r, user, e) != 0) {
            return err_prefix(e, "user %.*s", STR_ARG(user_name));
        }
    }
    return arena_str(r->arena, namespace_.len > 0 ? namespace_ : STR("default"),
                     &r->out->namespace_, e);
}

int kube_settings_parse(struct str text, const char *path, const char *context, struct arena *a,
                        struct kube_settings *out, struct err *e)
{
    const struct json *root = NULL;
    struct kube_settings settings = {.server = NULL};
    const struct reader r = {.path = path, .arena = a, .out = &settings};
    if (yaml_parse(text, &JSON_LIMITS_API, a, &root, e) != 0) {
        return err_prefix(e, "kubeconfig %s", path);
    }
    const struct str name =
        context != NULL ? str_from(context) : json_str(json_get(root, STR("current-context")));
    if (read_context(&r, root, name, e) != 0) {
        return err_prefix(e, "kubeconfig %s", path);
    }
    *out = settings;
    return 0;
}

static int load_file(const char *path, const char *context, struct arena *a,
                     struct kube_settings *out, struct err *e)
{
    struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    const int result = file_read(path, &text, e) != 0
                           ? err_prefix(e, "kubeconfig")
                           : kube_settings_parse(buf_view(&text), path, context, a, out, e);
    buf_free(&text);
    return result;
}

/* ---- which of them ---- */

static int load_in_cluster(const char *host, struct arena *a, struct kube_settings *out,
                           struct err *e)
{
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    struct str server;
    struct buf namespace_;
    struct kube_settings s = {.token_file = ACCOUNT "token", .tls = {.ca_file = ACCOUNT "ca.crt"}};
    const bool v6 = strchr(host, ':') != NULL;
    if (arena_format(a, &server, e, v6 ? "https://[%s]:%s" : "https://%s:%s", host,
                     port != NULL ? port : "443") != 0) {
        return -1;
    }
    s.server = server.ptr;
    buf_init(&namespace_, SMALL_FILE_MAX_BYTES);
    int result = file_read(ACCOUNT "namespace", &namespace_, e);
    if (result == 0) {
        result = arena_str(a, str_trim(buf_view(&namespace_)), &s.namespace_, e);
    }
    buf_free(&namespace_);
    if (result == 0) {
        *out = s;
    }
    return result == 0 ? 0 : err_prefix(e, "in-cluster configuration");
}

/* The first file of $KUBECONFIG that exists, else ~/.kube/config. */
static int find_file(struct arena *a, const char **out, struct err *e)
{
    const char *home = getenv("HOME");
    struct str rest = str_from(getenv("KUBECONFIG"));
    struct str path;
    while (rest.len > 0) {
        const struct str one = str_cut(rest, ':', &rest);
        if (one.len > 0) {
            if (keep_text(one, a, out, e) != 0) {
                return -1;
            }
            if (rest.len == 0 || access(*out, F_OK) == 0) {
                return 0;
            }
        }
    }
    if (arena_format(a, &path, e, "%s/.kube/config", home != NULL ? home : "") != 0) {
        return -1;
    }
    *out = path.ptr;
    return 0;
}

int kube_settings_load(const struct kube_config *c, struct arena *a, struct kube_settings *out,
                       struct err *e)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *path = c->kubeconfig;
    if (path == NULL && c->context == NULL && host != NULL && host[0] != '\0') {
        return load_in_cluster(host, a, out, e);
    }
    if (path == NULL && find_file(a, &path, e) != 0) {
        return -1;
    }
    if (load_file(path, c->context, a, out, e) != 0) {
        return c->kubeconfig != NULL ? -1 : err_prefix(e, "not in a pod, and");
    }
    return 0;
}
