/* yaml_parse on any bytes. What it accepts, written as JSON, must parse strictly to an equal tree:
 * no duplicate key, no invalid string, no number that JSON does not know. */
#include <stdlib.h>

#include "base/yaml.h"
#include "fuzz.h"

enum { MEMORY_BYTES = 32 << 20 };

static void check(const struct json *tree, struct arena *a)
{
    const struct json *again = NULL;
    struct json_writer w;
    struct buf out;
    struct err e = ERR_INIT;

    buf_init(&out, MEMORY_BYTES);
    json_writer_init(&w, &out);
    json_put_tree(&w, tree);
    if (buf_check(&out, &e) != 0 ||
        json_parse(buf_view(&out), &JSON_LIMITS_USER, a, &again, &e) != 0 ||
        !json_equal(tree, again)) {
        abort();
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    const struct json *tree = NULL;
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, MEMORY_BYTES);
    if (yaml_parse(text, &JSON_LIMITS_USER, &a, &tree, &e) == 0) {
        check(tree, &a);
    } else if (e.code == ERR_NONE || tree != NULL || !str_is_utf8(str_from(e.text))) {
        abort();
    }
    arena_free(&a);
    return 0;
}
