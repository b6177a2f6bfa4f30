/* replay on any log: it never fails, and counts no more than there are lines. */
#include <stdlib.h>

#include "cli/replay.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int json = 0; json < 2; json++) {
        struct str rest = {(const char *)data, size};
        struct err e = ERR_INIT;
        struct replay r;
        struct buf out;
        size_t lines = 0;

        buf_init(&out, 64 << 20);
        replay_begin(&r, json != 0, &out);
        for (; rest.len > 0; lines++) {
            struct str line = str_cut(rest, '\n', &rest);
            require(replay_line(&r, line, &out, &e) == 0);
        }
        replay_end(&r, &out);
        require(r.lines == lines && r.decisions + r.truncated <= lines);
        require(r.different <= r.decisions);
        buf_free(&out);
    }
    return 0;
}
