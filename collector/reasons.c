#include "collector/reasons.h"

#include <stddef.h>

bool reasons_tell(struct reasons *r, struct str reason, int64_t now_ms)
{
    const unsigned long long hash = str_hash(reason);
    size_t slot = 0;
    for (size_t i = 0; i < REASONS_MAX; i++) {
        if (r->items[i].used && r->items[i].hash == hash) {
            const bool again = now_ms - r->items[i].told_ms >= REASONS_AGAIN_MS;
            r->items[i].told_ms = again ? now_ms : r->items[i].told_ms;
            return again;
        }
        if (r->items[slot].used &&
            (!r->items[i].used || r->items[i].told_ms < r->items[slot].told_ms)) {
            slot = i;
        }
    }
    r->items[slot].hash = hash;
    r->items[slot].told_ms = now_ms;
    r->items[slot].used = true;
    return true;
}

void reasons_forget(struct reasons *r)
{
    *r = (struct reasons){.items = {{0}}};
}
