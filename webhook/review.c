#include "webhook/review.h"

#include "base/json.h"

/* A member that may be absent or null but else must be a string. */
static int optional_str(const struct json *parent, struct str name, struct str *out, struct err *e)
{
    const struct json *node = json_get(parent, name);
    if (node == NULL || node->type == JSON_NULL) {
        *out = (struct str){NULL, 0};
        return 0;
    }
    if (node->type != JSON_STRING) {
        return err_set(e, ERR_INVALID, "%.*s: expected a string, found %s", STR_ARG(name),
                       json_type_name(node->type));
    }
    *out = node->text;
    return 0;
}

static int decode_type(const struct json *root, struct err *e)
{
    struct str kind;
    struct str version;
    if (optional_str(root, STR("kind"), &kind, e) != 0 ||
        optional_str(root, STR("apiVersion"), &version, e) != 0) {
        return -1;
    }
    if (!str_eq(kind, STR("AdmissionReview"))) {
        return err_set(e, ERR_INVALID, "kind: \"%.*s\": expected AdmissionReview", STR_ARG(kind));
    }
    if (str_eq(version, STR("admission.k8s.io/v1"))) {
        return 0;
    }
    if (str_eq(version, STR("admission.k8s.io/v1beta1"))) {
        return err_set(e, ERR_INVALID,
                       "apiVersion: admission.k8s.io/v1beta1 is not spoken here: set "
                       "admissionReviewVersions: [\"v1\"] in the webhook configuration");
    }
    return err_set(e, ERR_INVALID, "apiVersion: \"%.*s\": expected admission.k8s.io/v1",
                   STR_ARG(version));
}

static int decode_operation(const struct json *request, enum review_operation *out, struct err *e)
{
    static const struct str NAMES[] = {
        [REVIEW_CREATE] = STR_INIT("CREATE"),
        [REVIEW_UPDATE] = STR_INIT("UPDATE"),
        [REVIEW_DELETE] = STR_INIT("DELETE"),
        [REVIEW_CONNECT] = STR_INIT("CONNECT"),
    };
    struct str text = json_str(json_get(request, STR("operation")));
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq(text, NAMES[i])) {
            *out = (enum review_operation)i;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID,
                   "request.operation: \"%.*s\": expected CREATE, UPDATE, DELETE or CONNECT",
                   STR_ARG(text));
}

static int decode_dry_run(const struct json *request, bool *out, struct err *e)
{
    const struct json *node = json_get(request, STR("dryRun"));
    if (node != NULL && node->type != JSON_BOOL && node->type != JSON_NULL) {
        return err_set(e, ERR_INVALID, "request.dryRun: expected true or false, found %s",
                       json_type_name(node->type));
    }
    *out = json_is_true(node);
    return 0;
}

/* What the review is about, by its own words: a Deployment of apps/v1 and nothing else. */
static int check_kind(const struct json *request, struct err *e)
{
    const struct json *kind = json_get(request, STR("kind"));
    struct str group = json_str(json_get(kind, STR("group")));
    struct str version = json_str(json_get(kind, STR("version")));
    struct str name = json_str(json_get(kind, STR("kind")));
    const struct json *resource = json_get(request, STR("resource"));
    struct str plural = json_str(json_get(resource, STR("resource")));
    if (!str_eq(group, STR("apps")) || !str_eq(version, STR("v1")) ||
        !str_eq(name, STR("Deployment"))) {
        return err_set(
            e, ERR_INVALID,
            "request.kind: %.*s/%.*s %.*s: expected apps/v1 Deployment; the rules of the "
            "webhook configuration must name apps/v1 deployments alone",
            STR_ARG(group), STR_ARG(version), STR_ARG(name));
    }
    if (!str_eq(plural, STR("deployments"))) {
        return err_set(e, ERR_INVALID, "request.resource: \"%.*s\": expected deployments",
                       STR_ARG(plural));
    }
    return 0;
}

