/* mutate(): the golden cases with the patch really applied, and what no golden file can hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec.h"
#include "jsonpatch.h"
#include "webhook/mutate.h"
#include "webhook_cases.h"

static const struct json *parse(struct str text, struct arena *a)
{
    struct err e = ERR_INIT;
    const struct json *tree = NULL;
    if (json_parse(text, &JSON_LIMITS_API, a, &tree, &e) != 0) {
        fail_msg("%s in: %.*s", e.text, STR_ARG(text));
    }
    return tree;
}

/* The object after mutating the review; NULL where there was no patch. */
static const struct json *mutated_with(struct str review, enum scaler_presence scaler,
                                       struct arena *a, struct verdict *v)
{
    struct err e = ERR_INIT;
    struct review r;
    struct mutate_facts facts = {.scaler = scaler};
    const struct json *after = NULL;
    if (review_decode(review, a, &r, &e) != 0 || mutate(&r, &facts, a, v, &e) != 0) {
        fail_msg("%s", e.text);
        abort(); /* not reached */
    }
    assert_true(v->allowed);
    if (v->patch.ptr == NULL) {
        return NULL;
    }
    if (jsonpatch_apply(r.object.node, v->patch, a, &after) != 0) {
        fail_msg("cannot be applied: %.*s", STR_ARG(v->patch));
    }
    return after;
}

static const struct json *mutated(struct str review, struct arena *a)
{
    struct verdict v;
    return mutated_with(review, SCALER_LIVE, a, &v);
}

/* The review with another object in it. */
static struct str with_object(const struct json *review, const struct json *object, struct arena *a)
{
    struct json *copy = jsonpatch_copy(review, a);
    struct buf out;
    struct json_writer w;
    struct str text;
    struct err e = ERR_INIT;
    assert_non_null(copy);
    struct json **request = jsonpatch_slot(copy, STR("request"));
    assert_non_null(request);
    assert_non_null(*request);
    struct json **slot = jsonpatch_slot(*request, STR("object"));
    assert_int_equal(jsonpatch_put(*request, slot, STR("object"), false, object, a), 0);
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    json_put_tree(&w, copy);
    assert_int_equal(arena_str(a, buf_view(&out), &text, &e), 0);
    buf_free(&out);
    return text;
}

static void take_out(struct json *object, struct str name)
{
    struct json **slot = object == NULL ? NULL : jsonpatch_slot(object, name);
    if (slot != NULL && *slot != NULL) {
        *slot = (*slot)->next;
        object->count--;
    }
}

/* The object without the two maps with the record in them, and without the count where one is
 * expected to be written: what must not change. */
static const struct json *rest_of(const struct webhook_case *c, const struct json *object)
{
    struct json *copy = jsonpatch_copy(object, c->arena);
    struct json **metadata = jsonpatch_slot(copy, STR("metadata"));
    take_out(*metadata, STR("annotations"));
    take_out(*metadata, STR("labels"));
    if (json_get(c->want, STR("replicas")) != NULL) {
        take_out(*jsonpatch_slot(copy, STR("spec")), STR("replicas"));
    }
    return copy;
}

/* The record says what is expected of it, and that it is of this version and for some inputs. */
static void check_record(const struct webhook_case *c, struct str text)
{
    const struct json *want = json_get(c->want, STR("record"));
    if (text.ptr == NULL) {
        webhook_case_equal(c, "record", NULL, want);
        return;
    }
    struct json *record = jsonpatch_copy(parse(text, c->arena), c->arena);
    struct json **version = jsonpatch_slot(record, STR("version"));
    assert_non_null(*version);
    assert_true(str_eq((*version)->text, STR("1")));
    *version = (*version)->next;
    struct json **inputs = jsonpatch_slot(record, STR("inputs"));
    assert_non_null(*inputs);
    assert_int_equal((*inputs)->text.len, 16);
    *inputs = (*inputs)->next;
    record->count -= 2;
    webhook_case_equal(c, "record", record, want);
}

static void check_metadata(const struct webhook_case *c, const struct json *after)
{
    struct json *metadata = jsonpatch_copy(json_get(after, STR("metadata")), c->arena);
    struct json **annotations = jsonpatch_slot(metadata, STR("annotations"));
    struct str record = {NULL, 0};
    if (*annotations != NULL) {
        struct json **slot = jsonpatch_slot(*annotations, STR(SPEC_INJECTED));
        if (slot != NULL && *slot != NULL) {
            record = (*slot)->text;
            *slot = (*slot)->next;
            (*annotations)->count--;
        }
    }
    webhook_case_equal(c, "annotations", *annotations, json_get(c->want, STR("annotations")));
    webhook_case_equal(c, "labels", json_get(metadata, STR("labels")),
                       json_get(c->want, STR("labels")));
    check_record(c, record);
}

static enum scaler_presence scaler_of(const struct webhook_case *c)
{
    struct str word = json_str(json_get(c->want, STR("scaler")));
    if (str_eq(word, STR("none"))) {
        return SCALER_NONE;
    }
    return str_eq(word, STR("unknown")) ? SCALER_UNKNOWN : SCALER_LIVE;
}

