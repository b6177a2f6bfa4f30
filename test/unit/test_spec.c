/* The contract: what each annotation accepts, and the exact complaint for what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/spec.h"

#define Q "scale.amp/query"
#define T "scale.amp/threshold"
#define MIN "scale.amp/min-replicas"
#define MAX "scale.amp/max-replicas"
#define POLL "scale.amp/polling-interval"
#define URL "scale.amp/endpoint"
#define WS "scale.amp/workspace"
#define REGION "scale.amp/region"

enum { ITEMS_MAX = 6 };

struct spec_case {
    const char *name;
    const char *items[2 * ITEMS_MAX]; /* key, value, … */
    const char *want;                 /* the complaints joined by " | "; "" for none */
};

#define GOOD Q, "vector(100)", T, "25"
#define NUMBER "expected a number > 0, such as 25 or 0.5"
#define MIN_FORM "expected a whole number from 0 to 2147483647"
#define MAX_FORM "expected a whole number from 1 to 2147483647"
#define POLL_FORM "expected a duration from 1s to 24h, such as 15s or 1m30s"
#define URL_FORM                                                                                   \
    "expected the base URL of a Prometheus-compatible API (http:// or https://, a host, no user, " \
    "no '?'), without /api/v1"
#define WS_FORM "expected an AMP workspace id, such as ws-12345678-90ab-cdef-1234-567890abcdef"
#define REGION_FORM "expected an AWS region, such as eu-west-1"
#define PROMQL "expected a PromQL expression of at most 16384 bytes"

static const struct spec_case CASES[] = {
    {"the two keys", {GOOD}, ""},
    {"no annotations", {NULL}, ""},
    {"somebody else's", {"app/x", "y", "scale.ampere/query", "z"}, ""},
    {"ours, written by the webhook", {GOOD, "scale.amp/injected", "{}"}, ""},
    {"all keys", {GOOD, MIN, "0", MAX, "7", POLL, "1s", URL, "https://amp:9443/x"}, ""},
    {"workspace", {GOOD, WS, "ws-0a1b", REGION, "us-gov-west-1"}, ""},
    /* threshold */
    {"threshold 0", {Q, "up", T, "0"}, T ": \"0\": " NUMBER},
    {"threshold -1", {Q, "up", T, "-1"}, T ": \"-1\": " NUMBER},
    {"threshold NaN", {Q, "up", T, "NaN"}, T ": \"NaN\": " NUMBER},
    {"threshold Inf", {Q, "up", T, "Inf"}, T ": \"Inf\": " NUMBER},
    {"threshold 1e999", {Q, "up", T, "1e999"}, T ": \"1e999\": " NUMBER},
    {"threshold empty", {Q, "up", T, ""}, T ": \"\": " NUMBER},
    {"threshold word", {Q, "up", T, "lots"}, T ": \"lots\": " NUMBER},
    {"threshold with unit", {Q, "up", T, "25ms"}, T ": \"25ms\": " NUMBER},
    {"threshold with a space", {Q, "up", T, " 25"}, T ": \" 25\": " NUMBER},
    {"Arabic digits", {Q, "up", T, "٢٥"}, T ": \"٢٥\": " NUMBER},
    {"hexadecimal", {Q, "up", T, "0x10"}, T ": \"0x10\": " NUMBER},
    {"small", {Q, "up", T, "1e-300"}, ""},
    {"threshold alone", {T, "25"}, Q ": missing beside " T ": " PROMQL},
    /* query */
    {"query alone", {Q, "up"}, T ": missing beside " Q ": " NUMBER},
    {"blank query", {Q, " \n", T, "25"}, Q ": \"  \": " PROMQL},
    {"not UTF-8", {Q, "up\xff", T, "25"}, Q ": \"up\xff\": " PROMQL},
    {"several lines", {Q, "sum(\n  up\n)\n", T, "25"}, ""},
    /* counts */
    {"min negative", {GOOD, MIN, "-1"}, MIN ": \"-1\": " MIN_FORM},
    {"min fraction", {GOOD, MIN, "1.5"}, MIN ": \"1.5\": " MIN_FORM},
    {"min huge", {GOOD, MIN, "2147483648"}, MIN ": \"2147483648\": " MIN_FORM},
    {"max 0", {GOOD, MAX, "0"}, MAX ": \"0\": " MAX_FORM},
    {"min above max",
     {GOOD, MIN, "5", MAX, "3"},
     MIN ": \"5\": expected a number ≤ " MAX ", which is 3"},
    {"min above the default max",
     {GOOD, MIN, "101"},
     MIN ": \"101\": expected a number ≤ " MAX ", which is 100 by default"},
    {"min equal to max", {GOOD, MIN, "3", MAX, "3"}, ""},
    /* polling */
    {"polling without unit",
     {GOOD, POLL, "15"},
     POLL ": \"15\": " POLL_FORM "; did you mean \"15s\"?"},
    {"polling too often", {GOOD, POLL, "999ms"}, POLL ": \"999ms\": " POLL_FORM},
    {"polling too rarely", {GOOD, POLL, "25h"}, POLL ": \"25h\": " POLL_FORM},
    {"polling a day", {GOOD, POLL, "1d"}, ""},
    /* where */
    {"no scheme", {GOOD, URL, "amp:9090"}, URL ": \"amp:9090\": " URL_FORM},
    {"ftp", {GOOD, URL, "ftp://amp"}, URL ": \"ftp://amp\": " URL_FORM},
    {"user in URL", {GOOD, URL, "http://a:b@c"}, URL ": \"c\": " URL_FORM},
    {"query in URL", {GOOD, URL, "http://a?b"}, URL ": \"http://a?b\": " URL_FORM},
    {"space in URL", {GOOD, URL, "http://a b"}, URL ": \"http://a b\": " URL_FORM},
    {"no host", {GOOD, URL, "http:///x"}, URL ": \"http:///x\": " URL_FORM},
    {"workspace without ws-", {GOOD, WS, "12345"}, WS ": \"12345\": " WS_FORM},
    {"workspace with a path", {GOOD, WS, "ws-1/../x"}, WS ": \"ws-1/../x\": " WS_FORM},
    {"region", {GOOD, REGION, "Europe"}, REGION ": \"Europe\": " REGION_FORM},
    {"region with a dot",
     {GOOD, REGION, "eu-west-1.evil"},
     REGION ": \"eu-west-1.evil\": " REGION_FORM},
    {"both",
     {GOOD, URL, "http://a", WS, "ws-1"},
     WS ": \"ws-1\": expected either this or " URL ", not both"},
    /* unknown keys */
    {"mistyped",
     {GOOD, "scale.amp/treshold", "25"},
     "scale.amp/treshold: \"25\": unknown annotation; did you mean scale.amp/threshold?"},
    {"nothing like it",
     {GOOD, "scale.amp/zzz", "1"},
     "scale.amp/zzz: \"1\": unknown annotation; the README lists all scale.amp/ keys"},
    /* all at once */
    {"four complaints",
     {Q, "", T, "0", MIN, "x", MAX, "0"},
     Q ": \"\": " PROMQL " | " T ": \"0\": " NUMBER " | " MIN ": \"x\": " MIN_FORM " | " MAX
       ": \"0\": " MAX_FORM},
};