static int decode_object(const struct json *request, struct str member, struct arena *a, bool *has,
                         struct deployment *out, struct err *e)
{
    const struct json *node = json_get(request, member);
    *has = node != NULL && node->type != JSON_NULL;
    if (!*has) {
        return 0;
    }
    if (node->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "request.%.*s: expected an object, found %s",
                       STR_ARG(member), json_type_name(node->type));
    }
    if (deployment_decode(node, a, out, e) != 0) {
        return err_prefix(e, "request.%.*s", STR_ARG(member));
    }
    return 0;
}

static int decode_objects(const struct json *request, struct arena *a, struct review *r,
                          struct err *e)
{
    if (decode_object(request, STR("object"), a, &r->has_object, &r->object, e) != 0 ||
        decode_object(request, STR("oldObject"), a, &r->has_old, &r->old, e) != 0) {
        return -1;
    }
    bool writes = r->operation == REVIEW_CREATE || r->operation == REVIEW_UPDATE;
    if (writes && !r->has_object) {
        return err_set(e, ERR_INVALID, "request.object: missing");
    }
    if (r->operation == REVIEW_UPDATE && !r->has_old) {
        return err_set(e, ERR_INVALID, "request.oldObject: missing");
    }
    return 0;
}

static int decode_request(const struct json *request, struct arena *a, struct review *r,
                          struct err *e)
{
    if (request == NULL || request->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "request: expected an object");
    }
    if (optional_str(request, STR("uid"), &r->uid, e) != 0 ||
        optional_str(request, STR("namespace"), &r->namespace_, e) != 0 ||
        optional_str(request, STR("name"), &r->name, e) != 0 ||
        optional_str(request, STR("subResource"), &r->subresource, e) != 0 ||
        optional_str(json_get(request, STR("userInfo")), STR("username"), &r->username, e) != 0) {
        return err_prefix(e, "request");
    }
    if (r->uid.len == 0) {
        return err_set(e, ERR_INVALID, "request.uid: missing");
    }
    if (decode_operation(request, &r->operation, e) != 0 ||
        decode_dry_run(request, &r->dry_run, e) != 0 || check_kind(request, e) != 0 ||
        decode_objects(request, a, r, e) != 0) {
        return -1;
    }
    if (r->name.len == 0 && r->has_object) {
        r->name = r->object.name;
    }
    return 0;
}

int review_decode(struct str body, struct arena *a, struct review *out, struct err *e)
{
    const struct json *root;
    if (json_parse(body, &JSON_LIMITS_API, a, &root, e) != 0) {
        return err_prefix(e, "AdmissionReview");
    }
    struct review r = {0};
    if (root->type != JSON_OBJECT) {
        (void)err_set(e, ERR_INVALID, "expected an object, found %s", json_type_name(root->type));
        return err_prefix(e, "AdmissionReview");
    }
    if (decode_type(root, e) != 0 ||
        decode_request(json_get(root, STR("request")), a, &r, e) != 0) {
        return err_prefix(e, "AdmissionReview");
    }
    *out = r;
    return 0;
}

int review_http_status(const struct err *e)
{
    return e->code == ERR_INVALID || e->code == ERR_LIMIT ? 400 : 500;
}

bool review_concerns_us(const struct review *r)
{
    bool writes = r->operation == REVIEW_CREATE || r->operation == REVIEW_UPDATE;
    return writes && r->has_object && r->subresource.len == 0 && !r->object.deleting;
}

int review_target(const struct review *r, struct arena *a, struct str *out, struct err *e)
{
    struct str name = r->name.len > 0 ? r->name : STR("(name not generated yet)");
    struct str namespace_ = r->namespace_.len > 0 ? r->namespace_ : r->object.namespace_;
    return arena_format(a, out, e, "%.*s/%.*s", STR_ARG(namespace_), STR_ARG(name));
}
