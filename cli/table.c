#include "cli/table.h"

enum { GAP = 3 };

/* Characters of UTF-8 text. */
static size_t width(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    }
    return n;
}

void table_init_columns(struct table *t, size_t columns)
{
    *t = (struct table){.columns = columns};
}

void table_measure(struct table *t, const struct str *cells)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t w = width(cells[i]);
        t->widths[i] = w > t->widths[i] ? w : t->widths[i];
    }
}

static void pad(size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_append_char(out, ' ');
    }
}

void table_print(const struct table *t, size_t indent, const struct str *cells, struct buf *out)
{
    pad(indent, out);
    for (size_t i = 0; i < t->columns; i++) {
        size_t w = width(cells[i]);
        buf_append(out, cells[i]);
        if (i + 1 < t->columns) {
            pad((t->widths[i] > w ? t->widths[i] - w : 0) + GAP, out);
        }
    }
    buf_append_char(out, '\n');
}
