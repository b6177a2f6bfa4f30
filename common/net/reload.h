/* One file that is read again when it changes: what a ConfigMap volume holds.
 *
 * Once a second it is read and compared by content, not by time stamps: the swapped `..data` link
 * of a volume, a rename and a write in place are then all the same, and what was compared is what
 * is taken. The owner parses; what it refuses is told once a content, and what was taken before
 * stays in force. A file that is gone counts as a content that is refused.
 */
#ifndef AMPSCALE_NET_RELOAD_H
#define AMPSCALE_NET_RELOAD_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct reload;

struct reload_options {
    const char *path; /* must outlive it */
    size_t max_bytes;
    /* Take a content: 0, and it is in force, or -1 with what is wrong, which must leave in force
     * what was. The view is valid during the call. */
    int (*take)(void *context, struct str content, struct err *e);
    /* After each new content behind the first. NULL: it was taken; else why it was not, beginning
     * with the path. May be NULL. */
    void (*told)(void *context, const struct err *refused);
    void *context;
};

/* Read it for the first time and have it taken. -1: it cannot be read, or was refused; the text
 * begins with the path. */
int reload_new(const struct reload_options *o, struct reload **out, struct err *e)
    __attribute__((warn_unused_result));

/* Look for changes from here on, until it is freed. The loop must outlive it. */
int reload_watch(struct reload *r, struct loop *loop, struct err *e)
    __attribute__((warn_unused_result));

/* NULL is allowed. */
void reload_free(struct reload *r);

#endif
