/* List and watch one collection, for good.
 *
 *     list page by page ──► watch from the list's version ──► closed by the server's time-out:
 * watch on ▲                     │ broken, silent or odd: after a pause, watch on from the last
 * version └── 410 ◄─────────────┘
 *
 * A stream counts as steady once an event came or it stood for a second. Only then is the count of
 * failures forgotten, so a server that accepts and drops us is not asked in a tight loop, and
 * `lost` and `recovered` do not flap. Source: Kubernetes API concepts, "efficient detection of
 * changes".
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/fmt.h"
#include "base/num.h"
#include "net/kube_internal.h"

enum {
    /* Smaller than client-go's 500: a page is parsed whole, and the peak is what a scaler pays for.
     */
    PAGE_OBJECTS = 100,
    LIST_TIMEOUT_MS = 30000,
    STREAM_MIN_S = 300, /* how long we ask the server to keep a stream: 5 to 10 minutes */
    STREAM_SPREAD_S = 300,
    STREAM_GRACE_MS = 30000,
    STEADY_MS = 1000,
    SILENCE_MS = 180000, /* bookmarks come about every minute */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 10000,
    FAILURES_TO_LOST = 2, /* the first failure is mended by one quick try without a word */
    LINE_MAX_BYTES = 4 * 1024 * 1024,
    TREE_MAX_BYTES = 256 * 1024 * 1024,
    QUERY_MAX_BYTES = 12 * 1024,
    PATH_MAX_BYTES = 16 * 1024,
    VERSION_BYTES = 128, /* a resourceVersion */
};

static const struct json_limits PAGE_LIMITS = {
    .max_depth = 64, .max_values = 2000000, .duplicates = JSON_DUPLICATES_KEEP};

enum timer_use { TIMER_RETRY, TIMER_STEADY, TIMER_SILENCE };

struct kube_watch {
    struct kube *kube;
    struct loop *loop;
    char *path, *selector; /* selector NULL: all */
    const struct kube_watch_handler *handler;
    void *context;
    struct kube_call *page;
    struct http_call *stream;
    struct loop_timer timer;
    enum timer_use timer_use;
    struct buf line;             /* the start of a line whose end has not come */
    struct buf next_page;        /* `continue` of the list under way; empty: its first page */
    char version[VERSION_BYTES]; /* where to watch from; "": list first */
    struct arena arena;
    int failures; /* in a row */
    bool steady, lost;
    int entered; /* > 0: a callback of ours runs, so stop must not free */
    bool stopped;
};

static void proceed(struct kube_watch *w);

static void watch_free(struct kube_watch *w)
{
    buf_free(&w->line);
    buf_free(&w->next_page);
    arena_free(&w->arena);
    free(w->path);
    free(w->selector);
    free(w);
}

static void enter(struct kube_watch *w)
{
    w->entered++;
}

static void leave(struct kube_watch *w)
{
    if (--w->entered == 0 && w->stopped) {
        watch_free(w);
    }
}

/* ---- waiting ---- */

static unsigned random_below(unsigned bound)
{
    unsigned r = 0;
    (void)!getrandom(&r, sizeof r, GRND_NONBLOCK);
    return r % bound;
}

static void set_timer(struct kube_watch *w, enum timer_use use, int64_t in_ms)
{
    struct err e;
    w->timer_use = use;
    if (loop_timer_set(w->loop, &w->timer, loop_now_ms(w->loop) + in_ms, &e) != 0) {
        abort(); /* a watch that never wakes again would be worse than a restart */
    }
}

/* 100 ms doubling to 10 s, the upper half of it at random; at least what the server asked for. */
static int64_t backoff_ms(int failures, int retry_after_ms)
{
    unsigned ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < failures && ms < BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
    const unsigned jittered = ms / 2 + random_below(ms / 2 + 1);
    return retry_after_ms > (int)jittered ? retry_after_ms : (int64_t)jittered;
}

/* This try is over. 410: the version is of no use any more, list again. */
static void fail(struct kube_watch *w, const struct err *cause)
{
    struct err e = *cause;
    if (w->stopped) {
        return;
    }
    if (e.code == ERR_GONE) {
        w->version[0] = '\0';
    }
    w->failures++;
    set_timer(w, TIMER_RETRY, backoff_ms(w->failures, e.retry_after_ms));
    if (w->failures >= FAILURES_TO_LOST && !w->lost) {
        w->lost = true;
        (void)err_prefix(&e, "watch %s", w->path);
        w->handler->lost(w->context, &e);
    }
}

static void become_steady(struct kube_watch *w)
{
    w->steady = true;
    w->failures = 0;
    set_timer(w, TIMER_SILENCE, SILENCE_MS);
    if (w->lost) {
        w->lost = false;
        w->handler->recovered(w->context);
    }
}

