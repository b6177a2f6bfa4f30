#include "net/reload.h"

#include <stdlib.h>

#include "base/buf.h"
#include "net/file.h"

enum { PERIOD_MS = 1000 };

struct reload {
    struct reload_options options;
    unsigned long long seen; /* the last content, or the reason for none, taken or not */
    struct loop *loop;       /* NULL: nobody looks yet */
    struct loop_timer timer;
};

/* True: there was a new content; *e tells what became of it (ERR_NONE: taken). */
static bool look(struct reload *r, struct err *e)
{
    const struct reload_options *o = &r->options;
    struct buf content;
    buf_init(&content, o->max_bytes);
    const bool readable = file_read(o->path, &content, e) == 0;
    /* A reason counts as a content too, so that it is told once. */
    const unsigned long long seen =
        readable ? str_hash(buf_view(&content)) : ~str_hash(str_from(e->text));
    const bool changed = seen != r->seen;
    r->seen = seen;
    if (changed && readable && o->take(o->context, buf_view(&content), e) != 0) {
        (void)err_prefix(e, "%s", o->path);
    }
    buf_free(&content);
    return changed;
}

static int set_timer(struct reload *r, struct err *e)
{
    return loop_timer_set(r->loop, &r->timer, loop_now_ms(r->loop) + PERIOD_MS, e);
}

static void on_timer(void *context)
{
    struct reload *r = context;
    const struct reload_options *o = &r->options;
    struct err e = ERR_INIT;
    if (look(r, &e) && o->told != NULL) {
        o->told(o->context, e.code != ERR_NONE ? &e : NULL);
    }
    struct err lost = ERR_INIT;
    if (set_timer(r, &lost) != 0 && o->told != NULL) {
        (void)err_prefix(&lost, "%s: changes are not looked for any more", o->path);
        o->told(o->context, &lost);
    }
}

int reload_new(const struct reload_options *o, struct reload **out, struct err *e)
{
    struct err why = ERR_INIT;
    struct reload *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return err_set(e, ERR_MEMORY, "%s: out of memory", o->path);
    }
    r->options = *o;
    r->timer = (struct loop_timer){.fire = on_timer, .context = r};
    (void)look(r, &why);
    if (why.code != ERR_NONE) {
        free(r);
        *e = why;
        return -1;
    }
    *out = r;
    return 0;
}

int reload_watch(struct reload *r, struct loop *loop, struct err *e)
{
    r->loop = loop;
    return set_timer(r, e);
}

void reload_free(struct reload *r)
{
    if (r != NULL && r->loop != NULL) {
        loop_timer_cancel(r->loop, &r->timer);
    }
    free(r);
}
