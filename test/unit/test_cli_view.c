/* What status and explain make of a Deployment: told values, targets, reasons, ages, names, tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fmt.h"
#include "cli/explain.h"
#include "cli/names.h"
#include "cli/status.h"

enum { ARENA_BYTES = 1 << 22, TEXT_BYTES = 4096 };

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct json *parse(const char *text)
{
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    struct str kept;
    assert_int_equal(arena_str(&arena, str_from(text), &kept, &e), 0);
    if (json_parse(kept, &JSON_LIMITS_API, &arena, &root, &e) != 0) {
        fail_msg("%s: %s", e.text, text);
    }
    return root;
}

/* A Deployment of 4 pods with these annotations and conditions. */
static struct view view_of(const char *annotations, const char *conditions)
{
    char text[TEXT_BYTES];
    struct deployment d;
    struct view v;
    struct err e = ERR_INIT;
    (void)fmt(text, sizeof(text),
              "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u\","
              "\"annotations\":{%s}},\"spec\":{\"replicas\":4},\"status\":{\"replicas\":4,"
              "\"readyReplicas\":3,\"conditions\":[%s]}}",
              annotations, conditions);
    assert_int_equal(deployment_decode(parse(text), &arena, &d, &e), 0);
    assert_int_equal(view_make(&d, &arena, &v, &e), 0);
    return v;
}

static void expect_targets(const struct view *v, const char *want)
{
    struct buf out;
    buf_init(&out, TEXT_BYTES);
    view_targets(v, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.ptr, want);
    buf_free(&out);
}

#define ONE "\"scale.amp/query\":\"q\",\"scale.amp/threshold\":\"25\""
#define ABLE(message)                                                                              \
    "{\"type\":\"scale.amp/AbleToScale\",\"status\":\"True\",\"reason\":\"ReadyForNewScale\","     \
    "\"message\":\"" message "\"}"

