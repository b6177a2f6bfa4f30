/* Files of namespaces, base URLs side by side, and what a namespace makes of collectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "golden.h"
#include "webhook/endpoint.h"
#include "webhook/places.h"

enum { ARENA_BYTES = 1 << 24, TEXT_BYTES = 1 << 16 };

static void print_entry(const struct place *p, struct buf *out)
{
    const struct {
        const char *key;
        struct str value;
    } parts[] = {{"endpoint", p->endpoint},
                 {"workspace", p->workspace},
                 {"region", p->region},
                 {"roleArn", p->role_arn},
                 {"collectorRoleArn", p->collector_role_arn}};
    buf_format(out, "%s%.*s", out->len > 0 ? "; " : "", STR_ARG(p->name));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].value.ptr != NULL) {
            buf_format(out, " %s=%.*s", parts[i].key, STR_ARG(parts[i].value));
        }
    }
}

static void run_read(const struct golden_case *c)
{
    struct arena arena;
    struct places places;
    struct err e = ERR_INIT;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, TEXT_BYTES);
    if (places_parse(golden_field(c, 1), &arena, &places, &e) != 0) {
        buf_append(&out, str_from(e.text));
    } else {
        for (size_t i = 0; i < places.count; i++) {
            print_entry(&places.items[i], &out);
            assert_ptr_equal(places_find(&places, places.items[i].name), &places.items[i]);
        }
        assert_null(places_find(&places, STR("nobody")));
        buf_append(&out, out.len > 0 ? STR("") : STR("nothing"));
    }
    golden_expect(c, buf_view(&out), golden_field(c, 2));
    buf_free(&out);
    arena_free(&arena);
}

static void test_read(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/places/read.txt", run_read);
}

static void run_endpoint(const struct golden_case *c)
{
    struct str a = golden_field(c, 0);
    struct str b = golden_field(c, 1);
    struct str workspace = {NULL, 0};
    bool same = endpoint_eq(a, b);
    assert_int_equal(endpoint_eq(b, a), same);
    golden_expect(c, same ? STR("same") : STR("other"), golden_field(c, 2));
    if (!endpoint_is_amp(a, &workspace)) {
        workspace = STR("-");
    }
    golden_expect(c, workspace.ptr != NULL ? workspace : STR("?"), golden_field(c, 3));
}

static void test_endpoints(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/places/endpoint.txt", run_endpoint);
}

static void expect_place(const struct sidecar_options *o, struct str endpoint, struct str workspace,
                         struct str region, struct str role_arn)
{
    assert_true(str_eq(o->endpoint, endpoint));
    assert_true(str_eq(o->workspace, workspace));
    assert_true(str_eq(o->region, region));
    assert_true(str_eq(o->role_arn, role_arn));
    assert_true(str_eq(o->image, STR("a/b:1")));
    assert_true(str_eq(o->sigv4, STR("auto")));
}

static void test_collectors(void **state)
{
    static const struct str NONE = {NULL, 0};
    const struct sidecar_options flags = {.image = STR("a/b:1"),
                                          .workspace = STR("ws-1"),
                                          .region = STR("eu-west-1"),
                                          .sigv4 = STR("auto"),
                                          .role_arn = STR("writer")};
    (void)state;
    struct sidecar_options o = places_collector(NULL, &flags);
    expect_place(&o, NONE, STR("ws-1"), STR("eu-west-1"), STR("writer"));
    struct place place = {.name = STR("shop"), .endpoint = STR("http://a")};
    o = places_collector(&place, &flags);
    expect_place(&o, STR("http://a"), NONE, STR("eu-west-1"), STR("writer"));
    place = (struct place){.name = STR("shop"),
                           .workspace = STR("ws-2"),
                           .region = STR("us-east-1"),
                           .role_arn = STR("reader"),
                           .collector_role_arn = STR("shop-writer")};
    o = places_collector(&place, &flags);
    expect_place(&o, NONE, STR("ws-2"), STR("us-east-1"), STR("shop-writer"));
    place = (struct place){.name = STR("shop"), .role_arn = STR("reader")};
    o = places_collector(&place, &flags);
    expect_place(&o, NONE, STR("ws-1"), STR("eu-west-1"), STR("writer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_collectors),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