struct parsed {
    struct arena arena;
    struct kv items[ITEMS_MAX];
    struct scale_spec spec;
    struct complaints complaints;
};

static void parse(struct parsed *p, const char *const items[2 * ITEMS_MAX])
{
    struct kv_list list = {p->items, 0};
    arena_init(&p->arena, 1 << 20);
    for (size_t i = 0; i < ITEMS_MAX && items[2 * i] != NULL; i++) {
        p->items[list.count++] = (struct kv){str_from(items[2 * i]), str_from(items[2 * i + 1])};
    }
    struct err e = ERR_INIT;
    assert_int_equal(spec_parse(&list, &p->arena, &p->spec, &p->complaints, &e), 0);
}

static void test_complaints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct parsed p;
        struct buf got;
        parse(&p, CASES[i].items);
        buf_init(&got, 1 << 16);
        complaints_print(&p.complaints, STR(" | "), &got);
        buf_append_char(&got, '\0');
        if (strcmp(got.ptr, CASES[i].want) != 0) {
            fail_msg("%s:\n got %s\nwant %s", CASES[i].name, got.ptr, CASES[i].want);
        }
        buf_free(&got);
        arena_free(&p.arena);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, (const char *const[2 * ITEMS_MAX]){Q, "vector(100)", T, "2.5e1", MIN, "0", MAX, "30",
                                                 POLL, "1m30s", WS, "ws-1"});
    assert_int_equal(p.spec.trigger_count, 1);
    assert_true(str_eq(p.spec.triggers[0].name, STR("default")));
    assert_true(str_eq(p.spec.triggers[0].query, STR("vector(100)")));
    assert_true(p.spec.triggers[0].threshold == 25);
    assert_int_equal(p.spec.min_replicas, 0);
    assert_int_equal(p.spec.max_replicas, 30);
    assert_int_equal(p.spec.polling_interval_ms, 90000);
    assert_true(str_eq(p.spec.workspace, STR("ws-1")));
    assert_true(p.spec.endpoint.ptr == NULL);
    arena_free(&p.arena);
}

