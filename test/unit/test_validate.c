/* Validation: the golden cases, with the facts that the case gives in place of the world. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "jsonpatch.h"
#include "webhook/policy_verdict.h"
#include "webhook/validate.h"
#include "webhook_cases.h"

/* {"code":"denied","text":"…"} as an error; NULL where there is none. */
static const struct err *error_of(const struct webhook_case *c, const struct json *node)
{
    if (node == NULL) {
        return NULL;
    }
    struct str code = json_str(json_get(node, STR("code")));
    struct err *e = arena_alloc(c->arena, sizeof(*e));
    assert_non_null(e);
    for (int i = ERR_INVALID; i <= ERR_CANCELLED; i++) {
        if (str_eq(code, str_from(err_code_name((enum err_code)i)))) {
            (void)err_set(e, (enum err_code)i, "%.*s",
                          STR_ARG(json_str(json_get(node, STR("text")))));
            return e;
        }
    }
    webhook_case_fail(c, "unknown error code %.*s", STR_ARG(code));
    return NULL;
}

/* A body as Prometheus sends it, through the parser that the program uses. */
static struct query_fact answered(const struct webhook_case *c, const struct json *node)
{
    int64_t status = 0;
    struct err *e = arena_alloc(c->arena, sizeof(*e));
    struct prom_result *result = arena_alloc(c->arena, sizeof(*result));
    const struct json *sent = jsonpatch_copy(json_get(node, STR("body")), c->arena); /* compact */
    struct str body = str_from(webhook_case_text(c, sent));
    assert_non_null(e);
    assert_non_null(result);
    assert_true(json_int(json_get(node, STR("status")), &status));
    if (prom_result_parse((int)status, body, c->arena, result, e) != 0) {
        return (struct query_fact){.outcome = QUERY_FAILED, .error = e};
    }
    return (struct query_fact){.outcome = QUERY_ANSWERED, .result = result};
}

static struct query_fact fact_of(const struct webhook_case *c, const struct json *node)
{
    const struct err *failed = error_of(c, json_get(node, STR("error")));
    const struct err *unresolved = error_of(c, json_get(node, STR("unresolved")));
    if (failed != NULL) {
        return (struct query_fact){.outcome = QUERY_FAILED, .error = failed};
    }
    if (unresolved != NULL) {
        return (struct query_fact){.outcome = QUERY_UNRESOLVED, .error = unresolved};
    }
    const struct err *not_as_role = error_of(c, json_get(node, STR("notAsRole")));
    if (not_as_role != NULL) {
        return (struct query_fact){.outcome = QUERY_NOT_AS_ROLE, .error = not_as_role};
    }
    if (json_is_true(json_get(node, STR("skipped")))) {
        return (struct query_fact){.outcome = QUERY_SKIPPED};
    }
    return answered(c, node);
}

static enum scaler_presence scaler_of(const struct json *facts)
{
    struct str word = json_str(json_get(facts, STR("scaler")));
    if (str_eq(word, STR("none"))) {
        return SCALER_NONE;
    }
    return str_eq(word, STR("live")) ? SCALER_LIVE : SCALER_UNKNOWN;
}

static void finish(const struct webhook_case *c, struct validation *v)
{
    const struct json *given = json_get(c->want, STR("facts"));
    const struct json *queries = json_get(given, STR("queries"));
    struct query_fact facts[SPEC_TRIGGERS_MAX];
    size_t count = 0;
    struct err e = ERR_INIT;
    for (const struct json *i = queries != NULL ? queries->child : NULL; i != NULL; i = i->next) {
        facts[count++] = fact_of(c, i);
    }
    assert_int_equal(count, v->query_count);
    struct validate_facts all = {
        .hpas = json_get(given, STR("hpas")),
        .scaled_objects = json_get(given, STR("scaledObjects")),
        .autoscalers_error = error_of(c, json_get(given, STR("autoscalersError"))),
        .queries = facts,
        .scaler = scaler_of(given),
    };
    assert_int_equal(validate_finish(v, &all, c->arena, &e), 0);
    assert_true(v->done);
}

static void check_text(const struct webhook_case *c, const char *what, struct str got,
                       struct str want)
{
    if (!str_eq(got, want)) {
        webhook_case_fail(c, "%s:\n  got  %.*s\n  want %.*s", what, STR_ARG(got), STR_ARG(want));
    }
}

static void check_needs(const struct webhook_case *c, const struct validation *v)
{
    const struct json *needs = json_get(c->want, STR("needs"));
    bool final = json_is_true(json_get(c->want, STR("final")));
    if (v->done != final) {
        webhook_case_fail(c, "done after the first stage: %d; %.*s", v->done,
                          STR_ARG(v->verdict.message));
    }
    if (final) {
        assert_int_equal(v->query_count, 0);
        assert_false(v->wants_autoscalers);
        return;
    }
    const struct json *queries = json_get(needs, STR("queries"));
    assert_int_equal(v->wants_autoscalers, json_is_true(json_get(needs, STR("autoscalers"))));
    if (v->query_count != queries->count) {
        webhook_case_fail(c, "%zu queries, expected %zu", v->query_count, queries->count);
    }
    const struct json *want = queries->child;
    for (size_t i = 0; i < v->query_count; i++, want = want->next) {
        const struct validate_query *q = &v->queries[i];
        check_text(c, "query", q->query, json_str(json_get(want, STR("query"))));
        check_text(c, "endpoint", q->endpoint, json_str(json_get(want, STR("endpoint"))));
        check_text(c, "workspace", q->workspace, json_str(json_get(want, STR("workspace"))));
        check_text(c, "region", q->region, json_str(json_get(want, STR("region"))));
        check_text(c, "role", q->role_arn, json_str(json_get(want, STR("role"))));
        if (q->known != json_is_true(json_get(want, STR("known")))) {
            webhook_case_fail(c, "known: %d", q->known);
        }
    }
}

