/* ampscale-collector: flags, the two questions to a running one, and its life (collector.c). */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/num.h"
#include "collector/allowance.h"
#include "collector/ask.h"
#include "collector/collector.h"
#include "net/common_flags.h"
#include "net/file.h"

enum {
    LABELS_MAX = FLAG_LIST_MAX + 2,
    CHECK_TIMEOUT_MS = 2000,
    FINAL_TIMEOUT_MS = 5000,
    REQUEST_SAMPLES = 2000,
    REQUEST_BYTES = 900000,
    /* AMP's quotas: 150 labels a series, 7 KiB of them. */
    SERIES_LABELS = 150,
    SERIES_LABEL_BYTES = 7 << 10,
    SAMPLE_LIMIT = 100000,
    /* Snappy works in 172 KiB, for each request anew: not mapped and trimmed away each time. */
    MAPPED_BYTES = 256 << 10,
    TRIM_BYTES = 512 << 10,
};

static const struct program PROGRAM = {
    .name = "ampscale-collector",
    .about = "Scrapes the metrics of one target and writes them to Amazon Managed Service for "
             "Prometheus, or to another receiver of Prometheus' remote write 1.0.",
};

struct collector_flags {
    struct common_flags common;
    struct str target, remote_write_url, scrape_ca_file, metrics_listen;
    struct str body_limit, buffer, memory_limit;
    struct flag_list labels, keep, match;
    int64_t interval_ms, timeout_ms, buffer_age_ms, shutdown_timeout_ms, sample_limit;
    bool scrape_insecure, own_metrics, check, final_scrape;
};

enum { SCRAPE_ROWS = 10, LIFE_ROWS = 9 };

static void scrape_rows(struct collector_flags *f, struct flag rows[SCRAPE_ROWS])
{
    const struct flag set[SCRAPE_ROWS] = {
        {.name = "target",
         .kind = FLAG_STR,
         .out = &f->target,
         .argument = "URL",
         .help = "What is scraped: http(s)://host:port/path.",
         .required = true},
        {.name = "interval",
         .kind = FLAG_DURATION,
         .out = &f->interval_ms,
         .argument = "DURATION",
         .default_text = "15s",
         .help = "From one scrape to the next.",
         .min = 100,
         .max = 3600000},
        {.name = "timeout",
         .kind = FLAG_DURATION,
         .out = &f->timeout_ms,
         .argument = "DURATION",
         .default_text = "10s",
         .help = "How long a scrape may take, connecting included; never more than the interval.",
         .min = 10,
         .max = 3600000},
        {.name = "label",
         .kind = FLAG_LIST,
         .out = &f->labels,
         .argument = "NAME=VALUE",
         .default_text = "instance=host:port of the target, job=ampscale-collector",
         .help = "Label of every series. An empty value leaves the label out."},
        {.name = "keep",
         .kind = FLAG_LIST,
         .out = &f->keep,
         .argument = "GLOB",
         .default_text = "all",
         .help = "Names of metrics that are kept."},
        {.name = "match",
         .kind = FLAG_LIST,
         .out = &f->match,
         .argument = "SELECTOR",
         .help = "PromQL selector of series that are kept, beside those of --keep."},
        {.name = "sample-limit",
         .kind = FLAG_INT,
         .out = &f->sample_limit,
         .argument = "N",
         .default_text = "100000",
         .help = "Samples of a scrape, before --keep; with more the scrape fails.",
         .min = 1,
         .max = 10000000},
        {.name = "body-limit",
         .kind = FLAG_STR,
         .out = &f->body_limit,
         .argument = "BYTES",
         .default_text = "64Mi",
         .help = "Size of a scrape, decompressed; with more the scrape fails."},
        {.name = "scrape-insecure",
         .kind = FLAG_BOOL,
         .out = &f->scrape_insecure,
         .help = "Scrape over https without verifying the target's certificate."},
        {.name = "scrape-ca-file",
         .kind = FLAG_STR,
         .out = &f->scrape_ca_file,
         .argument = "FILE",
         .default_text = "the system's",
         .help = "PEM bundle that the target's certificate must chain to."},
    };
    memcpy(rows, set, sizeof(set));
}

