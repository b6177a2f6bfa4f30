/* Certificates of the webhook's own: made, read back, and judged by OpenSSL's own verification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "webhook/certview.h"

enum { PEM_BYTES = 8 * CERT_PEM_MAX_BYTES };

static const int64_t NOW_MS = 1800000000000, HOUR_MS = 3600000;
static const struct cert_service SERVICE = {STR_INIT("hook"), STR_INIT("sys")};

/* A CA and a leaf of it, as texts. */
struct made {
    struct buf ca, ca_key, leaf, leaf_key;
};

static void make_ca(struct made *m, int64_t now_ms)
{
    struct err e = ERR_INIT;
    buf_init(&m->ca, PEM_BYTES);
    buf_init(&m->ca_key, PEM_BYTES);
    assert_int_equal(certmake_ca(now_ms, 100 * HOUR_MS, &m->ca, &m->ca_key, &e), 0);
}

static void make_leaf(struct made *m, const struct cert_service *s, int64_t now_ms, int64_t life_ms)
{
    struct err e = ERR_INIT;
    buf_init(&m->leaf, PEM_BYTES);
    buf_init(&m->leaf_key, PEM_BYTES);
    assert_int_equal(certmake_leaf(buf_view(&m->ca), buf_view(&m->ca_key), s, now_ms, life_ms,
                                   &m->leaf, &m->leaf_key, &e),
                     0);
}

static void made_free(struct made *m)
{
    buf_free(&m->ca);
    buf_wipe(&m->ca_key);
    buf_free(&m->leaf);
    buf_wipe(&m->leaf_key);
}

static struct made make(void)
{
    struct made m;
    make_ca(&m, NOW_MS);
    make_leaf(&m, &SERVICE, NOW_MS, 10 * HOUR_MS);
    return m;
}

static struct cert_texts texts_of(const struct made *m)
{
    return (struct cert_texts){buf_view(&m->ca), buf_view(&m->ca_key), buf_view(&m->leaf),
                               buf_view(&m->leaf_key)};
}

static void view(const struct cert_texts *t, const struct cert_config *config, struct cert_view *v)
{
    const struct cert_config *configs[CERT_BUNDLES] = {config, NULL};
    certview_read(t, configs, &SERVICE, v);
}

/* ---- OpenSSL's verdict ---- */

static X509 *parse(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* As a TLS client does that asks for `host` at that time. */
static int verify(const struct made *m, const char *host, int64_t at_ms)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *ca = parse(buf_view(&m->ca)), *leaf = parse(buf_view(&m->leaf));
    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, NULL), 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, at_ms / 1000);
    assert_int_equal(X509_VERIFY_PARAM_set1_host(param, host, 0), 1);
    assert_int_equal(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER), 1);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    const int result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_free(ca);
    X509_free(leaf);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return result;
}

static void a_client_trusts_the_leaf(void **state)
{
    static const char *const NAMES[] = {"hook", "hook.sys", "hook.sys.svc",
                                        "hook.sys.svc.cluster.local"};
    struct made m = make();
    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        assert_int_equal(verify(&m, NAMES[i], NOW_MS), X509_V_OK);
    }
    assert_int_equal(verify(&m, "other.sys.svc", NOW_MS), X509_V_ERR_HOSTNAME_MISMATCH);
    /* A clock that is behind, and the ends. */
    assert_int_equal(verify(&m, "hook.sys.svc", NOW_MS - HOUR_MS), X509_V_OK);
    assert_int_equal(verify(&m, "hook.sys.svc", NOW_MS - HOUR_MS - 2000),
                     X509_V_ERR_CERT_NOT_YET_VALID);
    assert_int_equal(verify(&m, "hook.sys.svc", NOW_MS + 10 * HOUR_MS - 1000), X509_V_OK);
    assert_int_equal(verify(&m, "hook.sys.svc", NOW_MS + 10 * HOUR_MS + 1000),
                     X509_V_ERR_CERT_HAS_EXPIRED);
    made_free(&m);
}

