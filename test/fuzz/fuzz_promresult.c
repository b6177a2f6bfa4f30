/* prom_result_parse on any status and body: first byte picks the status. A value is finite, unknown
 * outcomes are told apart, an error has a text. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/promresult.h"
#include "fuzz.h"

static bool holds(const struct prom_result *r)
{
    switch (r->outcome) {
    case PROM_VALUE: return isfinite(r->value) && r->series == 1;
    case PROM_NAN: return isnan(r->value) && r->series == 1;
    case PROM_INF: return isinf(r->value) && r->series == 1;
    case PROM_EMPTY: return r->series == 0;
    case PROM_MANY: return r->series > 1 && r->examples[1].ptr != NULL;
    case PROM_MATRIX: return r->type.len > 0;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 403, 422, 429, 500, 503, 302};
    struct prom_result result = {0};
    struct reading reading;
    struct err e = ERR_INIT;
    struct arena a;

    if (size == 0) {
        return 0;
    }
    int status = statuses[data[0] % 8];
    struct str body = {(const char *)data + 1, size - 1};

    arena_init(&a, 16 << 20);
    if (prom_result_parse(status, body, &a, &result, &e) == 0) {
        char what[64];
        if (!holds(&result) || prom_result_describe(&result, what, sizeof what).len == 0) {
            abort();
        }
    } else if (e.code == ERR_NONE || e.http_status != status || e.text[0] == '\0' ||
               !str_is_utf8(str_from(e.text))) {
        abort();
    }
    reading_from(&result, &e, 1, &reading);
    arena_free(&a);
    return 0;
}
