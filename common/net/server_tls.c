/* The certificate is read again each second and compared by content, not by time stamps: the
 * swapped
 * `..data` link of a Secret volume, a rename and a write in place are then all the same, and what
 * was compared is what gets loaded. Two files of a few KiB cost less than being clever about it.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fmt.h"
#include "net/pem.h"
#include "net/server_internal.h"

enum { FILE_MAX_BYTES = 1 << 20, PATH_MAX_BYTES = 4096, CHAIN_MAX = 16 };

static int read_into(int fd, struct buf *out, const char *path, struct err *e)
{
    char chunk[16384];
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            (void)err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
        }
        if (n > 0) {
            buf_append(out, (struct str){chunk, (size_t)n});
        }
        if (n <= 0 || out->failed) {
            OPENSSL_cleanse(chunk, sizeof(chunk));
            if (n < 0) {
                return -1;
            }
            return out->failed ? err_set(e, ERR_LIMIT, "%s: larger than 1 MiB", path) : 0;
        }
    }
}

static int read_file(const char *dir, const char *name, struct buf *out, struct err *e)
{
    char path[PATH_MAX_BYTES];
    (void)fmt(path, sizeof(path), "%s/%s", dir, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
    }
    const int result = read_into(fd, out, path, e);
    (void)close(fd);
    return result;
}

static int use_key(SSL_CTX *ctx, struct str pem, struct err *e)
{
    EVP_PKEY *key = pem_key(pem);
    int result = 0;
    if (key == NULL) {
        result = pem_err(e, "tls.key: expected an unencrypted private key in PEM");
    } else if (SSL_CTX_use_PrivateKey(ctx, key) != 1) {
        result = pem_err(e, "tls.key does not belong to tls.crt");
    }
    EVP_PKEY_free(key);
    return result;
}

static int add_chain(SSL_CTX *ctx, BIO *bio, struct err *e)
{
    for (int i = 0; i < CHAIN_MAX; i++) {
        X509 *next = PEM_read_bio_X509(bio, NULL, pem_no_passphrase, NULL);
        if (next == NULL) {
            const unsigned long code = ERR_peek_last_error();
            if (ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
                return pem_err(e, "tls.crt: chain");
            }
            ERR_clear_error();
            return 0;
        }
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            return pem_err(e, "tls.crt: chain");
        }
    }
    return err_set(e, ERR_LIMIT, "tls.crt: more than %d certificates", CHAIN_MAX);
}

static int use_certificate(SSL_CTX *ctx, struct str pem, int64_t *out_not_after_s, struct err *e)
{
    struct tm end = {0};
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *leaf = bio != NULL ? PEM_read_bio_X509_AUX(bio, NULL, pem_no_passphrase, NULL) : NULL;
    int result = 0;
    if (leaf == NULL) {
        result = pem_err(e, "tls.crt: expected a certificate in PEM");
    } else if (SSL_CTX_use_certificate(ctx, leaf) != 1) {
        result = pem_err(e, "tls.crt");
    } else if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &end) != 1) {
        result = pem_err(e, "tls.crt: notAfter");
    } else {
        result = add_chain(ctx, bio, e);
    }
    if (result == 0) {
        *out_not_after_s = (int64_t)timegm(&end);
    }
    X509_free(leaf);
    BIO_free(bio);
    return result;
}

/* Not const because H2O's iovec is not; nobody writes them. */
static char name_h2[] = "h2";
static char name_http1[] = "http/1.1";
static const h2o_iovec_t alpn_protocols[] = {
    {name_h2, sizeof(name_h2) - 1}, {name_http1, sizeof(name_http1) - 1}, {NULL, 0}};

static SSL_CTX *new_context(struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        (void)pem_err(e, "TLS context");
        SSL_CTX_free(ctx);
        return NULL;
    }
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* idle connections stay small */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    h2o_ssl_register_alpn_protocols(ctx, alpn_protocols);
    return ctx;
}

int server_tls_load(struct server_tls *t, struct str certificate, struct str key, struct err *e)
{
    int64_t not_after_s = 0;
    SSL_CTX *ctx = new_context(e);
    if (ctx == NULL) {
        return -1;
    }
    if (use_certificate(ctx, certificate, &not_after_s, e) != 0 || use_key(ctx, key, e) != 0) {
        SSL_CTX_free(ctx);
        return t->dir != NULL ? err_prefix(e, "%s", t->dir) : -1;
    }
    SSL_CTX_free(t->ctx); /* connections hold references of their own */
    t->ctx = ctx;
    t->not_after_s = not_after_s;
    return 0;
}

enum tls_change server_tls_refresh(struct server_tls *t, struct err *e)
{
    struct buf certificate;
    struct buf key;
    buf_init(&certificate, FILE_MAX_BYTES);
    buf_init(&key, FILE_MAX_BYTES);

    const bool readable = read_file(t->dir, "tls.crt", &certificate, e) == 0 &&
                          read_file(t->dir, "tls.key", &key, e) == 0;
    /* An unreadable pair has a content too, its reason, so that it is reported once. */
    const unsigned long long seen =
        readable ? str_hash(buf_view(&certificate)) * 31 + str_hash(buf_view(&key))
                 : str_hash(str_from(e->text));
    enum tls_change change = TLS_SAME;
    if (seen != t->seen) {
        t->seen = seen;
        change = readable && server_tls_load(t, buf_view(&certificate), buf_view(&key), e) == 0
                     ? TLS_LOADED
                     : TLS_BROKEN;
    }
    buf_free(&certificate);
    buf_wipe(&key);
    return change;
}

void server_tls_close(struct server_tls *t)
{
    SSL_CTX_free(t->ctx);
    t->ctx = NULL;
}
