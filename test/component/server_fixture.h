/* A server in a thread of its own, and a blocking client for it: raw bytes over TCP or TLS. */
#ifndef AMPSCALE_TEST_SERVER_FIXTURE_H
#define AMPSCALE_TEST_SERVER_FIXTURE_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/server.h"

enum { FIXTURE_DEADLINE_MS = 10000, FIXTURE_PATH_BYTES = 128 };

struct fixture {
    struct loop *loop;
    struct server *server;
    struct server_options options;
    pthread_t thread;
    int wake_fd; /* eventfd: written by fixture_stop, handled in the server's thread */
    struct loop_watch *wake_watch;
    int64_t delay_ms, drain_ms;
    int run_result;
    bool joined;
};

/* Make the server of `options` and run it. Aborts the test on failure. */
void fixture_start(struct fixture *f, const struct server_options *options);
/* Ask for server_stop from the server's thread. */
void fixture_stop(struct fixture *f, int64_t delay_ms, int64_t drain_ms);
/* Wait until server_run has returned; its result. */
int fixture_join(struct fixture *f);
/* fixture_stop without any delay, join, free. */
void fixture_end(struct fixture *f);

/* ---- client ---- */

struct peer {
    int fd;
    SSL *ssl; /* NULL: plain */
    SSL_CTX *ctx;
};

/* Connect to 127.0.0.1:port. False when refused, or when the handshake fails. */
bool peer_open(struct peer *p, uint16_t port, bool tls);
void peer_close(struct peer *p);
/* False when the peer is gone. */
bool peer_send(struct peer *p, const char *bytes, size_t len);
/* One whole response (headers and Content-Length body) into `out`, NUL-terminated; its status, or 0
 * when the connection ended or FIXTURE_DEADLINE_MS passed first. */
int peer_receive(struct peer *p, char *out, size_t size);
/* True when the connection ends (also by reset) before the deadline, whatever came before. */
bool peer_sees_end(struct peer *p);
/* A request in one call: status or 0. */
int peer_request(struct peer *p, const char *head, const char *body, size_t body_len, char *out,
                 size_t size);

/* ---- certificates ---- */

/* Write a self-signed ECDSA pair (CN = name) into dir/tls.crt and dir/tls.key, each by rename. */
void write_pair(const char *dir, const char *name);
/* Write `text` as dir/name, by rename. */
void write_text(const char *dir, const char *name, const char *text);
/* A new empty directory under the test's temporary one; removed by remove_dir. */
void make_dir(char out[FIXTURE_PATH_BYTES]);
void remove_dir(const char *dir);

/* Poll `condition` until it holds or FIXTURE_DEADLINE_MS passed. */
bool wait_until(bool (*condition)(void *context), void *context);

#endif
