#include "collector/reasons.h"

#include <stddef.h>

bool reasons_tell(struct reasons *r, struct str reason, int64_t now_ms)
{
    const unsigned long long hash = str_hash(reason);
    size_t slot = 0;
    for (size_t i = 0; i < REASONS_MAX; i++) {
        if (r->items[i].used && r->items[i].hash == hash) {
            const int64_t pause_ms = r->items[i].over ? REASONS_RETURN_MS : REASONS_AGAIN_MS;
            const bool again = now_ms - r->items[i].told_ms >= pause_ms;
            if (again) {
                r->items[i].told_ms = now_ms;
                r->items[i].over = false;
            }
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
    r->items[slot].over = false;
    return true;
}

void reasons_over(struct reasons *r)
{
    for (size_t i = 0; i < REASONS_MAX; i++) {
        r->items[i].over = true;
    }
}
