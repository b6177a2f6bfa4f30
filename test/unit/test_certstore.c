/* The Secret and the webhook configurations: read, and written back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "webhook/certstore.h"

enum { ARENA_BYTES = 1 << 20 };

static struct arena arena;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, ARENA_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    buf_free(&out);
    return 0;
}

static void assert_view(struct str got, const char *want)
{
    if (!str_eq(got, str_from(want))) {
        fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(got), want);
    }
}

/* ---- the Secret ---- */

static void an_empty_secret_is_read(void **state)
{
    static const char *const EMPTY[] = {
        "{\"metadata\":{\"resourceVersion\":\"7\"}}",
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"data\":null}",
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"data\":{}}",
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"data\":[\"ca.crt\"]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(EMPTY) / sizeof(EMPTY[0]); i++) {
        struct cert_secret s;
        struct err e = ERR_INIT;
        assert_int_equal(certstore_read_secret(str_from(EMPTY[i]), &arena, &s, &e), 0);
        assert_null(s.texts.cas.ptr);
        assert_null(s.texts.key.ptr);
        assert_null(s.texts.leaf.ptr);
        assert_null(s.texts.leaf_key.ptr);
    }
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const WRONG[] = {"", "[]", "{}", "{\"metadata\":{}}", "{\"data\":{}}", "x"};
    (void)state;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct cert_secret s;
        struct cert_config c;
        struct err e = ERR_INIT;
        assert_int_equal(certstore_read_secret(str_from(WRONG[i]), &arena, &s, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(
            certstore_read_config(str_from(WRONG[i]), STR("s"), STR("n"), &arena, &c, &e), -1);
    }
}

/* What is not ours stays; what cannot be read reads as empty. */
static void a_secret_is_written_back(void **state)
{
    static const char TEXT[] =
        "{\"kind\":\"Secret\",\"type\":\"Opaque\",\"metadata\":{\"name\":\"x\",\"resourceVersion\":"
        "\"7\",\"labels\":{\"by\":\"helm\"}},\"data\":{\"ca.crt\":\"Y2E=\",\"note\":\"bm90ZQ==\","
        "\"tls.crt\":\"!\",\"tls.key\":7}}";
    struct cert_secret s;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(certstore_read_secret(str_from(TEXT), &arena, &s, &e), 0);
    assert_view(s.texts.cas, "ca");
    assert_null(s.texts.key.ptr);
    assert_non_null(s.texts.leaf.ptr);
    assert_int_equal(s.texts.leaf.len, 0);
    assert_int_equal(s.texts.leaf_key.len, 0);
    const struct cert_texts texts = {STR("ca"), STR("key"), STR("leaf"), {NULL, 0}};
    certstore_print_secret(&s, &texts, &out);
    assert_view(buf_view(&out),
                "{\"kind\":\"Secret\",\"type\":\"Opaque\",\"metadata\":{\"name\":\"x\","
                "\"resourceVersion\":\"7\",\"labels\":{\"by\":\"helm\"}},\"data\":{\"note\":"
                "\"bm90ZQ==\",\"ca.crt\":\"Y2E=\",\"ca.key\":\"a2V5\",\"tls.crt\":\"bGVhZg==\"}}");
}

/* ---- the configurations ---- */

static const char CONFIG[] =
    "{\"metadata\":{\"resourceVersion\":\"7\"},\"webhooks\":["
    "{\"name\":\"a\",\"clientConfig\":{\"service\":{\"name\":\"s\",\"namespace\":\"n\"}}},"
    "{\"name\":\"b\",\"clientConfig\":{\"service\":{\"name\":\"s\",\"namespace\":\"m\"}}},"
    "{\"name\":\"c\",\"clientConfig\":{\"url\":\"https://s\"}},"
    "{\"name\":\"d\",\"clientConfig\":{\"service\":{\"name\":\"s\",\"namespace\":\"n\"},"
    "\"caBundle\":\"Y2E=\"}}]}";

static void only_our_webhooks_are_patched(void **state)
{
    struct cert_config c;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(certstore_read_config(str_from(CONFIG), STR("s"), STR("n"), &arena, &c, &e),
                     0);
    assert_int_equal(c.hook_count, 2);
    assert_view(c.hooks[1].name, "d");
    assert_null(c.hooks[0].bundle.ptr);
    assert_view(c.hooks[1].bundle, "ca");
    assert_false(certstore_carries(&c, STR("ca")));
    certstore_print_patch(&c, STR("new"), &out);
    assert_view(
        buf_view(&out),
        "[{\"op\":\"test\",\"path\":\"/webhooks/0/name\",\"value\":\"a\"},"
        "{\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\"bmV3\"},"
        "{\"op\":\"test\",\"path\":\"/webhooks/3/name\",\"value\":\"d\"},"
        "{\"op\":\"add\",\"path\":\"/webhooks/3/clientConfig/caBundle\",\"value\":\"bmV3\"}]");
    c.hooks[0].bundle = STR("ca");
    assert_true(certstore_carries(&c, STR("ca")));
}

static void a_configuration_of_others_is_refused(void **state)
{
    struct cert_config c;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(certstore_read_config(str_from(CONFIG), STR("x"), STR("n"), &arena, &c, &e),
                     -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.text, "none of its webhooks calls service x of namespace n");
}

static void more_webhooks_than_there_is_room_for(void **state)
{
    struct cert_config c;
    struct err e = ERR_INIT;
    (void)state;
    buf_append(&out, STR("{\"metadata\":{\"resourceVersion\":\"7\"},\"webhooks\":["));
    for (int i = 0; i <= CERT_HOOKS_MAX; i++) {
        buf_format(&out, "%s{\"clientConfig\":{\"service\":{\"name\":\"s\",\"namespace\":\"n\"}}}",
                   i == 0 ? "" : ",");
    }
    buf_append(&out, STR("]}"));
    assert_int_equal(certstore_read_config(buf_view(&out), STR("s"), STR("n"), &arena, &c, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
}

/* ---- PEM ---- */

#define BLOCK(text) "-----BEGIN CERTIFICATE-----\n" text "\n-----END CERTIFICATE-----"

static void blocks_are_found(void **state)
{
    struct str rest = STR("# one\n" BLOCK("A") "\n\nbetween " BLOCK("B") BLOCK("C") " END");
    struct str block;
    (void)state;
    assert_true(certstore_next_block(&rest, &block));
    assert_view(block, BLOCK("A"));
    assert_true(certstore_next_block(&rest, &block));
    assert_view(block, BLOCK("B"));
    assert_true(certstore_next_block(&rest, &block));
    assert_view(block, BLOCK("C"));
    assert_false(certstore_next_block(&rest, &block));
    rest = STR("-----BEGIN CERTIFICATE-----\nAAAA");
    assert_false(certstore_next_block(&rest, &block));
    rest = (struct str){NULL, 0};
    assert_false(certstore_next_block(&rest, &block));
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_empty_secret_is_read),
        STORE_TEST(what_is_no_object_is_refused),
        STORE_TEST(a_secret_is_written_back),
        STORE_TEST(only_our_webhooks_are_patched),
        STORE_TEST(a_configuration_of_others_is_refused),
        STORE_TEST(more_webhooks_than_there_is_room_for),
        STORE_TEST(blocks_are_found),
    };
    return cmocka_run_group_tests_name("certstore", tests, NULL, NULL);
}
