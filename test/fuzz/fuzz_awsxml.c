/* awsxml_parse on any text: bounded trees of names that are some and text that is UTF-8. */
#include <stdlib.h>

#include "base/awsxml.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static size_t check(const struct awsxml *n, size_t depth)
{
    size_t count = 1;
    require(depth <= AWSXML_DEPTH_MAX && n->name.len > 0);
    require(str_is_utf8(n->text) && (n->child == NULL || n->text.ptr == NULL));
    for (const struct awsxml *c = n->child; c != NULL; c = c->next) {
        count += check(c, depth + 1);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    const struct awsxml *root = NULL;
    struct err e = ERR_INIT;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    if (awsxml_parse(text, &arena, &root, &e) == 0) {
        require(check(root, 1) <= AWSXML_ELEMENTS_MAX);
        require(awsxml_find(root, "x/y/z") == NULL || root->child != NULL);
    } else {
        require(root == NULL && e.text[0] != '\0');
    }
    arena_free(&arena);
    return 0;
}
