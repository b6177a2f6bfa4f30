/* Which series are kept: any glob on the name, or any PromQL selector on all labels. None of
 * either: all. Asked once a series, for the table remembers the answer.
 */
#ifndef AMPSCALE_COLLECTOR_KEEP_H
#define AMPSCALE_COLLECTOR_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/promql.h"
#include "base/str.h"

struct keep {
    struct arena arena; /* of the texts below */
    struct str *globs;
    size_t glob_count;
    struct promql_selector *selectors;
    size_t selector_count;
};

/* Copies the texts. ERR_INVALID names the one that is wrong. Release with keep_free, also after a
 * failure. */
int keep_init(struct keep *k, const struct str *globs, size_t glob_count,
              const struct str *selectors, size_t selector_count, struct err *e)
    __attribute__((warn_unused_result));
void keep_free(struct keep *k);

bool keep_all(const struct keep *k);
bool keep_name(const struct keep *k, struct str name); /* by the globs */
bool keep_series(const struct keep *k, struct str (*value_of)(const void *series, struct str label),
                 const void *series);
size_t keep_bytes(const struct keep *k);

#endif
