/* What a Lease says and what is done about it: client-go leaderelection rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fmt.h"
#include "base/lease.h"

enum { ARENA_BYTES = 1 << 16 };
static const int64_t SECOND_MS = 1000;

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
    const struct json *root;
    struct err e = ERR_INIT;
    assert_int_equal(json_parse(str_from(text), &JSON_LIMITS_API, &arena, &root, &e), 0);
    return root;
}

/* A Lease held by `holder` for 15 s, renewed at that second of a minute. */
static void see(struct lease_view *v, const char *holder, int renewed_s, int64_t now_ms)
{
    struct str text;
    struct err e = ERR_INIT;
    assert_int_equal(
        arena_format(
            &arena, &text, &e,
            "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":\"%s\","
            "\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-01-01T00:00:00.000000Z\","
            "\"renewTime\":\"2026-01-01T00:00:%02d.000000Z\",\"leaseTransitions\":3}}",
            holder, renewed_s),
        0);
    assert_int_equal(lease_observe(v, parse(text.ptr), now_ms, &e), 0);
}

static void expiry_is_counted_from_what_was_seen(void **state)
{
    (void)state;
    struct lease_view v = {.seen_ms = 0};
    see(&v, "b", 0, 100 * SECOND_MS); /* it may have run out years ago: nobody knows */
    assert_int_equal(lease_next(&v, STR("a"), 100 * SECOND_MS), LEASE_WAIT);
    assert_int_equal(lease_next(&v, STR("a"), 115 * SECOND_MS - 1), LEASE_WAIT);
    see(&v, "b", 0, 114 * SECOND_MS); /* read again, not renewed */
    assert_int_equal(lease_next(&v, STR("a"), 115 * SECOND_MS), LEASE_TAKE);
    see(&v, "b", 10, 115 * SECOND_MS); /* renewed */
    assert_int_equal(lease_next(&v, STR("a"), 129 * SECOND_MS), LEASE_WAIT);
    see(&v, "c", 10, 129 * SECOND_MS); /* another holder */
    assert_int_equal(lease_next(&v, STR("a"), 143 * SECOND_MS), LEASE_WAIT);
    assert_int_equal(lease_next(&v, STR("c"), 143 * SECOND_MS), LEASE_RENEW);
}

static void a_lease_that_nobody_holds_is_taken(void **state)
{
    (void)state;
    struct lease_view v = {.seen_ms = 0};
    struct err e = ERR_INIT;
    assert_int_equal(lease_next(&v, STR("a"), 1), LEASE_TAKE);        /* there is none */
    const char *empty = "{\"metadata\":{\"resourceVersion\":\"7\"}}"; /* as rendered */
    assert_int_equal(lease_observe(&v, parse(empty), 5, &e), 0);
    assert_int_equal(lease_next(&v, STR("a"), 5), LEASE_TAKE);
    assert_false(lease_held_by_other(&v, STR("a"), 5));
    see(&v, "", 3, 10); /* given away */
    assert_int_equal(lease_next(&v, STR("a"), 10), LEASE_TAKE);
}

