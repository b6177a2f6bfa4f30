/* Case files are data: GOLDEN_DIR "/AREA/NAME", read by the unit tests.
 *
 * A table has one case a line, fields separated by tabs; "%NN" in a field is the byte NN
 * (hexadecimal, so "%25" is a percent sign). Empty lines and lines starting with '#' are passed
 * over. Sections hold longer inputs: "=== name", the input's lines, then "=> " and what is wanted
 * (one line).
 */
#ifndef AMPSCALE_TEST_GOLDEN_H
#define AMPSCALE_TEST_GOLDEN_H

#include "base/str.h"

enum { GOLDEN_FIELDS_MAX = 6 };

struct golden_case {
    const char *path;
    unsigned line;                        /* 1-based */
    struct str fields[GOLDEN_FIELDS_MAX]; /* section: name, input, wanted */
    size_t count;
};

/* The whole file, NUL-terminated behind its end; free with golden_free. A missing one fails the
 * test. */
struct str golden_read(const char *path);
void golden_free(struct str content);

/* Run every case of a table or of sections. A file without a case fails the test. */
void golden_table(const char *path, void (*run)(const struct golden_case *c));
void golden_sections(const char *path, void (*run)(const struct golden_case *c));

/* Field i, or the absent view. */
struct str golden_field(const struct golden_case *c, size_t i);

/* Print file, line and both sides, and make golden_table or golden_sections fail at the end, unless
 * they are equal; unless `have` holds `part`. */
void golden_expect(const struct golden_case *c, struct str have, struct str want);
void golden_expect_int(const struct golden_case *c, const char *what, long long have,
                       long long want);
void golden_expect_part(const struct golden_case *c, struct str have, struct str part);

#endif