/* Line by line, or "*": then each of `keys` must be in it. */
static void check_message(const struct webhook_case *c, struct str message)
{
    const struct json *want = json_get(c->want, STR("message"));
    const struct json *keys = json_get(c->want, STR("keys"));
    if (want->type == JSON_ARRAY) {
        struct str rest = message;
        for (const struct json *line = want->child; line != NULL; line = line->next) {
            check_text(c, "message", str_cut(rest, '\n', &rest), line->text);
        }
        check_text(c, "rest of the message", rest, (struct str){NULL, 0});
        return;
    }
    for (const struct json *key = keys->child; key != NULL; key = key->next) {
        if (memmem(message.ptr, message.len, key->text.ptr, key->text.len) == NULL) {
            webhook_case_fail(c, "%.*s is not in: %.*s", STR_ARG(key->text), STR_ARG(message));
        }
    }
}

static void check_verdict(const struct webhook_case *c, const struct verdict *v)
{
    const struct json *warnings = json_get(c->want, STR("warnings"));
    int64_t code = 0;
    if (v->allowed != json_is_true(json_get(c->want, STR("allowed")))) {
        webhook_case_fail(c, "allowed: %d; %.*s", v->allowed, STR_ARG(v->message));
    }
    if (!v->allowed) {
        assert_true(json_int(json_get(c->want, STR("code")), &code));
        assert_int_equal(v->code, code);
        check_message(c, v->message);
    }
    size_t want = warnings == NULL ? 0 : warnings->count;
    for (size_t i = 0; i < v->warning_count && i < want; i++) {
        const struct json *text = warnings->child;
        for (size_t skip = i; skip > 0; skip--) {
            text = text->next;
        }
        check_text(c, "warning", v->warnings[i], text->text);
    }
    if (v->warning_count != want) {
        webhook_case_fail(c, "%zu warnings, expected %zu; the first: %.*s", v->warning_count, want,
                          STR_ARG(v->warnings[0]));
    }
}

/* Each line of "audits" is "KEY: TEXT", each of "findings" "RULE ACTION". */
static void check_findings(const struct webhook_case *c, const struct validation *v)
{
    const struct json *audits = json_get(c->want, STR("audits"));
    const struct json *findings = json_get(c->want, STR("findings"));
    const struct json *want = audits != NULL ? audits->child : NULL;
    struct err e = ERR_INIT;
    struct str line;
    assert_int_equal(v->verdict.audit_count, audits != NULL ? audits->count : 0);
    for (size_t i = 0; i < v->verdict.audit_count; i++, want = want->next) {
        const struct verdict_audit *audit = &v->verdict.audits[i];
        assert_int_equal(arena_format(c->arena, &line, &e, "%.*s: %.*s", STR_ARG(audit->key),
                                      STR_ARG(audit->text)),
                         0);
        check_text(c, "audit", line, want->text);
    }
    want = findings != NULL ? findings->child : NULL;
    assert_int_equal(v->findings.count, findings != NULL ? findings->count : 0);
    for (size_t i = 0; i < v->findings.count; i++, want = want->next) {
        const struct policy_finding *f = &v->findings.items[i];
        struct str rule = policy_rule_name(f->rule);
        struct str outcome = policy_outcome(f);
        assert_int_equal(
            arena_format(c->arena, &line, &e, "%.*s %.*s", STR_ARG(rule), STR_ARG(outcome)), 0);
        check_text(c, "finding", line, want->text);
    }
}

static void check_case(const struct webhook_case *c)
{
    struct review r;
    struct validation v;
    struct err e = ERR_INIT;
    struct policy policy;
    struct validate_rules rules = {.policy = NULL};
    struct str text = json_str(json_get(c->want, STR("policy")));
    if (text.ptr != NULL) {
        if (policy_parse(text, c->arena, &policy, &e) != 0) {
            webhook_case_fail(c, "%s", e.text);
        }
        rules.policy = &policy;
    }
    if (review_decode(c->review, c->arena, &r, &e) != 0 ||
        validate_begin(&r, &rules, c->arena, &v, &e) != 0) {
        webhook_case_fail(c, "%s", e.text);
    }
    check_needs(c, &v);
    if (!v.done) {
        finish(c, &v);
    }
    check_verdict(c, &v.verdict);
    check_findings(c, &v);
}

static void test_golden(void **state)
{
    (void)state;
    webhook_cases_run("validate", check_case);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