static void a_leaf_ends_with_its_ca(void **state)
{
    struct made m;
    struct cert_view v;
    (void)state;
    make_ca(&m, NOW_MS);
    make_leaf(&m, &SERVICE, NOW_MS, 1000 * HOUR_MS);
    const struct cert_texts t = texts_of(&m);
    view(&t, NULL, &v);
    assert_true(v.facts.leaf_usable);
    assert_int_equal(v.facts.leaf.not_after_ms, NOW_MS + 100 * HOUR_MS);
    assert_int_equal(v.facts.leaf.not_before_ms, NOW_MS - CERT_BACKDATE_MS);
    made_free(&m);
}

/* ---- reading the Secret ---- */

static void what_was_made_is_read(void **state)
{
    struct made m = make();
    struct cert_texts t = texts_of(&m);
    struct cert_view v;
    (void)state;
    view(&t, NULL, &v);
    assert_int_equal(v.complaint.code, ERR_NONE);
    assert_int_equal(v.facts.ca_count, 1);
    assert_true(v.facts.cas[0].in_secret && v.facts.signs && v.facts.list_clean);
    assert_int_equal(v.facts.cas[0].span.not_after_ms, NOW_MS + 100 * HOUR_MS);
    assert_true(v.facts.leaf_usable);
    t = (struct cert_texts){.cas = {NULL, 0}};
    view(&t, NULL, &v);
    assert_int_equal(v.complaint.code, ERR_NONE);
    assert_true(v.facts.list_clean);
    assert_false(v.facts.signs || v.facts.leaf_usable);
    made_free(&m);
}

