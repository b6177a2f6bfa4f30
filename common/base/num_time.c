/* RFC 3339 on the proleptic Gregorian calendar, by arithmetic: no time zone data, no libc time.
 *
 * Days count from 1970-01-01. Years are taken to begin in March, so that a leap day is the last
 * day of its year; 400 years have 146,097 days. Source: Howard Hinnant, "chrono-compatible
 * low-level date algorithms", days_from_civil and civil_from_days.
 */
#include "base/fmt.h"
#include "base/num_internal.h"

static const int64_t DAY_MS = INT64_C(24) * 3600 * 1000;
static const int64_t FIRST_MS = INT64_C(-62167219200000); /* 0000-01-01T00:00:00Z */
static const int64_t LAST_MS = INT64_C(253402300799999);  /* 9999-12-31T23:59:59.999Z */

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

struct str num_print_time(int64_t unix_ms, int digits, char out[NUM_TEXT_BYTES])
{
    if (unix_ms < FIRST_MS) {
        unix_ms = FIRST_MS;
    }
    if (unix_ms > LAST_MS) {
        unix_ms = LAST_MS;
    }
    int64_t days = unix_ms / DAY_MS - (unix_ms % DAY_MS < 0);
    int64_t ms = unix_ms - days * DAY_MS;
    int64_t year;
    int64_t month;
    int64_t day;
    civil_from_days(days, &year, &month, &day);
    char fraction[8] = "";
    if (digits > 0) {
        (void)fmt(fraction, sizeof(fraction), ".%03d%s", (int)(ms % 1000), digits > 3 ? "000" : "");
    }
    return fmt(out, NUM_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", (int)year, (int)month,
               (int)day, (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
               fraction);
}

/* Cut exactly `width` digits off the front of *s, within [min, max]. */
static bool take_number(struct str *s, size_t width, int64_t min, int64_t max, int64_t *out)
{
    if (s->len < width) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        if (!char_is_digit(s->ptr[i])) {
            return false;
        }
        value = value * 10 + (s->ptr[i] - '0');
    }
    *s = str_slice(*s, width, s->len);
    *out = value;
    return value >= min && value <= max;
}

static int64_t month_length(int64_t year, int64_t month)
{
    if (month == 2) {
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool take_date(struct str *s, int64_t *days)
{
    int64_t year;
    int64_t month;
    int64_t day;
    if (!take_number(s, 4, 0, 9999, &year) || !num_take_char(s, '-') ||
        !take_number(s, 2, 1, 12, &month) || !num_take_char(s, '-') ||
        !take_number(s, 2, 1, month_length(year, month), &day)) {
        return false;
    }
    *days = days_from_civil(year, month, day);
    return true;
}

/* ".123456": at least one digit; those behind the third are cut. */
static bool take_fraction(struct str *s, int64_t *ms)
{
    *ms = 0;
    if (!num_take_char(s, '.')) {
        return true;
    }
    int64_t weight = 100;
    int64_t digit;
    size_t before = s->len;
    while (s->len > 0 && char_is_digit(s->ptr[0])) {
        if (!take_number(s, 1, 0, 9, &digit)) {
            return false;
        }
        *ms += digit * weight;
        weight /= 10;
    }
    return s->len < before;
}

static bool take_clock(struct str *s, int64_t *ms)
{
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t fraction;
    if (!take_number(s, 2, 0, 23, &hour) || !num_take_char(s, ':') ||
        !take_number(s, 2, 0, 59, &minute) || !num_take_char(s, ':') ||
        !take_number(s, 2, 0, 59, &second) || !take_fraction(s, &fraction)) {
        return false;
    }
    *ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return true;
}

/* "Z" or "+05:30", as milliseconds to subtract. */
static bool take_offset(struct str *s, int64_t *ms)
{
    *ms = 0;
    if (num_take_char(s, 'Z') || num_take_char(s, 'z')) {
        return true;
    }
    bool west = s->len > 0 && s->ptr[0] == '-';
    int64_t hours;
    int64_t minutes;
    if ((!num_take_char(s, '+') && !num_take_char(s, '-')) || !take_number(s, 2, 0, 23, &hours) ||
        !num_take_char(s, ':') || !take_number(s, 2, 0, 59, &minutes)) {
        return false;
    }
    *ms = (hours * 60 + minutes) * 60000 * (west ? -1 : 1);
    return true;
}

int num_time_ms(struct str text, int64_t *out_unix_ms, struct err *e)
{
    struct str rest = text;
    int64_t days;
    int64_t clock_ms;
    int64_t offset_ms;
    if (!take_date(&rest, &days) || (!num_take_char(&rest, 'T') && !num_take_char(&rest, 't')) ||
        !take_clock(&rest, &clock_ms) || !take_offset(&rest, &offset_ms) || rest.len > 0) {
        return num_invalid(e, text, "a time like 2026-01-31T15:04:05Z");
    }
    *out_unix_ms = days * DAY_MS + clock_ms - offset_ms;
    return 0;
}
