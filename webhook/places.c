#include "webhook/places.h"

#include "base/spec.h"
#include "base/yaml.h"
#include "base/yamlobj.h"

enum { NAMESPACE_MAX_BYTES = 63 };

static const struct json_limits LIMITS = {
    .max_depth = 16, .max_values = 100000, .duplicates = JSON_DUPLICATES_REFUSE};

bool places_is_namespace(struct str name)
{
    bool right = name.len > 0 && name.len <= NAMESPACE_MAX_BYTES && name.ptr[0] != '-' &&
                 !str_ends(name, STR("-"));
    for (size_t i = 0; right && i < name.len; i++) {
        const char c = name.ptr[i];
        right = char_is_lower(c) || char_is_digit(c) || c == '-';
    }
    return right;
}

static int read_name(struct yamlobj_reader *r, const struct json *node,
                     const struct yamlobj_field *field, const struct yamlobj_place *place,
                     void *out)
{
    struct str text = json_str(node);
    (void)field;
    if (!places_is_namespace(text)) {
        return yamlobj_complain(r, node, place, "expected the name of a namespace");
    }
    *(struct str *)out = text;
    return 0;
}

/* By the rule of the annotation that says the same of one Deployment. */
static int read_value(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_field *field, const struct yamlobj_place *place,
                      void *out);

#define VALUE(key, member)                                                                         \
    {                                                                                              \
        .name = STR_INIT(key), .read = read_value, .offset = offsetof(struct place, member)        \
    }
static const struct yamlobj_field ENTRY_FIELDS[] = {
    {.name = STR_INIT("name"),
     .read = read_name,
     .offset = offsetof(struct place, name),
     .required = true},
    VALUE("endpoint", endpoint),
    VALUE("workspace", workspace),
    VALUE("region", region),
    VALUE("roleArn", role_arn),
    VALUE("collectorRoleArn", collector_role_arn),
};
static const enum spec_key KEYS[] = {
    KEY_COUNT, KEY_ENDPOINT, KEY_WORKSPACE, KEY_REGION, KEY_ROLE_ARN, KEY_COLLECTOR_ROLE_ARN,
};
enum { ENTRY_FIELD_COUNT = sizeof(ENTRY_FIELDS) / sizeof(ENTRY_FIELDS[0]) };

static int read_value(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_field *field, const struct yamlobj_place *place,
                      void *out)
{
    const enum spec_key key = KEYS[field - ENTRY_FIELDS];
    struct scale_spec spec = {.trigger_count = 0};
    struct str text = json_str(node);
    if (!spec_parse_value(key, text, r->a, &spec)) {
        return yamlobj_complain(r, node, place, "expected %s", spec_expected(key));
    }
    *(struct str *)out = text;
    return 0;
}

static int read_entry(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_place *place, const struct places *before,
                      struct place *out)
{
    struct place entry = {.name = {NULL, 0}};
    if (yamlobj_read(r, node, ENTRY_FIELDS, ENTRY_FIELD_COUNT, place, &entry) != 0) {
        return -1;
    }
    if (entry.endpoint.ptr != NULL && entry.workspace.ptr != NULL) {
        return yamlobj_complain(r, node, place, "endpoint and workspace exclude each other");
    }
    if (places_find(before, entry.name) != NULL) {
        return yamlobj_complain(r, node, place, "namespace %.*s is listed twice",
                                STR_ARG(entry.name));
    }
    *out = entry;
    return 0;
}

static int read_entries(struct yamlobj_reader *r, const struct json *node,
                        const struct yamlobj_field *field, const struct yamlobj_place *place,
                        void *out)
{
    (void)field;
    if (node->type != JSON_ARRAY) {
        return yamlobj_complain(r, node, place, "expected a list, found %s",
                                json_type_name(node->type));
    }
    struct place *items = arena_array(r->a, node->count, sizeof(*items));
    struct places places = {.items = items};
    if (items == NULL) {
        return arena_err(r->a, r->why);
    }
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        const struct yamlobj_place here = {place, {NULL, 0}, places.count};
        if (read_entry(r, item, &here, &places, &items[places.count]) != 0) {
            return -1;
        }
        places.count++;
    }
    *(struct places *)out = places;
    return 0;
}

static const struct yamlobj_field FILE_FIELDS[] = {
    {.name = STR_INIT("version"), .read = yamlobj_version, .required = true},
    {.name = STR_INIT("namespaces"), .read = read_entries},
};

int places_parse(struct str text, struct arena *a, struct places *out, struct err *e)
{
    const struct json *root;
    struct yamlobj_reader r = {a, e};
    struct places places = {.count = 0};
    if (yaml_parse(text, &LIMITS, a, &root, e) != 0 ||
        yamlobj_read(&r, root, FILE_FIELDS, sizeof(FILE_FIELDS) / sizeof(FILE_FIELDS[0]), NULL,
                     &places) != 0) {
        return -1;
    }
    *out = places;
    return 0;
}

const struct place *places_find(const struct places *p, struct str namespace_)
{
    for (size_t i = 0; i < p->count; i++) {
        if (str_eq(p->items[i].name, namespace_)) {
            return &p->items[i];
        }
    }
    return NULL;
}

struct sidecar_options places_collector(const struct place *place,
                                        const struct sidecar_options *flags)
{
    struct sidecar_options o = *flags;
    if (place == NULL) {
        return o;
    }
    if (place->endpoint.ptr != NULL || place->workspace.ptr != NULL) {
        o.endpoint = place->endpoint;
        o.workspace = place->workspace;
    }
    if (place->region.ptr != NULL) {
        o.region = place->region;
    }
    if (place->collector_role_arn.ptr != NULL) {
        o.role_arn = place->collector_role_arn;
    }
    return o;
}
