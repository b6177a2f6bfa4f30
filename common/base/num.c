#include "base/num_internal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

enum { DOUBLE_MAX_BYTES = 400 }; /* nobody writes longer literals, by hand or by program */

struct str num_take_while(struct str *s, bool (*member)(char))
{
    size_t n = 0;
    while (n < s->len && member(s->ptr[n])) {
        n++;
    }
    struct str taken = str_slice(*s, 0, n);
    *s = str_slice(*s, n, s->len);
    return taken;
}

bool num_take_char(struct str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c) {
        return false;
    }
    *s = str_slice(*s, 1, s->len);
    return true;
}

bool num_take_minus(struct str *s)
{
    if (num_take_char(s, '-')) {
        return true;
    }
    (void)num_take_char(s, '+');
    return false;
}

int num_fail(struct err *e, enum err_code code, struct str text, const char *expected)
{
    char shown[NUM_SHOWN_BYTES + 1];
    struct str cut = fmt(shown, sizeof(shown), "%.*s", STR_ARG(text));
    bool ascii = true;
    for (size_t i = 0; i < text.len; i++) {
        ascii = ascii && (unsigned char)text.ptr[i] < 0x80;
    }
    return err_set(e, code, "\"%s%s\": expected %s%s", shown, cut.len < text.len ? "…" : "",
                   expected, ascii ? "" : " in ASCII characters");
}

int num_invalid(struct err *e, struct str text, const char *expected)
{
    return num_fail(e, ERR_INVALID, text, expected);
}

int num_int(struct str text, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    struct str rest = text;
    bool minus = num_take_minus(&rest);
    struct str digits = num_take_while(&rest, char_is_digit);
    if (digits.len == 0 || rest.len > 0) {
        return num_invalid(e, text, "a whole number");
    }
    int64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < digits.len && !overflow; i++) {
        int digit = digits.ptr[i] - '0';
        overflow = __builtin_mul_overflow(value, 10, &value) ||
                   __builtin_add_overflow(value, minus ? -digit : digit, &value);
    }
    if (overflow || value < min || value > max) {
        char expected[96];
        (void)fmt(expected, sizeof(expected), "a whole number from %lld to %lld", (long long)min,
                  (long long)max);
        return num_fail(e, ERR_LIMIT, text, expected);
    }
    *out = value;
    return 0;
}

/* JSON's number grammar with the additions that num.h lists. */
static bool is_double(struct str s)
{
    (void)num_take_minus(&s);
    struct str whole = num_take_while(&s, char_is_digit);
    struct str fraction = {NULL, 0};
    if (num_take_char(&s, '.')) {
        fraction = num_take_while(&s, char_is_digit);
    }
    if (whole.len + fraction.len == 0 || (whole.len > 1 && whole.ptr[0] == '0')) {
        return false;
    }
    if (num_take_char(&s, 'e') || num_take_char(&s, 'E')) {
        (void)num_take_minus(&s);
        if (num_take_while(&s, char_is_digit).len == 0) {
            return false;
        }
    }
    return s.len == 0;
}

