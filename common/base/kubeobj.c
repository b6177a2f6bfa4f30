/* Kubernetes objects from their JSON. The getters below read one optional member each: absent and
 * null are alike, as for the API; another type than the API's is an error that names the path. */
#include "base/kubeobj.h"

#include "base/httperr.h"
#include "base/json_internal.h"

struct str kv_get(const struct kv_list *list, struct str key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i].key, key)) {
            return list->items[i].value;
        }
    }
    return (struct str){0};
}

/* Member `name` of `parent` into *out: NULL when absent or null. `path` is the parent's, for
 * messages. */
static int get_member(const struct json *parent, const char *path, const char *name,
                      enum json_type type, const struct json **out, struct err *e)
{
    const struct json *node = json_get(parent, str_from(name));

    if (node != NULL && node->type == JSON_NULL) {
        node = NULL;
    }
    if (node != NULL && node->type != type) {
        return err_set(e, ERR_INVALID, "%s%s: expected %s, found %s", path, name,
                       json_type_name(type), json_type_name(node->type));
    }
    *out = node;
    return 0;
}

static int get_str(const struct json *parent, const char *path, const char *name, struct str *out,
                   struct err *e)
{
    const struct json *node = NULL;

    if (get_member(parent, path, name, JSON_STRING, &node, e) != 0) {
        return -1;
    }
    *out = json_str(node);
    return 0;
}

/* An integer in [min, max]; *out stays what it is when there is none. */
static int get_int(const struct json *parent, const char *path, const char *name, int64_t min,
                   int64_t max, int64_t *out, struct err *e)
{
    const struct json *node = NULL;
    int64_t value;

    if (get_member(parent, path, name, JSON_NUMBER, &node, e) != 0) {
        return -1;
    }
    if (node == NULL) {
        return 0;
    }
    if (!json_int(node, &value) || value < min || value > max) {
        return err_set(e, ERR_INVALID, "%s%s: %.*s is no integer from %lld to %lld", path, name,
                       STR_ARG(str_slice(node->text, 0, 40)), (long long)min, (long long)max);
    }
    *out = value;
    return 0;
}

static int get_count(const struct json *parent, const char *path, const char *name, int32_t *out,
                     struct err *e)
{
    int64_t value = *out;

    if (get_int(parent, path, name, INT32_MIN, INT32_MAX, &value, e) != 0) {
        return -1;
    }
    *out = (int32_t)value;
    return 0;
}

/* A map of strings. The API never sends a key twice; one that stands twice is refused, because
 * readers would disagree about which counts. */
static int get_kv_list(const struct json *parent, const char *path, const char *name,
                       struct arena *a, struct kv_list *out, struct err *e)
{
    const struct json *node = NULL;
    const struct json *duplicate = NULL;
    struct kv *items;
    size_t count = 0;

    if (get_member(parent, path, name, JSON_OBJECT, &node, e) != 0) {
        return -1;
    }
    if (node == NULL) {
        *out = (struct kv_list){0};
        return 0;
    }
    if (json_find_duplicate(node, a, &duplicate, e) != 0) {
        return -1;
    }
    if (duplicate != NULL) {
        return err_set(e, ERR_INVALID, "%s%s: %.*s stands there twice", path, name,
                       STR_ARG(duplicate->key));
    }
    items = arena_array(a, node->count, sizeof *items);
    if (items == NULL) {
        return arena_err(a, e);
    }
    for (const struct json *member = node->child; member != NULL; member = member->next) {
        if (member->type != JSON_STRING) {
            return err_set(e, ERR_INVALID, "%s%s: %.*s: expected string, found %s", path, name,
                           STR_ARG(member->key), json_type_name(member->type));
        }
        items[count++] = (struct kv){member->key, member->text};
    }
    *out = (struct kv_list){items, count};
    return 0;
}

/* Kind and apiVersion, where they stand: items of a list have neither. */
static int check_kind(const struct json *node, struct err *e)
{
    struct str kind = {0};
    struct str version = {0};

    if (node == NULL || node->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "expected a Deployment, found %s",
                       node == NULL ? "nothing" : json_type_name(node->type));
    }
    if (get_str(node, "", "kind", &kind, e) != 0 ||
        get_str(node, "", "apiVersion", &version, e) != 0) {
        return -1;
    }
    if (kind.ptr != NULL && !str_eq(kind, STR("Deployment"))) {
        return err_set(e, ERR_INVALID, "kind: expected Deployment, found %.*s",
                       STR_ARG(str_slice(kind, 0, 64)));
    }
    if (version.ptr != NULL && !str_eq(version, STR("apps/v1"))) {
        return err_set(e, ERR_INVALID, "apiVersion: expected apps/v1, found %.*s",
                       STR_ARG(str_slice(version, 0, 64)));
    }
    return 0;
}

static int decode_metadata(const struct json *node, struct arena *a, struct deployment *out,
                           struct err *e)
{
    static const char PATH[] = "metadata.";
    const struct json *metadata = NULL;
    struct str deletion = {0};

    if (get_member(node, "", "metadata", JSON_OBJECT, &metadata, e) != 0 ||
        get_str(metadata, PATH, "name", &out->name, e) != 0 ||
        get_str(metadata, PATH, "namespace", &out->namespace_, e) != 0 ||
        get_str(metadata, PATH, "uid", &out->uid, e) != 0 ||
        get_str(metadata, PATH, "resourceVersion", &out->resource_version, e) != 0 ||
        get_str(metadata, PATH, "deletionTimestamp", &deletion, e) != 0 ||
        get_int(metadata, PATH, "generation", 0, INT64_MAX, &out->generation, e) != 0 ||
        get_kv_list(metadata, PATH, "annotations", a, &out->annotations, e) != 0 ||
        get_kv_list(metadata, PATH, "labels", a, &out->labels, e) != 0) {
        return -1;
    }
    out->deleting = deletion.ptr != NULL;
    return 0;
}

