/* What is done next about certificates: a table of states, and whole lives played through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "webhook/certplan.h"

static const int64_t HOUR_MS = 3600000, DAY_MS = 86400000;
static const int64_t NOW_MS = 1800000000000;

static const struct cert_lives LIVES = {
    .ca_ms = 1825 * INT64_C(86400000), .leaf_ms = 90 * INT64_C(86400000), .settle_ms = 10000};

/* Made that many days ago, to live that many. */
static struct cert_span made(int64_t days_ago, int64_t life_days)
{
    const int64_t at_ms = NOW_MS - days_ago * DAY_MS;
    return (struct cert_span){at_ms - CERT_BACKDATE_MS, at_ms + life_days * DAY_MS};
}

/* One CA of last year, its leaf of yesterday, all published. */
static struct cert_facts settled(void)
{
    return (struct cert_facts){.cas = {{made(365, 1825), true}},
                               .ca_count = 1,
                               .signs = true,
                               .list_clean = true,
                               .leaf_usable = true,
                               .leaf = made(1, 90),
                               .bundles = {BUNDLE_SAME, BUNDLE_SAME},
                               .published_ms = HOUR_MS};
}

/* A CA of yesterday before the one of last year, whose leaf serves. */
static struct cert_facts changing(void)
{
    struct cert_facts f = settled();
    f.cas[1] = f.cas[0];
    f.cas[0] = (struct cert_ca){made(1, 1825), true};
    f.ca_count = 2;
    f.signer = 0;
    f.leaf_ca = 1;
    f.leaf = made(30, 90);
    return f;
}

static void assert_step(const struct cert_facts *f, enum cert_step want, const char *what)
{
    const struct cert_plan plan = certplan(f, &LIVES, NOW_MS);
    if (plan.step != want || plan.why == NULL) {
        fail_msg("%s: step %d, expected %d", what, plan.step, want);
    }
}

static void nothing_is_due(void **state)
{
    (void)state;
    struct cert_facts f = settled();
    struct cert_plan plan = certplan(&f, &LIVES, NOW_MS);
    assert_int_equal(plan.step, CERT_WAIT);
    assert_int_equal(plan.wait_ms, 59 * DAY_MS); /* the leaf is renewed after 60 of its 90 days */
    f.leaf = made(0, 4000);                      /* made by flags of another time */
    plan = certplan(&f, &LIVES, NOW_MS);
    assert_int_equal(plan.wait_ms, 60 * DAY_MS);
}

static void a_first_install(void **state)
{
    (void)state;
    struct cert_facts f = {.bundles = {BUNDLE_OTHER, BUNDLE_OTHER}, .list_clean = true};
    assert_step(&f, CERT_NEW_CA, "nothing");
    f.cas[0] = (struct cert_ca){made(0, 1825), true};
    f.ca_count = 1;
    f.signs = true;
    assert_step(&f, CERT_NEW_LEAF, "a CA");
    f.leaf_usable = true;
    f.leaf = made(0, 90);
    assert_step(&f, CERT_PUBLISH, "a leaf");
    f.bundles[0] = BUNDLE_SAME;
    assert_step(&f, CERT_PUBLISH, "one bundle");
    f.bundles[1] = BUNDLE_SAME;
    assert_step(&f, CERT_WAIT, "both");
}

static void renewals(void **state)
{
    (void)state;
    struct cert_facts f = settled();
    f.leaf = made(60, 90);
    assert_step(&f, CERT_NEW_LEAF, "leaf at two thirds");
    f.bundles[0] = BUNDLE_OTHER; /* nothing to wait for: the CA is the same */
    assert_step(&f, CERT_NEW_LEAF, "leaf at two thirds, a bundle that was edited");
    f = settled();
    f.cas[0].span = made(1217, 1825);
    assert_step(&f, CERT_NEW_CA, "CA at two thirds");
    f.cas[0].span = made(1826, 1825);
    assert_step(&f, CERT_NEW_CA, "CA expired");
    assert_string_equal(certplan(&f, &LIVES, NOW_MS).why, "it has expired");
    f.cas[0].span = made(-2, 1825);
    assert_step(&f, CERT_NEW_CA, "CA not valid yet");
    f = settled();
    f.signs = false;
    assert_step(&f, CERT_NEW_CA, "no key");
}