/* strtod in the "C" locale, which glibc keeps statically: correctly rounded, nothing to free. */
double num_strtod(const char *text)
{
    return strtod_l(text, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

int num_double(struct str text, double *out, struct err *e)
{
    if (text.len > DOUBLE_MAX_BYTES) {
        return num_fail(e, ERR_LIMIT, text, "a number of at most 400 characters");
    }
    if (!is_double(text)) {
        return num_invalid(e, text, "a finite number like 25, 0.3 or 1e6");
    }
    char copy[DOUBLE_MAX_BYTES + 1];
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double value = num_strtod(copy);
    if (!isfinite(value)) {
        return num_invalid(e, text, "a number of at most about 1.8e308");
    }
    *out = value;
    return 0;
}

int num_sample(struct str text, double *out, struct err *e)
{
    struct str word = text;
    bool minus = num_take_minus(&word);
    if (str_eq_nocase(word, STR("nan"))) {
        *out = (double)NAN;
        return 0;
    }
    if (str_eq_nocase(word, STR("inf"))) {
        *out = minus ? -(double)INFINITY : (double)INFINITY;
        return 0;
    }
    return num_double(text, out, e);
}

/* How far an integer and a power of ten are exact in a double, so that one operation on them
 * rounds correctly (Clinger 1990). */
enum { EXACT_POWER = 22, EXACT_DIGITS = 19 /* that fit into 64 bits */ };
static const uint64_t EXACT_INTEGER = UINT64_C(1) << 53;
static const double POWERS[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* value / 10^power, rounded once: a quotient of 63 or 64 bits whose lowest one says whether
 * anything remained, which the conversion to a double then rounds. 0 < value; power at most 19. */
static double divide_exactly(uint64_t value, unsigned power)
{
    uint64_t divisor = 1;
    for (unsigned i = 0; i < power; i++) {
        divisor *= 10;
    }
    int shift = __builtin_clzll(value);
    int divisor_shift = __builtin_clzll(divisor);
    divisor <<= divisor_shift;
    __extension__ unsigned __int128 dividend = (__extension__(unsigned __int128) value << shift)
                                               << 63;
    uint64_t quotient = (uint64_t)(dividend / divisor);
    quotient |= dividend % divisor != 0 ? 1 : 0;
    uint64_t scale_bits = (uint64_t)(1023 + divisor_shift - shift - 63) << 52;
    double scale;
    memcpy(&scale, &scale_bits, sizeof(scale));
    return (double)quotient * scale;
}

/* Halfway between two doubles there are never more than 767 significant digits: behind them it
 * only matters whether any digit is not 0. */
enum { SIGNIFICANT_MAX = 780, EXPONENT_MAX = 100 * 1000 * 1000 };

/* A decimal's digits, with or without a point among them, as a double; false when it overflows. */
static bool float_slow(struct str digits, int64_t exponent, double *out)
{
    char text[SIGNIFICANT_MAX + NUM_TEXT_BYTES];
    size_t kept = 0;
    bool more = false;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        if (c == '.' || (kept == 0 && c == '0')) {
            continue;
        }
        if (kept < SIGNIFICANT_MAX) {
            text[kept++] = c;
        } else {
            more = more || c != '0';
            exponent++;
        }
    }
    if (more) {
        text[kept++] = '1';
        exponent--;
    }
    if (kept == 0) {
        text[kept++] = '0';
    }
    (void)fmt(text + kept, sizeof(text) - kept, "e%lld", (long long)exponent);
    *out = num_strtod(text);
    return isfinite(*out);
}

/* "e-5" and its like at p: moves *exponent and returns what is behind it; p if it is none. */
static const char *take_exponent(const char *p, const char *end, int64_t *exponent)
{
    if (p == end || (*p != 'e' && *p != 'E')) {
        return p;
    }
    const char *digits = p + 1;
    bool minus = digits < end && *digits == '-';
    if (digits < end && (*digits == '-' || *digits == '+')) {
        digits++;
    }
    const char *q = digits;
    int64_t value = 0;
    for (; q < end && char_is_digit(*q); q++) {
        value = value < EXPONENT_MAX ? value * 10 + (*q - '0') : value;
    }
    if (q == digits) {
        return p;
    }
    *exponent += minus ? -value : value;
    return q;
}

static size_t float_word(struct str word, bool sign, bool minus, double *out)
{
    static const struct str INFINITIES[] = {STR_INIT("infinity"), STR_INIT("inf")};
    static const uint64_t QUIET_NAN = UINT64_C(0x7ff8000000000001);

    for (size_t i = 0; i < sizeof(INFINITIES) / sizeof(INFINITIES[0]); i++) {
        if (str_eq_nocase(str_slice(word, 0, INFINITIES[i].len), INFINITIES[i])) {
            *out = minus ? -(double)INFINITY : (double)INFINITY;
            return INFINITIES[i].len;
        }
    }
    if (!sign && str_eq_nocase(str_slice(word, 0, 3), STR("nan"))) {
        memcpy(out, &QUIET_NAN, sizeof(*out));
        return 3;
    }
    return 0;
}

/* value × 10^exponent, the fastest way that is exact. `value` is meaningless where more than
 * EXACT_DIGITS of the digits written count. */
static bool float_of(struct str written, uint64_t value, ptrdiff_t digits, int64_t exponent,
                     double *out)
{
    for (size_t i = 0; digits > EXACT_DIGITS && i < written.len; i++) {
        if (written.ptr[i] != '0' && written.ptr[i] != '.') {
            return float_slow(written, exponent, out);
        }
        digits -= written.ptr[i] == '0' ? 1 : 0; /* at the front: it does not count */
    }
    if (exponent == 0) {
        *out = (double)value;
    } else if (value <= EXACT_INTEGER && exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
        *out = exponent < 0 ? (double)value / POWERS[-exponent] : (double)value * POWERS[exponent];
    } else if (value > 0 && exponent < 0 && exponent >= -EXACT_DIGITS) {
        *out = divide_exactly(value, (unsigned)-exponent);
    } else {
        return float_slow(written, exponent, out);
    }
    return true;
}

size_t num_float_prefix(struct str text, double *out)
{
    const char *p = text.ptr;
    const char *end = p + text.len;
    bool minus = p < end && *p == '-';
    bool sign = p < end && (*p == '-' || *p == '+');
    p += sign ? 1 : 0;

    const char *first = p;
    uint64_t value = 0; /* wraps around where there are too many digits */
    for (; p < end && (unsigned char)(*p - '0') < 10; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
    }
    ptrdiff_t digits = p - first;
    int64_t exponent = 0;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        for (; p < end && (unsigned char)(*p - '0') < 10; p++) {
            value = value * 10 + (uint64_t)(*p - '0');
        }
        digits += p - fraction;
        exponent = fraction - p;
    }
    if (digits == 0) {
        struct str word = {first, (size_t)(end - first)};
        size_t used = float_word(word, sign, minus, out);
        return used > 0 ? used + (size_t)(first - text.ptr) : 0;
    }
    struct str written = {first, (size_t)(p - first)};
    p = take_exponent(p, end, &exponent);

    double result;
    if (!float_of(written, value, digits, exponent, &result)) {
        return 0;
    }
    *out = minus ? -result : result;
    return (size_t)(p - text.ptr);
}

int num_bool(struct str text, bool *out, struct err *e)
{
    bool is_true = str_eq(text, STR("true"));
    if (!is_true && !str_eq(text, STR("false"))) {
        return num_invalid(e, text, "true or false");
    }
    *out = is_true;
    return 0;
}

bool num_take_decimal(struct str *s, struct num_decimal *out)
{
    *out = (struct num_decimal){.whole = num_take_while(s, char_is_digit)};
    if (num_take_char(s, '.')) {
        out->fraction = num_take_while(s, char_is_digit);
    }
    return out->whole.len + out->fraction.len > 0;
}

/* The i-th digit counted from the first one written; zeros stand on both sides. */
static uint64_t digit_at(const struct num_decimal *d, int64_t i)
{
    int64_t whole = (int64_t)d->whole.len;
    if (i < 0 || i >= whole + (int64_t)d->fraction.len) {
        return 0;
    }
    return (uint64_t)((i < whole ? d->whole.ptr[i] : d->fraction.ptr[i - whole]) - '0');
}

/* What stands behind the shifted point is multiplied by Horner's rule from the last
 * digit on: an inner remainder is there exactly when the result is no whole number. */
bool num_decimal_times(const struct num_decimal *d, int shift, uint64_t unit, uint64_t *out,
                       bool *inexact)
{
    int64_t digits = (int64_t)(d->whole.len + d->fraction.len);
    int64_t point = (int64_t)d->whole.len + shift;
    uint64_t value = 0;
    for (int64_t i = 0; i < point && (i < digits || value > 0); i++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, digit_at(d, i), &value)) {
            return false;
        }
    }
    __extension__ unsigned __int128 part = 0;
    for (int64_t i = digits; i > point && (i > 0 || part > 0); i--) {
        part += digit_at(d, i - 1) * (__extension__(unsigned __int128) unit);
        *inexact = *inexact || part % 10 != 0;
        part /= 10;
    }
    return !__builtin_mul_overflow(value, unit, &value) &&
           !__builtin_add_overflow(value, (uint64_t)part, out);
}