static void edits_are_complained_about(void **state)
{
    struct made m = make(), other = make(), alien;
    struct cert_view v;
    (void)state;
    make_ca(&alien, NOW_MS);
    make_leaf(&alien, &(struct cert_service){STR("hook"), STR("elsewhere")}, NOW_MS, HOUR_MS);
    const struct cert_texts good = texts_of(&m);
    const struct {
        struct cert_texts texts;
        const char *want;
        bool signs, leaf, cas;
    } cases[] = {
        {{STR("x"), good.key, good.leaf, good.leaf_key}, "ca.crt: expected", false, false, false},
        {{good.leaf, good.key, good.leaf, good.leaf_key}, "ca.crt: not an au", false, false, false},
        {{good.cas, STR(""), good.leaf, good.leaf_key}, "ca.key: the key: ", false, true, true},
        {{good.cas, buf_view(&other.ca_key), good.leaf, good.leaf_key},
         "ca.key: the key does not belong",
         false,
         true,
         true},
        {{good.cas, good.key, STR("x"), good.leaf_key}, "tls.crt: not a", true, false, true},
        {{good.cas, good.key, {NULL, 0}, good.leaf_key}, "tls.crt: not a", true, false, true},
        {{good.cas, good.key, good.leaf, buf_view(&other.leaf_key)},
         "tls.crt: the key does not belong",
         true,
         false,
         true},
        {{good.cas, good.key, buf_view(&other.leaf), buf_view(&other.leaf_key)},
         "tls.crt: no authority of ours signed it",
         true,
         false,
         true},
        {{good.cas, good.key, good.cas, good.key}, "tls.crt: it is not for a ", true, false, true},
        {{buf_view(&alien.ca), buf_view(&alien.ca_key), buf_view(&alien.leaf),
          buf_view(&alien.leaf_key)},
         "tls.crt: it is for other names than hook.sys.svc's",
         true,
         false,
         true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        view(&cases[i].texts, NULL, &v);
        if (strncmp(v.complaint.text, cases[i].want, strlen(cases[i].want)) != 0) {
            fail_msg("%zu: \"%s\", expected \"%s\"", i, v.complaint.text, cases[i].want);
        }
        assert_int_equal(v.facts.signs, cases[i].signs);
        assert_int_equal(v.facts.leaf_usable, cases[i].leaf);
        assert_int_equal(v.facts.ca_count, cases[i].cas ? 1 : 0);
    }
    made_free(&m);
    made_free(&other);
    made_free(&alien);
}

/* ---- several CAs ---- */

static void cas_are_listed_newest_first(void **state)
{
    struct made all[CERT_CAS_MAX + 2];
    struct buf text, printed;
    struct cert_view v;
    bool kept[CERT_CAS_MAX];
    (void)state;
    buf_init(&text, PEM_BYTES);
    buf_init(&printed, PEM_BYTES);
    for (size_t i = 0; i < CERT_CAS_MAX + 2; i++) {
        make_ca(&all[i], NOW_MS + (int64_t)i * HOUR_MS);
        buf_append(&text, buf_view(&all[i].ca));
    }
    const struct cert_texts t = {.cas = buf_view(&text), .key = buf_view(&all[3].ca_key)};
    view(&t, NULL, &v);
    assert_int_equal(v.facts.ca_count, CERT_CAS_MAX);
    assert_true(v.facts.signs);
    assert_int_equal(v.facts.signer, CERT_CAS_MAX + 1 - 3);
    assert_false(v.facts.list_clean); /* the order is the other way round, and two are too many */
    for (size_t i = 0; i < CERT_CAS_MAX; i++) {
        kept[i] = true;
        assert_int_equal(v.facts.cas[i].span.not_before_ms,
                         NOW_MS + (CERT_CAS_MAX + 1 - (int64_t)i) * HOUR_MS - CERT_BACKDATE_MS);
    }
    certview_print_cas(&v, kept, CERT_CAS_MAX, &printed);
    const struct cert_texts again = {.cas = buf_view(&printed)};
    view(&again, NULL, &v);
    assert_true(v.facts.list_clean);
    assert_int_equal(v.facts.ca_count, CERT_CAS_MAX);
    for (size_t i = 0; i < CERT_CAS_MAX + 2; i++) {
        buf_free(&all[i].ca);
        buf_wipe(&all[i].ca_key);
    }
    buf_free(&text);
    buf_free(&printed);
}

/* Of a caBundle those count that may be ours; what stands in both is one. */
static void a_bundle_gives_back_what_the_secret_lost(void **state)
{
    struct made m = make(), older;
    struct cert_config config = {.hook_count = 2};
    struct cert_view v;
    struct buf bundle;
    (void)state;
    make_ca(&older, NOW_MS - HOUR_MS);
    buf_init(&bundle, PEM_BYTES);
    buf_append(&bundle, buf_view(&m.leaf)); /* no CA at all */
    buf_append(&bundle, buf_view(&m.ca));
    buf_append(&bundle, buf_view(&older.ca));
    config.hooks[1].bundle = buf_view(&bundle);
    struct cert_texts t = texts_of(&m);
    view(&t, &config, &v);
    assert_int_equal(v.facts.ca_count, 2);
    assert_true(v.facts.cas[0].in_secret && !v.facts.cas[1].in_secret);
    assert_true(v.facts.list_clean);
    assert_int_equal(v.complaint.code, ERR_NONE);
    t.cas = (struct str){NULL, 0}; /* the key finds its certificate again, and so does the leaf */
    view(&t, &config, &v);
    assert_int_equal(v.facts.ca_count, 2);
    assert_true(v.facts.signs && v.facts.leaf_usable);
    assert_int_equal(v.facts.signer, 0);
    made_free(&m);
    buf_free(&older.ca);
    buf_wipe(&older.ca_key);
    buf_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_trusts_the_leaf),
        cmocka_unit_test(a_leaf_ends_with_its_ca),
        cmocka_unit_test(what_was_made_is_read),
        cmocka_unit_test(edits_are_complained_about),
        cmocka_unit_test(cas_are_listed_newest_first),
        cmocka_unit_test(a_bundle_gives_back_what_the_secret_lost),
    };
    return cmocka_run_group_tests_name("certmake", tests, NULL, NULL);
}
