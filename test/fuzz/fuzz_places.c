/* places_parse on any bytes. What it accepts keeps the rules that its header states, and no two
 * entries are for the same namespace; an endpoint is the same place as itself with a '/' behind. */
#include <stdlib.h>

#include "fuzz.h"
#include "webhook/endpoint.h"
#include "webhook/places.h"

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_entry(const struct places *places, const struct place *p, struct arena *a)
{
    struct str longer;
    struct str workspace = {NULL, 0};
    struct err e = ERR_INIT;
    check(places_is_namespace(p->name));
    check(places_find(places, p->name) == p);
    check(p->endpoint.ptr == NULL || p->workspace.ptr == NULL);
    if (p->endpoint.ptr != NULL) {
        check(arena_format(a, &longer, &e, "%.*s/", STR_ARG(p->endpoint)) == 0);
        check(endpoint_eq(p->endpoint, longer) && endpoint_eq(longer, p->endpoint));
        check(!endpoint_is_amp(p->endpoint, &workspace) ||
              str_find_char(workspace, '/') == workspace.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct places places = {.count = 0};
    struct err e = ERR_INIT;
    struct arena a;
    arena_init(&a, PLACES_ARENA_BYTES);
    if (places_parse(text, &a, &places, &e) == 0) {
        for (size_t i = 0; i < places.count; i++) {
            check_entry(&places, &places.items[i], &a);
        }
    } else {
        check(e.code != ERR_NONE && places.count == 0 && str_is_utf8(str_from(e.text)));
    }
    arena_free(&a);
    return 0;
}
