/* Files, standard input and output of the commands. */
#ifndef AMPSCALE_CLI_STDIO_H
#define AMPSCALE_CLI_STDIO_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Lines of a file, read in pieces: what was not asked for is not read. */
struct lines {
    int fd;
    const char *name; /* for messages */
    struct buf pending;
    size_t next, scanned; /* in pending: of the next line, and where no '\n' was found before */
    size_t max_line_bytes;
    bool ended;
};

/* "-" or an absent path: standard input. ERR_IO naming the file. */
int lines_open(struct str path, size_t max_line_bytes, struct lines *out, struct err *e)
    __attribute__((warn_unused_result));
void lines_close(struct lines *l);
/* True when the next line is here already, so that asking for it does not wait. */
bool lines_ready(struct lines *l);
/* The next line without its '\n'; valid until the next call. *more false: there was none. The last
 * one may lack its '\n'. ERR_LIMIT: it is longer than it may be; ERR_IO. */
int lines_next(struct lines *l, struct str *out, bool *more, struct err *e)
    __attribute__((warn_unused_result));

/* A whole file, "-" for standard input, of at most `out`'s ceiling. */
int input_read(struct str path, struct buf *out, struct err *e) __attribute__((warn_unused_result));

/* Write all of `out` to standard output and empty it. ERR_IO: nobody reads it any more. */
int output_flush(struct buf *out, struct err *e) __attribute__((warn_unused_result));

/* "kubectl-ampscale: …" on standard error. Returns 1, the status of a failure. */
int complain(const struct err *e);

#endif
