/* Decoding reviews and encoding verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "webhook/review.h"
#include "webhook/verdict.h"
#include "webhook_cases.h"

#define HEAD "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":"
#define KIND "\"kind\":{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"},"
#define RESOURCE                                                                                   \
    "\"resource\":{\"group\":\"apps\",\"version\":\"v1\",\"resource\":\"deployments\"},"
#define OBJECT "\"object\":{\"metadata\":{\"name\":\"web\"}}"
#define CREATE "\"operation\":\"CREATE\","

struct bad_review {
    const char *body;
    const char *text; /* part of the error's */
    enum err_code code;
};

static const struct bad_review BAD[] = {
    {"", "AdmissionReview", ERR_INVALID},
    {"<html>", "AdmissionReview", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"", "AdmissionReview", ERR_INVALID},
    {"[]", "expected an object, found array", ERR_INVALID},
    {"\"x\"", "expected an object, found string", ERR_INVALID},
    {"{}", "kind: \"\": expected AdmissionReview", ERR_INVALID},
    {"{\"kind\":1}", "kind: expected a string, found number", ERR_INVALID},
    {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", "kind: \"Pod\"", ERR_INVALID},
    {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1beta1\"}",
     "admissionReviewVersions: [\"v1\"]", ERR_INVALID},
    {"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v2\"}",
     "apiVersion: \"admission.k8s.io/v2\"", ERR_INVALID},
    {"{\"kind\":\"AdmissionReview\"}", "apiVersion: \"\"", ERR_INVALID},
    {HEAD "null}", "request: expected an object", ERR_INVALID},
    {HEAD "[]}", "request: expected an object", ERR_INVALID},
    {HEAD "{}}", "request.uid: missing", ERR_INVALID},
    {HEAD "{\"uid\":\"\"}}", "request.uid: missing", ERR_INVALID},
    {HEAD "{\"uid\":7}}", "uid: expected a string, found number", ERR_INVALID},
    {HEAD "{\"uid\":\"u\",\"userInfo\":{\"username\":[]}}}", "username: expected a string",
     ERR_INVALID},
    {HEAD "{\"uid\":\"u\"}}", "request.operation", ERR_INVALID},
    {HEAD "{\"uid\":\"u\",\"operation\":\"PATCH\"}}", "operation: \"PATCH\"", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE "\"dryRun\":\"yes\"}}", "dryRun: expected true or false",
     ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE
          "\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Pod\"}}}",
     "/v1 Pod: expected apps/v1 Deployment", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE
          "\"kind\":{\"group\":\"apps\",\"version\":\"v1beta1\",\"kind\":\"Deployment\"}}}",
     "apps/v1beta1 Deployment", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE
          "\"kind\":{\"group\":\"extensions\",\"version\":\"v1\",\"kind\":\"Deployment\"}}}",
     "extensions/v1 Deployment", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE KIND "\"resource\":{\"resource\":\"pods\"}}}",
     "resource: \"pods\"", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE KIND RESOURCE "\"object\":null}}", "request.object: missing",
     ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE KIND RESOURCE "\"object\":[]}}",
     "object: expected an object, found array", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," KIND RESOURCE OBJECT ",\"operation\":\"UPDATE\"}}",
     "request.oldObject: missing", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE KIND RESOURCE
          "\"object\":{\"metadata\":{\"annotations\":{\"a\":1}}}}}",
     "request.object", ERR_INVALID},
    {HEAD "{\"uid\":\"u\"," CREATE KIND RESOURCE
          "\"object\":{\"metadata\":{\"annotations\":{\"a\":\"1\",\"a\":\"2\"}}}}}",
     "twice", ERR_INVALID},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct arena a;
        struct review r;
        struct err e = ERR_INIT;
        arena_init(&a, 1 << 20);
        assert_int_equal(review_decode(str_from(BAD[i].body), &a, &r, &e), -1);
        if (strstr(e.text, BAD[i].text) == NULL || e.code != BAD[i].code) {
            fail_msg("%s\n  got %s\n  want %s", BAD[i].body, e.text, BAD[i].text);
        }
        assert_int_equal(review_http_status(&e), 400);
        arena_free(&a);
    }
}

