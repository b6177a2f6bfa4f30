#include "webhook/rulebook.h"

#include <stdlib.h>
#include <string.h>

#include "net/prom_url.h"
#include "net/reload.h"
#include "webhook/families.h"

enum rulebook_file { FILE_POLICY, FILE_NAMESPACES, FILE_COUNT };

struct rulebook;

/* A file and the memory of what it says. */
struct page {
    struct rulebook *book;
    const char *name; /* in metrics */
    const char *path; /* NULL: there is none */
    struct arena memory;
    struct reload *reload;
};

struct rulebook {
    const struct logger *log;
    struct metrics *metrics; /* NULL until it is watched */
    struct page pages[FILE_COUNT];
    struct policy policy;
    struct places places;
};

void rulebook_flag_rows(struct rulebook_flags *f, struct flag out[RULEBOOK_FLAGS])
{
    *f = (struct rulebook_flags){.policy = {NULL, 0}};
    const struct flag rows[RULEBOOK_FLAGS] = {
        {.name = "policy",
         .kind = FLAG_STR,
         .out = &f->policy,
         .argument = "FILE",
         .help = "What annotations may ask for (YAML; README, \"Policy\"); changes are noticed "
                 "within a second."},
        {.name = "namespaces",
         .kind = FLAG_STR,
         .out = &f->namespaces,
         .argument = "FILE",
         .help = "Where the metrics of single namespaces are, and as whom they are read and "
                 "written (YAML); others go by the flags. Changes are noticed within a second."},
    };
    memcpy(out, rows, sizeof(rows));
}

/* ---- taking a content ---- */

/* The memory of a new content in place of the old one's. */
static void turn(struct page *page, const struct arena *memory)
{
    arena_free(&page->memory);
    page->memory = *memory;
}

static int take_policy(void *context, struct str content, struct err *e)
{
    struct page *page = context;
    struct policy policy;
    struct arena memory;
    arena_init(&memory, POLICY_ARENA_BYTES);
    if (policy_parse(content, &memory, &policy, e) != 0) {
        arena_free(&memory);
        return -1;
    }
    page->book->policy = policy;
    turn(page, &memory);
    return 0;
}

/* What the client would refuse at each query. */
static int check_endpoints(const struct places *places, struct err *e)
{
    char url[PROM_URL_BYTES];
    for (size_t i = 0; i < places->count; i++) {
        const struct place *place = &places->items[i];
        if (place->endpoint.ptr != NULL && prom_url_normal(place->endpoint, url, e) != 0) {
            return err_prefix(e, "namespaces[%zu].endpoint", i);
        }
    }
    return 0;
}

static int take_places(void *context, struct str content, struct err *e)
{
    struct page *page = context;
    struct places places;
    struct arena memory;
    arena_init(&memory, PLACES_ARENA_BYTES);
    if (places_parse(content, &memory, &places, e) != 0 || check_endpoints(&places, e) != 0) {
        arena_free(&memory);
        return -1;
    }
    page->book->places = places;
    turn(page, &memory);
    return 0;
}

/* ---- telling of it ---- */

static void told(void *context, const struct err *refused)
{
    const struct page *page = context;
    const struct rulebook *b = page->book;
    const struct str file = str_from(page->name);
    const struct str labels[] = {file, refused == NULL ? STR("loaded") : STR("refused")};
    metrics_add(b->metrics, WEBHOOK_FILE_LOADS, labels, 1);
    metrics_set(b->metrics, WEBHOOK_FILE_CURRENT, &file, refused == NULL ? 1 : 0);
    if (refused == NULL) {
        LOG_AT(b->log, LOG_INFO, "file loaded", F_STR("file", str_from(page->path)));
    } else {
        LOG_AT(b->log, LOG_ERROR, "file refused, what was loaded before it stays in force",
               F_STR("file", str_from(page->path)), F_ERR(refused));
    }
}

/* ---- life ---- */

static int open_page(struct rulebook *b, enum rulebook_file which, const char *name,
                     struct str path, size_t max_bytes,
                     int (*take)(void *context, struct str content, struct err *e), struct err *e)
{
    struct page *page = &b->pages[which];
    *page = (struct page){.book = b, .name = name};
    if (path.len == 0) { /* a chart may render a flag whose value is empty: not given */
        return 0;
    }
    page->path = path.ptr;
    const struct reload_options options = {
        .path = page->path, .max_bytes = max_bytes, .take = take, .told = told, .context = page};
    return reload_new(&options, &page->reload, e);
}

int rulebook_new(const struct rulebook_flags *f, const struct logger *log, struct rulebook **out,
                 struct err *e)
{
    struct rulebook *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the policy");
    }
    b->log = log;
    if (open_page(b, FILE_POLICY, "policy", f->policy, POLICY_FILE_MAX_BYTES, take_policy, e) !=
            0 ||
        open_page(b, FILE_NAMESPACES, "namespaces", f->namespaces, PLACES_FILE_MAX_BYTES,
                  take_places, e) != 0) {
        rulebook_free(b);
        return -1;
    }
    *out = b;
    return 0;
}

int rulebook_watch(struct rulebook *b, struct loop *loop, struct metrics *metrics, struct err *e)
{
    b->metrics = metrics;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        struct page *page = &b->pages[i];
        if (page->reload == NULL) {
            continue;
        }
        told(page, NULL);
        if (reload_watch(page->reload, loop, e) != 0) {
            return err_prefix(e, "%s", page->path);
        }
    }
    return 0;
}

void rulebook_free(struct rulebook *b)
{
    for (size_t i = 0; b != NULL && i < FILE_COUNT; i++) {
        reload_free(b->pages[i].reload);
        arena_free(&b->pages[i].memory);
    }
    free(b);
}

const struct policy *rulebook_policy(const struct rulebook *b)
{
    return b->pages[FILE_POLICY].reload != NULL ? &b->policy : NULL;
}

const struct place *rulebook_place(const struct rulebook *b, struct str namespace_)
{
    return places_find(&b->places, namespace_);
}
