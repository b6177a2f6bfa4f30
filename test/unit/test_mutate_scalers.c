/* Whether a scaler serves a namespace, by what is seen of the Leases and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/fmt.h"
#include "webhook/scalers.h"

enum { LASTS_MS = 15000, START_MS = 100000 };

struct stage {
    struct scalers scalers;
    struct arena arena;
    int64_t now_ms;
    int version;
};

static const struct json *parse(struct stage *s, struct str text)
{
    struct err e = ERR_INIT;
    const struct json *tree = NULL;
    struct str kept;
    assert_int_equal(arena_str(&s->arena, text, &kept, &e), 0);
    assert_int_equal(json_parse(kept, &JSON_LIMITS_USER, &s->arena, &tree, &e), 0);
    return tree;
}

static const struct json *lease(struct stage *s, const char *namespace_, const char *holder,
                                int renewed)
{
    char text[512];
    return parse(s, fmt(text, sizeof(text),
                        "{\"metadata\":{\"name\":\"ampscale-scaler\",\"namespace\":\"%s\","
                        "\"resourceVersion\":\"%d\"},\"spec\":{\"holderIdentity\":\"%s\","
                        "\"leaseDurationSeconds\":15,\"renewTime\":\"2026-01-01T00:00:%02d.0Z\"}}",
                        namespace_, ++s->version, holder, renewed));
}

static void seen(struct stage *s, const char *namespace_, const char *holder, int renewed)
{
    struct err e = ERR_INIT;
    assert_int_equal(
        scalers_upsert(&s->scalers, lease(s, namespace_, holder, renewed), s->now_ms, &e), 0);
}

static enum scaler_presence in(const struct stage *s, const char *namespace_)
{
    return scalers_in(&s->scalers, str_from(namespace_), s->now_ms);
}

static int begin(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -1;
    }
    *s = (struct stage){.scalers = {.own = "system"}, .now_ms = START_MS};
    arena_init(&s->arena, 8 << 20);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct stage *s = *state;
    scalers_free(&s->scalers);
    arena_free(&s->arena);
    free(s);
    return 0;
}

/* A first list with shop's Lease in it. */
static struct stage *with_shop(void **state)
{
    struct stage *s = *state;
    scalers_list_begin(&s->scalers);
    seen(s, "shop", "a", 1);
    scalers_synced(&s->scalers, s->now_ms);
    return s;
}

static void test_before_the_list(void **state)
{
    struct stage *s = *state;
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    scalers_list_begin(&s->scalers);
    seen(s, "shop", "a", 1);
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    assert_int_equal(in(s, "other"), SCALER_UNKNOWN);
}

static void test_first_sight_proves_nothing(void **state)
{
    struct stage *s = with_shop(state);
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    assert_int_equal(in(s, "other"), SCALER_NONE);
    s->now_ms += LASTS_MS - 1;
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    s->now_ms += 1;
    assert_int_equal(in(s, "shop"), SCALER_NONE); /* a leftover: nobody renewed it */
}

static void test_renewed(void **state)
{
    struct stage *s = with_shop(state);
    s->now_ms += 2000;
    seen(s, "shop", "a", 3);
    assert_int_equal(in(s, "shop"), SCALER_LIVE);
    s->now_ms += LASTS_MS - 1;
    assert_int_equal(in(s, "shop"), SCALER_LIVE);
    s->now_ms += 1;
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN); /* away, perhaps for a rollout */
    s->now_ms += SCALERS_ABSENCE_MS - LASTS_MS - 1;
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    s->now_ms += 1;
    assert_int_equal(in(s, "shop"), SCALER_NONE);
    seen(s, "shop", "b", 9);
    assert_int_equal(in(s, "shop"), SCALER_LIVE);
}

/* The same Lease again (a relist, another field changed) is no renewal. */
static void test_repeated_is_not_renewed(void **state)
{
    struct stage *s = with_shop(state);
    s->now_ms += LASTS_MS;
    seen(s, "shop", "a", 1);
    assert_int_equal(in(s, "shop"), SCALER_NONE);
}

static void test_given_away(void **state)
{
    struct stage *s = with_shop(state);
    s->now_ms += 2000;
    seen(s, "shop", "a", 3);
    seen(s, "shop", "", 4);
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    s->now_ms += SCALERS_ABSENCE_MS;
    assert_int_equal(in(s, "shop"), SCALER_NONE);
    seen(s, "new", "", 4);
    assert_int_equal(in(s, "new"), SCALER_NONE); /* nobody was ever seen to hold it */
}

