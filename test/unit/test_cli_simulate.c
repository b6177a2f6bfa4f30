/* simulate: whole courses of events as case files, and every way a line can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fmt.h"
#include "cli/manifest.h"
#include "cli/simulate.h"
#include "cli_cases.h"
#include "golden.h"

enum { ARENA_BYTES = 1 << 24, OUTPUT_BYTES = 4 << 20 };

static struct simulation *simulate(struct str yaml, struct err *e)
{
    struct arena arena;
    struct manifest manifest;
    struct deployment deployment;
    struct simulation *s = NULL;
    struct buf warnings;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&warnings, 4096);
    assert_int_equal(manifest_read(yaml, &arena, &manifest, e), 0);
    assert_int_equal(manifest_pick(&manifest, (struct str){NULL, 0}, &arena, &deployment, e), 0);
    if (simulation_new(&deployment, false, &warnings, &s, e) != 0) {
        s = NULL;
    }
    buf_free(&warnings);
    arena_free(&arena); /* a simulation keeps what it needs */
    return s;
}

static void run_case(const char *name, struct str yaml, struct buf *out)
{
    char path[512];
    struct err e = ERR_INIT;
    (void)fmt(path, sizeof(path), GOLDEN_DIR "/cli/simulate/%s.jsonl", name);
    struct str lines = golden_read(path), rest = lines;
    struct simulation *s = simulate(yaml, &e);
    assert_non_null(s);
    while (rest.len > 0) {
        struct str line = str_cut(rest, '\n', &rest);
        if (simulation_line(s, line, out, &e) != 0) {
            fail_msg("%s: %s", path, e.text);
        }
    }
    simulation_free(s);
    golden_free(lines);
}

static void test_courses(void **state)
{
    (void)state;
    cli_cases("simulate", run_case);
}

static const char DEPLOYMENT[] = "apiVersion: apps/v1\n"
                                 "kind: Deployment\n"
                                 "metadata:\n"
                                 "  name: web\n"
                                 "  annotations: {%s}\n";

static struct simulation *simulate_annotated(const char *annotations, struct err *e)
{
    char yaml[4096];
    const char *hole = strstr(DEPLOYMENT, "%s");
    (void)fmt(yaml, sizeof(yaml), "%.*s%s%s", (int)(hole - DEPLOYMENT), DEPLOYMENT, annotations,
              hole + 2);
    return simulate(str_from(yaml), e);
}

#define ONE "scale.amp/query: up, scale.amp/threshold: '25'"
#define TWO                                                                                        \
    "scale.amp/triggers: '[{name: first, query: a, threshold: 1}, "                                \
    "{name: second, query: b, threshold: 1}]'"

static void run_refused(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    struct buf out;
    bool two = str_eq(golden_field(c, 0), STR("two"));
    struct simulation *s = simulate_annotated(two ? TWO : ONE, &e);
    assert_non_null(s);
    buf_init(&out, OUTPUT_BYTES);
    golden_expect_int(c, "status", simulation_line(s, golden_field(c, 1), &out, &e), -1);
    golden_expect(c, str_from(e.text), golden_field(c, 2));
    golden_expect_int(c, "output", (long long)out.len, 0);
    buf_free(&out);
    simulation_free(s);
}

static void test_wrong_lines(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/cli/simulate-refuse.txt", run_refused);
}

static void test_order_and_numbers(void **state)
{
    struct err e = ERR_INIT;
    struct buf out;
    (void)state;
    struct simulation *s = simulate_annotated(ONE, &e);
    buf_init(&out, OUTPUT_BYTES);
    assert_int_equal(
        simulation_line(s, STR("{\"t\":1.5e4,\"readings\":{\"default\":1}}"), &out, &e), 0);
    assert_int_equal(simulation_line(s, STR(" \r"), &out, &e), 0);
    assert_int_equal(
        simulation_line(s, STR("{\"t\":14999,\"readings\":{\"default\":1}}"), &out, &e), -1);
    assert_string_equal(e.text, "line 3: t: 14999 is before the line above, which is at 15000");
    assert_true(str_starts(buf_view(&out), STR("{\"t\":15000,")));
    buf_free(&out);
    simulation_free(s);
}

static void test_unusable(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    assert_null(simulate_annotated("scale.amp/query: up", &e));
    assert_string_equal(e.text, "scale.amp/threshold: missing beside scale.amp/query: expected a "
                                "number > 0, such as 25 or 0.5");
    assert_null(simulate_annotated("scale.amp/min-replicas: '1'", &e));
    assert_true(str_starts(str_from(e.text), STR("nothing to scale on: ")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_courses),
        cmocka_unit_test(test_wrong_lines),
        cmocka_unit_test(test_order_and_numbers),
        cmocka_unit_test(test_unusable),
    };
    return cmocka_run_group_tests_name("cli_simulate", tests, NULL, NULL);
}
