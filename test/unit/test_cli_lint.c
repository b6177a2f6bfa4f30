/* lint and the manifests it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/lint.h"
#include "cli/manifest.h"
#include "cli_cases.h"
#include "golden.h"

enum { ARENA_BYTES = 1 << 24 };

static void run_case(const char *name, struct str yaml, struct buf *out)
{
    struct lint l;
    struct err e = ERR_INIT;
    for (int json = 0; json < 2; json++) {
        lint_begin(&l, json != 0, (struct str){NULL, 0}, NULL, out);
        assert_int_equal(lint_file(&l, str_from(name), yaml, &e), 0);
        lint_end(&l);
    }
}

static void test_files(void **state)
{
    (void)state;
    cli_cases("lint", run_case);
}

static void test_unreadable_file(void **state)
{
    struct lint l;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    lint_begin(&l, false, STR("shop"), NULL, &out);
    lint_unreadable(&l, STR("a.yaml"), STR("No such file or directory"));
    lint_end(&l);
    assert_int_equal(l.wrong, 1);
    assert_true(str_eq(buf_view(&out), STR("a.yaml: No such file or directory\n"
                                           "0 Deployments, 0 scaled, 1 wrong\n")));
    buf_free(&out);
}

/* The names of the Deployments in a text, or the complaint. */
static void run_manifest(const struct golden_case *c)
{
    struct arena arena;
    struct manifest manifest;
    struct err e = ERR_INIT;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, 4096);
    if (manifest_read(golden_field(c, 1), &arena, &manifest, &e) != 0) {
        buf_append(&out, str_from(e.text));
    } else {
        for (size_t i = 0; i < manifest.count; i++) {
            buf_format(&out, "%s%.*s", i > 0 ? " " : "",
                       STR_ARG(json_str(json_path(manifest.items[i], "metadata/name"))));
        }
    }
    golden_expect(c, buf_view(&out), golden_field(c, 2));
    buf_free(&out);
    arena_free(&arena);
}

static void test_manifests(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/cli/manifest.txt", run_manifest);
}

static void test_pick(void **state)
{
    static const char TEXT[] = "{kind: Deployment, metadata: {name: a}}\n---\n"
                               "{kind: Deployment, metadata: {name: b}, spec: {replicas: 3}}\n";
    struct arena arena;
    struct manifest manifest;
    struct deployment d;
    struct err e = ERR_INIT;
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(manifest_read(str_from(TEXT), &arena, &manifest, &e), 0);
    assert_int_equal(manifest_pick(&manifest, STR("b"), &arena, &d, &e), 0);
    assert_int_equal(d.replicas, 3);
    assert_int_equal(manifest_pick(&manifest, (struct str){NULL, 0}, &arena, &d, &e), -1);
    assert_string_equal(e.text, "2 Deployments are in it: name one of a, b");
    assert_int_equal(manifest_pick(&manifest, STR("c"), &arena, &d, &e), -1);
    assert_string_equal(e.text, "no Deployment in it is called \"c\": there is a, b");
    manifest.count = 0;
    assert_int_equal(manifest_pick(&manifest, STR("c"), &arena, &d, &e), -1);
    assert_string_equal(e.text, "there is no Deployment in it");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_unreadable_file),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_pick),
    };
    return cmocka_run_group_tests_name("cli_lint", tests, NULL, NULL);
}
