/* Every parser of base/num.h on any bytes. What one accepts prints to text that parses to the same
 * value; what one refuses has a message and an untouched output. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "fuzz.h"

static const int64_t UNTOUCHED = INT64_C(-6148914691236517206);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void require_refused(const struct err *e, bool untouched)
{
    require(untouched && (e->code == ERR_INVALID || e->code == ERR_LIMIT) && e->text[0] != '\0');
}

/* 0 and -0 differ; every NaN is the same. */
static bool same_double(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b);
}

static void check_double(struct str text)
{
    struct err e = ERR_INIT;
    char printed[NUM_TEXT_BYTES];
    double finite = 0.5;
    double sample = 0.5;
    double again = 0;

    bool is_finite = num_double(text, &finite, &e) == 0;
    if (num_sample(text, &sample, &e) == 0) {
        require(num_sample(num_print_double(sample, printed), &again, &e) == 0);
        require(same_double(sample, again));
    } else {
        require_refused(&e, same_double(sample, 0.5));
    }
    if (is_finite) {
        require(isfinite(finite) && same_double(finite, sample));
    }
}

/* Where num_sample takes all of it, num_float_prefix gives the same, except for a sign on NaN. */
static void check_float(struct str text)
{
    struct err e = ERR_INIT;
    double sample = 0;
    double have = 0.5;

    size_t used = num_float_prefix(text, &have);
    require(used <= text.len && (used > 0 || have == 0.5));
    if (num_sample(text, &sample, &e) == 0 && !isnan(sample)) {
        require(used == text.len && same_double(have, sample));
    }
    if (used > 0) {
        double again = 0;
        require(num_float_prefix(str_slice(text, 0, used), &again) == used);
        require(same_double(have, again));
    }
}

static void check_int(struct str text)
{
    struct err e = ERR_INIT;
    int64_t value = UNTOUCHED;
    int64_t bounded = UNTOUCHED;

    if (num_int(text, INT64_MIN, INT64_MAX, &value, &e) != 0) {
        require_refused(&e, value == UNTOUCHED);
    }
    if (num_int(text, 1, 100, &bounded, &e) == 0) {
        require(bounded == value && value >= 1 && value <= 100);
    }
}

static void check_duration(struct str text)
{
    struct err e = ERR_INIT;
    char printed[NUM_TEXT_BYTES];
    int64_t value = UNTOUCHED;
    int64_t again = 0;

    if (num_duration_ms(text, &value, &e) != 0) {
        require_refused(&e, value == UNTOUCHED);
        return;
    }
    require(value >= 0);
    require(num_duration_ms(num_print_duration(value, printed), &again, &e) == 0);
    require(again == value);
}

static void check_quantity(struct str text)
{
    struct err e = ERR_INIT;
    int64_t value = UNTOUCHED;

    if (num_quantity_milli(text, &value, &e) != 0) {
        require_refused(&e, value == UNTOUCHED);
        return;
    }
    require(value >= 0);
}

static void check_time(struct str text)
{
    struct err e = ERR_INIT;
    char printed[NUM_TEXT_BYTES];
    int64_t value = UNTOUCHED;
    int64_t again = 0;

    if (num_time_ms(text, &value, &e) != 0) {
        require_refused(&e, value == UNTOUCHED);
        return;
    }
    require(num_time_ms(num_print_time(value, 3, printed), &again, &e) == 0);
    /* An offset can lead out of the years that have a printed form. */
    require(again == value || value < INT64_C(-62167219200000) || value > INT64_C(253402300799999));
}

/* The input's bytes as a value, so that printing meets values no text leads to. */
static void check_printing(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    char printed[NUM_TEXT_BYTES];
    double number;
    double number_again = 0;
    int64_t integer;

    if (size < sizeof(integer)) {
        return;
    }
    memcpy(&number, data, sizeof(number));
    memcpy(&integer, data, sizeof(integer));
    require(num_sample(num_print_double(number, printed), &number_again, &e) == 0);
    require(same_double(number, number_again));
    require(num_print_duration(integer, printed).len < NUM_TEXT_BYTES);
    require(num_print_time(integer, 6, printed).len < NUM_TEXT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct err e = ERR_INIT;
    bool flag = false;

    check_double(text);
    check_float(text);
    check_int(text);
    check_duration(text);
    check_quantity(text);
    check_time(text);
    if (num_bool(text, &flag, &e) != 0) {
        require_refused(&e, !flag);
    }
    check_printing(data, size);
    return 0;
}
