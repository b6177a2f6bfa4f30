#include "server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/num.h"

/* H2O keeps recycled buffers per thread and cannot be told to let go of them when the thread ends.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle\n";
}

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "fixture: %s: %s\n", what, strerrordesc_np(errno));
        abort();
    }
}

/* ---- server ---- */

static void on_wake(void *context, uint32_t events)
{
    struct fixture *f = context;
    uint64_t count = 0;
    (void)events;
    if (read(f->wake_fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
        server_stop(f->server, f->delay_ms, f->drain_ms);
    }
}

static void *run(void *context)
{
    struct fixture *f = context;
    struct err e = ERR_INIT;
    f->run_result = server_run(f->server, &e);
    return NULL;
}

void fixture_start(struct fixture *f, const struct server_options *options)
{
    struct err e = ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    *f = (struct fixture){.options = *options, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    require(f->wake_fd >= 0, "eventfd");
    require(loop_new(&f->loop, &e) == 0, "loop_new");
    if (server_new(f->loop, &f->options, &f->server, &e) != 0) {
        (void)fprintf(stderr, "fixture: server_new: %s\n", e.text);
        abort();
    }
    require(loop_watch(f->loop, f->wake_fd, EPOLLIN, on_wake, f, &f->wake_watch, &e) == 0,
            "loop_watch");
    require(pthread_create(&f->thread, NULL, run, f) == 0, "pthread_create");
}

void fixture_stop(struct fixture *f, int64_t delay_ms, int64_t drain_ms)
{
    const uint64_t one = 1;
    f->delay_ms = delay_ms;
    f->drain_ms = drain_ms;
    require(write(f->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one), "eventfd write");
}

int fixture_join(struct fixture *f)
{
    if (!f->joined) {
        require(pthread_join(f->thread, NULL) == 0, "pthread_join");
        f->joined = true;
    }
    return f->run_result;
}

void fixture_end(struct fixture *f)
{
    if (!f->joined) {
        fixture_stop(f, 0, 0);
        (void)fixture_join(f);
    }
    server_free(f->server);
    loop_unwatch(f->wake_watch);
    loop_free(f->loop);
    (void)close(f->wake_fd);
}

/* ---- client ---- */

static void set_deadline(int fd)
{
    const struct timeval limit = {.tv_sec = FIXTURE_DEADLINE_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static bool start_tls(struct peer *p)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    p->ctx = SSL_CTX_new(TLS_client_method());
    require(p->ctx != NULL, "SSL_CTX_new");
    p->ssl = SSL_new(p->ctx);
    require(p->ssl != NULL && SSL_set_fd(p->ssl, p->fd) == 1, "SSL_new");
    (void)SSL_set_alpn_protos(p->ssl, alpn, sizeof(alpn) - 1);
    return SSL_connect(p->ssl) == 1;
}

bool peer_open(struct peer *p, uint16_t port, bool tls)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    *p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    require(p->fd >= 0, "socket");
    set_deadline(p->fd);
    if (connect(p->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 || (tls && !start_tls(p))) {
        peer_close(p);
        return false;
    }
    return true;
}

void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    if (p->fd >= 0) {
        (void)close(p->fd);
    }
    *p = (struct peer){.fd = -1};
}

bool peer_send(struct peer *p, const char *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t n = p->ssl != NULL ? SSL_write(p->ssl, bytes, (int)len)
                                         : send(p->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static ssize_t receive(struct peer *p, char *out, size_t size)
{
    return p->ssl != NULL ? SSL_read(p->ssl, out, (int)size) : recv(p->fd, out, size, 0);
}

/* Length of head and body once the head is whole; 0 before. */
static size_t response_length(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\ncontent-length: ");
    int64_t body = 0;
    struct err e = ERR_INIT;
    struct str rest;
    if (end == NULL || length == NULL) {
        return 0;
    }
    const struct str number = str_cut(str_from(length + 18), '\r', &rest);
    require(num_int(number, 0, INT32_MAX, &body, &e) == 0, "content-length");
    return (size_t)(end - text) + 4 + (size_t)body;
}

/* Byte by byte, so that a pipelined answer after this one stays unread. */
int peer_receive(struct peer *p, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    while (len + 1 < size && (response_length(out) == 0 || len < response_length(out))) {
        if (receive(p, out + len, 1) != 1) {
            return 0;
        }
        out[++len] = '\0';
    }
    int64_t status = 0;
    struct err e = ERR_INIT;
    const struct str text = {out, len};
    return num_int(str_slice(text, 9, 12), 100, 599, &status, &e) == 0 ? (int)status : 0;
}

bool peer_sees_end(struct peer *p)
{
    char chunk[4096];
    for (;;) {
        const ssize_t n = receive(p, chunk, sizeof(chunk));
        if (n <= 0) {
            return n == 0 || p->ssl != NULL || errno != EAGAIN;
        }
    }
}

int peer_request(struct peer *p, const char *head, const char *body, size_t body_len, char *out,
                 size_t size)
{
    char text[1024];
    const struct str start =
        body != NULL ? fmt(text, sizeof(text), "%s\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", head,
                           body_len)
                     : fmt(text, sizeof(text), "%s\r\nHost: x\r\n\r\n", head);
    if (!peer_send(p, start.ptr, start.len) || (body != NULL && !peer_send(p, body, body_len))) {
        return 0;
    }
    return peer_receive(p, out, size);
}

/* ---- certificates ---- */

static void path_in(char out[FIXTURE_PATH_BYTES], const char *dir, const char *name)
{
    (void)fmt(out, FIXTURE_PATH_BYTES, "%s/%s", dir, name);
}

void write_text(const char *dir, const char *name, const char *text)
{
    char path[FIXTURE_PATH_BYTES];
    char fresh[FIXTURE_PATH_BYTES];
    path_in(path, dir, name);
    path_in(fresh, dir, ".new");
    FILE *file = fopen(fresh, "w");
    require(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, fresh);
    require(rename(fresh, path) == 0, path);
}

static X509 *self_sign(EVP_PKEY *key, const char *name)
{
    X509 *cert = X509_new();
    require(cert != NULL, "X509_new");
    X509_NAME *subject = X509_get_subject_name(cert);
    (void)X509_set_version(cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                     -1, 0);
    (void)X509_set_issuer_name(cert, subject);
    (void)X509_set_pubkey(cert, key);
    require(X509_sign(cert, key, EVP_sha256()) > 0, "X509_sign");
    return cert;
}

static void write_pem(const char *dir, const char *name, BIO *bio)
{
    char *text = NULL;
    (void)BIO_write(bio, "", 1); /* NUL */
    require(BIO_get_mem_data(bio, &text) > 0, "BIO");
    write_text(dir, name, text);
    (void)BIO_free(bio);
}

void write_pair(const char *dir, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    require(key != NULL, "EVP_EC_gen");
    X509 *cert = self_sign(key, name);
    BIO *key_pem = BIO_new(BIO_s_mem());
    BIO *cert_pem = BIO_new(BIO_s_mem());
    require(PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1, "key");
    require(PEM_write_bio_X509(cert_pem, cert) == 1, "certificate");
    write_pem(dir, "tls.crt", cert_pem);
    write_pem(dir, "tls.key", key_pem);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void make_dir(char out[FIXTURE_PATH_BYTES])
{
    (void)fmt(out, FIXTURE_PATH_BYTES, "/tmp/ampscale-test-XXXXXX");
    require(mkdtemp(out) != NULL, "mkdtemp");
}

void remove_dir(const char *dir)
{
    static const char *const names[] = {"tls.crt", "tls.key", ".new"};
    char path[FIXTURE_PATH_BYTES];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_in(path, dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

bool wait_until(bool (*condition)(void *context), void *context)
{
    for (int waited_ms = 0; waited_ms < FIXTURE_DEADLINE_MS; waited_ms += 20) {
        if (condition(context)) {
            return true;
        }
        (void)poll(NULL, 0, 20);
    }
    return condition(context);
}
