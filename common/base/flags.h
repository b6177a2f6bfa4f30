/* Command-line flags from one table per program.
 *
 * "--name value" or "--name=value"; a boolean is "--name" or "--name=true|false". A row with a
 * letter has the short forms "-n value", "-n=value" and "-nvalue" too. What is no flag is an error
 * unless the table has a row of FLAG_ARGUMENTS, which collects it ("-" alone included). Errors name
 * the flag, the value, what is expected, and for an unknown flag the nearest one; main prints them
 * and exits 2.
 */
#ifndef AMPSCALE_BASE_FLAGS_H
#define AMPSCALE_BASE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum flag_kind {
    FLAG_STR,       /* out: struct str *; a view of argv */
    FLAG_LIST,      /* out: struct flag_list *; repeatable */
    FLAG_BOOL,      /* out: bool * */
    FLAG_INT,       /* out: int64_t *, within [min, max] */
    FLAG_DURATION,  /* out: int64_t *, milliseconds, within [min, max] */
    FLAG_CHOICE,    /* out: int *; one of `choices`, its index */
    FLAG_ARGUMENTS, /* out: struct flag_list *; the arguments that are no flags. Its `name` is what
                       --help's first line calls them, `max` (0: FLAG_LIST_MAX) how many there may
                       be */
};

enum { FLAG_LIST_MAX = 64 };

struct flag_list {
    struct str items[FLAG_LIST_MAX];
    size_t count;
};

struct flag {
    const char *name; /* without the dashes */
    enum flag_kind kind;
    void *out;                  /* see kind; holds the default before parsing */
    const char *argument;       /* how the value is called in --help: "URL", "DIR", "DURATION" */
    const char *default_text;   /* as shown in --help; NULL for none */
    const char *help;           /* one sentence, with the unit */
    int64_t min, max;           /* INT, DURATION; both 0: unbounded */
    const char *const *choices; /* CHOICE: NULL-terminated */
    bool required;
    char letter; /* of the short form; 0: none */
};

/* Fill the outs from argv[1..], all of them or, on failure, none. Of a flag given twice the last
 * one counts; a list collects. A required flag may be missing beside --help or --version. At most
 * 64 rows. Errors: ERR_INVALID, ERR_LIMIT (a list too long), naming the flag. */
int flags_parse(const struct flag *flags, size_t count, int argc, char *const argv[], struct err *e)
    __attribute__((warn_unused_result));

/* The --help text: usage line, `about`, one aligned entry a flag with unit and default, ≤ 100
 * columns. */
void flags_help(const char *program, const char *about, const struct flag *flags, size_t count,
                struct buf *out);

#endif
