/* The HTTP server with TLS: handshake, certificates that come late, change and break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/fmt.h"
#include "net/file.h"
#include "server_fixture.h"

struct world {
    struct fixture f;
    char dir[FIXTURE_PATH_BYTES];
    atomic_int loaded, broken;
    _Atomic int64_t not_after_s;
};

static void handle_hello(void *context, struct server_request *r)
{
    (void)context;
    server_reply(r, 200, "text/plain", STR("hello"));
}

static void on_tls(void *context, const char *dir, int64_t not_after_s, const struct err *e)
{
    struct world *w = context;
    (void)dir;
    w->not_after_s = not_after_s;
    if (e == NULL) {
        w->loaded++;
    } else {
        w->broken++;
    }
}

static const struct server_route routes[] = {
    {.path = "/hello", .method = "GET", .handle = handle_hello},
};
static struct server_listen listens[] = {
    {.address = "127.0.0.1:0", .routes = routes, .route_count = 1},
};

static void start(struct world *w)
{
    listens[0].tls_dir = w->dir;
    const struct server_options o = {
        .listens = listens, .listen_count = 1, .on_tls = on_tls, .context = w};
    fixture_start(&w->f, &o);
}

static void end(struct world *w)
{
    fixture_end(&w->f);
    remove_dir(w->dir);
}

static bool is_loaded(void *context)
{
    const struct world *w = context;
    return w->loaded > 0;
}

static bool is_loaded_again(void *context)
{
    const struct world *w = context;
    return w->loaded > 1;
}

static bool is_broken(void *context)
{
    const struct world *w = context;
    return w->broken > 0;
}

static bool opens(const struct world *w, struct peer *p)
{
    return peer_open(p, server_port(w->f.server, 0), true);
}

static void assert_named(const struct peer *p, const char *name)
{
    char found[64] = "";
    X509 *cert = SSL_get1_peer_certificate(p->ssl);
    assert_non_null(cert);
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, found,
                                    sizeof(found));
    X509_free(cert);
    assert_string_equal(found, name);
}

static void assert_answers(struct peer *p)
{
    char out[1024];
    assert_int_equal(peer_request(p, "GET /hello HTTP/1.1", NULL, 0, out, sizeof(out)), 200);
}

static void test_handshake_and_keep_alive(void **state)
{
    const unsigned char *alpn = NULL;
    unsigned length = 0;
    struct world w = {.loaded = 0};
    struct peer p;
    (void)state;
    make_dir(w.dir);
    write_pair(w.dir, "one");
    start(&w);
    assert_true(server_ready(w.f.server));
    assert_int_equal(w.loaded, 1);
    assert_true(w.not_after_s > loop_unix_ms() / 1000 + 3000);
    assert_true(opens(&w, &p));
    assert_named(&p, "one");
    SSL_get0_alpn_selected(p.ssl, &alpn, &length);
    assert_int_equal(length, 8);
    assert_memory_equal(alpn, "http/1.1", 8);
    assert_int_equal(SSL_version(p.ssl), TLS1_3_VERSION);
    for (int i = 0; i < 50; i++) {
        assert_answers(&p);
    }
    peer_close(&p);
    end(&w);
}

static void test_plain_text_and_silence_on_the_tls_port(void **state)
{
    struct world w = {.loaded = 0};
    struct peer p;
    (void)state;
    make_dir(w.dir);
    write_pair(w.dir, "one");
    start(&w);
    assert_true(peer_open(&p, server_port(w.f.server, 0), false));
    assert_true(peer_send(&p, "GET /hello HTTP/1.1\r\n\r\n", 23));
    assert_true(peer_sees_end(&p));
    peer_close(&p);
    end(&w);
}

static void test_pair_comes_late(void **state)
{
    struct world w = {.loaded = 0};
    struct peer p;
    (void)state;
    make_dir(w.dir);
    start(&w);
    assert_false(server_ready(w.f.server));
    assert_int_equal(w.broken, 1);
    assert_false(opens(&w, &p));
    write_pair(w.dir, "late");
    assert_true(wait_until(is_loaded, &w));
    assert_true(opens(&w, &p));
    assert_named(&p, "late");
    assert_answers(&p);
    peer_close(&p);
    end(&w);
}

static void test_pair_is_replaced_and_broken(void **state)
{
    struct world w = {.loaded = 0};
    struct peer old;
    struct peer p;
    (void)state;
    make_dir(w.dir);
    write_pair(w.dir, "one");
    start(&w);
    assert_true(opens(&w, &old));
    write_pair(w.dir, "two");
    assert_true(wait_until(is_loaded_again, &w));
    assert_true(opens(&w, &p));
    assert_named(&p, "two");
    assert_answers(&p);
    assert_answers(&old); /* keeps the certificate it began with */
    peer_close(&p);

    w.broken = 0; /* the two files are not swapped at once */
    write_text(w.dir, "tls.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_true(wait_until(is_broken, &w));
    assert_true(opens(&w, &p));
    assert_named(&p, "two");
    assert_answers(&p);
    assert_answers(&old);
    peer_close(&p);
    peer_close(&old);
    end(&w);
}

