#include "cli/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"

enum { PIECE_BYTES = 64 * 1024 };

static bool is_stdin(struct str path)
{
    return path.len == 0 || str_eq(path, STR("-"));
}

static int fail_io(const char *name, struct err *e)
{
    return err_set(e, ERR_IO, "%s: %s", name, strerror(errno));
}

/* Paths come from argv, so they end in NUL. */
static int open_input(struct str path, const char **name, int *fd, struct err *e)
{
    if (is_stdin(path)) {
        *name = "standard input";
        *fd = STDIN_FILENO;
        return 0;
    }
    *name = path.ptr;
    *fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? fail_io(path.ptr, e) : 0;
}

static void close_input(int fd)
{
    if (fd > STDIN_FILENO) {
        (void)close(fd);
    }
}

/* One read: 1 with more in `out`, 0 at the end, -1. */
static int read_piece(int fd, const char *name, struct buf *out, struct err *e)
{
    char piece[PIECE_BYTES];
    ssize_t n;
    do {
        n = read(fd, piece, sizeof(piece));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return fail_io(name, e);
    }
    buf_append(out, (struct str){piece, (size_t)n});
    if (buf_check(out, e) != 0) {
        return err_prefix(e, "%s", name);
    }
    return n > 0 ? 1 : 0;
}

int lines_open(struct str path, size_t max_line_bytes, struct lines *out, struct err *e)
{
    struct lines l = {.max_line_bytes = max_line_bytes};
    if (open_input(path, &l.name, &l.fd, e) != 0) {
        return -1;
    }
    buf_init(&l.pending, max_line_bytes + (size_t)2 * PIECE_BYTES);
    *out = l;
    return 0;
}

void lines_close(struct lines *l)
{
    close_input(l->fd);
    buf_free(&l->pending);
}

/* The end of the line at l->next: of its '\n', or of what is there. */
static size_t find_end(struct lines *l)
{
    size_t from = l->scanned > l->next ? l->scanned : l->next;
    size_t end = from + str_find_char(str_slice(buf_view(&l->pending), from, l->pending.len), '\n');
    l->scanned = end;
    return end;
}

bool lines_ready(struct lines *l)
{
    return find_end(l) < l->pending.len;
}

/* Read until a line is complete; what was handed out before is dropped. */
static int fill(struct lines *l, struct err *e)
{
    size_t rest = l->pending.len - l->next;
    if (l->next > 0) {
        memmove(l->pending.ptr, l->pending.ptr + l->next, rest);
        l->pending.len = rest;
        l->next = 0;
        l->scanned = 0;
    }
    while (!l->ended && !lines_ready(l)) {
        if (l->pending.len > l->max_line_bytes) {
            return err_set(e, ERR_LIMIT, "%s: a line is longer than %zu bytes", l->name,
                           l->max_line_bytes);
        }
        int status = read_piece(l->fd, l->name, &l->pending, e);
        if (status < 0) {
            return -1;
        }
        l->ended = status == 0;
    }
    return 0;
}

int lines_next(struct lines *l, struct str *out, bool *more, struct err *e)
{
    if (!lines_ready(l) && fill(l, e) != 0) {
        return -1;
    }
    *more = l->next < l->pending.len;
    if (*more) {
        size_t end = find_end(l);
        *out = str_slice(buf_view(&l->pending), l->next, end);
        l->next = end < l->pending.len ? end + 1 : end;
    }
    return 0;
}

int input_read(struct str path, struct buf *out, struct err *e)
{
    const char *name;
    int fd;
    if (open_input(path, &name, &fd, e) != 0) {
        return -1;
    }
    int status;
    do {
        status = read_piece(fd, name, out, e);
    } while (status > 0);
    close_input(fd);
    return status;
}

int output_flush(struct buf *out, struct err *e)
{
    struct str text = buf_view(out);
    int status = buf_check(out, e);
    while (status == 0 && text.len > 0) {
        ssize_t n = write(STDOUT_FILENO, text.ptr, text.len);
        if (n < 0 && errno != EINTR) {
            status = fail_io("standard output", e);
        } else if (n > 0) {
            text = str_slice(text, (size_t)n, text.len);
        }
    }
    buf_reset(out);
    return status;
}

int complain(const struct err *e)
{
    char text[sizeof(e->text) + 64];
    struct str line = fmt(text, sizeof(text), "kubectl-ampscale: %s\n", e->text);
    ssize_t ignored = write(STDERR_FILENO, line.ptr, line.len);
    (void)ignored;
    return 1;
}
