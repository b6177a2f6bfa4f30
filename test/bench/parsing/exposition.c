/* What reading a scrape costs, per byte: the collector's parser over a body of 65,000 series,
 * beside a plain loop of memchr over its lines, in one run.
 *
 *     bench_exposition [SERIES [ROUNDS]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "collector/exposition.h"
#include "collector/lines.h"

enum { BODY_MAX = 1 << 30, PIECE_BYTES = 16 << 10, SERIES_EACH = 13, SECOND_NS = 1000000000 };

/* What a loop made of the body, so that none is left out: lines, samples, and a sum. */
struct sum {
    struct exposition at;
    struct buf scratch;
    uint64_t lines, samples, labels;
    double values;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench_exposition: %s\n", what);
    exit(1);
}

/* Counters, gauges, histograms and summaries in equal numbers: the mix of ADOT's load generator.
 * Half of the values are fractions of 16 or 17 digits. */
static void write_family(struct buf *b, unsigned i)
{
    static const char *const BOUNDS[] = {"0.1", "0.5", "1", "+Inf"};
    static const char *const QUANTILES[] = {"0.5", "0.9", "0.99"};
    char labels[128];
    char value[NUM_TEXT_BYTES];
    double fraction = (double)(i * 2654435761u) / 4294967296.0 / 3;

    (void)snprintf(labels, sizeof(labels), "region=\"eu-west-1\",shard=\"%u\",datapoint_id=\"%u\"",
                   i % 16, i);
    struct str number = num_print_double(fraction, value);
    buf_format(b, "# HELP load_counter_%u_total Made up by the load.\n", i);
    buf_format(b, "# TYPE load_counter_%u_total counter\n", i);
    buf_format(b, "load_counter_%u_total{%s} %u\n", i, labels, i * 7);
    buf_format(b, "# TYPE load_gauge_%u gauge\n", i);
    buf_format(b, "load_gauge_%u{%s} %.*s\n", i, labels, STR_ARG(number));
    buf_format(b, "# TYPE load_histogram_%u histogram\n", i);
    for (size_t k = 0; k < 4; k++) {
        buf_format(b, "load_histogram_%u_bucket{%s,le=\"%s\"} %zu\n", i, labels, BOUNDS[k], k * 11);
    }
    buf_format(b, "load_histogram_%u_sum{%s} %.*s\n", i, labels, STR_ARG(number));
    buf_format(b, "load_histogram_%u_count{%s} 33\n", i, labels);
    buf_format(b, "# TYPE load_summary_%u summary\n", i);
    for (size_t k = 0; k < 3; k++) {
        buf_format(b, "load_summary_%u{%s,quantile=\"%s\"} %.*s\n", i, labels, QUANTILES[k],
                   STR_ARG(number));
    }
    buf_format(b, "load_summary_%u_sum{%s} %.*s\n", i, labels, STR_ARG(number));
    buf_format(b, "load_summary_%u_count{%s} 33\n", i, labels);
}

static void find_lines(struct str body, struct sum *sum)
{
    while (body.len > 0) {
        size_t end = str_find_char(body, '\n');
        sum->lines++;
        body = str_slice(body, end + 1, body.len);
    }
}

static int take(void *context, struct str line, struct err *e)
{
    struct sum *sum = context;
    enum exposition_line kind;
    struct exposed_sample s;

    if (exposition_take(&sum->at, line, &kind, &s, e) != 0) {
        return -1;
    }
    sum->lines++;
    if (kind == EXPOSITION_SAMPLE) {
        sum->samples++;
        sum->values += s.value;
    }
    return 0;
}

static int take_labels(void *context, struct str line, struct err *e)
{
    struct sum *sum = context;
    enum exposition_line kind;
    struct exposed_sample s;
    struct exposed_series series;

    if (exposition_take(&sum->at, line, &kind, &s, e) != 0) {
        return -1;
    }
    sum->lines++;
    if (kind == EXPOSITION_SAMPLE) {
        buf_reset(&sum->scratch);
        if (exposition_labels(sum->at.format, s.series, &sum->scratch, &series, e) != 0) {
            return -1;
        }
        sum->samples++;
        sum->labels += series.label_count;
    }
    return 0;
}

static void read_body(struct str body, lines_take_fn *each, struct sum *sum)
{
    struct lines lines;
    struct err e = ERR_INIT;

    lines_init(&lines, BODY_MAX, each, sum);
    for (size_t at = 0; at < body.len; at += PIECE_BYTES) {
        if (lines_feed(&lines, str_slice(body, at, at + PIECE_BYTES), &e) != 0) {
            fail(e.text);
        }
    }
    if (lines_end(&lines, &e) != 0) {
        fail(e.text);
    }
    lines_free(&lines);
}

static double processor_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * SECOND_NS + (double)now.tv_nsec;
}

/* The best of so many rounds, in processor time. */
static double best_ns(struct str body, lines_take_fn *each, int64_t rounds, struct sum *sum)
{
    double best = 0;
    for (int64_t i = 0; i < rounds; i++) {
        buf_free(&sum->scratch);
        *sum = (struct sum){.at = {.format = EXPOSITION_TEXT}};
        buf_init(&sum->scratch, BODY_MAX);
        double start = processor_ns();
        if (each == NULL) {
            find_lines(body, sum);
        } else {
            read_body(body, each, sum);
        }
        double took = processor_ns() - start;
        best = i == 0 || took < best ? took : best;
    }
    buf_free(&sum->scratch);
    return best;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        lines_take_fn *each;
    } LOOPS[] = {
        {"lines by memchr", NULL},
        {"known series", take},
        {"new series", take_labels},
    };
    int64_t series = 65000;
    int64_t rounds = 20;
    struct err e = ERR_INIT;
    struct buf body;
    double base = 0;

    if ((argc > 1 && num_int(str_from(argv[1]), SERIES_EACH, 4000000, &series, &e) != 0) ||
        (argc > 2 && num_int(str_from(argv[2]), 1, 100000, &rounds, &e) != 0)) {
        fail(e.text);
    }
    buf_init(&body, BODY_MAX);
    for (unsigned i = 0; i < series / SERIES_EACH; i++) {
        write_family(&body, i);
    }
    if (buf_check(&body, &e) != 0) {
        fail(e.text);
    }
    printf("%zu bytes, the best of %" PRId64 " rounds\n", body.len, rounds);
    for (size_t i = 0; i < sizeof(LOOPS) / sizeof(LOOPS[0]); i++) {
        struct sum sum = {0};
        double ns = best_ns(buf_view(&body), LOOPS[i].each, rounds, &sum);
        base = i == 0 ? ns : base;
        printf("%-16s %6.1f times memchr  %6.0f MB/s  %5.1f ns a line  %6.2f ms  (%" PRIu64
               " lines, %" PRIu64 " samples)\n",
               LOOPS[i].name, ns / base, (double)body.len * 1e3 / ns, ns / (double)sum.lines,
               ns / 1e6, sum.lines, sum.samples);
    }
    buf_free(&body);
    return 0;
}
