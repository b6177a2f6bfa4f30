/* Start and stop badserver.py, and turn a loop until something is so. */
#ifndef AMPSCALE_TEST_BADSERVER_H
#define AMPSCALE_TEST_BADSERVER_H

#include <stdbool.h>

#include "net/http.h"
#include "net/loop.h"
#include "pyserver.h"

struct badserver {
    struct pyserver server;
    int http, https, mtls;
    char directory[64]; /* certificates: ca.crt, client.crt, … */
};

/* Both fail the running test when they cannot do it. */
void badserver_start(struct badserver *s);
void badserver_stop(struct badserver *s);

/* "<directory>/<name>" in one of a few static buffers. */
const char *badserver_file(const struct badserver *s, const char *name);

/* Turn the loop until *done, at most 20 s; fails the test when that is too short. */
void turn_until(struct loop *l, const bool *done);
/* Turn the loop for so long. For proving that something does not happen. */
void turn_for(struct loop *l, int64_t ms);

#endif