static void life_rows(struct collector_flags *f, struct flag rows[LIFE_ROWS])
{
    const struct flag set[LIFE_ROWS] = {
        {.name = "remote-write-url",
         .kind = FLAG_STR,
         .out = &f->remote_write_url,
         .argument = "URL",
         .help = "Exact URL of the remote write, instead of --endpoint or --workspace."},
        {.name = "buffer",
         .kind = FLAG_STR,
         .out = &f->buffer,
         .argument = "BYTES",
         .default_text = "8Mi, at most an eighth of the memory limit",
         .help = "Memory for samples that wait to be sent; beyond it the oldest are dropped."},
        {.name = "memory-limit",
         .kind = FLAG_STR,
         .out = &f->memory_limit,
         .argument = "BYTES",
         .default_text = "the container's",
         .help = "What the process may use in all; with more series than fit a scrape fails."},
        {.name = "buffer-age",
         .kind = FLAG_DURATION,
         .out = &f->buffer_age_ms,
         .argument = "DURATION",
         .default_text = "55m",
         .help = "How long samples wait to be sent; older ones are dropped. AMP takes 1h.",
         .min = 1000,
         .max = 86400000},
        {.name = "shutdown-timeout",
         .kind = FLAG_DURATION,
         .out = &f->shutdown_timeout_ms,
         .argument = "DURATION",
         .default_text = "5s",
         .help = "How long to go on sending what waits after SIGTERM or SIGINT.",
         .min = 0,
         .max = 600000},
        {.name = "metrics-listen",
         .kind = FLAG_STR,
         .out = &f->metrics_listen,
         .argument = "ADDR:PORT",
         .default_text = "nowhere",
         .help = "Loopback address where its own /metrics are served as well."},
        {.name = "own-metrics",
         .kind = FLAG_BOOL,
         .out = &f->own_metrics,
         .default_text = "true",
         .help = "Send ampscale_collector_* with each scrape."},
        {.name = "check",
         .kind = FLAG_BOOL,
         .out = &f->check,
         .help = "Ask the running collector of this target whether it is alive, and exit 0 or 1."},
        {.name = "final-scrape",
         .kind = FLAG_BOOL,
         .out = &f->final_scrape,
         .help = "Have the running collector of this target scrape and send once more, wait up to "
                 "5s for it, and exit 0."},
    };
    memcpy(rows, set, sizeof(set));
}

static int parse_flags(struct collector_flags *f, int argc, char *const argv[])
{
    struct flag rows[SCRAPE_ROWS + LIFE_ROWS];
    *f = (struct collector_flags){.body_limit = STR("64Mi"),
                                  .interval_ms = 15000,
                                  .timeout_ms = 10000,
                                  .buffer_age_ms = INT64_C(55) * 60000,
                                  .shutdown_timeout_ms = 5000,
                                  .sample_limit = SAMPLE_LIMIT,
                                  .own_metrics = true};
    scrape_rows(f, rows);
    life_rows(f, rows + SCRAPE_ROWS);
    return common_start(&PROGRAM, rows, SCRAPE_ROWS + LIFE_ROWS, COMMON_QUERY | COMMON_AWS,
                        &f->common, argc, argv);
}

/* ---- flags → options ---- */

static int bytes_of(const char *flag, struct str text, int64_t min, int64_t max, int64_t *out,
                    struct err *e)
{
    int64_t milli = 0;
    if (num_quantity_milli(text, &milli, e) != 0) {
        return err_prefix(e, "--%s", flag);
    }
    const int64_t bytes = milli / 1000;
    if (bytes < min || bytes > max) {
        return err_set(e, ERR_INVALID, "--%s \"%.*s\": expected %lld to %lld bytes, as in 8Mi",
                       flag, STR_ARG(text), (long long)min, (long long)max);
    }
    *out = bytes;
    return 0;
}

