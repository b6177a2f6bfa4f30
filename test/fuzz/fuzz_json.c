/* json_parse on any bytes. What it accepts, written again from the tree alone, must parse to an
 * equal tree; what parses strictly must parse tolerantly too, and to the same. */
#include <stdlib.h>

#include "base/json.h"
#include "fuzz.h"

enum { MEMORY_BYTES = 64 << 20 };

static void forget_raw(struct json *node)
{
    node->raw = (struct str){0};
    for (struct json *child = node->child; child != NULL; child = child->next) {
        forget_raw(child);
    }
}

static void check(const struct json *tree, struct arena *a)
{
    const struct json_limits limits = JSON_LIMITS_API;
    const struct json *again = NULL;
    struct json root = *tree;
    struct json_writer w;
    struct buf out;
    struct err e = ERR_INIT;

    buf_init(&out, MEMORY_BYTES);
    json_writer_init(&w, &out);
    forget_raw(&root);
    json_put_tree(&w, &root);
    if (buf_check(&out, &e) != 0 || json_parse(buf_view(&out), &limits, a, &again, &e) != 0 ||
        !json_equal(&root, again)) {
        abort();
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    const struct json *tree = NULL;
    const struct json *strict = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, MEMORY_BYTES);
    bool parsed = json_parse(text, &JSON_LIMITS_API, &a, &tree, &e) == 0;
    if (json_parse(text, &JSON_LIMITS_USER, &a, &strict, &e) == 0 &&
        (!parsed || !json_equal(tree, strict))) {
        abort();
    }
    if (parsed) {
        check(tree, &a);
    }
    arena_free(&a);
    return 0;
}
