/* Policy files, and what they make of Deployments: golden sections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/yaml.h"
#include "golden.h"
#include "webhook/policy_verdict.h"

enum { ARENA_BYTES = 1 << 24, TEXT_BYTES = 1 << 16, ANNOTATIONS_MAX = 16 };

static void separate(struct buf *out, const char *separator)
{
    buf_format(out, "%s", out->len > 0 ? separator : "");
}

/* ---- reading ---- */

static void print_settings(struct str scope, const struct policy_setting *rules, struct buf *out)
{
    static const char *const ACTIONS[] = {"deny", "warn", "audit", "none"};
    for (int i = 0; i < RULE_COUNT; i++) {
        const struct policy_setting *s = &rules[i];
        struct str name = policy_rule_name((enum policy_rule)i);
        if (!s->given) {
            continue;
        }
        separate(out, "; ");
        buf_format(out, "%.*s.%.*s %s ", STR_ARG(scope), STR_ARG(name), ACTIONS[s->action]);
        for (size_t k = 0; k < s->value_count; k++) {
            buf_format(out, "%s%.*s", k > 0 ? "," : "", STR_ARG(s->values[k]));
        }
        if (i < RULE_ALLOWED_ENDPOINTS || i > RULE_ALLOWED_ROLES) {
            buf_format(out, "%lld", (long long)s->limit);
        }
    }
}

static void run_read(const struct golden_case *c)
{
    struct arena arena;
    struct policy policy;
    struct err e = ERR_INIT;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, TEXT_BYTES);
    if (policy_parse(golden_field(c, 1), &arena, &policy, &e) != 0) {
        buf_append(&out, str_from(e.text));
    } else {
        print_settings(STR("-"), policy.defaults, &out);
        for (size_t i = 0; i < policy.namespace_count; i++) {
            print_settings(policy.namespaces[i].name, policy.namespaces[i].rules, &out);
        }
        if (policy.contact.len > 0) {
            buf_format(&out, "; ask %.*s", STR_ARG(policy.contact));
        }
        buf_append(&out, out.len > 0 ? STR("") : STR("nothing"));
    }
    golden_expect(c, buf_view(&out), golden_field(c, 2));
    buf_free(&out);
    arena_free(&arena);
}

static void test_read(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/policy/read.txt", run_read);
}

/* ---- judging ---- */

struct side {
    struct kv items[ANNOTATIONS_MAX];
    struct kv_list annotations;
    struct scale_spec spec;
};

static void add(struct side *s, struct arena *a, struct str key, struct str value)
{
    struct err e = ERR_INIT;
    struct kv *item = &s->items[s->annotations.count++];
    assert_int_equal(arena_format(a, &item->key, &e, SPEC_PREFIX "%.*s", STR_ARG(key)), 0);
    item->value = value;
}

/* False: it is not there. */
static bool read_side(const struct golden_case *c, const struct json *node, struct arena *a,
                      struct side *out)
{
    struct complaints complaints;
    struct err e = ERR_INIT;
    *out = (struct side){.annotations = {.count = 0}};
    if (node == NULL) {
        return false;
    }
    for (const struct json *i = node->child; i != NULL; i = i->next) {
        add(out, a, i->key, i->text);
    }
    if (json_get(node, STR("collector")) == NULL && json_get(node, STR("triggers")) == NULL) {
        add(out, a, STR("query"), STR("up"));
        add(out, a, STR("threshold"), STR("1"));
    }
    out->annotations.items = out->items;
    assert_int_equal(spec_parse(&out->annotations, a, &out->spec, &complaints, &e), 0);
    for (size_t i = 0; i < complaints.count; i++) {
        golden_expect(c, complaints.items[i].text, STR("no complaint"));
    }
    return true;
}

static void run_judge(const struct golden_case *c)
{
    struct arena arena;
    const struct json *root;
    struct policy policy;
    struct policy_findings findings;
    struct side now, before;
    struct err e = ERR_INIT;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, TEXT_BYTES);
    if (yaml_parse(golden_field(c, 1), &JSON_LIMITS_USER, &arena, &root, &e) != 0 ||
        policy_parse(json_str(json_get(root, STR("policy"))), &arena, &policy, &e) != 0) {
        fail_msg("%s:%u: %s", c->path, c->line, e.text);
    }
    assert_true(read_side(c, json_get(root, STR("now")), &arena, &now));
    const bool updates = read_side(c, json_get(root, STR("before")), &arena, &before);
    const struct policy_side sides[] = {{&now.annotations, &now.spec},
                                        {&before.annotations, &before.spec}};
    assert_int_equal(policy_judge(&policy, STR("shop"), &sides[0], updates ? &sides[1] : NULL,
                                  &arena, &findings, &e),
                     0);
    for (size_t i = 0; i < findings.count; i++) {
        struct str outcome = policy_outcome(&findings.items[i]);
        separate(&out, " | ");
        buf_format(&out, "%.*s %.*s", STR_ARG(outcome), STR_ARG(findings.items[i].text));
    }
    buf_append(&out, out.len > 0 ? STR("") : STR("nothing"));
    golden_expect(c, buf_view(&out), golden_field(c, 2));
    buf_free(&out);
    arena_free(&arena);
}

static void test_judge(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/policy/judge.txt", run_judge);
}

/* ---- the README ---- */

static bool has(struct str text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/* Its example is a policy with every rule, and its table has a row a rule. */
static void test_readme(void **state)
{
    struct str readme = golden_read("README.md");
    struct arena arena;
    struct policy policy;
    struct err e = ERR_INIT;
    struct buf row;
    (void)state;
    const char *begin = strstr(readme.ptr, "<!-- policy:");
    assert_non_null(begin);
    begin = strstr(begin, "```yaml\n") + strlen("```yaml\n");
    const char *end = strstr(begin, "```");
    assert_non_null(end);
    arena_init(&arena, ARENA_BYTES);
    buf_init(&row, TEXT_BYTES);
    if (policy_parse((struct str){begin, (size_t)(end - begin)}, &arena, &policy, &e) != 0) {
        fail_msg("README.md: %s", e.text);
    }
    for (int i = 0; i < RULE_COUNT; i++) {
        struct str name = policy_rule_name((enum policy_rule)i);
        buf_reset(&row);
        buf_format(&row, "\n| `%.*s` |%c", STR_ARG(name), '\0');
        if (!policy.defaults[i].given || !has(readme, row.ptr)) {
            fail_msg("README.md: rule %.*s is not in the example and the table", STR_ARG(name));
        }
    }
    buf_free(&row);
    arena_free(&arena);
    golden_free(readme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readme), cmocka_unit_test(test_read),
                                       cmocka_unit_test(test_judge)};
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
