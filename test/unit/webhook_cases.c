#include "webhook_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "golden.h"

enum { TEXT_MAX_BYTES = 1 << 20, CASE_ARENA_BYTES = 64 << 20 };

void webhook_case_fail(const struct webhook_case *c, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    (void)fmt_v(text, sizeof(text), format, args);
    va_end(args);
    fail_msg("golden/webhook/%s: %s", c->name, text);
    abort(); /* not reached */
}

const char *webhook_case_text(const struct webhook_case *c, const struct json *node)
{
    struct buf out;
    struct json_writer w;
    struct str text = STR("(nothing)");
    struct err e = ERR_INIT;
    buf_init(&out, TEXT_MAX_BYTES);
    json_writer_init(&w, &out);
    if (node != NULL) {
        json_put_tree(&w, node);
        assert_int_equal(arena_str(c->arena, buf_view(&out), &text, &e), 0);
    }
    buf_free(&out);
    return text.ptr;
}

void webhook_case_equal(const struct webhook_case *c, const char *what, const struct json *got,
                        const struct json *want)
{
    bool equal = got == NULL || want == NULL ? got == want : json_equal(got, want);
    if (!equal) {
        webhook_case_fail(c, "%s:\n  got  %s\n  want %s", what, webhook_case_text(c, got),
                          webhook_case_text(c, want));
    }
}

static const struct json *read_json(struct arena *a, const char *path, struct str *bytes)
{
    struct err e = ERR_INIT;
    const struct json *tree;
    *bytes = golden_read(path);
    if (json_parse(*bytes, &JSON_LIMITS_API, a, &tree, &e) != 0) {
        fail_msg("%s: %s", path, e.text);
    }
    return tree;
}

/* 1 when the case has the member and was checked, else 0. */
static size_t run_case(const char *name, const char *member,
                       void (*check)(const struct webhook_case *c))
{
    char path[1024];
    struct arena arena;
    struct str want;
    struct webhook_case c = {.name = name, .arena = &arena};
    arena_init(&arena, CASE_ARENA_BYTES);
    (void)fmt(path, sizeof(path), "%s/webhook/%s/want.json", GOLDEN_DIR, name);
    c.want = json_get(read_json(&arena, path, &want), str_from(member));
    if (c.want != NULL) {
        (void)fmt(path, sizeof(path), "%s/webhook/%s/review.json", GOLDEN_DIR, name);
        c.tree = read_json(&arena, path, &c.review);
        check(&c);
        golden_free(c.review);
    }
    golden_free(want);
    arena_free(&arena);
    return c.want != NULL ? 1 : 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

void webhook_cases_run(const char *member, void (*check)(const struct webhook_case *c))
{
    struct dirent **names = NULL;
    size_t checked = 0;
    int count = scandir(GOLDEN_DIR "/webhook", &names, visible, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        checked += run_case(names[i]->d_name, member, check);
        free(names[i]);
    }
    free(names);
    print_message("%zu cases of %s\n", checked, member);
    assert_true(checked > 0);
}

void webhook_case_warnings(const struct webhook_case *c, const struct verdict *v)
{
    const struct json *want = json_get(c->want, STR("warnings"));
    const struct json *text = want != NULL ? want->child : NULL;
    for (size_t i = 0; i < v->warning_count; i++, text = text->next) {
        if (text == NULL || !str_eq(v->warnings[i], text->text)) {
            webhook_case_fail(c, "warning: %.*s", STR_ARG(v->warnings[i]));
        }
    }
    if (text != NULL) {
        webhook_case_fail(c, "no warning: %.*s", STR_ARG(text->text));
    }
}
