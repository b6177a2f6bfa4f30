/* A stand-in written in Python, as a child of the test. */
#ifndef AMPSCALE_TEST_SCRIPT_H
#define AMPSCALE_TEST_SCRIPT_H

#include <sys/types.h>

enum { SCRIPT_LINE_BYTES = 256 };

struct script {
    pid_t pid;
    int input; /* closing it ends the script */
};

/* Run `path` with python3 and read the one line that it prints when it is ready. Both fail the
 * running test when they cannot do it. */
void script_start(struct script *s, const char *path, char line[SCRIPT_LINE_BYTES]);
void script_stop(struct script *s);

#endif
