#include "cli/manifest.h"

#include <string.h>

#include "base/yaml.h"

/* True when a document marker stands at `at`, the beginning of a line. */
static bool is_marker(struct str text, size_t at)
{
    struct str rest = str_slice(text, at, text.len);
    return str_starts(rest, STR("---")) &&
           (rest.len == 3 || (rest.ptr[3] != '\0' && strchr(" \t\r\n", rest.ptr[3]) != NULL));
}

/* Where the document that begins at `from` ends: at the next line that is a marker. */
static size_t document_end(struct str text, size_t from)
{
    size_t at = from;
    while (at < text.len) {
        at += str_find_char(str_slice(text, at, text.len), '\n') + 1;
        if (at < text.len && is_marker(text, at)) {
            return at;
        }
    }
    return text.len;
}

/* The complaint about a document with line numbers of the whole file: parsed once more, behind as
 * many empty lines as stand before it. */
static int fail_document(struct str text, size_t from, struct str document, struct arena *a,
                         struct err *e)
{
    const struct json *ignored;
    struct buf padded;
    buf_init(&padded, text.len + 1);
    for (size_t i = 0; i < from; i++) {
        if (text.ptr[i] == '\n') {
            buf_append_char(&padded, '\n');
        }
    }
    buf_append(&padded, document);
    struct err precise = ERR_INIT;
    if (buf_check(&padded, &precise) == 0 &&
        yaml_parse(buf_view(&padded), &JSON_LIMITS_API, a, &ignored, &precise) != 0) {
        *e = precise;
    }
    buf_free(&padded);
    return -1;
}

/* JSON is YAML to us where libyaml reads it; its own parser reads all of it. */
static int parse_document(struct str text, size_t from, struct str document, struct arena *a,
                          const struct json **out, struct err *e)
{
    struct err ignored = ERR_INIT;
    if (str_starts(str_trim(document), STR("{")) &&
        json_parse(document, &JSON_LIMITS_API, a, out, &ignored) == 0) {
        return 0;
    }
    if (yaml_parse(document, &JSON_LIMITS_API, a, out, e) != 0) {
        return fail_document(text, from, document, a, e);
    }
    return 0;
}

static int add(struct manifest *m, const struct json *object, struct err *e)
{
    if (m->count == MANIFEST_DEPLOYMENTS_MAX) {
        return err_set(e, ERR_LIMIT, "expected at most %d Deployments", MANIFEST_DEPLOYMENTS_MAX);
    }
    m->items[m->count++] = object;
    return 0;
}

/* One document: a Deployment, or a list with some. */
static int add_object(struct manifest *m, const struct json *object, struct err *e)
{
    struct str kind = json_str(json_get(object, STR("kind")));
    if (str_eq(kind, STR("Deployment"))) {
        return add(m, object, e);
    }
    const struct json *items = json_get(object, STR("items"));
    if (!str_ends(kind, STR("List")) || items == NULL || items->type != JSON_ARRAY) {
        return 0;
    }
    bool untyped = str_eq(kind, STR("DeploymentList")); /* its items may leave their kind out */
    for (const struct json *item = items->child; item != NULL; item = item->next) {
        const struct json *its_kind = json_get(item, STR("kind"));
        if (its_kind == NULL ? untyped : str_eq(json_str(its_kind), STR("Deployment"))) {
            if (add(m, item, e) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int manifest_read(struct str text, struct arena *a, struct manifest *out, struct err *e)
{
    struct manifest m = {.items =
                             arena_array(a, MANIFEST_DEPLOYMENTS_MAX, sizeof(const struct json *))};
    if (m.items == NULL) {
        return arena_err(a, e);
    }
    for (size_t from = 0; from < text.len;) {
        size_t end = document_end(text, from);
        const struct json *object = NULL;
        if (parse_document(text, from, str_slice(text, from, end), a, &object, e) != 0 ||
            add_object(&m, object, e) != 0) {
            return -1;
        }
        from = end;
    }
    *out = m;
    return 0;
}

static struct str name_of(const struct json *object)
{
    return json_str(json_path(object, "metadata/name"));
}

int manifest_pick(const struct manifest *m, struct str name, struct arena *a,
                  struct deployment *out, struct err *e)
{
    const struct json *found = NULL;
    size_t matches = 0;
    struct buf names;
    buf_init(&names, 512);
    for (size_t i = 0; i < m->count; i++) {
        if (name.ptr == NULL || str_eq(name, name_of(m->items[i]))) {
            found = m->items[i];
            matches++;
        }
        buf_format(&names, "%s%.*s", i > 0 ? ", " : "", STR_ARG(name_of(m->items[i])));
    }
    int status = -1;
    if (m->count == 0) {
        (void)err_set(e, ERR_INVALID, "there is no Deployment in it");
    } else if (matches == 0) {
        (void)err_set(e, ERR_INVALID, "no Deployment in it is called \"%.*s\": there is %.*s",
                      STR_ARG(name), STR_ARG(buf_view(&names)));
    } else if (matches > 1) {
        (void)err_set(e, ERR_INVALID, "%zu Deployments are in it: name one of %.*s", matches,
                      STR_ARG(buf_view(&names)));
    } else {
        status = deployment_decode(found, a, out, e);
    }
    buf_free(&names);
    return status;
}