static int decode_spec(const struct json *node, struct deployment *out, struct err *e)
{
    const struct json *spec = NULL;
    const struct json *replicas = NULL;

    out->replicas = 1;
    if (get_member(node, "", "spec", JSON_OBJECT, &spec, e) != 0 ||
        get_member(spec, "spec.", "replicas", JSON_NUMBER, &replicas, e) != 0 ||
        get_count(spec, "spec.", "replicas", &out->replicas, e) != 0) {
        return -1;
    }
    out->replicas_present = replicas != NULL;
    return 0;
}

static int decode_status(const struct json *node, struct deployment *out, struct err *e)
{
    static const char PATH[] = "status.";
    const struct json *status = NULL;

    if (get_member(node, "", "status", JSON_OBJECT, &status, e) != 0 ||
        get_int(status, PATH, "observedGeneration", 0, INT64_MAX, &out->observed_generation, e) !=
            0 ||
        get_count(status, PATH, "replicas", &out->status_replicas, e) != 0 ||
        get_count(status, PATH, "readyReplicas", &out->ready_replicas, e) != 0) {
        return -1;
    }
    return get_member(status, PATH, "conditions", JSON_ARRAY, &out->conditions, e);
}

int deployment_decode(const struct json *node, struct arena *a, struct deployment *out,
                      struct err *e)
{
    struct deployment d = {.node = node};

    if (check_kind(node, e) != 0 || decode_metadata(node, a, &d, e) != 0 ||
        decode_spec(node, &d, e) != 0 || decode_status(node, &d, e) != 0) {
        return -1;
    }
    *out = d;
    return 0;
}

/* As httperr_code, but here 400 and 422 mean that what we sent is wrong. */
static enum err_code status_code(int http_status)
{
    return http_status == 400 || http_status == 422 ? ERR_INVALID : httperr_code(http_status);
}

static bool is_status(const struct json *node)
{
    return str_eq(json_str(json_get(node, STR("kind"))), STR("Status"));
}

/* Seconds that a Status asks to wait, in ms; 0 when it does not. */
static int retry_after_ms(const struct json *status)
{
    const struct json *details = json_get(status, STR("details"));
    int64_t seconds;

    if (!json_int(json_get(details, STR("retryAfterSeconds")), &seconds) || seconds < 0) {
        return 0;
    }
    return seconds < 3600 ? (int)seconds * 1000 : 3600 * 1000;
}

static int fail_status(const struct json *status, int http_status, struct err *e)
{
    struct str text = json_str(json_get(status, STR("message")));

    if (text.len == 0) {
        text = json_str(json_get(status, STR("reason")));
    }
    (void)err_set(e, status_code(http_status), "%.*s",
                  STR_ARG(text.len > 0 ? text : STR("no reason given")));
    e->http_status = http_status;
    e->retry_after_ms = retry_after_ms(status);
    return -1;
}

/* The Status of an ERROR event; its code stands in for the HTTP status. */
static int fail_event(const struct json *object, struct err *e)
{
    int64_t code = 0;

    if (!is_status(object)) {
        return err_set(e, ERR_UNAVAILABLE, "watch: an ERROR event without a Status");
    }
    if (!json_int(json_get(object, STR("code")), &code) || code < 100 || code > 999) {
        code = 500;
    }
    return fail_status(object, (int)code, e);
}

static bool event_type(struct str name, enum watch_type *out)
{
    static const struct str names[] = {
        [WATCH_ADDED] = STR_INIT("ADDED"),
        [WATCH_MODIFIED] = STR_INIT("MODIFIED"),
        [WATCH_DELETED] = STR_INIT("DELETED"),
        [WATCH_BOOKMARK] = STR_INIT("BOOKMARK"),
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq(names[i], name)) {
            *out = (enum watch_type)i;
            return true;
        }
    }
    return false;
}

int watch_event_decode(struct str line, struct arena *a, struct watch_event *out, struct err *e)
{
    struct watch_event event = {0};
    const struct json *root;
    struct str type;

    if (json_parse(line, &JSON_LIMITS_API, a, &root, e) != 0) {
        return err_prefix(e, "watch");
    }
    type = json_str(json_get(root, STR("type")));
    event.object = json_get(root, STR("object"));
    if (str_eq(type, STR("ERROR"))) {
        return fail_event(event.object, e);
    }
    if (!event_type(type, &event.type)) {
        return err_set(e, ERR_INVALID, "watch: unknown event type \"%.*s\"",
                       STR_ARG(str_slice(type, 0, 40)));
    }
    event.resource_version = json_str(json_path(event.object, "metadata/resourceVersion"));
    if (event.resource_version.len == 0) {
        return err_set(e, ERR_INVALID, "watch: an event without object.metadata.resourceVersion");
    }
    *out = event;
    return 0;
}

int kube_status_err(int http_status, struct str body, struct arena *a, struct err *e)
{
    const struct json *root = NULL;
    struct err ignored;

    if (json_parse(body, &JSON_LIMITS_API, a, &root, &ignored) == 0 && is_status(root)) {
        return fail_status(root, http_status, e);
    }
    (void)httperr_set(e, http_status, body);
    e->code = status_code(http_status);
    return -1;
}