static void a_leaf_that_is_no_good(void **state)
{
    (void)state;
    struct cert_facts f = settled();
    f.leaf = made(91, 90);
    assert_step(&f, CERT_NEW_LEAF, "expired");
    f.bundles[0] = f.bundles[1] = BUNDLE_UNKNOWN;
    assert_step(&f, CERT_NEW_LEAF, "expired, and caBundle not to be read");
    f = settled();
    f.leaf = made(-2, 90);
    assert_step(&f, CERT_NEW_LEAF, "not valid yet");
    f = settled();
    f.leaf_usable = false;
    assert_step(&f, CERT_NEW_LEAF, "edited");
    f = changing();
    f.leaf_usable = false; /* but somebody may be serving the old CA's */
    f.published_ms = 0;
    assert_step(&f, CERT_WAIT, "edited while the CA changes");
    f.published_ms = LIVES.settle_ms;
    assert_step(&f, CERT_NEW_LEAF, "edited, published");
}

static void a_new_ca_is_published_before_its_leaf(void **state)
{
    (void)state;
    struct cert_facts f = changing();
    f.bundles[0] = f.bundles[1] = BUNDLE_OTHER;
    f.published_ms = 0;
    assert_step(&f, CERT_PUBLISH, "none");
    f.bundles[0] = BUNDLE_SAME;
    assert_step(&f, CERT_PUBLISH, "one");
    f.bundles[1] = BUNDLE_UNKNOWN;
    assert_step(&f, CERT_WAIT, "the other is not known");
    f.bundles[1] = BUNDLE_ABSENT;
    f.published_ms = LIVES.settle_ms - 1;
    assert_step(&f, CERT_WAIT, "just published");
    assert_int_equal(certplan(&f, &LIVES, NOW_MS).wait_ms, 1);
    f.published_ms = LIVES.settle_ms;
    assert_step(&f, CERT_NEW_LEAF, "published");
    f.leaf = made(60, 90); /* due, but of another CA: that has to be trusted first */
    f.published_ms = 0;
    assert_step(&f, CERT_WAIT, "the leaf is due meanwhile");
    f.leaf = made(91, 90); /* it cannot get worse */
    f.published_ms = 0;
    assert_step(&f, CERT_NEW_LEAF, "expired meanwhile");
}

static void an_old_ca_stays_until_its_last_leaf_is_over(void **state)
{
    (void)state;
    bool kept[CERT_CAS_MAX];
    struct cert_facts f = changing();
    f.leaf_ca = 0; /* the new one's leaf serves */
    f.leaf = made(1, 90);
    assert_step(&f, CERT_WAIT, "changed");
    f.cas[0].span = made(98, 1825); /* a leaf of the day before may live for 90, and a tenth more */
    assert_step(&f, CERT_WAIT, "98 days ago");
    assert_int_equal(certplan(&f, &LIVES, NOW_MS).wait_ms, DAY_MS);
    f.cas[0].span = made(99, 1825);
    assert_step(&f, CERT_WRITE_CAS, "99 days ago");
    certplan_kept(&f, &LIVES, NOW_MS, kept);
    assert_true(kept[0]);
    assert_false(kept[1]);
    f.signer = 1; /* a Secret of before was put back */
    certplan_kept(&f, &LIVES, NOW_MS, kept);
    assert_true(kept[0] && kept[1]);
    f.signer = 0;
    f.leaf_ca = 1; /* never while the leaf is its */
    assert_step(&f, CERT_NEW_LEAF, "its leaf");
    certplan_kept(&f, &LIVES, NOW_MS, kept);
    assert_true(kept[1]);
    f.cas[1].span = made(2000, 1825); /* of no use to anyone */
    certplan_kept(&f, &LIVES, NOW_MS, kept);
    assert_false(kept[1]);
}

static void a_list_that_was_edited_is_written_anew(void **state)
{
    (void)state;
    struct cert_facts f = settled();
    f.list_clean = false;
    assert_step(&f, CERT_WRITE_CAS, "something between");
    f = changing();
    f.cas[1].in_secret = false; /* caBundle has it still */
    assert_step(&f, CERT_WRITE_CAS, "taken out");
    f = settled();
    f.signs = false; /* ca.key was deleted: the CA that is there is that of what serves */
    bool kept[CERT_CAS_MAX];
    certplan_kept(&f, &LIVES, NOW_MS, kept);
    assert_true(kept[0]);
}

/* ---- a life ---- */

struct life {
    struct cert_facts f;
    struct cert_ca listed[CERT_BUNDLES][CERT_CAS_MAX];
    size_t listed_count[CERT_BUNDLES];
    int64_t now_ms, published_ms;
    size_t leaves, cas;
};

