/* The collector's core alone: scrapes of the same series go in as text, requests come out, nobody
 * sends them. Beside it the least that sending could cost: a copy of the very same bytes, and
 * snappy over it. Prints nanoseconds of processor time a sample, medians over the rounds, memory,
 * and the ratio.
 *
 *     bench_core [METRICS [ROUNDS]]      METRICS of each kind, 13 series each (default 5000, 20)
 */
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/num.h"
#include "collector/lines.h"
#include "collector/outbox.h"
#include "collector/series.h"

enum { ROUNDS_MAX = 1000, BODY_BYTES_MAX = 1 << 30, SECOND_NS = 1000000000 };

enum phase { PARSE, TAKE, FINISH, REQUEST, LEAST, PHASES };

struct bench {
    int64_t metrics, rounds;
    struct series_table *table;
    struct outbox *outbox;
    struct buf body;
    struct exposition exposition;
    bool parse_only;
    size_t samples, plain_bytes, sent_bytes, requests;
    char *plain, *copy, *compressed; /* what LEAST copies and compresses */
    size_t plain_room;
    double ns[PHASES][ROUNDS_MAX];
};

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * SECOND_NS + (double)t.tv_nsec;
}

static void check(int status, const struct err *e)
{
    if (status != 0) {
        (void)fprintf(stderr, "bench_core: %s\n", e->text);
        exit(1);
    }
}

/* The mix of ADOT's own load generator, as in test/bench/collecting/exposition.py. */
static void write_body(struct bench *b, int64_t round)
{
    static const char *const BOUNDS[] = {"0.1", "0.5", "1", "+Inf"};
    static const char *const QUANTILES[] = {"0.5", "0.9", "0.99"};
    struct buf *body = &b->body;
    buf_reset(body);
    for (int64_t i = 0; i < b->metrics; i++) {
        char labels[128], number[NUM_TEXT_BYTES];
        long long id = (long long)i, count = id * 7 + round * (13 + id % 40);
        (void)snprintf(labels, sizeof(labels),
                       "region=\"eu-west-1\",shard=\"%lld\",datapoint_id=\"%lld\"", id % 16, id);
        struct str sum = num_print_double((double)count * 0.37123, number);
        buf_format(body, "load_counter_%lld_total{%s} %lld\nload_gauge_%lld{%s} %.*s\n", id, labels,
                   count, id, labels, STR_ARG(sum));
        for (size_t j = 0; j < 4; j++) {
            buf_format(body, "load_histogram_%lld_bucket{%s,le=\"%s\"} %lld\n", id, labels,
                       BOUNDS[j], count);
        }
        buf_format(body, "load_histogram_%lld_sum{%s} %.*s\nload_histogram_%lld_count{%s} %lld\n",
                   id, labels, STR_ARG(sum), id, labels, count);
        for (size_t j = 0; j < 3; j++) {
            buf_format(body, "load_summary_%lld{%s,quantile=\"%s\"} %.*s\n", id, labels,
                       QUANTILES[j], STR_ARG(sum));
        }
        buf_format(body, "load_summary_%lld_sum{%s} %.*s\nload_summary_%lld_count{%s} %lld\n", id,
                   labels, STR_ARG(sum), id, labels, count);
    }
}

static int take_line(void *context, struct str line, struct err *e)
{
    struct bench *b = context;
    enum exposition_line kind;
    struct exposed_sample sample;
    if (exposition_take(&b->exposition, line, &kind, &sample, e) != 0) {
        return -1;
    }
    if (kind == EXPOSITION_NOTHING || b->parse_only) {
        return 0;
    }
    return scrape_take(b->table, EXPOSITION_TEXT, &sample, e);
}

/* In pieces as a socket gives them. */
static double read_body(struct bench *b, bool parse_only)
{
    struct err e = ERR_INIT;
    struct lines lines;
    b->exposition = (struct exposition){.format = EXPOSITION_TEXT};
    b->parse_only = parse_only;
    lines_init(&lines, BODY_BYTES_MAX, take_line, b);
    double begin = now_ns();
    for (size_t at = 0; at < b->body.len; at += 16384) {
        check(lines_feed(&lines, str_slice(buf_view(&b->body), at, at + 16384), &e), &e);
    }
    check(lines_end(&lines, &e), &e);
    double took = now_ns() - begin;
    lines_free(&lines);
    return took;
}

/* The same bytes copied and compressed by who knows nothing of series. */
static double least(struct bench *b, const struct outbox_request *request)
{
    size_t size = request->plain_bytes, room = snappy_max_compressed_length(size);
    if (b->plain_room < size) {
        free(b->plain);
        free(b->copy);
        free(b->compressed);
        b->plain_room = size;
        b->plain = malloc(size);
        b->copy = malloc(size);
        b->compressed = malloc(room);
    }
    if (snappy_uncompress(request->body.ptr, request->body.len, b->plain, &size) != SNAPPY_OK) {
        (void)fprintf(stderr, "bench_core: not a snappy block\n");
        exit(1);
    }
    double begin = now_ns();
    memcpy(b->copy, b->plain, size);
    (void)snappy_compress(b->copy, size, b->compressed, &room);
    return now_ns() - begin;
}

