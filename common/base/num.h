/* Numbers as Kubernetes and Prometheus write them. Locale-free, finite only unless said, no partial
 * parse: the whole view must be the number. ASCII digits only.
 */
#ifndef AMPSCALE_BASE_NUM_H
#define AMPSCALE_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { NUM_TEXT_BYTES = 32 }; /* room for any number or timestamp printed here, with the NUL */

/* Optional sign and digits. Errors: ERR_INVALID naming the text; ERR_LIMIT outside [min, max]. */
int num_int(struct str text, int64_t min, int64_t max, int64_t *out, struct err *e)
    __attribute__((warn_unused_result));

/* JSON's grammar plus a leading '+', ".5", "5." and any exponent case. Correctly rounded. An
 * overflowing literal (1e999), "NaN", "Inf" and hexadecimal are ERR_INVALID; more than 400
 * characters are ERR_LIMIT. */
int num_double(struct str text, double *out, struct err *e) __attribute__((warn_unused_result));

/* A sample value of Prometheus' HTTP API: as num_double, and "NaN", "+Inf", "-Inf" (any case,
 * optional sign), which come out as the IEEE values. */
int num_sample(struct str text, double *out, struct err *e) __attribute__((warn_unused_result));

/* The number at the front of `text`, as exposition formats write a sample's value: what Go's
 * strconv.ParseFloat takes, except hexadecimal and '_'. Decimal with any number of digits (leading
 * zeros, ".5" and "5." too) and an exponent; "Inf" and "Infinity" with or without a sign, "NaN"
 * without, in any case. Correctly rounded; NaN is always 0x7ff8000000000001. Returns the bytes it
 * used: what must follow them is the caller's to say. 0, and *out untouched: no number, or one that
 * overflows. Integers of up to 19 digits and most short decimals never leave this function. */
size_t num_float_prefix(struct str text, double *out);

/* "true" or "false", nothing else (no "yes", no "1", no capital). */
int num_bool(struct str text, bool *out, struct err *e) __attribute__((warn_unused_result));

/* A duration: Prometheus' form ("1h30m", "15s", "500ms", "1d", units in falling order, each once;
 * y w d h m s ms) and Go's with decimals ("1.5h", "0.5s"), at most ~292 years. Milliseconds; a
 * finer part is ERR_INVALID, as is a sign; a longer one is ERR_LIMIT. "15" without a unit is
 * ERR_INVALID and the text says «did you mean "15s"?». Sources: prometheus/common
 * model.ParseDuration; Go time.ParseDuration. */
int num_duration_ms(struct str text, int64_t *out_ms, struct err *e)
    __attribute__((warn_unused_result));

/* A Kubernetes quantity ("100m", "16Mi", "1.5", "2e3", suffixes n u m k M G T P E Ki Mi Gi Ti Pi
 * Ei) in thousandths, rounded up as apimachinery's MilliValue does. Negative is ERR_INVALID,
 * too large for int64 is ERR_LIMIT. Source: apimachinery pkg/api/resource/quantity.go. */
int num_quantity_milli(struct str text, int64_t *out_milli, struct err *e)
    __attribute__((warn_unused_result));

/* Decimal, "-9223372036854775808" at the longest. */
struct str num_print_int(int64_t value, char out[NUM_TEXT_BYTES]);

/* Short text that parses back to the same value: "25", "0.3", "1e+21" (some powers of two have one
 * digit more than they need). NaN, +Inf, -Inf as such. */
struct str num_print_double(double value, char out[NUM_TEXT_BYTES]);

/* The largest exact units: "15s", "1m30s", "500ms", "0s"; weeks and years only where nothing
 * remains. */
struct str num_print_duration(int64_t ms, char out[NUM_TEXT_BYTES]);

/* RFC 3339 in UTC. `digits` of the fraction: 0 (metav1.Time), 3, or 6 (metav1.MicroTime). What is
 * outside the years 0000 to 9999 prints as the nearest time inside. */
struct str num_print_time(int64_t unix_ms, int digits, char out[NUM_TEXT_BYTES]);

/* RFC 3339 with any fraction and offset → Unix milliseconds (finer digits are cut). No leap second:
 * neither Kubernetes nor Prometheus writes one. */
int num_time_ms(struct str text, int64_t *out_unix_ms, struct err *e)
    __attribute__((warn_unused_result));

#endif
