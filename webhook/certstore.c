#include "webhook/certstore.h"

#include <string.h>

#include "base/base64.h"
#include "base/fmt.h"
#include "base/num.h"

static const struct str KEYS[] = {STR_INIT("ca.crt"), STR_INIT("ca.key"), STR_INIT("tls.crt"),
                                  STR_INIT("tls.key")};
enum { KEY_COUNT = sizeof(KEYS) / sizeof(KEYS[0]) };

/* ---- the Secret ---- */

static int object_of(struct str body, struct arena *a, const struct json **out, struct err *e)
{
    const struct json *root;
    if (json_parse(body, &JSON_LIMITS_API, a, &root, e) != 0) {
        return -1;
    }
    if (json_str(json_path(root, "metadata/resourceVersion")).len == 0) {
        return err_set(e, ERR_INVALID, "expected an object with a resourceVersion");
    }
    *out = root;
    return 0;
}

/* The decoded value of a base64 string; absent when there is no node, empty when it is none. */
static int decoded(const struct json *node, struct arena *a, struct str *out, struct err *e)
{
    if (node == NULL) {
        *out = (struct str){NULL, 0};
        return 0;
    }
    if (base64_decode(json_str(node), a, out, e) == 0) {
        return 0;
    }
    *out = STR("");
    return e->code == ERR_MEMORY ? -1 : 0;
}

int certstore_read_secret(struct str body, struct arena *a, struct cert_secret *out, struct err *e)
{
    struct cert_secret read;
    struct str values[KEY_COUNT];
    if (object_of(body, a, &read.object, e) != 0) {
        return -1;
    }
    const struct json *data = json_get(read.object, STR("data"));
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (decoded(json_get(data, KEYS[i]), a, &values[i], e) != 0) {
            return -1;
        }
    }
    read.texts = (struct cert_texts){values[0], values[1], values[2], values[3]};
    *out = read;
    return 0;
}

static bool is_ours(struct str key)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (str_eq(KEYS[i], key)) {
            return true;
        }
    }
    return false;
}

static void put_base64(struct json_writer *w, struct str bytes)
{
    json_put_raw(w, STR("\""));
    base64_append(w->out, bytes);
    buf_append_char(w->out, '"');
}

static void put_data(struct json_writer *w, const struct json *data, const struct cert_texts *t)
{
    const struct str values[KEY_COUNT] = {t->cas, t->key, t->leaf, t->leaf_key};
    json_begin_object(w);
    for (const struct json *i = data != NULL ? data->child : NULL; i != NULL; i = i->next) {
        if (!is_ours(i->key)) {
            json_key(w, i->key);
            json_put_tree(w, i);
        }
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (values[i].ptr != NULL) {
            json_key(w, KEYS[i]);
            put_base64(w, values[i]);
        }
    }
    json_end_object(w);
}

void certstore_print_secret(const struct cert_secret *read, const struct cert_texts *texts,
                            struct buf *out)
{
    const struct json *data = json_get(read->object, STR("data"));
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    for (const struct json *i = read->object->child; i != NULL; i = i->next) {
        if (!str_eq(i->key, STR("data"))) {
            json_key(&w, i->key);
            json_put_tree(&w, i);
        }
    }
    json_key(&w, STR("data"));
    put_data(&w, data != NULL && data->type == JSON_OBJECT ? data : NULL, texts);
    json_end_object(&w);
}

/* ---- the configurations ---- */

static bool calls(const struct json *hook, struct str service, struct str namespace_)
{
    const struct json *called = json_path(hook, "clientConfig/service");
    return str_eq(json_str(json_get(called, STR("name"))), service) &&
           str_eq(json_str(json_get(called, STR("namespace"))), namespace_);
}

int certstore_read_config(struct str body, struct str service, struct str namespace_,
                          struct arena *a, struct cert_config *out, struct err *e)
{
    const struct json *root;
    struct cert_config read = {.hook_count = 0};
    size_t index = 0;
    if (object_of(body, a, &root, e) != 0) {
        return -1;
    }
    const struct json *hooks = json_get(root, STR("webhooks"));
    for (const struct json *i = hooks != NULL ? hooks->child : NULL; i != NULL; i = i->next) {
        const size_t at = index++;
        if (!calls(i, service, namespace_)) {
            continue;
        }
        if (read.hook_count == CERT_HOOKS_MAX) {
            return err_set(e, ERR_LIMIT, "more than %d webhooks call service %.*s", CERT_HOOKS_MAX,
                           STR_ARG(service));
        }
        struct cert_hook *hook = &read.hooks[read.hook_count++];
        hook->index = at;
        hook->name = json_str(json_get(i, STR("name")));
        if (decoded(json_path(i, "clientConfig/caBundle"), a, &hook->bundle, e) != 0) {
            return -1;
        }
    }
    if (read.hook_count == 0) {
        return err_set(e, ERR_INVALID, "none of its webhooks calls service %.*s of namespace %.*s",
                       STR_ARG(service), STR_ARG(namespace_));
    }
    *out = read;
    return 0;
}

bool certstore_carries(const struct cert_config *c, struct str bundle)
{
    for (size_t i = 0; i < c->hook_count; i++) {
        if (!str_eq(c->hooks[i].bundle, bundle)) {
            return false;
        }
    }
    return true;
}

static void put_operation(struct json_writer *w, const char *op, size_t index, const char *member)
{
    char path[64];
    json_begin_object(w);
    json_member_str(w, STR("op"), str_from(op));
    json_member_str(w, STR("path"), fmt(path, sizeof(path), "/webhooks/%zu/%s", index, member));
    json_key(w, STR("value"));
}

void certstore_print_patch(const struct cert_config *c, struct str bundle, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < c->hook_count; i++) {
        put_operation(&w, "test", c->hooks[i].index, "name");
        json_put_str(&w, c->hooks[i].name);
        json_end_object(&w);
        put_operation(&w, "add", c->hooks[i].index, "clientConfig/caBundle");
        put_base64(&w, bundle);
        json_end_object(&w);
    }
    json_end_array(&w);
}

/* ---- PEM ---- */

static const struct str BEGIN = STR_INIT("-----BEGIN CERTIFICATE-----");
static const struct str END = STR_INIT("-----END CERTIFICATE-----");

static bool find(struct str s, struct str needle, size_t *out)
{
    const char *at = s.len > 0 ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    if (at != NULL) {
        *out = (size_t)(at - s.ptr);
    }
    return at != NULL;
}

bool certstore_next_block(struct str *rest, struct str *out)
{
    size_t begin, end;
    if (!find(*rest, BEGIN, &begin)) {
        return false;
    }
    const struct str from = str_slice(*rest, begin, rest->len);
    if (!find(from, END, &end)) {
        return false;
    }
    end += END.len;
    *out = str_slice(from, 0, end);
    *rest = str_slice(from, end, from.len);
    return true;
}