static void timer_fired(void *context)
{
    struct kube_watch *w = context;
    struct err e;
    enter(w);
    switch (w->timer_use) {
    case TIMER_RETRY: proceed(w); break;
    case TIMER_STEADY: become_steady(w); break;
    case TIMER_SILENCE:
        http_cancel(w->stream);
        w->stream = NULL;
        (void)err_set(&e, ERR_TIMEOUT, "silent for %d s", SILENCE_MS / 1000);
        fail(w, &e);
        break;
    }
    leave(w);
}

/* ---- list ---- */

static int version_set(struct kube_watch *w, struct str version, struct err *e)
{
    if (version.len == 0 || version.len >= sizeof w->version) {
        return err_set(e, ERR_UNAVAILABLE, "not a list or an object: no usable resourceVersion");
    }
    memcpy(w->version, version.ptr, version.len);
    w->version[version.len] = '\0';
    return 0;
}

/* One page of the list to the handler; *more says whether another one follows. */
static int take_page(struct kube_watch *w, struct str body, bool *more, struct err *e)
{
    const struct json *root = NULL;
    if (json_parse(body, &PAGE_LIMITS, &w->arena, &root, e) != 0) {
        return err_prefix(e, "list");
    }
    const struct json *items = json_get(root, STR("items"));
    const struct str next = json_str(json_path(root, "metadata/continue"));
    const struct str version = json_str(json_path(root, "metadata/resourceVersion"));
    if (items == NULL || (items->type != JSON_ARRAY && items->type != JSON_NULL)) {
        return err_set(e, ERR_UNAVAILABLE, "the answer is no list: it has no items");
    }
    if (next.len == 0 && version_set(w, version, e) != 0) {
        return -1;
    }
    if (w->next_page.len == 0) {
        w->handler->list_begin(w->context);
    }
    for (const struct json *i = items->child; i != NULL && !w->stopped; i = i->next) {
        w->handler->upsert(w->context, i);
    }
    buf_reset(&w->next_page);
    buf_append(&w->next_page, next);
    *more = next.len > 0;
    return buf_check(&w->next_page, e);
}

static void page_done(void *context, int status, struct str body, const struct err *failed)
{
    struct kube_watch *w = context;
    struct err e = *failed;
    bool more = false;
    (void)status;
    w->page = NULL;
    enter(w);
    const bool ok = e.code == ERR_NONE && take_page(w, body, &more, &e) == 0;
    arena_free(&w->arena);
    if (!ok) {
        w->version[0] = '\0';
        buf_reset(&w->next_page);
        fail(w, &e);
    } else {
        if (!more && !w->stopped) {
            w->handler->synced(w->context);
        }
        proceed(w);
    }
    leave(w);
}

/* ---- watch ---- */

static int take_line(struct kube_watch *w, struct str line, struct err *e)
{
    struct watch_event event;
    if (str_trim(line).len == 0) {
        return 0;
    }
    arena_reset(&w->arena);
    if (watch_event_decode(line, &w->arena, &event, e) != 0 ||
        version_set(w, event.resource_version, e) != 0) {
        return -1;
    }
    if (!w->steady) {
        become_steady(w);
    }
    if (w->stopped) {
        return 0;
    }
    switch (event.type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED: w->handler->upsert(w->context, event.object); break;
    case WATCH_DELETED: w->handler->removed(w->context, event.object); break;
    case WATCH_BOOKMARK: break;
    }
    return 0;
}

static int take_lines(struct kube_watch *w, struct str piece, struct err *e)
{
    while (piece.len > 0 && !w->stopped) {
        struct str rest;
        const bool whole = str_find_char(piece, '\n') < piece.len;
        const struct str part = str_cut(piece, '\n', &rest);
        const bool joined = !whole || w->line.len > 0;
        if (joined) {
            buf_append(&w->line, part);
            if (buf_check(&w->line, e) != 0) {
                return err_prefix(e, "watch event");
            }
        }
        if (whole && take_line(w, joined ? buf_view(&w->line) : part, e) != 0) {
            return -1;
        }
        if (whole) {
            buf_reset(&w->line);
        }
        piece = rest;
    }
    return 0;
}

static int take_piece(void *context, struct str piece, struct err *e)
{
    struct kube_watch *w = context;
    int result = 0;
    enter(w);
    if (piece.len == 0) {
        set_timer(w, TIMER_STEADY, STEADY_MS);
    } else {
        if (w->steady) {
            set_timer(w, TIMER_SILENCE, SILENCE_MS);
        }
        result = take_lines(w, piece, e);
    }
    leave(w);
    return result;
}