struct broken_case {
    const char *name, *certificate, *key;
};

static void test_broken_pairs_are_told(void **state)
{
    static const struct broken_case cases[] = {
        {"empty", "", ""},
        {"no PEM", "hello", "hello"},
        {"cut", "-----BEGIN CERTIFICATE-----\nMIIB", "x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w = {.loaded = 0};
        make_dir(w.dir);
        write_text(w.dir, "tls.crt", cases[i].certificate);
        write_text(w.dir, "tls.key", cases[i].key);
        start(&w);
        assert_int_equal(w.broken, 1);
        assert_int_equal(w.loaded, 0);
        assert_false(server_ready(w.f.server));
        end(&w);
    }
}

/* A peer that connects, and says nothing until the pair was replaced. */
static void test_pair_is_replaced_before_the_first_byte(void **state)
{
    struct world w = {.loaded = 0};
    struct peer p;
    (void)state;
    make_dir(w.dir);
    write_pair(w.dir, "one");
    start(&w);
    assert_true(peer_open(&p, server_port(w.f.server, 0), false));
    write_pair(w.dir, "two");
    assert_true(wait_until(is_loaded_again, &w));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    assert_int_equal(SSL_set_fd(ssl, p.fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    peer_close(&p);
    end(&w);
}

static struct buf text_of(const char *dir, const char *name)
{
    struct buf text;
    struct err e = ERR_INIT;
    char path[2 * FIXTURE_PATH_BYTES];
    buf_init(&text, 16384);
    (void)fmt(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(file_read(path, &text, &e), 0);
    return text;
}

/* Before its loop runs, so that all is in this thread. */
static void test_pair_is_given(void **state)
{
    char dir[FIXTURE_PATH_BYTES];
    struct loop *loop;
    struct server *s;
    struct err e = ERR_INIT;
    const struct server_listen both[] = {
        {.address = "127.0.0.1:0", .tls_given = true, .routes = routes, .route_count = 1},
        {.address = "127.0.0.1:0", .routes = routes, .route_count = 1},
    };
    const struct server_options o = {.listens = both, .listen_count = 2};
    (void)state;
    make_dir(dir);
    write_pair(dir, "given");
    struct buf certificate = text_of(dir, "tls.crt"), key = text_of(dir, "tls.key");
    assert_int_equal(loop_new(&loop, &e), 0);
    assert_int_equal(server_new(loop, &o, &s, &e), 0);
    assert_false(server_ready(s));
    assert_int_equal(server_use_pair(s, 0, STR("x"), buf_view(&key), &e), -1);
    assert_int_equal(e.code, ERR_TLS);
    assert_int_equal(server_use_pair(s, 1, buf_view(&certificate), buf_view(&key), &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(server_use_pair(s, 2, buf_view(&certificate), buf_view(&key), &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(server_ready(s));
    assert_int_equal(server_use_pair(s, 0, buf_view(&certificate), buf_view(&key), &e), 0);
    assert_true(server_ready(s));
    assert_int_equal(server_use_pair(s, 0, buf_view(&certificate), STR(""), &e), -1);
    assert_true(server_ready(s)); /* the one before goes on */
    server_free(s);
    loop_free(loop);
    buf_free(&certificate);
    buf_wipe(&key);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_and_keep_alive),
        cmocka_unit_test(test_plain_text_and_silence_on_the_tls_port),
        cmocka_unit_test(test_pair_comes_late),
        cmocka_unit_test(test_pair_is_replaced_and_broken),
        cmocka_unit_test(test_broken_pairs_are_told),
        cmocka_unit_test(test_pair_is_replaced_before_the_first_byte),
        cmocka_unit_test(test_pair_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