static void test_targets(void **state)
{
    static const struct {
        const char *annotations, *message, *want;
    } rows[] = {
        {ONE, ABLE("default: 100/25 → 4 replicas"), "25/25 (avg)"},
        {ONE, ABLE("default: 100.01/25 → 5 replicas"), "25.003/25 (avg)"},
        {ONE, ABLE("default: -3/25 → 0, raised"), "-0.75/25 (avg)"},
        {ONE, ABLE("default: 1e+21/25 → 9"), "250000000000000000000/25 (avg)"},
        {ONE, ABLE("default: 100/26 → 4"), "<unknown>/25 (avg)"}, /* before the target changed */
        {ONE, ABLE("default: 100/250 → 4"), "<unknown>/25 (avg)"},
        {ONE, ABLE("default: x/25 → 4"), "<unknown>/25 (avg)"},
        {ONE, ABLE("held at 4: default is unknown: empty"), "<unknown>/25 (avg)"},
        {ONE, ABLE("default"), "<unknown>/25 (avg)"},
        {ONE, "", "<unknown>/25 (avg)"},
        {ONE ",\"scale.amp/metric-type\":\"Value\"", ABLE("default: 100/25 → 4"), "100/25"},
        {"\"scale.amp/query\":\"q\"", "", "<invalid>"},
        {"\"scale.amp/triggers\":\"[{name: a, query: q, threshold: 10},{name: ab, query: r, "
         "threshold: 0.5, metricType: Value}]\"",
         ABLE("ab: 7.25/0.5 → 12"), "a: <unknown>/10 (avg), ab: 7.25/0.5"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct view v = view_of(rows[i].annotations, rows[i].message);
        expect_targets(&v, rows[i].want);
    }
    struct view v = view_of(ONE, ABLE("default: 100/25 → 4"));
    const struct reading now = {.kind = READING_VALUE, .value = 6};
    view_read_now(&v, &now);
    expect_targets(&v, "1.5/25 (avg)");
}

#define CONDITION(type, status, reason)                                                            \
    "{\"type\":\"scale.amp/" type "\",\"status\":\"" status "\",\"reason\":\"" reason              \
    "\",\"message\":\"m\"}"

static void test_reasons(void **state)
{
    static const struct {
        const char *conditions, *reason;
    } rows[] = {
        {"", "NotSeen"},
        {CONDITION("AbleToScale", "True", "ReadyForNewScale"), "ReadyForNewScale"},
        {CONDITION("AbleToScale", "False", "AmbiguousSelector") "," CONDITION("Paused", "True",
                                                                              "Paused"),
         "AmbiguousSelector"},
        {CONDITION("Paused", "True", "Paused") "," CONDITION("Active", "Unknown", "x"), "Paused"},
        {CONDITION("Active", "Unknown", "FailedGetMetric") "," CONDITION("Fallback", "True",
                                                                         "FallbackExists"),
         "FallbackExists"},
        {CONDITION("Active", "Unknown", "FailedGetMetric") "," CONDITION("AbleToScale", "True",
                                                                         "ReadyForNewScale"),
         "FailedGetMetric"},
        {CONDITION("AbleToScale", "True", "ScaleDownStabilized") "," CONDITION(
             "ScalingLimited", "False", "DesiredWithinRange"),
         "ScaleDownStabilized"},
        {CONDITION("AbleToScale", "True",
                   "ReadyForNewScale") "," CONDITION("ScalingLimited", "True", "TooManyReplicas"),
         "TooManyReplicas"},
        {CONDITION("AbleToScale", "True", "ReadyForNewScale") "," CONDITION("Active", "False",
                                                                            "ScalerNotActive"),
         "ScalerNotActive"},
        {"{\"type\":\"Available\",\"status\":\"False\",\"reason\":\"x\"}", "NotSeen"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct view v = view_of(ONE, rows[i].conditions);
        if (!str_eq(v.reason, str_from(rows[i].reason))) {
            fail_msg("row %zu: %.*s, not %s", i, STR_ARG(v.reason), rows[i].reason);
        }
    }
    struct view v = view_of("\"scale.amp/query\":\"q\"", "");
    assert_true(v.scaled && !v.usable && str_eq(v.reason, STR("InvalidAnnotations")));
    v = view_of("", "");
    assert_true(!v.scaled && !v.usable);
}

static void test_ages(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } rows[] = {{-5, "0s"},
                {999, "0s"},
                {119000, "119s"},
                {120000, "2m"},
                {125000, "2m5s"},
                {600000, "10m"},
                {10799000, "179m"},
                {10800000, "3h"},
                {11160000, "3h6m"},
                {INT64_C(28800000), "8h"},
                {INT64_C(172799000), "47h"},
                {INT64_C(172800000), "2d"},
                {INT64_C(180000000), "2d2h"},
                {INT64_C(864000000), "10d"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, 64);
        view_age(rows[i].ms, &out);
        buf_append_char(&out, '\0');
        assert_string_equal(out.ptr, rows[i].want);
        buf_free(&out);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *text, *name; /* NULL: refused */
    } rows[] = {{"web", "web"},
                {"deployment/web", "web"},
                {"deployments.apps/a.b-c", "a.b-c"},
                {"pod/web", NULL},
                {"", NULL},
                {"deploy/", NULL},
                {"deploy/a/b", NULL},
                {"Web", NULL},
                {"-a", NULL},
                {"a-", NULL},
                {"a..b", NULL},
                {"a.-b", NULL},
                {"a%2fb", NULL},
                {"a?b", NULL},
                {".", NULL}};
    struct err e = ERR_INIT;
    struct str name;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = names_deployment(str_from(rows[i].text), &name, &e);
        assert_int_equal(status, rows[i].name == NULL ? -1 : 0);
        assert_true(status != 0 || str_eq(name, str_from(rows[i].name)));
    }
    assert_int_equal(names_namespace(STR("kube-system"), &e), 0);
    assert_int_equal(names_namespace(STR("a.b"), &e), -1);
    assert_int_equal(names_namespace(STR(""), &e), -1);
}

