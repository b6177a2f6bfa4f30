/* Columns of text for people: as wide as what is in them, three spaces apart, as kubectl prints. */
#ifndef AMPSCALE_CLI_TABLE_H
#define AMPSCALE_CLI_TABLE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
    size_t columns;
    size_t widths[TABLE_COLUMNS_MAX]; /* characters */
};

void table_init_columns(struct table *t, size_t columns);
/* Make the columns wide enough for these cells. */
void table_measure(struct table *t, const struct str *cells);
/* One line; `indent` spaces before it. */
void table_print(const struct table *t, size_t indent, const struct str *cells, struct buf *out);

#endif