static void test_defaults_are_listed_and_in_force(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, (const char *const[2 * ITEMS_MAX]){GOOD, MAX, "7"});
    assert_int_equal(p.spec.min_replicas, 1);
    assert_int_equal(p.spec.polling_interval_ms, 15000);
    struct str key, value;
    assert_true(spec_default(&p.spec, 0, &key, &value));
    assert_true(str_eq(key, STR(MIN)) && str_eq(value, STR("1")));
    assert_true(spec_default(&p.spec, 1, &key, &value));
    assert_true(str_eq(key, STR(POLL)) && str_eq(value, STR("15s")));
    assert_false(spec_default(&p.spec, 2, &key, &value));
    arena_free(&p.arena);
}

static void test_unknown_keys_leave_the_rest_usable(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, (const char *const[2 * ITEMS_MAX]){GOOD, "scale.amp/later", "x"});
    assert_int_equal(p.complaints.count, 1);
    assert_true(spec_usable(&p.complaints));
    assert_int_equal(p.spec.trigger_count, 1);
    arena_free(&p.arena);
    parse(&p, (const char *const[2 * ITEMS_MAX]){GOOD, "scale.amp/later", "x", MIN, "x"});
    assert_false(spec_usable(&p.complaints));
    arena_free(&p.arena);
}

static void test_long_values_are_cut_between_characters(void **state)
{
    (void)state;
    char value[100];
    memset(value, 'a', sizeof(value));
    value[62] = '\xe2', value[63] = '\x82', value[64] = '\xac', value[99] = '\0';
    struct parsed p;
    parse(&p, (const char *const[2 * ITEMS_MAX]){Q, "up", T, value});
    assert_int_equal(p.complaints.count, 1);
    assert_int_equal(p.complaints.items[0].value.len, 62);
    arena_free(&p.arena);
}

static void test_many_complaints_are_bounded(void **state)
{
    (void)state;
    struct arena arena;
    struct kv items[COMPLAINTS_MAX + 5];
    struct scale_spec spec;
    struct complaints complaints;
    struct err e = ERR_INIT;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        items[i] = (struct kv){STR("scale.amp/nope"), STR("x")};
    }
    struct kv_list list = {items, sizeof(items) / sizeof(items[0])};
    assert_int_equal(spec_parse(&list, &arena, &spec, &complaints, &e), 0);
    assert_int_equal(complaints.count, COMPLAINTS_MAX);
    assert_true(complaints.more);
    arena_free(&arena);
}

static void test_memory_limit_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 16);
    struct kv items[] = {{STR(Q), STR("up")}, {STR(T), STR("x")}};
    struct kv_list list = {items, 2};
    struct scale_spec spec = {.min_replicas = 42};
    struct complaints complaints = {.count = 7};
    struct err e = ERR_INIT;
    assert_int_equal(spec_parse(&list, &arena, &spec, &complaints, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_int_equal(spec.min_replicas, 42);
    assert_int_equal(complaints.count, 7);
    arena_free(&arena);
}

static void test_wants_scaling(void **state)
{
    (void)state;
    struct kv items[] = {{STR(MIN), STR("1")}, {STR(T), STR("x")}};
    struct kv_list none = {items, 1}, threshold = {items, 2};
    assert_false(spec_wants_scaling(&none));
    assert_true(spec_wants_scaling(&threshold));
}

static void test_table_has_a_line_for_every_key(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    spec_print_table(&out);
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++) {
        lines += out.ptr[i] == '\n';
    }
    assert_int_equal(lines, KEY_COUNT + 2);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_defaults_are_listed_and_in_force),
        cmocka_unit_test(test_unknown_keys_leave_the_rest_usable),
        cmocka_unit_test(test_long_values_are_cut_between_characters),
        cmocka_unit_test(test_many_complaints_are_bounded),
        cmocka_unit_test(test_memory_limit_is_an_error),
        cmocka_unit_test(test_wants_scaling),
        cmocka_unit_test(test_table_has_a_line_for_every_key),
    };
    return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