/* Set or replace; an empty value stays as one, and the table leaves such labels out. */
static void set_label(struct series_label labels[LABELS_MAX], size_t *count, struct str name,
                      struct str value)
{
    size_t i = 0;
    while (i < *count && !str_eq(labels[i].name, name)) {
        i++;
    }
    labels[i] = (struct series_label){.name = name, .value = value};
    *count += i == *count;
}

static int make_labels(const struct collector_flags *f, const struct target *target,
                       struct series_label labels[LABELS_MAX], size_t *count, struct err *e)
{
    *count = 0;
    set_label(labels, count, STR("instance"), str_from(target->instance));
    set_label(labels, count, STR("job"), STR("ampscale-collector"));
    for (size_t i = 0; i < f->labels.count; i++) {
        struct str value;
        const struct str name = str_cut(f->labels.items[i], '=', &value);
        if (value.ptr == NULL || name.len == 0) {
            return err_set(e, ERR_INVALID, "--label \"%.*s\": expected NAME=VALUE",
                           STR_ARG(str_slice(f->labels.items[i], 0, 200)));
        }
        set_label(labels, count, name, value);
    }
    return 0;
}

/* Nothing listens where another pod could reach it. */
static int check_loopback(struct str address, struct err *e)
{
    static const struct str loopback[] = {STR_INIT("127."), STR_INIT("[::1]:"),
                                          STR_INIT("localhost:")};
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        if (address.len == 0 || str_starts(address, loopback[i])) {
            return 0;
        }
    }
    return err_set(e, ERR_INVALID,
                   "--metrics-listen \"%.*s\": expected a loopback address, as in "
                   "127.0.0.1:9100",
                   STR_ARG(str_slice(address, 0, 200)));
}

