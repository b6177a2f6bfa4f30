/* The collector in the pod template: the golden cases' whole patches, what validation says, and
 * that what was put in can be taken out without a trace.
 *
 * A case's `collect` has `options` (members as in struct sidecar_options), `patch` (absent: none)
 * and `warnings`; `judge` has `options`, `message` (the lines of a denial; absent: allowed) and
 * `warnings`, of the object as mutate leaves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "jsonpatch.h"
#include "webhook/mutate.h"
#include "webhook/validate.h"
#include "webhook_cases.h"

static struct sidecar_options options_of(const struct json *want)
{
    const struct json *o = json_get(want, STR("options"));
    struct sidecar_options options = {
        .image = json_str(json_get(o, STR("image"))),
        .endpoint = json_str(json_get(o, STR("endpoint"))),
        .workspace = json_str(json_get(o, STR("workspace"))),
        .region = json_str(json_get(o, STR("region"))),
        .sigv4 = json_str(json_get(o, STR("sigv4"))),
        .role_arn = json_str(json_get(o, STR("role_arn"))),
        .sts_endpoint = json_str(json_get(o, STR("sts_endpoint"))),
        .cpu = json_str(json_get(o, STR("cpu"))),
        .memory = json_str(json_get(o, STR("memory"))),
        .ca_configmap = json_str(json_get(o, STR("ca_configmap"))),
    };
    options.sigv4 = options.sigv4.ptr == NULL ? STR("auto") : options.sigv4;
    return options;
}

static const struct json *parse(const struct webhook_case *c, struct str text)
{
    struct err e = ERR_INIT;
    const struct json *tree = NULL;
    if (json_parse(text, &JSON_LIMITS_API, c->arena, &tree, &e) != 0) {
        webhook_case_fail(c, "%s in: %.*s", e.text, STR_ARG(text));
    }
    return tree;
}

/* The object of the review after mutation, itself where nothing changes. */
static const struct json *mutated(const struct webhook_case *c, const struct review *r,
                                  struct verdict *v)
{
    const struct sidecar_options options = options_of(c->want);
    const struct mutate_facts facts = {.scaler = SCALER_LIVE, .collector = &options};
    const struct json *after = r->object.node;
    struct err e = ERR_INIT;
    if (mutate(r, &facts, c->arena, v, &e) != 0) {
        webhook_case_fail(c, "%s", e.text);
    }
    if (v->patch.ptr != NULL && jsonpatch_apply(r->object.node, v->patch, c->arena, &after) != 0) {
        webhook_case_fail(c, "cannot be applied: %.*s", STR_ARG(v->patch));
    }
    return after;
}

/* The review of another object, which is encoded and decoded on the way, as by the API server. */
static void with_object(const struct webhook_case *c, const struct json *object, struct review *r)
{
    struct buf text;
    struct json_writer w;
    struct str kept;
    struct err e = ERR_INIT;
    buf_init(&text, 1 << 20);
    json_writer_init(&w, &text);
    json_put_tree(&w, object);
    assert_int_equal(arena_str(c->arena, buf_view(&text), &kept, &e), 0);
    assert_int_equal(deployment_decode(parse(c, kept), c->arena, &r->object, &e), 0);
    buf_free(&text);
}

static void decode(const struct webhook_case *c, struct review *r)
{
    struct err e = ERR_INIT;
    if (review_decode(c->review, c->arena, r, &e) != 0) {
        webhook_case_fail(c, "%s", e.text);
    }
}

static void check_patch(const struct webhook_case *c)
{
    struct review r;
    struct verdict v;
    struct verdict again;
    decode(c, &r);
    const struct json *after = mutated(c, &r, &v);
    const struct json *want = json_get(c->want, STR("patch"));
    webhook_case_equal(c, "patch", v.patch.ptr == NULL ? NULL : parse(c, v.patch), want);
    webhook_case_warnings(c, &v);
    with_object(c, after, &r);
    (void)mutated(c, &r, &again);
    if (again.patch.ptr != NULL || again.warning_count > 0) {
        webhook_case_fail(c, "mutated twice: %.*s", STR_ARG(again.patch));
    }
}

static void test_patches(void **state)
{
    (void)state;
    webhook_cases_run("collect", check_patch);
}