static void check_twice(const struct webhook_case *c, const struct json *after)
{
    struct verdict v;
    const struct json *again =
        mutated_with(with_object(c->tree, after, c->arena), scaler_of(c), c->arena, &v);
    if (again != NULL || v.warning_count > 0) {
        webhook_case_fail(c, "mutated twice: %s\nonce: %s", webhook_case_text(c, again),
                          webhook_case_text(c, after));
    }
}

static void check_case(const struct webhook_case *c)
{
    struct verdict v;
    const struct json *before = json_path(c->tree, "request/object");
    const struct json *replicas = json_get(c->want, STR("replicas"));
    const struct json *after = mutated_with(c->review, scaler_of(c), c->arena, &v);
    webhook_case_warnings(c, &v);
    if (json_is_true(json_get(c->want, STR("unchanged")))) {
        if (after != NULL) {
            webhook_case_fail(c, "expected no patch, got %s", webhook_case_text(c, after));
        }
        return;
    }
    if (after == NULL) {
        webhook_case_fail(c, "expected a patch, got none");
    }
    check_metadata(c, after);
    if (replicas != NULL) {
        webhook_case_equal(c, "replicas", json_path(after, "spec/replicas"), replicas);
    }
    webhook_case_equal(c, "the rest of the object", rest_of(c, after), rest_of(c, before));
    check_twice(c, after);
}

static void test_golden(void **state)
{
    (void)state;
    webhook_cases_run("mutate", check_case);
}

#define REVIEW(operation, object, rest)                                                            \
    "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{"           \
    "\"uid\":\"u\",\"kind\":{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"},"      \
    "\"resource\":{\"group\":\"apps\",\"version\":\"v1\",\"resource\":\"deployments\"},"           \
    "\"name\":\"web\",\"namespace\":\"shop\",\"operation\":\"" operation                           \
    "\",\"object\":" object rest "}}"
#define OBJECT(metadata)                                                                           \
    "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"web\"," metadata \
    "},\"spec\":{\"replicas\":2}}"

/* What the API server never sends: a map twice. The last one counts, and the patch still applies.
 */
static void test_repeated_map(void **state)
{
    static const struct str BODY =
        STR_INIT(REVIEW("CREATE",
                        OBJECT("\"annotations\":{},\"annotations\":{\"scale.amp/query\":\"up\","
                               "\"scale.amp/threshold\":\"5\"},\"labels\":{\"a\":\"b\"},"
                               "\"labels\":{}"), ));
    struct arena a;
    (void)state;
    arena_init(&a, 16 << 20);
    const struct json *after = mutated(BODY, &a);
    assert_non_null(after);
    assert_null(mutated(with_object(parse(BODY, &a), after, &a), &a));
    arena_free(&a);
}

/* Annotations of others are no input: the record does not change with them. */
static void test_others_are_no_input(void **state)
{
    static const struct str BODY =
        STR_INIT(REVIEW("CREATE",
                        OBJECT("\"annotations\":{\"scale.amp/query\":\"up\","
                               "\"scale.amp/threshold\":\"5\"}"), ));
    static const struct str TOUCH = STR_INIT("[{\"op\":\"add\",\"path\":\"/metadata/annotations/"
                                             "example.com~1touched\",\"value\":\"y\"}]");
    struct arena a;
    (void)state;
    arena_init(&a, 16 << 20);
    const struct json *after = mutated(BODY, &a);
    const struct json *touched = NULL;
    assert_non_null(after);
    assert_int_equal(jsonpatch_apply(after, TOUCH, &a, &touched), 0);
    assert_null(mutated(with_object(parse(BODY, &a), touched, &a), &a));
    arena_free(&a);
}

enum { MANY = 50000 };

/* As many unknown keys as a request has room for: done in linear time, and only ours are taken
 * away. */
static void test_many_keys(void **state)
{
    struct buf review;
    struct arena a;
    struct err e = ERR_INIT;
    struct review r;
    struct verdict v;
    struct mutate_facts facts = {.scaler = SCALER_UNKNOWN};
    (void)state;
    buf_init(&review, 4 << 20);
    arena_init(&a, REVIEW_ARENA_MAX_BYTES);
    struct str head = STR(REVIEW("CREATE", "{\"metadata\":{\"annotations\":{", ));
    buf_append(&review, str_slice(head, 0, head.len - 2));
    for (int i = 0; i < MANY; i++) {
        buf_format(&review, "\"scale.amp/x%d\":\"\",", i);
    }
    buf_append(&review,
               STR("\"scale.amp/injected\":\"{\",\"scale.amp/original-replicas\":\"1\"}}}}}"));
    assert_int_equal(review_decode(buf_view(&review), &a, &r, &e), 0);
    assert_int_equal(r.object.annotations.count, MANY + 2);
    assert_int_equal(mutate(&r, &facts, &a, &v, &e), 0);
    assert_true(str_eq(
        v.patch, STR("[{\"op\":\"remove\",\"path\":\"/metadata/annotations/scale.amp~1injected\"},"
                     "{\"op\":\"remove\",\"path\":\"/metadata/annotations/"
                     "scale.amp~1original-replicas\"}]")));
    buf_free(&review);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_repeated_map),
        cmocka_unit_test(test_others_are_no_input),
        cmocka_unit_test(test_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
