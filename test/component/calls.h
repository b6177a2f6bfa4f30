/* HTTP calls to badserver.py, as the tests of the HTTP client make them: one loop, one client of
 * two connections a host, and what each call came to.
 */
#ifndef AMPSCALE_TEST_CALLS_H
#define AMPSCALE_TEST_CALLS_H

#include "badserver.h"

struct calls {
    struct badserver server;
    struct loop *loop;
    struct http_client *client;
};

extern struct calls calls;

/* For cmocka_run_group_tests. */
int calls_start(void **state);
int calls_stop(void **state);

/* What one call came to. */
struct outcome {
    bool done;
    int status, retry_after_ms;
    char body[4096];
    char error_type[128];
    size_t body_bytes;
    struct err e;
    size_t streamed_bytes, pieces;
    struct http_call *call;
};

/* http_done_fn that fills the outcome, its context. */
void calls_note(void *context, const struct http_response *r, const struct err *e);

/* "scheme://127.0.0.1:port/path" in one of a few static buffers. */
const char *calls_url(const char *scheme, int port, const char *path);

/* Send and return at once; send and wait; a GET that waits. A request that is refused fails the
 * test. */
void calls_send(const struct http_request *r, struct outcome *o);
void calls_run(const struct http_request *r, struct outcome *o);
void calls_get(const char *path, struct outcome *o);

/* The error's text with this port replaced by PORT. */
const char *calls_text(const struct outcome *o, int port);

#endif