static void test_last_events(void **state)
{
    char text[TEXT_BYTES] = "{\"items\":[", one[512];
    struct explain_event events[EXPLAIN_EVENTS_MAX];
    static const int ORDER[] = {3, 1, 7, 2, 6, 4, 5};
    (void)state;
    for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++) {
        struct str line = fmt(one, sizeof(one),
                              "{\"reportingComponent\":\"scale.amp/ampscale-scaler\",\"reason\":"
                              "\"r%d\",\"lastTimestamp\":\"2026-01-0%dT00:00:00Z\"},",
                              ORDER[i], ORDER[i]);
        memcpy(text + strlen(text), line.ptr, line.len + 1);
    }
    static const char END[] = "{\"reportingComponent\":\"deployment-controller\"}]}";
    memcpy(text + strlen(text), END, sizeof(END));
    assert_int_equal(explain_events(parse(text), events), EXPLAIN_EVENTS_MAX);
    for (int i = 0; i < EXPLAIN_EVENTS_MAX; i++) {
        assert_int_equal(events[i].reason.ptr[1], '7' - i);
        assert_int_equal(events[i].count, 1);
    }
    assert_int_equal(explain_events(parse("{}"), events), 0);
}

/* A scaler that restarts knows from the condition since when it is inactive; so do we. */
static void test_decision_keeps_the_cooldown(void **state)
{
    struct decision d;
    struct err e = ERR_INIT;
    (void)state;
    struct view v = view_of(ONE ",\"scale.amp/min-replicas\":\"0\"",
                            "{\"type\":\"scale.amp/Active\",\"status\":\"False\",\"reason\":"
                            "\"ScalerCooldown\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}");
    const struct reading zero = {.kind = READING_VALUE, .value = 0};
    view_read_now(&v, &zero);
    assert_int_equal(explain_decide(&v, INT64_C(1767225600000) + 299000, &d, &e), 0);
    assert_int_equal(d.reason, REASON_COOLDOWN);
    assert_int_equal(explain_decide(&v, INT64_C(1767225600000) + 300000, &d, &e), 0);
    assert_int_equal(d.reason, REASON_INACTIVE);
    assert_int_equal(d.replicas, 0);
}

/* Never active: it counts from the end of the initial cooldown on. */
static void test_decision_keeps_the_initial_cooldown(void **state)
{
    static const char AT[] = "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}";
    struct decision d;
    struct err e = ERR_INIT;
    char active[256];
    (void)state;
    (void)fmt(active, sizeof(active), "%s\"ScalerNeverActive\",%s",
              "{\"type\":\"scale.amp/Active\",\"status\":\"False\",\"reason\":", AT);
    struct view v = view_of(ONE ",\"scale.amp/min-replicas\":\"0\","
                                "\"scale.amp/initial-cooldown-period\":\"10m\"",
                            active);
    const struct reading zero = {.kind = READING_VALUE, .value = 0};
    view_read_now(&v, &zero);
    assert_int_equal(explain_decide(&v, INT64_C(1767225600000) + 899000, &d, &e), 0);
    assert_int_equal(d.reason, REASON_COOLDOWN);
}

static void test_table(void **state)
{
    static const struct str ROWS[][3] = {{STR_INIT("A"), STR_INIT("B"), STR_INIT("C")},
                                         {STR_INIT("→"), STR_INIT(""), STR_INIT("last")},
                                         {STR_INIT("wide"), STR_INIT("xx"), STR_INIT("")}};
    struct table t;
    struct buf out;
    (void)state;
    buf_init(&out, TEXT_BYTES);
    table_init_columns(&t, 3);
    for (size_t i = 0; i < 3; i++) {
        table_measure(&t, ROWS[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        table_print(&t, 1, ROWS[i], &out);
    }
    buf_append_char(&out, '\0');
    assert_string_equal(out.ptr, " A      B    C\n"
                                 " →           last\n"
                                 " wide   xx   \n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_last_events),
        cmocka_unit_test(test_decision_keeps_the_cooldown),
        cmocka_unit_test(test_decision_keeps_the_initial_cooldown),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests_name("cli_view", tests, setup, teardown);
}