static void send_all(struct bench *b, int64_t round)
{
    struct err e = ERR_INIT;
    struct outbox_request request;
    b->samples = b->plain_bytes = b->sent_bytes = b->requests = 0;
    for (;;) {
        double begin = now_ns();
        check(outbox_front(b->outbox, &request, &e), &e);
        b->ns[REQUEST][round] += now_ns() - begin;
        if (request.samples == 0) {
            return;
        }
        b->samples += request.samples;
        b->plain_bytes += request.plain_bytes;
        b->sent_bytes += request.body.len;
        b->requests++;
        b->ns[LEAST][round] += least(b, &request);
        begin = now_ns();
        outbox_sent(b->outbox, false);
        b->ns[REQUEST][round] += now_ns() - begin;
    }
}

static void run_round(struct bench *b, int64_t round)
{
    struct err e = ERR_INIT;
    struct series_counts counts;
    struct scrape_result result = {.up = true, .received = true, .duration_s = 0.1};
    write_body(b, round);
    b->ns[PARSE][round] = read_body(b, true);
    scrape_begin(b->table, 1700000000000 + round * 15000);
    b->ns[TAKE][round] = read_body(b, false) - b->ns[PARSE][round];
    double begin = now_ns();
    check(scrape_finish(b->table, &result, b->outbox, &counts, &e), &e);
    b->ns[FINISH][round] = now_ns() - begin;
    send_all(b, round);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Nanoseconds a sample; the first round, in which all is new, is told apart. */
static double median(struct bench *b, enum phase phase)
{
    double *ns = b->ns[phase] + 1;
    size_t count = (size_t)b->rounds - 1;
    qsort(ns, count, sizeof(*ns), by_value);
    return ns[count / 2] / (double)b->samples;
}

static void print_report(struct bench *b)
{
    static const char *const NAMES[PHASES] = {"parse", "look up and stage", "commit and sweep",
                                              "encode and compress", "copy and compress alone"};
    struct rusage used;
    double ns[PHASES], first = b->ns[TAKE][0] / (double)b->samples;
    for (int i = 0; i < PHASES; i++) {
        ns[i] = median(b, (enum phase)i);
    }
    double ours = ns[TAKE] + ns[FINISH] + ns[REQUEST];
    (void)getrusage(RUSAGE_SELF, &used);
    (void)printf("ratio %.2f: table, encoding and snappy %.0f ns a sample, copying and snappy of "
                 "the same bytes %.0f\n",
                 ours / ns[LEAST], ours, ns[LEAST]);
    for (int i = 0; i < PHASES; i++) {
        (void)printf("  %-24s %6.0f ns a sample\n", NAMES[i], ns[i]);
    }
    (void)printf("  %-24s %6.0f ns a sample, once\n", "a new series", first);
    (void)printf("  a scrape: %zu samples, %zu requests, %.1f MB plain, %.2f MB sent, %.1f ms\n",
                 b->samples, b->requests, (double)b->plain_bytes / 1e6, (double)b->sent_bytes / 1e6,
                 (ours + ns[PARSE]) * (double)b->samples / 1e6);
    (void)printf("  table %.2f MiB, largest resident set %.1f MiB (with the bodies and copies)\n",
                 (double)series_table_bytes(b->table) / (1 << 20), (double)used.ru_maxrss / 1024);
}

static void make(struct bench *b)
{
    static const struct series_label SHARED[] = {
        {STR_INIT("job"), STR_INIT("checkout")},
        {STR_INIT("instance"), STR_INIT("10.42.117.231:8080")},
        {STR_INIT("namespace"), STR_INIT("shop")},
        {STR_INIT("pod"), STR_INIT("checkout-7d9f8b6c5d-x2x7k")},
        {STR_INIT("container"), STR_INIT("checkout")},
        {STR_INIT("node"), STR_INIT("ip-10-42-117-12.eu-west-1.compute.internal")},
        {STR_INIT("deployment"), STR_INIT("checkout")},
    };
    struct err e = ERR_INIT;
    struct series_options options = {
        .shared = SHARED,
        .shared_count = sizeof(SHARED) / sizeof(SHARED[0]),
        .limits = {150, 7168, 2000000, (size_t)1 << 30},
        .seed = 42,
    };
    struct outbox_limits limits = {(size_t)64 << 20, 3300000, 2000, 900000};
    check(series_table_new(&options, &b->table, &e), &e);
    check(outbox_new(&limits, b->table, &b->outbox, &e), &e);
    buf_init(&b->body, BODY_BYTES_MAX);
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    struct bench *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return 1;
    }
    b->metrics = 5000;
    b->rounds = 20;
    check(argc > 1 ? num_int(str_from(argv[1]), 1, 1000000, &b->metrics, &e) : 0, &e);
    check(argc > 2 ? num_int(str_from(argv[2]), 2, ROUNDS_MAX, &b->rounds, &e) : 0, &e);
    make(b);
    for (int64_t round = 0; round < b->rounds; round++) {
        run_round(b, round);
    }
    print_report(b);
    outbox_free(b->outbox);
    series_table_free(b->table);
    buf_free(&b->body);
    free(b->plain);
    free(b->copy);
    free(b->compressed);
    free(b);
    return 0;
}
