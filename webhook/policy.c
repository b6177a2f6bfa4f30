#include "webhook/policy.h"

#include "base/num.h"
#include "base/yaml.h"
#include "base/yamlobj.h"
#include "webhook/places.h"

enum { CONTACT_MAX_BYTES = 120 };

static const struct json_limits LIMITS = {
    .max_depth = 16, .max_values = 100000, .duplicates = JSON_DUPLICATES_REFUSE};

static const struct str ACTIONS[] = {[ACTION_DENY] = STR_INIT("deny"),
                                     [ACTION_WARN] = STR_INIT("warn"),
                                     [ACTION_AUDIT] = STR_INIT("audit"),
                                     [ACTION_NONE] = STR_INIT("none")};

/* ---- values ---- */

static int read_count(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_field *field, const struct yamlobj_place *place,
                      void *out)
{
    int32_t count = 0;
    if (yamlobj_int32(r, node, field, place, &count) != 0) {
        return -1;
    }
    *(int64_t *)out = count;
    return 0;
}

static int read_duration(struct yamlobj_reader *r, const struct json *node,
                         const struct yamlobj_field *field, const struct yamlobj_place *place,
                         void *out)
{
    (void)field;
    struct err ignored;
    if (node->type != JSON_STRING || num_duration_ms(node->text, out, &ignored) != 0) {
        return yamlobj_complain(r, node, place, "expected a duration, such as 10s");
    }
    return 0;
}

/* An element by the rule of the annotation that it allows the value of; a role may end in '*'. */
static bool keeps_rule(struct yamlobj_reader *r, enum spec_key key, struct str text)
{
    struct scale_spec spec = {.trigger_count = 0};
    bool starred = key == KEY_ROLE_ARN && str_ends(text, STR("*"));
    struct str tried = text;
    if (starred && arena_format(r->a, &tried, r->why, "%.*sx", (int)text.len - 1, text.ptr) != 0) {
        return false;
    }
    return spec_parse_value(key, tried, r->a, &spec);
}

static int read_list(struct yamlobj_reader *r, const struct json *node,
                     const struct yamlobj_place *place, enum spec_key key,
                     struct policy_setting *out)
{
    if (node->type != JSON_ARRAY) {
        return yamlobj_complain(r, node, place, "expected a list, found %s",
                                json_type_name(node->type));
    }
    struct str *values = arena_array(r->a, node->count, sizeof(*values));
    size_t count = 0;
    if (values == NULL) {
        return arena_err(r->a, r->why);
    }
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        const struct yamlobj_place here = {place, {NULL, 0}, count};
        struct str text = json_str(item);
        if (!keeps_rule(r, key, text)) {
            return yamlobj_complain(r, item, &here, "expected %s", spec_expected(key));
        }
        values[count++] = text;
    }
    out->values = values;
    out->value_count = count;
    return 0;
}

static int read_endpoints(struct yamlobj_reader *r, const struct json *node,
                          const struct yamlobj_field *field, const struct yamlobj_place *place,
                          void *out)
{
    (void)field;
    return read_list(r, node, place, KEY_ENDPOINT, out);
}

static int read_workspaces(struct yamlobj_reader *r, const struct json *node,
                           const struct yamlobj_field *field, const struct yamlobj_place *place,
                           void *out)
{
    (void)field;
    return read_list(r, node, place, KEY_WORKSPACE, out);
}

static int read_roles(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_field *field, const struct yamlobj_place *place,
                      void *out)
{
    (void)field;
    return read_list(r, node, place, KEY_ROLE_ARN, out);
}

/* ---- rules ---- */

/* The action first, then the value, if the rule has one. */
#define ACTION                                                                                     \
    {                                                                                              \
        .name = STR_INIT("action"), .read = yamlobj_word,                                          \
        .offset = offsetof(struct policy_setting, action), .words = ACTIONS,                       \
        .word_count = ACTION_NONE + 1                                                              \
    }
#define LIMIT(reader)                                                                              \
    .name = STR_INIT("value"), .read = (reader), .offset = offsetof(struct policy_setting, limit)
#define VALUES(reader) .name = STR_INIT("values"), .read = (reader)

enum { RULE_FIELDS_MAX = 2 };

struct rule_row {
    struct yamlobj_field fields[RULE_FIELDS_MAX];
    size_t field_count;
    bool names_action; /* there is no default that anybody could guess */
};

static const struct rule_row ROWS[RULE_COUNT] = {
    [RULE_MAX_REPLICAS] = {{ACTION, {LIMIT(read_count), .min = 0, .max = INT32_MAX}}, 2, false},
    [RULE_MIN_POLLING_INTERVAL] = {{ACTION, {LIMIT(read_duration)}}, 2, false},
    [RULE_MAX_TRIGGERS] = {{ACTION, {LIMIT(read_count), .min = 1, .max = INT32_MAX}}, 2, false},
    [RULE_FORBID_ZERO] = {{ACTION}, 1, false},
    [RULE_ALLOWED_ENDPOINTS] = {{ACTION, {VALUES(read_endpoints)}}, 2, false},
    [RULE_ALLOWED_WORKSPACES] = {{ACTION, {VALUES(read_workspaces)}}, 2, false},
    [RULE_ALLOWED_ROLES] = {{ACTION, {VALUES(read_roles)}}, 2, false},
    [RULE_UNREACHABLE] = {{ACTION}, 1, true},
};

static int read_rule(struct yamlobj_reader *r, const struct json *node,
                     const struct yamlobj_field *field, const struct yamlobj_place *place,
                     void *out);

