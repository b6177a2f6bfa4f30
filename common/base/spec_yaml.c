/* `triggers` and `behavior`: YAML (or JSON) objects, strict (base/yamlobj.h). */
#include "base/num.h"
#include "base/spec_rows.h"
#include "base/yaml.h"
#include "base/yamlobj.h"

/* A number, or a string that is one: annotations are strings, and habits carry over. */
static int read_double(struct yamlobj_reader *r, const struct json *node,
                       const struct yamlobj_field *field, const struct yamlobj_place *place,
                       void *out)
{
    struct err ignored;
    bool is_text = node->type == JSON_STRING || node->type == JSON_NUMBER;
    double number;
    if (!is_text || num_double(node->text, &number, &ignored) != 0 ||
        (field->min > 0 && number <= 0)) {
        return yamlobj_complain(r, node, place, "expected a number%s",
                                field->min > 0 ? " > 0" : "");
    }
    *(double *)out = number;
    return 0;
}

#define FINER_THAN_MILLI 1e-6

/* As the HPA has it, which reads "410m" from the API and multiplies: 0.41 is a hair more than 0.41
 * there, and a ratio of 0.59 is still within. Source: apimachinery, AsApproximateFloat64. */
static double tolerance_of(int64_t milli)
{
    int64_t whole = milli / 1000;
    return whole * 1000 == milli ? (double)whole : (double)milli * 0.001;
}

/* A Kubernetes quantity ≥ 0: "0.05", 0.05, "50m". */
static int read_tolerance(struct yamlobj_reader *r, const struct json *node,
                          const struct yamlobj_field *field, const struct yamlobj_place *place,
                          void *out)
{
    (void)field;
    struct err ignored;
    int64_t milli;
    if ((node->type != JSON_STRING && node->type != JSON_NUMBER) ||
        num_quantity_milli(node->text, &milli, &ignored) != 0) {
        return yamlobj_complain(r, node, place, "expected a quantity ≥ 0, such as 0.05");
    }
    double exact;
    bool finer = num_double(node->text, &exact, &ignored) == 0 &&
                 (double)milli - exact * 1000 > FINER_THAN_MILLI;
    *(double *)out = finer ? exact : tolerance_of(milli);
    return 0;
}

static int read_name(struct yamlobj_reader *r, const struct json *node,
                     const struct yamlobj_field *field, const struct yamlobj_place *place,
                     void *out)
{
    (void)field;
    struct str text = json_str(node);
    bool printable = text.len > 0 && text.len <= 63;
    for (size_t i = 0; i < text.len && printable; i++) {
        printable = text.ptr[i] > ' ' && text.ptr[i] < 0x7f;
    }
    if (!printable) {
        return yamlobj_complain(r, node, place,
                                "expected 1 to 63 printable ASCII characters, no space");
    }
    *(struct str *)out = text;
    return 0;
}

static int read_query(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_field *field, const struct yamlobj_place *place,
                      void *out)
{
    (void)field;
    struct str text = json_str(node);
    if (node->type != JSON_STRING || !spec_query_ok(text)) {
        return yamlobj_complain(r, node, place,
                                "expected a PromQL expression of at most 16384 bytes");
    }
    *(struct str *)out = text;
    return 0;
}

static int parse_document(const struct spec_value *v, const struct json **out)
{
    return yaml_parse(v->text, &JSON_LIMITS_USER, v->a, out, v->why);
}

#define TRIGGER(member) .offset = offsetof(struct trigger, member)
static const struct yamlobj_field TRIGGER_FIELDS[] = {
    {.name = STR_INIT("name"), .read = read_name, TRIGGER(name)},
    {.name = STR_INIT("query"), .read = read_query, TRIGGER(query), .required = true},
    {.name = STR_INIT("threshold"),
     .read = read_double,
     TRIGGER(threshold),
     .required = true,
     .min = 1},
    {.name = STR_INIT("activationThreshold"), .read = read_double, TRIGGER(activation)},
    {.name = STR_INIT("metricType"),
     .read = yamlobj_word,
     TRIGGER(type),
     .words = SPEC_METRIC_TYPES,
     .word_count = 2},
};

static int read_trigger(struct yamlobj_reader *r, const struct json *node, struct scale_spec *spec)
{
    size_t index = spec->trigger_count;
    struct yamlobj_place place = {NULL, {NULL, 0}, index};
    if (index == SPEC_TRIGGERS_MAX) {
        return yamlobj_complain(r, node, &place, "at most %d triggers", SPEC_TRIGGERS_MAX);
    }
    struct trigger trigger = {.type = METRIC_AVERAGE_VALUE};
    if (yamlobj_read(r, node, TRIGGER_FIELDS, sizeof(TRIGGER_FIELDS) / sizeof(TRIGGER_FIELDS[0]),
                     &place, &trigger) != 0) {
        return -1;
    }
    if (trigger.name.ptr == NULL &&
        arena_format(r->a, &trigger.name, r->why, "trigger-%zu", index) != 0) {
        return -1;
    }
    for (size_t i = 0; i < index; i++) {
        if (str_eq(spec->triggers[i].name, trigger.name)) {
            return yamlobj_complain(r, node, &place, "the name %.*s is taken",
                                    STR_ARG(trigger.name));
        }
    }
    spec->triggers[spec->trigger_count++] = trigger;
    return 0;
}

