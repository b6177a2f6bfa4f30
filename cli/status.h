/* `kubectl ampscale status`: a row a scaled Deployment. */
#ifndef AMPSCALE_CLI_STATUS_H
#define AMPSCALE_CLI_STATUS_H

#include "cli/table.h"
#include "cli/view.h"

/* Cells of one row, from a text of its own: [NAMESPACE] NAME TARGETS … REASON, then AGE. */
enum {
    STATUS_NAMESPACE,
    STATUS_NAME,
    STATUS_TARGETS,
    STATUS_MIN,
    STATUS_MAX,
    STATUS_REPLICAS,
    STATUS_DESIRED,
    STATUS_REASON,
    STATUS_POLL,
    STATUS_AGE,
    STATUS_COLUMNS,
};

extern const struct str STATUS_TITLES[STATUS_COLUMNS];

/* Cells into `a`. -1/ERR_MEMORY. */
int status_cells(const struct view *v, int64_t now_ms, struct arena *a,
                 struct str out[STATUS_COLUMNS], struct err *e) __attribute__((warn_unused_result));

#endif