/* Whatever is cut off a review is refused, and reading past the cut is seen by the sanitizer. */
static void check_truncated(const struct webhook_case *c)
{
    for (size_t length = 0; length + 1 < c->review.len; length += 1 + length / 16) {
        struct err e = ERR_INIT;
        struct review r;
        struct str cut;
        assert_int_equal(arena_str(c->arena, str_slice(c->review, 0, length), &cut, &e), 0);
        assert_int_equal(review_decode(cut, c->arena, &r, &e), -1);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    webhook_cases_run("mutate", check_truncated);
}

static void test_nesting(void **state)
{
    struct arena a;
    struct buf body;
    struct review r;
    struct err e = ERR_INIT;
    (void)state;
    arena_init(&a, 64 << 20);
    buf_init(&body, 4 << 20);
    buf_append(&body, STR(HEAD));
    for (int i = 0; i < 1000000; i++) {
        buf_append_char(&body, '[');
    }
    assert_int_equal(review_decode(buf_view(&body), &a, &r, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(review_http_status(&e), 400);
    buf_free(&body);
    arena_free(&a);
}

static void test_no_memory(void **state)
{
    static const struct str BODY =
        STR_INIT(HEAD "{\"uid\":\"u\"," CREATE KIND RESOURCE OBJECT "}}");
    (void)state;
    struct arena a;
    struct review r;
    struct err e = ERR_INIT;
    arena_init(&a, 128);
    assert_int_equal(review_decode(BODY, &a, &r, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_int_equal(review_http_status(&e), 500);
    arena_free(&a);
}

static void test_decoded(void **state)
{
    static const struct str BODY = STR_INIT(
        HEAD "{\"uid\":\"u-1\"," KIND RESOURCE
             "\"operation\":\"UPDATE\",\"namespace\":\"shop\",\"dryRun\":true,"
             "\"userInfo\":{\"username\":\"alice\"},\"subResource\":null," OBJECT
             ",\"oldObject\":{\"metadata\":{\"name\":\"web\",\"annotations\":{\"a\":\"b\"}}}}}");
    (void)state;
    struct arena a;
    struct review r;
    struct err e = ERR_INIT;
    struct str target;
    arena_init(&a, 1 << 20);
    assert_int_equal(review_decode(BODY, &a, &r, &e), 0);
    assert_true(str_eq(r.uid, STR("u-1")));
    assert_int_equal(r.operation, REVIEW_UPDATE);
    assert_true(r.dry_run);
    assert_true(str_eq(r.name, STR("web"))); /* from the object */
    assert_true(str_eq(r.username, STR("alice")));
    assert_null(r.subresource.ptr);
    assert_true(r.has_object && r.has_old);
    assert_int_equal(r.old.annotations.count, 1);
    assert_true(review_concerns_us(&r));
    assert_int_equal(review_target(&r, &a, &target, &e), 0);
    assert_true(str_eq(target, STR("shop/web")));
    arena_free(&a);
}

/* Only what is written is ours to change or to judge, whatever comes with it. */
static void test_other_operations(void **state)
{
    static const struct str BODIES[] = {
        STR_INIT(HEAD "{\"uid\":\"u\"," KIND RESOURCE OBJECT ",\"operation\":\"DELETE\"}}"),
        STR_INIT(HEAD "{\"uid\":\"u\"," KIND RESOURCE OBJECT ",\"operation\":\"CONNECT\"}}"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        struct arena a;
        struct review r;
        struct err e = ERR_INIT;
        arena_init(&a, 1 << 20);
        assert_int_equal(review_decode(BODIES[i], &a, &r, &e), 0);
        assert_false(review_concerns_us(&r));
        arena_free(&a);
    }
}

static void expect_answer(const struct verdict *v, const char *uid, const char *want)
{
    struct buf out;
    struct err e = ERR_INIT;
    buf_init(&out, 65536);
    assert_int_equal(verdict_encode(v, str_from(uid), &out, &e), 0);
    if (!str_eq(buf_view(&out), str_from(want))) {
        fail_msg("\n  got  %.*s\n  want %s", STR_ARG(buf_view(&out)), want);
    }
    buf_free(&out);
}

#define ANSWER(members)                                                                            \
    "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{" members  \
    "}}"

static void test_encoded(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct verdict v;
    (void)state;
    arena_init(&a, 1 << 20);
    verdict_init(&v);
    expect_answer(&v, "u", ANSWER("\"uid\":\"u\",\"allowed\":true"));
    expect_answer(&v, "\"\n", ANSWER("\"uid\":\"\\\"\\n\",\"allowed\":true"));
    v.patch = STR("[{}]");
    assert_int_equal(verdict_warn(&v, &a, &e, "say \"%d\"", 1), 0);
    expect_answer(&v, "u",
                  ANSWER("\"uid\":\"u\",\"allowed\":true,\"patchType\":\"JSONPatch\","
                         "\"patch\":\"W3t9XQ==\",\"warnings\":[\"say \\\"1\\\"\"]"));
    verdict_init(&v);
    v.message = STR("head:");
    assert_int_equal(verdict_deny(&v, 403, &a, &e, "one"), 0);
    expect_answer(&v, "u",
                  ANSWER("\"uid\":\"u\",\"allowed\":false,\"status\":{\"code\":403,"
                         "\"reason\":\"Forbidden\",\"message\":\"head:\\n  one\"}"));
    assert_int_equal(verdict_deny(&v, 422, &a, &e, "two\nlines"), 0);
    expect_answer(&v, "u",
                  ANSWER("\"uid\":\"u\",\"allowed\":false,\"status\":{\"code\":422,"
                         "\"reason\":\"Invalid\",\"message\":\"head:\\n  one\\n  two lines\"}"));
    verdict_init(&v);
    assert_int_equal(verdict_deny(&v, 422, &a, &e, "one"), 0);
    assert_int_equal(verdict_deny(&v, 403, &a, &e, "two"), 0);
    assert_int_equal(v.code, 422);
    arena_free(&a);
}

static size_t runes_of(struct str s)
{
    size_t runes = 0;
    for (size_t i = 0; i < s.len; i++) {
        runes += ((unsigned char)s.ptr[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return runes;
}

static void test_warning_form(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct verdict v;
    char wide[1200];
    (void)state;
    arena_init(&a, 1 << 20);
    verdict_init(&v);
    assert_int_equal(verdict_warn(&v, &a, &e,
                                  " a\nb\x01"
                                  "c\x7f"
                                  "d\xc2\x85"
                                  "e\xc2\xa0"
                                  "f\n"),
                     0);
    assert_true(str_eq(v.warnings[0], STR("a b c d e\xc2\xa0"
                                          "f")));
    assert_int_equal(verdict_warn(&v, &a, &e,
                                  "a\tb c d e\xc2\xa0"
                                  "f"),
                     0);                                    /* the same line */
    assert_int_equal(verdict_warn(&v, &a, &e, "  \n "), 0); /* nothing */
    assert_int_equal(v.warning_count, 1);
    for (size_t i = 0; i < 1197; i += 3) {
        memcpy(wide + i, "→", 3);
    }
    assert_int_equal(verdict_warn(&v, &a, &e, "%.*s", 1197, wide), 0);
    assert_int_equal(v.warning_count, 3);
    assert_int_equal(runes_of(v.warnings[1]), VERDICT_WARNING_MAX_RUNES);
    assert_int_equal(runes_of(v.warnings[2]), 399 - VERDICT_WARNING_MAX_RUNES + 2);
    assert_true(str_starts(v.warnings[2], STR("… →")));
    assert_true(str_is_utf8(v.warnings[1]) && str_is_utf8(v.warnings[2]));
    assert_int_equal(v.warning_runes, 11 + 399 + 2);
    arena_free(&a);
}

/* What is too long for one warning is broken where a reader would, and its end is there. */
static void test_warning_goes_on(void **state)
{
    static const char words[] = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
                                "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789";
    struct arena a;
    struct err e = ERR_INIT;
    struct verdict v;
    (void)state;
    arena_init(&a, 1 << 20);
    verdict_init(&v);
    assert_int_equal(verdict_warn(&v, &a, &e, "%s: refused by %s: do this", words, words), 0);
    assert_int_equal(v.warning_count, 2);
    assert_true(str_ends(v.warnings[0], STR(" 0123456789")));
    assert_true(runes_of(v.warnings[0]) > VERDICT_WARNING_MAX_RUNES - 11);
    assert_true(str_ends(v.warnings[1], STR(" 0123456789: do this")));

    verdict_init(&v);
    assert_int_equal(verdict_warn(&v, &a, &e, "%s refused; do this %s", words, words), 0);
    assert_int_equal(v.warning_count, 2);
    assert_true(str_ends(v.warnings[0], STR(" refused;")));
    assert_true(str_starts(v.warnings[1], STR("… do this 0123456789 ")));

    /* Of another one with the same end, only what is new; of one that does not fit, nothing. */
    assert_int_equal(verdict_warn(&v, &a, &e, "and %s refused; do this %s", words, words), 0);
    assert_int_equal(v.warning_count, 3);
    v.warning_count = VERDICT_WARNINGS_MAX - 1;
    assert_int_equal(verdict_warn(&v, &a, &e, "%s; or %s", words, words), 0);
    assert_int_equal(v.warning_count, VERDICT_WARNINGS_MAX - 1);
    assert_int_equal(v.warnings_dropped, 1);
    arena_free(&a);
}

/* However many there are, the API server cuts none of them: all together stay below its ceiling. */
static void test_warnings_bounded(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct verdict v;
    struct buf out;
    (void)state;
    arena_init(&a, 1 << 20);
    verdict_init(&v);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(verdict_warn(&v, &a, &e, "%d %0200d", i, 0), 0);
    }
    buf_init(&out, 65536);
    assert_int_equal(verdict_encode(&v, STR("u"), &out, &e), 0);
    const struct json *tree = NULL;
    assert_int_equal(json_parse(buf_view(&out), &JSON_LIMITS_API, &a, &tree, &e), 0);
    const struct json *warnings = json_path(tree, "response/warnings");
    size_t runes = 0;
    const struct json *last = NULL;
    for (const struct json *i = warnings->child; i != NULL; i = i->next) {
        runes += runes_of(i->text);
        last = i;
    }
    assert_true(runes <= VERDICT_WARNINGS_MAX_RUNES);
    assert_true(runes > VERDICT_WARNINGS_MAX_RUNES - 400);
    assert_non_null(last);
    assert_true(str_ends(last->text, STR("more warnings")));
    buf_free(&out);
    arena_free(&a);
}

static void test_warnings_counted(void **state)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct verdict v;
    (void)state;
    arena_init(&a, 1 << 20);
    verdict_init(&v);
    for (int i = 0; i < VERDICT_WARNINGS_MAX + 3; i++) {
        assert_int_equal(verdict_warn(&v, &a, &e, "%d", i), 0);
    }
    assert_int_equal(v.warning_count, VERDICT_WARNINGS_MAX);
    assert_int_equal(v.warnings_dropped, 3);
    arena_free(&a);
}

static void test_answer_ceiling(void **state)
{
    struct verdict v;
    struct buf out;
    struct err e = ERR_INIT;
    (void)state;
    verdict_init(&v);
    buf_init(&out, 32);
    assert_int_equal(verdict_encode(&v, STR("u"), &out, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_nesting),          cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_decoded),          cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_warning_form),     cmocka_unit_test(test_warning_goes_on),
        cmocka_unit_test(test_warnings_bounded), cmocka_unit_test(test_answer_ceiling),
        cmocka_unit_test(test_other_operations), cmocka_unit_test(test_warnings_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
