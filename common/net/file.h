/* Files that are read whole: tokens, kubeconfig. */
#ifndef AMPSCALE_NET_FILE_H
#define AMPSCALE_NET_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Append the whole file to `out`. Errors: ERR_IO or ERR_LIMIT, the text beginning with the path;
 * `out` is then as it was. */
int file_read(const char *path, struct buf *out, struct err *e) __attribute__((warn_unused_result));

/* What a file is known by: it differs when the file was written or replaced, through symlinks too
 * (as the kubelet replaces a mounted Secret). Zeroed: no file seen yet. */
struct file_stamp {
    unsigned long long device, inode, size;
    long long seconds, nanoseconds;
};

/* True when the file exists and differs from *stamp, which then tells of the new one. */
bool file_changed(const char *path, struct file_stamp *stamp);

#endif
