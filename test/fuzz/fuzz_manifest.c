/* manifest_read and lint on any text: it is refused with a place, or all it finds are objects that
 * lint has an opinion about. */
#include <stdlib.h>

#include "cli/lint.h"
#include "cli/manifest.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena arena;
    struct manifest manifest;
    struct err e = ERR_INIT;
    struct buf out;
    struct lint l;

    arena_init(&arena, MANIFEST_ARENA_BYTES);
    buf_init(&out, 64 << 20);
    bool read = manifest_read(text, &arena, &manifest, &e) == 0;
    require(read || e.text[0] != '\0');
    for (int json = 0; json < 2; json++) {
        lint_begin(&l, json != 0, (struct str){NULL, 0}, NULL, &out);
        require(lint_file(&l, STR("f"), text, &e) == 0);
        lint_end(&l);
        require(l.deployments == (read ? manifest.count : 0));
        require(read || l.wrong == 1);
    }
    buf_free(&out);
    arena_free(&arena);
    return 0;
}