static void check_judgement(const struct webhook_case *c)
{
    const struct sidecar_options options = options_of(c->want);
    const struct json *want = json_get(c->want, STR("message"));
    struct review r;
    struct verdict v;
    struct validation validation;
    struct err e = ERR_INIT;
    struct str lines;
    decode(c, &r);
    with_object(c, mutated(c, &r, &v), &r);
    r.dry_run = true;
    if (validate_begin(&r, &(struct validate_rules){.collector = &options}, c->arena, &validation,
                       &e) != 0) {
        webhook_case_fail(c, "%s", e.text);
    }
    (void)str_cut(validation.verdict.message, '\n', &lines);
    const struct json *line = want != NULL ? want->child : NULL;
    for (; !validation.verdict.allowed && lines.ptr != NULL; line = line->next) {
        struct str got = str_cut(lines, '\n', &lines);
        if (line == NULL || !str_eq(got, line->text)) {
            webhook_case_fail(c, "denied: %.*s", STR_ARG(got));
        }
    }
    if (line != NULL) {
        webhook_case_fail(c, "not denied: %.*s", STR_ARG(line->text));
    }
    webhook_case_warnings(c, &validation.verdict);
}

static void test_judgements(void **state)
{
    (void)state;
    webhook_cases_run("judge", check_judgement);
}

static void take_out(struct json *object, struct str name)
{
    struct json **slot = object == NULL ? NULL : jsonpatch_slot(object, name);
    if (slot != NULL && *slot != NULL) {
        *slot = (*slot)->next;
        object->count--;
    }
}

/* The object without the annotation that asks for a collector, and with labels. */
static struct json *without_wish(const struct webhook_case *c, const struct json *object)
{
    struct json *copy = jsonpatch_copy(object, c->arena);
    struct json **metadata = jsonpatch_slot(copy, STR("metadata"));
    assert_non_null(*metadata);
    struct json **annotations = jsonpatch_slot(*metadata, STR("annotations"));
    take_out(*annotations, STR("scale.amp/collector"));
    struct json **labels = jsonpatch_slot(*metadata, STR("labels"));
    if (labels != NULL && *labels != NULL && (*labels)->count == 0) {
        take_out(*metadata, STR("labels")); /* the API server writes no empty map */
    }
    return copy;
}

/* Created with a collector, then updated to have none: as if it never had one. */
static void check_trace(const struct webhook_case *c)
{
    struct review r;
    struct verdict v;
    decode(c, &r);
    bool scales = spec_wants_scaling(&r.object.annotations);
    bool odd_lists = str_eq(str_from(c->name), STR("collect-null-lists"));
    if (r.operation != REVIEW_CREATE || scales || odd_lists ||
        json_get(c->want, STR("patch")) == NULL ||
        kv_get(&r.object.annotations, STR(SPEC_INJECTED)).ptr != NULL) {
        return;
    }
    const struct json *first = r.object.node;
    const struct json *with = mutated(c, &r, &v);
    with_object(c, with, &r);
    r.old = r.object;
    r.has_old = true;
    r.operation = REVIEW_UPDATE;
    with_object(c, without_wish(c, with), &r);
    const struct json *without = mutated(c, &r, &v);
    assert_non_null(v.patch.ptr);
    webhook_case_equal(c, "the object without a collector", without_wish(c, without),
                       without_wish(c, first));
}

static void test_no_trace(void **state)
{
    (void)state;
    webhook_cases_run("collect", check_trace);
}

/* What stays as it is although the installation changes is oldObject's text, byte for byte. */
static void check_bytes(const struct webhook_case *c)
{
    struct review r;
    struct verdict v;
    decode(c, &r);
    if (!str_eq(str_from(c->name), STR("collect-sticky-replace"))) {
        return;
    }
    const struct json *inits = json_path(r.old.node, "spec/template/spec/initContainers");
    (void)mutated(c, &r, &v);
    struct str rest = v.patch;
    bool found = false;
    while (!found && rest.len >= inits->child->raw.len) {
        found = str_starts(rest, inits->child->raw);
        rest = str_slice(rest, 1, rest.len);
    }
    assert_true(found);
}

static void test_byte_for_byte(void **state)
{
    (void)state;
    webhook_cases_run("collect", check_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_judgements),
        cmocka_unit_test(test_no_trace),
        cmocka_unit_test(test_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
