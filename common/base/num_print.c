#include <float.h>
#include <math.h>
#include <string.h>

#include "base/fmt.h"
#include "base/num_internal.h"

enum { DIGITS_MAX = 17 }; /* of a double, significant */

/* whole / 10^decimals, its digits from the last to the first, so from the end of `out`. */
static struct str print_decimal(uint64_t whole, int decimals, bool minus, char out[NUM_TEXT_BYTES])
{
    char *const end = out + NUM_TEXT_BYTES - 1;
    char *at = end;

    *end = '\0';
    for (int written = 0; whole > 0 || written <= decimals; written++) {
        if (written == decimals && decimals > 0) {
            *--at = '.';
        }
        *--at = (char)('0' + whole % 10);
        whole /= 10;
    }
    if (minus) {
        *--at = '-';
    }
    const size_t len = (size_t)(end - at);
    memmove(out, at, len + 1);
    return (struct str){out, len};
}

struct str num_print_int(int64_t value, char out[NUM_TEXT_BYTES])
{
    return print_decimal(value < 0 ? -(uint64_t)value : (uint64_t)value, 0, value < 0, out);
}

/* Write |value| > 0 as "d.ddde±xx" with the fewest digits that parse back. Below DBL_MIN fewer
 * than 15 may do; above it 15 digits without their trailing zeros are the shortest if they parse
 * back at all. */
static struct str shortest(double value, char out[NUM_TEXT_BYTES])
{
    struct str text = {out, 0};
    for (int digits = value < DBL_MIN ? 1 : DBL_DIG; digits <= DIGITS_MAX; digits++) {
        text = fmt(out, NUM_TEXT_BYTES, "%.*e", digits - 1, value);
        if (num_strtod(out) == value) {
            break;
        }
    }
    return text;
}

/* Split "d.ddde±xx" into its digits without trailing zeros, and the exponent. */
static size_t split(struct str text, char digits[DIGITS_MAX + 1], int *exponent)
{
    size_t len = 0;
    while (text.len > 0 && !num_take_char(&text, 'e')) {
        if (char_is_digit(text.ptr[0])) {
            digits[len++] = text.ptr[0];
        }
        text = str_slice(text, 1, text.len);
    }
    while (len > 1 && digits[len - 1] == '0') {
        len--;
    }
    digits[len] = '\0';
    bool minus = num_take_minus(&text);
    int value = 0;
    for (size_t i = 0; i < text.len; i++) {
        value = value * 10 + (text.ptr[i] - '0');
    }
    *exponent = minus ? -value : value;
    return len;
}

/* Most numbers that anybody writes down: fewer than 15 digits, at most six of them decimals. The
 * quotient of two exact doubles is rounded correctly, so where it is the value, its decimal form
 * parses back to it. Absent: not one of these. */
static struct str plain(double magnitude, bool minus, char out[NUM_TEXT_BYTES])
{
    static const double scales[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    for (int decimals = 0; decimals <= 6; decimals++) {
        const double scale = scales[decimals];
        double scaled = magnitude * scale;
        if (!(scaled < 1e15)) {
            break;
        }
        const int64_t whole = (int64_t)(scaled + 0.5);
        if ((double)whole / scale == magnitude) {
            return print_decimal((uint64_t)whole, decimals, minus, out);
        }
    }
    return (struct str){NULL, 0};
}

/* Laid out as ECMAScript and Go's encoding/json do: plain within [1e-6, 1e21), else "1.5e+21". */
struct str num_print_double(double value, char out[NUM_TEXT_BYTES])
{
    const char *sign = signbit(value) ? "-" : "";
    if (isnan(value)) {
        return fmt(out, NUM_TEXT_BYTES, "NaN");
    }
    if (isinf(value)) {
        return fmt(out, NUM_TEXT_BYTES, "%sInf", value < 0 ? "-" : "+");
    }
    if (value == 0) {
        return fmt(out, NUM_TEXT_BYTES, "%s0", sign);
    }
    struct str short_ = plain(fabs(value), value < 0, out);
    if (short_.ptr != NULL) {
        return short_;
    }
    char scratch[NUM_TEXT_BYTES];
    char digits[DIGITS_MAX + 1];
    int exponent;
    int count = (int)split(shortest(fabs(value), scratch), digits, &exponent);
    if (exponent < -6 || exponent > 20) {
        return fmt(out, NUM_TEXT_BYTES, "%s%c%s%se%+d", sign, digits[0], count > 1 ? "." : "",
                   digits + 1, exponent);
    }
    if (exponent < 0) {
        return fmt(out, NUM_TEXT_BYTES, "%s0.%.*s%s", sign, -exponent - 1, "00000", digits);
    }
    if (exponent + 1 >= count) {
        return fmt(out, NUM_TEXT_BYTES, "%s%s%.*s", sign, digits, exponent + 1 - count,
                   "00000000000000000000");
    }
    return fmt(out, NUM_TEXT_BYTES, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
}
