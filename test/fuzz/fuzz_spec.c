/* The contract's parser: "key=value" lines of any bytes. Properties: every complaint names a key
 * and what is expected; a usable spec keeps the contract's own promises. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/spec.h"

enum { ITEMS_MAX = 64 };

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_spec(const struct scale_spec *spec)
{
    check(spec->min_replicas >= 0 && spec->max_replicas >= 1);
    check(spec->min_replicas <= spec->max_replicas);
    check(spec->polling_interval_ms >= 1000);
    for (size_t i = 0; i < spec->trigger_count; i++) {
        check(spec->triggers[i].threshold > 0 && isfinite(spec->triggers[i].threshold));
        check(spec->triggers[i].query.len > 0);
    }
    check(spec->endpoint.ptr == NULL || spec->workspace.ptr == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kv items[ITEMS_MAX];
    struct kv_list list = {items, 0};
    struct str rest = {(const char *)data, size};
    while (rest.ptr != NULL && list.count < ITEMS_MAX) {
        struct str line = str_cut(rest, '\n', &rest);
        struct str value;
        struct str key = str_cut(line, '=', &value);
        items[list.count++] = (struct kv){key, value.ptr == NULL ? STR("") : value};
    }
    struct arena arena;
    struct scale_spec spec;
    struct complaints complaints;
    struct err e = ERR_INIT;
    arena_init(&arena, 1 << 20);
    if (spec_parse(&list, &arena, &spec, &complaints, &e) == 0) {
        for (size_t i = 0; i < complaints.count; i++) {
            check(str_starts(complaints.items[i].key, STR(SPEC_PREFIX)));
            check(complaints.items[i].text.len > 0);
        }
        if (spec_usable(&complaints)) {
            check_spec(&spec);
        }
    }
    arena_free(&arena);
    return 0;
}