static bool same_span(const struct cert_span *a, const struct cert_span *b)
{
    return a->not_before_ms == b->not_before_ms && a->not_after_ms == b->not_after_ms;
}

/* As ca.crt is compared with a caBundle. */
static void compare(struct life *l)
{
    bool all = true;
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        bool same = l->listed_count[i] == l->f.ca_count;
        for (size_t j = 0; same && j < l->f.ca_count; j++) {
            same = same_span(&l->listed[i][j].span, &l->f.cas[j].span);
        }
        l->f.bundles[i] = same ? BUNDLE_SAME : BUNDLE_OTHER;
        all = all && same;
    }
    if (!all) {
        l->published_ms = 0;
    } else if (l->published_ms == 0) {
        l->published_ms = l->now_ms;
    }
    l->f.published_ms = all ? l->now_ms - l->published_ms : 0;
}

static void keep(struct life *l, size_t from)
{
    bool kept[CERT_CAS_MAX];
    struct cert_facts before = l->f;
    certplan_kept(&before, &LIVES, l->now_ms, kept);
    l->f.ca_count = from;
    for (size_t i = 0; i < before.ca_count; i++) {
        if (kept[i]) {
            l->f.leaf_ca = i == before.leaf_ca ? l->f.ca_count : l->f.leaf_ca;
            l->f.cas[l->f.ca_count++] = before.cas[i];
        }
    }
}

static void act(struct life *l, enum cert_step step)
{
    const struct cert_span made_now = {l->now_ms - CERT_BACKDATE_MS, 0};
    switch (step) {
    case CERT_NEW_CA:
        keep(l, 1);
        l->f.cas[0] = (struct cert_ca){made_now, true};
        l->f.cas[0].span.not_after_ms = l->now_ms + LIVES.ca_ms;
        l->f.signs = true;
        l->f.signer = 0;
        l->cas++;
        break;
    case CERT_NEW_LEAF:
        l->f.leaf_usable = true;
        l->f.leaf_ca = l->f.signer;
        l->f.leaf = made_now;
        l->f.leaf.not_after_ms = l->now_ms + LIVES.leaf_ms;
        l->leaves++;
        break;
    case CERT_WRITE_CAS: keep(l, 0); break;
    case CERT_PUBLISH:
        for (size_t i = 0; i < CERT_BUNDLES; i++) {
            memcpy(l->listed[i], l->f.cas, sizeof(l->listed[i]));
            l->listed_count[i] = l->f.ca_count;
        }
        break;
    case CERT_WAIT: break;
    }
}

/* The leaf that the Secret has is valid, and both caBundles carry its CA. */
static void assert_trusted(const struct life *l)
{
    assert_true(cert_span_holds(&l->f.leaf, l->now_ms));
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        bool carried = false;
        for (size_t j = 0; j < l->listed_count[i]; j++) {
            carried |= same_span(&l->listed[i][j].span, &l->f.cas[l->f.leaf_ca].span);
        }
        assert_true(carried);
    }
}

/* Twenty years: at each moment after the first the leaf is trusted, and nothing is done in vain. */
static void twenty_years(void **state)
{
    (void)state;
    struct life l = {.now_ms = NOW_MS, .f = {.list_clean = true}};
    int steps = 0;
    while (l.now_ms < NOW_MS + DAY_MS * 20 * 365) {
        compare(&l);
        const struct cert_plan plan = certplan(&l.f, &LIVES, l.now_ms);
        act(&l, plan.step);
        l.now_ms += plan.step == CERT_WAIT ? plan.wait_ms : 50;
        assert_true(++steps < 2000);
        if (steps > 3) {
            assert_trusted(&l);
        }
    }
    assert_int_equal(l.cas, 1 + 20 * 365 / 1217); /* each 2/3 of five years */
    assert_in_range(l.leaves, 20 * 365 / 60, 20 * 365 / 60 + 10);
    assert_in_range(l.f.ca_count, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due),
        cmocka_unit_test(a_first_install),
        cmocka_unit_test(renewals),
        cmocka_unit_test(a_leaf_that_is_no_good),
        cmocka_unit_test(a_new_ca_is_published_before_its_leaf),
        cmocka_unit_test(an_old_ca_stays_until_its_last_leaf_is_over),
        cmocka_unit_test(a_list_that_was_edited_is_written_anew),
        cmocka_unit_test(twenty_years),
    };
    return cmocka_run_group_tests_name("certplan", tests, NULL, NULL);
}
