/* What the files behind num.h share: cutting a view apart, exact decimals, and the message.
 *
 * Every parser walks its own grammar over the view first and converts only what passed, so no libc
 * function ever decides what is a number.
 */
#ifndef AMPSCALE_BASE_NUM_INTERNAL_H
#define AMPSCALE_BASE_NUM_INTERNAL_H

#include "base/num.h"

enum { NUM_SHOWN_BYTES = 64 }; /* of the text, in messages */

/* Cut the run of characters that `member` accepts off the front of *s. */
struct str num_take_while(struct str *s, bool (*member)(char));
/* Cut one character off the front of *s if it is `c`. */
bool num_take_char(struct str *s, char c);
/* '-' (true), '+' or nothing (false) off the front of *s. */
bool num_take_minus(struct str *s);

/* strtod in the "C" locale, for text whose grammar was checked. */
double num_strtod(const char *text);

/* «"TEXT": expected EXPECTED»; returns -1. */
int num_fail(struct err *e, enum err_code code, struct str text, const char *expected);
/* The same with ERR_INVALID. */
int num_invalid(struct err *e, struct str text, const char *expected);

struct num_decimal {
    struct str whole, fraction; /* digits before and after the point; either may be empty */
};

/* Cut "12", "1.5", ".5" or "5." off the front of *s; false when there is no digit. */
bool num_take_decimal(struct str *s, struct num_decimal *out);

/* d × 10^shift × unit, rounded down; *inexact becomes true when something was cut. False on
 * overflow. */
bool num_decimal_times(const struct num_decimal *d, int shift, uint64_t unit, uint64_t *out,
                       bool *inexact);

#endif