static void what_is_no_lease_is_refused(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "{}", "[]", "{\"metadata\":{}}",
        "{\"metadata\":{\"resourceVersion\":\"123456789012345678901234567890123\"}}"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct lease_view v = {.seen_ms = 42};
        struct err e = ERR_INIT;
        assert_int_equal(lease_observe(&v, parse(WRONG[i]), 50, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(v.seen_ms, 42);
    }
}

static void a_duration_that_is_none_is_no_claim(void **state)
{
    (void)state;
    struct lease_view v = {.seen_ms = 0};
    struct err e = ERR_INIT;
    const char *odd =
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":\"b\","
        "\"leaseDurationSeconds\":-5,\"leaseTransitions\":\"x\"}}";
    assert_int_equal(lease_observe(&v, parse(odd), 50, &e), 0);
    assert_int_equal(lease_next(&v, STR("a"), 50), LEASE_TAKE);
    const char *long_one =
        "{\"metadata\":{\"resourceVersion\":\"8\"},\"spec\":{\"holderIdentity\":\"c\","
        "\"leaseDurationSeconds\":2147483647}}";
    assert_int_equal(lease_observe(&v, parse(long_one), 50, &e), 0);
    assert_int_equal(lease_next(&v, STR("a"), 50), LEASE_WAIT);
}

/* Print, read back. */
static const struct json *printed(const struct lease_view *v, const char *metadata,
                                  struct str identity)
{
    static struct buf out;
    struct err e = ERR_INIT;
    struct str copy;
    buf_init(&out, 4096);
    lease_print(v, str_from(metadata), STR("shop"), STR("ampscale-scaler"), identity, 15000,
                1767225612345, &out);
    assert_int_equal(buf_check(&out, &e), 0);
    assert_int_equal(arena_str(&arena, buf_view(&out), &copy, &e), 0);
    buf_free(&out);
    return parse(copy.ptr);
}

static void assert_text(const struct json *root, const char *path, const char *want)
{
    struct str got = json_str(json_path(root, path));
    if (!str_eq(got, str_from(want))) {
        fail_msg("%s is \"%.*s\", expected \"%s\"", path, STR_ARG(got), want);
    }
}

static void assert_number(const struct json *root, const char *path, int64_t want)
{
    int64_t got = -1;
    assert_true(json_int(json_path(root, path), &got));
    assert_int_equal(got, want);
}

static void taking_counts_a_transition_and_renewing_does_not(void **state)
{
    (void)state;
    struct lease_view v = {.seen_ms = 0};
    const char *metadata = "{\"resourceVersion\":\"7\",\"labels\":{\"by\":\"helm\"}}";
    see(&v, "b", 0, 1);
    const struct json *taken = printed(&v, metadata, STR("a"));
    assert_text(taken, "apiVersion", "coordination.k8s.io/v1");
    assert_text(taken, "metadata/resourceVersion", "7");
    assert_text(taken, "metadata/labels/by", "helm"); /* a PUT without them would take them away */
    assert_text(taken, "spec/holderIdentity", "a");
    assert_text(taken, "spec/acquireTime", "2026-01-01T00:00:12.345000Z");
    assert_text(taken, "spec/renewTime", "2026-01-01T00:00:12.345000Z");
    assert_number(taken, "spec/leaseDurationSeconds", 15);
    assert_number(taken, "spec/leaseTransitions", 4);
    const struct json *renewed = printed(&v, metadata, STR("b"));
    assert_text(renewed, "spec/acquireTime", "2026-01-01T00:00:00.000000Z");
    assert_number(renewed, "spec/leaseTransitions", 3);
    const struct json *given = printed(&v, metadata, STR(""));
    assert_text(given, "spec/holderIdentity", "");
    assert_number(given, "spec/leaseDurationSeconds", 1);
    assert_number(given, "spec/leaseTransitions", 3);
}

static void one_to_be_created_has_no_version(void **state)
{
    (void)state;
    const struct lease_view none = {.seen_ms = 0};
    const struct json *created = printed(&none, NULL, STR("a"));
    assert_null(json_path(created, "metadata/resourceVersion"));
    assert_text(created, "metadata/name", "ampscale-scaler");
    assert_text(created, "metadata/namespace", "shop");
    assert_number(created, "spec/leaseTransitions", 1);
}

#define LEASE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(expiry_is_counted_from_what_was_seen),
        LEASE_TEST(a_lease_that_nobody_holds_is_taken),
        LEASE_TEST(what_is_no_lease_is_refused),
        LEASE_TEST(a_duration_that_is_none_is_no_claim),
        LEASE_TEST(taking_counts_a_transition_and_renewing_does_not),
        LEASE_TEST(one_to_be_created_has_no_version),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