#define RULE(rule, text)                                                                           \
    [rule] = {.name = STR_INIT(text),                                                              \
              .read = read_rule,                                                                   \
              .offset = (rule) * sizeof(struct policy_setting)}
static const struct yamlobj_field RULES[RULE_COUNT] = {
    RULE(RULE_MAX_REPLICAS, "maxReplicas"),
    RULE(RULE_MIN_POLLING_INTERVAL, "minPollingInterval"),
    RULE(RULE_MAX_TRIGGERS, "maxTriggers"),
    RULE(RULE_FORBID_ZERO, "forbidZero"),
    RULE(RULE_ALLOWED_ENDPOINTS, "allowedEndpoints"),
    RULE(RULE_ALLOWED_WORKSPACES, "allowedWorkspaces"),
    RULE(RULE_ALLOWED_ROLES, "allowedRoles"),
    RULE(RULE_UNREACHABLE, "unreachable"),
};

static int read_rule(struct yamlobj_reader *r, const struct json *node,
                     const struct yamlobj_field *field, const struct yamlobj_place *place,
                     void *out)
{
    const struct rule_row *row = &ROWS[field - RULES];
    struct policy_setting setting = {.given = true, .action = ACTION_DENY};
    if (yamlobj_read(r, node, row->fields, row->field_count, place, &setting) != 0) {
        return -1;
    }
    if (row->names_action && json_str(json_get(node, STR("action"))).ptr == NULL) {
        return yamlobj_complain(r, node, place, "action is missing");
    }
    for (size_t i = 1; i < row->field_count && setting.action != ACTION_NONE; i++) {
        const struct json *value = json_get(node, row->fields[i].name);
        if (value == NULL || value->type == JSON_NULL) {
            return yamlobj_complain(r, node, place, "%s is missing", row->fields[i].name.ptr);
        }
    }
    *(struct policy_setting *)out = setting;
    return 0;
}

/* ---- the file ---- */

static int read_defaults(struct yamlobj_reader *r, const struct json *node,
                         const struct yamlobj_field *field, const struct yamlobj_place *place,
                         void *out)
{
    (void)field;
    return yamlobj_read(r, node, RULES, RULE_COUNT, place, out);
}

static int read_namespaces(struct yamlobj_reader *r, const struct json *node,
                           const struct yamlobj_field *field, const struct yamlobj_place *place,
                           void *out)
{
    (void)field;
    struct policy *policy = out;
    if (node->type != JSON_OBJECT) {
        return yamlobj_complain(r, node, place, "expected an object of namespaces, found %s",
                                json_type_name(node->type));
    }
    struct policy_scope *scopes = arena_array(r->a, node->count, sizeof(*scopes));
    size_t count = 0;
    if (scopes == NULL) {
        return arena_err(r->a, r->why);
    }
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        const struct yamlobj_place here = {place, item->key, 0};
        struct policy_scope *scope = &scopes[count++];
        scope->name = item->key;
        if (!places_is_namespace(item->key)) {
            return yamlobj_complain(r, item, &here, "expected the name of a namespace");
        }
        if (item->type != JSON_NULL &&
            yamlobj_read(r, item, RULES, RULE_COUNT, &here, scope->rules) != 0) {
            return -1;
        }
    }
    policy->namespaces = scopes;
    policy->namespace_count = count;
    return 0;
}

static int read_contact(struct yamlobj_reader *r, const struct json *node,
                        const struct yamlobj_field *field, const struct yamlobj_place *place,
                        void *out)
{
    struct str text = json_str(node);
    bool right = text.len > 0 && text.len <= CONTACT_MAX_BYTES;
    (void)field;
    for (size_t i = 0; right && i < text.len; i++) {
        right = (unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f;
    }
    if (!right) {
        return yamlobj_complain(r, node, place, "expected a line of at most %d bytes",
                                CONTACT_MAX_BYTES);
    }
    *(struct str *)out = text;
    return 0;
}

static const struct yamlobj_field FILE_FIELDS[] = {
    {.name = STR_INIT("version"), .read = yamlobj_version, .required = true},
    {.name = STR_INIT("contact"), .read = read_contact, .offset = offsetof(struct policy, contact)},
    {.name = STR_INIT("defaults"),
     .read = read_defaults,
     .offset = offsetof(struct policy, defaults)},
    {.name = STR_INIT("namespaces"), .read = read_namespaces},
};

int policy_parse(struct str text, struct arena *a, struct policy *out, struct err *e)
{
    const struct json *root;
    struct yamlobj_reader r = {a, e};
    struct policy policy = {.namespace_count = 0};
    if (yaml_parse(text, &LIMITS, a, &root, e) != 0 ||
        yamlobj_read(&r, root, FILE_FIELDS, sizeof(FILE_FIELDS) / sizeof(FILE_FIELDS[0]), NULL,
                     &policy) != 0) {
        return -1;
    }
    *out = policy;
    return 0;
}

struct str policy_rule_name(enum policy_rule rule)
{
    return RULES[rule].name;
}

const struct policy_setting *policy_setting(const struct policy *p, struct str namespace_,
                                            enum policy_rule rule)
{
    const struct policy_setting *setting = &p->defaults[rule];
    for (size_t i = 0; i < p->namespace_count; i++) {
        if (str_eq(p->namespaces[i].name, namespace_) && p->namespaces[i].rules[rule].given) {
            setting = &p->namespaces[i].rules[rule];
        }
    }
    return setting->given && setting->action != ACTION_NONE ? setting : NULL;
}