int spec_parse_triggers(const struct spec_value *v)
{
    struct scale_spec *spec = v->field;
    const struct json *root;
    struct yamlobj_reader r = {v->a, v->why};
    spec->trigger_count = 0;
    if (parse_document(v, &root) != 0) {
        return -1;
    }
    if (root->type != JSON_ARRAY || root->count == 0) {
        return -1;
    }
    for (const struct json *node = root->child; node != NULL; node = node->next) {
        if (read_trigger(&r, node, spec) != 0) {
            spec->trigger_count = 0;
            return -1;
        }
    }
    return 0;
}

static const struct str SELECT_WORDS[] = {[SELECT_MAX] = STR_INIT("Max"),
                                          [SELECT_MIN] = STR_INIT("Min"),
                                          [SELECT_DISABLED] = STR_INIT("Disabled")};
static const struct str POLICY_WORDS[] = {
    [POLICY_PODS] = STR_INIT("Pods"), [POLICY_PERCENT] = STR_INIT("Percent")};

#define POLICY(member) .offset = offsetof(struct scaling_policy, member), .required = true
static const struct yamlobj_field POLICY_FIELDS[] = {
    {.name = STR_INIT("type"),
     .read = yamlobj_word,
     POLICY(type),
     .words = POLICY_WORDS,
     .word_count = 2},
    {.name = STR_INIT("value"), .read = yamlobj_int32, POLICY(value), .min = 1, .max = INT32_MAX},
    {.name = STR_INIT("periodSeconds"),
     .read = yamlobj_int32,
     POLICY(period_seconds),
     .min = 1,
     .max = 1800},
};

static int read_policies(struct yamlobj_reader *r, const struct json *node,
                         const struct yamlobj_field *field, const struct yamlobj_place *place,
                         void *out)
{
    (void)field;
    struct scaling_rules *rules = out;
    if (node->type != JSON_ARRAY || node->count == 0 || node->count > SPEC_POLICIES_MAX) {
        return yamlobj_complain(r, node, place, "expected a list of 1 to %d policies",
                                SPEC_POLICIES_MAX);
    }
    rules->policy_count = 0;
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        struct yamlobj_place here = {place, {NULL, 0}, rules->policy_count};
        struct scaling_policy policy = {0};
        if (yamlobj_read(r, item, POLICY_FIELDS, sizeof(POLICY_FIELDS) / sizeof(POLICY_FIELDS[0]),
                         &here, &policy) != 0) {
            return -1;
        }
        rules->policies[rules->policy_count++] = policy;
    }
    return 0;
}

#define RULES(member) .offset = offsetof(struct scaling_rules, member)
static const struct yamlobj_field RULES_FIELDS[] = {
    {.name = STR_INIT("stabilizationWindowSeconds"),
     .read = yamlobj_int32,
     RULES(window_seconds),
     .min = 0,
     .max = 3600},
    {.name = STR_INIT("selectPolicy"),
     .read = yamlobj_word,
     RULES(select),
     .words = SELECT_WORDS,
     .word_count = 3},
    {.name = STR_INIT("policies"), .read = read_policies, .offset = 0},
    {.name = STR_INIT("tolerance"), .read = read_tolerance, RULES(tolerance)},
};

static int read_rules(struct yamlobj_reader *r, const struct json *node,
                      const struct yamlobj_field *field, const struct yamlobj_place *place,
                      void *out)
{
    (void)field;
    return yamlobj_read(r, node, RULES_FIELDS, sizeof(RULES_FIELDS) / sizeof(RULES_FIELDS[0]),
                        place, out);
}

#define BEHAVIOR(member) .offset = offsetof(struct behavior, member)
static const struct yamlobj_field BEHAVIOR_FIELDS[] = {
    {.name = STR_INIT("scaleUp"), .read = read_rules, BEHAVIOR(up)},
    {.name = STR_INIT("scaleDown"), .read = read_rules, BEHAVIOR(down)},
};

enum { DOWN_WINDOW_SECONDS = 300 };
#define TOLERANCE 0.1

void spec_no_behavior(struct behavior *out)
{
    *out =
        (struct behavior){.up = {.tolerance = TOLERANCE},
                          .down = {.tolerance = TOLERANCE, .window_seconds = DOWN_WINDOW_SECONDS}};
}

/* autoscaling/v2's defaults, for what a given behavior leaves open. */
static void default_behavior(struct behavior *out)
{
    spec_no_behavior(out);
    out->given = true;
    out->up.policies[0] = (struct scaling_policy){POLICY_PODS, 4, 15};
    out->up.policies[1] = (struct scaling_policy){POLICY_PERCENT, 100, 15};
    out->up.policy_count = 2;
    out->down.policies[0] = (struct scaling_policy){POLICY_PERCENT, 100, 15};
    out->down.policy_count = 1;
}

int spec_parse_behavior(const struct spec_value *v)
{
    const struct json *root;
    struct yamlobj_reader r = {v->a, v->why};
    struct behavior behavior;
    if (parse_document(v, &root) != 0) {
        return -1;
    }
    default_behavior(&behavior);
    if (yamlobj_read(&r, root, BEHAVIOR_FIELDS,
                     sizeof(BEHAVIOR_FIELDS) / sizeof(BEHAVIOR_FIELDS[0]), NULL, &behavior) != 0) {
        return -1;
    }
    *(struct behavior *)v->field = behavior;
    return 0;
}