static void test_removed(void **state)
{
    struct stage *s = with_shop(state);
    seen(s, "shop", "a", 3);
    seen(s, "other", "a", 3);
    seen(s, "other", "a", 4);
    scalers_removed(&s->scalers, lease(s, "shop", "a", 3));
    scalers_removed(&s->scalers, lease(s, "never", "a", 3));
    assert_int_equal(in(s, "shop"), SCALER_NONE);
    assert_int_equal(in(s, "other"), SCALER_LIVE);
    scalers_list_begin(&s->scalers);
    scalers_synced(&s->scalers, s->now_ms);
    assert_int_equal(in(s, "other"), SCALER_NONE); /* gone with a list that lacks it */
}

static void test_lost(void **state)
{
    struct stage *s = with_shop(state);
    seen(s, "shop", "a", 3);
    scalers_lost(&s->scalers);
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    assert_int_equal(in(s, "other"), SCALER_UNKNOWN);
    s->now_ms += 3600000;
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    scalers_recovered(&s->scalers, s->now_ms);
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN); /* what it did meanwhile was not seen */
    assert_int_equal(in(s, "other"), SCALER_NONE);
    s->now_ms += LASTS_MS;
    assert_int_equal(in(s, "shop"), SCALER_UNKNOWN);
    s->now_ms += SCALERS_ABSENCE_MS;
    assert_int_equal(in(s, "shop"), SCALER_NONE);
    seen(s, "shop", "a", 4);
    assert_int_equal(in(s, "shop"), SCALER_LIVE);
}

/* The Lease in the webhook's own namespace is everybody's; another's is its namespace's alone. */
static void test_all_namespaces(void **state)
{
    struct stage *s = with_shop(state);
    seen(s, "shop", "a", 3);
    assert_int_equal(in(s, "other"), SCALER_NONE);
    seen(s, "system", "z", 1);
    assert_int_equal(in(s, "other"), SCALER_UNKNOWN);
    seen(s, "system", "z", 2);
    assert_int_equal(in(s, "other"), SCALER_LIVE);
    s->now_ms += LASTS_MS;
    seen(s, "shop", "a", 4);
    assert_int_equal(in(s, "shop"), SCALER_LIVE);
    assert_int_equal(in(s, "other"), SCALER_UNKNOWN);
    s->scalers.own[0] = '\0';
    seen(s, "system", "z", 5);
    assert_int_equal(in(s, "other"), SCALER_NONE);
}

/* What is no Lease of a scaler changes nothing. */
static void test_odd_objects(void **state)
{
    static const char *const REFUSED[] = {
        "{\"metadata\":{\"name\":\"ampscale-scaler\"}}",
        "{\"metadata\":{\"name\":\"ampscale-scaler\",\"namespace\":\"shop\"}}",
        "{\"metadata\":{\"name\":\"ampscale-scaler\",\"namespace\":\"x\"}}",
        "{\"metadata\":{\"name\":\"ampscale-scaler\",\"resourceVersion\":\"1\",\"namespace\":"
        "\"a-name-that-is-longer-than-a-namespace-may-be-in-kubernetes-at-all-x\"}}",
    };
    struct stage *s = with_shop(state);
    struct err e = ERR_INIT;
    seen(s, "shop", "a", 3);
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        const struct json *odd = parse(s, str_from(REFUSED[i]));
        assert_int_equal(scalers_upsert(&s->scalers, odd, s->now_ms, &e), -1);
        assert_true(e.text[0] != '\0');
    }
    const struct json *other =
        parse(s, STR("{\"metadata\":{\"name\":\"leader\",\"namespace\":\"shop\"}}"));
    assert_int_equal(scalers_upsert(&s->scalers, other, s->now_ms, &e), 0);
    scalers_removed(&s->scalers, other);
    assert_int_equal(s->scalers.count, 1);
    assert_int_equal(in(s, "shop"), SCALER_LIVE);
}

static void test_many(void **state)
{
    struct stage *s = *state;
    char name[32];
    scalers_list_begin(&s->scalers);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 1000; i++) {
            (void)fmt(name, sizeof(name), "n%d", i);
            seen(s, name, "a", round);
        }
    }
    scalers_synced(&s->scalers, s->now_ms);
    assert_int_equal(s->scalers.count, 1000);
    assert_int_equal(in(s, "n0"), SCALER_LIVE);
    assert_int_equal(in(s, "n999"), SCALER_LIVE);
    scalers_list_begin(&s->scalers);
    seen(s, "n500", "a", 3);
    scalers_synced(&s->scalers, s->now_ms);
    assert_int_equal(s->scalers.count, 1);
    assert_int_equal(in(s, "n500"), SCALER_LIVE);
    assert_int_equal(in(s, "n0"), SCALER_NONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_before_the_list),
        TEST(test_first_sight_proves_nothing),
        TEST(test_renewed),
        TEST(test_repeated_is_not_renewed),
        TEST(test_given_away),
        TEST(test_removed),
        TEST(test_lost),
        TEST(test_all_namespaces),
        TEST(test_odd_objects),
        TEST(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
