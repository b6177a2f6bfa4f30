#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 4096 };

static int read_all(int fd, struct buf *out)
{
    char piece[PIECE_BYTES];
    ssize_t got;
    while ((got = read(fd, piece, sizeof piece)) != 0) {
        if (got > 0) {
            buf_append(out, (struct str){piece, (size_t)got});
        } else if (errno != EINTR) {
            return -1;
        }
        if (out->failed) {
            break;
        }
    }
    explicit_bzero(piece, sizeof piece);
    return 0;
}

int file_read(const char *path, struct buf *out, struct err *e)
{
    const size_t before = out->len;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(errno));
    }
    const int result = read_all(fd, out);
    const int number = errno;
    (void)close(fd);
    if (result != 0) {
        out->len = before;
        return err_set(e, ERR_IO, "%s: %s", path, strerrordesc_np(number));
    }
    if (buf_check(out, e) != 0) {
        return err_prefix(e, "%s", path);
    }
    return 0;
}

bool file_changed(const char *path, struct file_stamp *stamp)
{
    struct stat s;
    if (stat(path, &s) != 0) {
        return false;
    }
    const struct file_stamp now = {.device = s.st_dev,
                                   .inode = s.st_ino,
                                   .size = (unsigned long long)s.st_size,
                                   .seconds = s.st_mtim.tv_sec,
                                   .nanoseconds = s.st_mtim.tv_nsec};
    const bool same = now.device == stamp->device && now.inode == stamp->inode &&
                      now.size == stamp->size && now.seconds == stamp->seconds &&
                      now.nanoseconds == stamp->nanoseconds;
    *stamp = now;
    return !same;
}