/* The container's limit: its cgroup is the root of what it sees. 0: none. */
static uint64_t container_limit(void)
{
    static const char *const paths[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    uint64_t limit = 0;
    for (size_t i = 0; limit == 0 && i < sizeof paths / sizeof paths[0]; i++) {
        struct buf text;
        struct err ignored;
        buf_init(&text, 64);
        if (file_read(paths[i], &text, &ignored) == 0) {
            limit = allowance_cgroup(buf_view(&text));
        }
        buf_free(&text);
    }
    return limit;
}

static int make_limits(const struct collector_flags *f, struct collector_options *o, struct err *e)
{
    int64_t body = 0, buffer = 0, limit = 0;
    if (bytes_of("body-limit", f->body_limit, 1024, INT64_C(1) << 40, &body, e) != 0 ||
        (f->buffer.ptr != NULL &&
         bytes_of("buffer", f->buffer, 64 << 10, INT64_C(1) << 30, &buffer, e) != 0) ||
        (f->memory_limit.ptr != NULL &&
         bytes_of("memory-limit", f->memory_limit, 1 << 20, INT64_C(1) << 40, &limit, e) != 0)) {
        return -1;
    }
    const struct allowance a =
        allowance_of(limit > 0 ? (uint64_t)limit : container_limit(), (uint64_t)buffer);
    o->body_max_bytes = (uint64_t)body;
    o->series = (struct series_limits){.labels_max = SERIES_LABELS,
                                       .label_bytes_max = SERIES_LABEL_BYTES,
                                       .samples_max = (size_t)f->sample_limit,
                                       .table_bytes_max = a.table_bytes};
    o->outbox = (struct outbox_limits){.bytes_max = a.buffer_bytes,
                                       .age_max_ms = f->buffer_age_ms,
                                       .request_samples = REQUEST_SAMPLES,
                                       .request_bytes = REQUEST_BYTES};
    return 0;
}

static int make_options(const struct collector_flags *f, struct collector_options *o,
                        struct series_label labels[LABELS_MAX], struct err *e)
{
    const char *const ca_file = common_text(f->common.ca_file);
    o->target_url = f->target.ptr;
    o->interval_ms = f->interval_ms;
    o->timeout_ms = f->timeout_ms < f->interval_ms ? f->timeout_ms : f->interval_ms;
    o->shutdown_timeout_ms = f->shutdown_timeout_ms;
    o->labels = labels;
    o->keep = &f->keep;
    o->match = &f->match;
    o->own_metrics = f->own_metrics;
    o->metrics_listen = common_text(f->metrics_listen);
    o->target_tls = (struct http_tls){.ca_file = common_text(f->scrape_ca_file),
                                      .insecure = f->scrape_insecure,
                                      .trust_hint = "--scrape-ca-file"};
    o->remote_tls = (struct http_tls){.ca_file = ca_file, .trust_hint = "--ca-file"};
    return make_limits(f, o, e) != 0 || check_loopback(f->metrics_listen, e) != 0 ||
                   make_labels(f, &o->target, labels, &o->label_count, e) != 0
               ? -1
               : destination_find(&f->common, f->remote_write_url, &o->destination, e);
}

/* ---- what it is called for ---- */

static void say(struct str text)
{
    char line[ASK_ANSWER_BYTES + 256];
    const struct str out = fmt(line, sizeof line, "%.*s\n", STR_ARG(text));
    if (write(STDOUT_FILENO, out.ptr, out.len) < 0) {
        return; /* nobody reads it */
    }
}

static int run_check(const struct target *target)
{
    struct err e = ERR_INIT;
    char answer[ASK_ANSWER_BYTES];
    const int result = ask(target->socket_name, ASK_CHECK, CHECK_TIMEOUT_MS, answer, &e);
    say(str_from(result == 0 ? answer : e.text));
    return result == 0 ? 0 : 1;
}

/* A hook that fails would only make an event of what is no harm. Nothing is lost by not waiting for
 * longer, for the collector goes on; but a pod whose app is gone would wait to be gone, too. */
static int run_final_scrape(const struct target *target)
{
    struct err e = ERR_INIT;
    char answer[ASK_ANSWER_BYTES];
    const int result = ask(target->socket_name, ASK_FINAL_SCRAPE, FINAL_TIMEOUT_MS, answer, &e);
    say(str_from(result == 0 ? answer : e.text));
    return 0;
}

/* One arena for all threads (libcurl resolves names in one), and large blocks mapped, so that what
 * a peak took goes back. */
static void keep_memory_small(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

static int run(const struct collector_flags *f, const struct collector_options *options)
{
    struct collector_options o = *options;
    struct logger log;
    char user_agent[64];
    common_logger(&f->common, &PROGRAM, &log);
    o.log = &log;
    o.user_agent = common_user_agent(&PROGRAM, user_agent, sizeof user_agent);
    o.aws = common_aws_options(&f->common, &log);
    if (o.aws.region.len == 0) { /* STS is the one of the region that is written to */
        o.aws.region = str_from(o.destination.region);
    }
    return collector_run(&o);
}

int main(int argc, char *argv[])
{
    struct collector_flags f;
    struct collector_options o = {.own_metrics = true};
    struct series_label labels[LABELS_MAX];
    struct err e = ERR_INIT;
    keep_memory_small();
    const int status = parse_flags(&f, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (target_parse(f.target, &o.target, &e) != 0) {
        (void)err_prefix(&e, "--target");
        return common_usage_error(&PROGRAM, &e);
    }
    if (f.check || f.final_scrape) {
        return f.check ? run_check(&o.target) : run_final_scrape(&o.target);
    }
    if (make_options(&f, &o, labels, &e) != 0) {
        return common_usage_error(&PROGRAM, &e);
    }
    return run(&f, &o);
}
