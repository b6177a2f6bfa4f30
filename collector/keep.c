#include "collector/keep.h"

#include "collector/glob.h"

enum { KEEP_BYTES_MAX = 1 << 20 };

static int take_globs(struct keep *k, const struct str *globs, size_t count, struct err *e)
{
    k->globs = arena_array(&k->arena, count, sizeof(*k->globs));
    if (k->globs == NULL) {
        return arena_err(&k->arena, e);
    }
    for (; k->glob_count < count; k->glob_count++) {
        struct str *to = &k->globs[k->glob_count];
        if (glob_check(globs[k->glob_count], e) != 0) {
            return err_prefix(e, "keep");
        }
        if (arena_str(&k->arena, globs[k->glob_count], to, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_selectors(struct keep *k, const struct str *selectors, size_t count, struct err *e)
{
    k->selectors = arena_array(&k->arena, count, sizeof(*k->selectors));
    if (k->selectors == NULL) {
        return arena_err(&k->arena, e);
    }
    for (; k->selector_count < count; k->selector_count++) {
        struct str text;
        if (arena_str(&k->arena, selectors[k->selector_count], &text, e) != 0) {
            return -1;
        }
        struct promql_selector *to = &k->selectors[k->selector_count];
        if (promql_selector_parse(text, &k->arena, to, e) != 0) {
            return err_prefix(e, "match: \"%.*s\"", STR_ARG(text));
        }
    }
    return 0;
}

int keep_init(struct keep *k, const struct str *globs, size_t glob_count,
              const struct str *selectors, size_t selector_count, struct err *e)
{
    *k = (struct keep){0};
    arena_init(&k->arena, KEEP_BYTES_MAX);
    if (glob_count > 0 && take_globs(k, globs, glob_count, e) != 0) {
        return -1;
    }
    return selector_count > 0 ? take_selectors(k, selectors, selector_count, e) : 0;
}

void keep_free(struct keep *k)
{
    arena_free(&k->arena);
    *k = (struct keep){0};
}

bool keep_all(const struct keep *k)
{
    return k->glob_count == 0 && k->selector_count == 0;
}

bool keep_name(const struct keep *k, struct str name)
{
    bool kept = false;
    for (size_t i = 0; i < k->glob_count && !kept; i++) {
        kept = glob_matches(k->globs[i], name);
    }
    return kept;
}

bool keep_series(const struct keep *k, struct str (*value_of)(const void *series, struct str label),
                 const void *series)
{
    bool kept = false;
    for (size_t i = 0; i < k->selector_count && !kept; i++) {
        kept = promql_may_select(&k->selectors[i], value_of, series);
    }
    return kept;
}

size_t keep_bytes(const struct keep *k)
{
    return k->arena.used_bytes;
}
