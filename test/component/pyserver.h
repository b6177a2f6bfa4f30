/* A stand-in written in Python, as a child of the test. */
#ifndef AMPSCALE_TEST_PYSERVER_H
#define AMPSCALE_TEST_PYSERVER_H

#include <sys/types.h>

enum { PYSERVER_LINE_BYTES = 256 };

struct pyserver {
    pid_t pid;
    int input; /* closing it ends it */
};

/* Run `path` with python3 and read the one line that it prints when it is ready. Both fail the
 * running test when they cannot do it. */
void pyserver_start(struct pyserver *s, const char *path, char line[PYSERVER_LINE_BYTES]);
void pyserver_stop(struct pyserver *s);

#endif