static void stream_done(void *context, const struct http_response *r, const struct err *failed)
{
    struct kube_watch *w = context;
    struct err e = *failed;
    w->stream = NULL;
    loop_timer_cancel(w->loop, &w->timer);
    enter(w);
    if (e.code == ERR_NONE && r->status == 200) {
        if (w->steady) {
            proceed(w);
            leave(w);
            return;
        }
        (void)err_set(&e, ERR_UNAVAILABLE, "closed as soon as it began");
    } else if (e.code == ERR_NONE) {
        (void)kube_status_err(r->status, r->body, &w->arena, &e);
        e.retry_after_ms = r->retry_after_ms;
        if (r->status == 401) {
            kube_token_refused(w->kube);
        }
    }
    fail(w, &e);
    leave(w);
}

/* ---- the next request ---- */

static void add_number(struct buf *query, struct str name, unsigned value)
{
    char text[NUM_TEXT_BYTES];
    http_form_add(query, name, fmt(text, sizeof text, "%u", value));
}

/* Path and query of the next request: a page of the list when there is no version to watch from,
 * else a stream of stream_s seconds. */
static int build_path(const struct kube_watch *w, unsigned stream_s, struct buf *out, struct err *e)
{
    struct buf query;
    buf_init(&query, QUERY_MAX_BYTES);
    if (w->version[0] == '\0') {
        add_number(&query, STR("limit"), PAGE_OBJECTS);
        if (w->next_page.len > 0) {
            http_form_add(&query, STR("continue"), buf_view(&w->next_page));
        }
    } else {
        http_form_add(&query, STR("watch"), STR("true"));
        http_form_add(&query, STR("allowWatchBookmarks"), STR("true"));
        http_form_add(&query, STR("resourceVersion"), str_from(w->version));
        add_number(&query, STR("timeoutSeconds"), stream_s);
    }
    if (w->selector != NULL) {
        http_form_add(&query, STR("labelSelector"), str_from(w->selector));
    }
    buf_format(out, "%s%c%.*s", w->path, strchr(w->path, '?') != NULL ? '&' : '?',
               STR_ARG(buf_view(&query)));
    buf_append_char(out, '\0');
    const int result = buf_check(&query, e) != 0 ? -1 : buf_check(out, e);
    buf_free(&query);
    return result;
}

static int send_next(struct kube_watch *w, struct err *e)
{
    struct buf path;
    const unsigned stream_s = STREAM_MIN_S + random_below(STREAM_SPREAD_S);
    const bool list = w->version[0] == '\0';
    buf_init(&path, PATH_MAX_BYTES);
    int result = build_path(w, stream_s, &path, e);
    struct kube_request r = {.method = "GET", .path = path.ptr, .timeout_ms = LIST_TIMEOUT_MS};
    if (result == 0 && list) {
        result = kube_send(w->kube, &r, page_done, w, &w->page, e);
    } else if (result == 0) {
        w->steady = false;
        buf_reset(&w->line);
        r.timeout_ms = (int64_t)stream_s * 1000 + STREAM_GRACE_MS;
        result = kube_http(w->kube, &r, take_piece, stream_done, w, &w->stream, e);
        if (result == 0) { /* also for an answer that does not even begin */
            set_timer(w, TIMER_SILENCE, SILENCE_MS);
        }
    }
    buf_free(&path);
    return result;
}

static void proceed(struct kube_watch *w)
{
    struct err e;
    if (!w->stopped && send_next(w, &e) != 0) {
        fail(w, &e);
    }
}

int kube_watch_start(struct kube *k, const char *collection_path, const char *label_selector,
                     const struct kube_watch_handler *handler, void *context,
                     struct kube_watch **out, struct err *e)
{
    struct kube_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a watch");
    }
    w->kube = k;
    w->loop = kube_loop(k);
    w->handler = handler;
    w->context = context;
    w->timer = (struct loop_timer){.fire = timer_fired, .context = w};
    w->path = strdup(collection_path);
    w->selector = label_selector != NULL ? strdup(label_selector) : NULL;
    buf_init(&w->line, LINE_MAX_BYTES);
    buf_init(&w->next_page, QUERY_MAX_BYTES / 4);
    arena_init(&w->arena, TREE_MAX_BYTES);
    if (w->path == NULL || (label_selector != NULL && w->selector == NULL) ||
        loop_timer_set(w->loop, &w->timer, 0, e) != 0) {
        watch_free(w);
        return err_set(e, ERR_MEMORY, "out of memory for a watch");
    }
    w->timer_use = TIMER_RETRY;
    *out = w;
    return 0;
}

void kube_watch_stop(struct kube_watch *w)
{
    if (w == NULL || w->stopped) {
        return;
    }
    w->stopped = true;
    loop_timer_cancel(w->loop, &w->timer);
    http_cancel(w->stream);
    kube_cancel(w->page);
    w->stream = NULL;
    w->page = NULL;
    if (w->entered == 0) {
        watch_free(w);
    }
}
