#include "base/num_internal.h"

enum { EXPONENT_MAX = 100000 }; /* larger exponents count as this one */

struct quantity_suffix {
    struct str name;
    int power; /* of 10, or of 2 when binary */
    bool binary;
};

static const struct quantity_suffix SUFFIXES[] = {
    {STR_INIT(""), 0, false},   {STR_INIT("n"), -9, false}, {STR_INIT("u"), -6, false},
    {STR_INIT("m"), -3, false}, {STR_INIT("k"), 3, false},  {STR_INIT("M"), 6, false},
    {STR_INIT("G"), 9, false},  {STR_INIT("T"), 12, false}, {STR_INIT("P"), 15, false},
    {STR_INIT("E"), 18, false}, {STR_INIT("Ki"), 10, true}, {STR_INIT("Mi"), 20, true},
    {STR_INIT("Gi"), 30, true}, {STR_INIT("Ti"), 40, true}, {STR_INIT("Pi"), 50, true},
    {STR_INIT("Ei"), 60, true},
};

/* "e3", "E-6": false when `s` is something else. */
static bool exponent_suffix(struct str s, int *power)
{
    if (!num_take_char(&s, 'e') && !num_take_char(&s, 'E')) {
        return false;
    }
    bool minus = num_take_minus(&s);
    struct str digits = num_take_while(&s, char_is_digit);
    if (digits.len == 0 || s.len > 0) {
        return false;
    }
    int value = 0;
    for (size_t i = 0; i < digits.len && value < EXPONENT_MAX; i++) {
        value = value * 10 + (digits.ptr[i] - '0');
    }
    if (value > EXPONENT_MAX) {
        value = EXPONENT_MAX;
    }
    *power = minus ? -value : value;
    return true;
}

static bool suffix_parse(struct str s, struct quantity_suffix *out)
{
    for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++) {
        if (str_eq(s, SUFFIXES[i].name)) {
            *out = SUFFIXES[i];
            return true;
        }
    }
    *out = (struct quantity_suffix){.name = s};
    return exponent_suffix(s, &out->power);
}

int num_quantity_milli(struct str text, int64_t *out_milli, struct err *e)
{
    struct str rest = text;
    if (num_take_minus(&rest)) {
        return num_invalid(e, text, "a quantity that is not negative");
    }
    struct num_decimal number;
    struct quantity_suffix suffix;
    if (!num_take_decimal(&rest, &number) || !suffix_parse(rest, &suffix)) {
        return num_invalid(e, text, "a quantity like 100m, 0.5, 1.5Gi or 2e3");
    }
    uint64_t unit = suffix.binary ? UINT64_C(1) << suffix.power : 1;
    int shift = suffix.binary ? 3 : suffix.power + 3;
    uint64_t milli = 0;
    bool cut = false;
    if (!num_decimal_times(&number, shift, unit, &milli, &cut) ||
        milli > (uint64_t)INT64_MAX - cut) {
        return num_fail(e, ERR_LIMIT, text, "a quantity of at most about 9.2P");
    }
    *out_milli = (int64_t)milli + cut;
    return 0;
}
