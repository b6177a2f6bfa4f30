#include "collector/own.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"

enum own_metric {
    OWN_SAMPLES_SENT,
    OWN_DROPPED_FULL,
    OWN_DROPPED_OLD,
    OWN_DROPPED_REFUSED,
    OWN_DROPPED_LABELS,
    OWN_DROPPED_LENGTH,
    OWN_DROPPED_DUPLICATE,
    OWN_DROPPED_ORDER,
    OWN_REQUESTS,
    OWN_REQUESTS_FAILED,
    OWN_BUFFER,
    OWN_CPU,
    OWN_MEMORY,
    OWN_COUNT,
};

struct own_row {
    struct str series;
    const char *name, *type, *help;
    bool only_once_happened;
};

#define DROPPED_NAME "ampscale_collector_samples_dropped_total"
#define DROPPED_HELP "Samples that were never taken by the receiver, by reason."
/* clang-format off */
#define DROPPED(reason)                                                                            \
    {STR_INIT(DROPPED_NAME "{reason=\"" reason "\"}"), DROPPED_NAME, "counter", DROPPED_HELP, true}
/* clang-format on */

static const struct own_row rows[OWN_COUNT] = {
    [OWN_SAMPLES_SENT] = {STR_INIT("ampscale_collector_samples_sent_total"),
                          "ampscale_collector_samples_sent_total", "counter",
                          "Samples that the receiver took.", false},
    [OWN_DROPPED_FULL] = DROPPED("buffer_full"),
    [OWN_DROPPED_OLD] = DROPPED("too_old"),
    [OWN_DROPPED_REFUSED] = DROPPED("refused"),
    [OWN_DROPPED_LABELS] = DROPPED("too_many_labels"),
    [OWN_DROPPED_LENGTH] = DROPPED("labels_too_long"),
    [OWN_DROPPED_DUPLICATE] = DROPPED("duplicate"),
    [OWN_DROPPED_ORDER] = DROPPED("out_of_order"),
    [OWN_REQUESTS] = {STR_INIT("ampscale_collector_requests_total"),
                      "ampscale_collector_requests_total", "counter",
                      "Remote writes sent, each attempt counted.", false},
    [OWN_REQUESTS_FAILED] = {STR_INIT("ampscale_collector_requests_failed_total"),
                             "ampscale_collector_requests_failed_total", "counter",
                             "Remote writes that were not answered by success.", false},
    [OWN_BUFFER] = {STR_INIT("ampscale_collector_buffer_bytes"), "ampscale_collector_buffer_bytes",
                    "gauge", "Bytes of samples that wait to be sent.", false},
    [OWN_CPU] = {STR_INIT("ampscale_collector_cpu_seconds_total"),
                 "ampscale_collector_cpu_seconds_total", "counter",
                 "CPU time of the collector, user and system.", false},
    [OWN_MEMORY] = {STR_INIT("ampscale_collector_resident_memory_bytes"),
                    "ampscale_collector_resident_memory_bytes", "gauge",
                    "Resident memory of the collector.", false},
};

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? seconds(usage.ru_utime) + seconds(usage.ru_stime)
                                               : 0;
}

/* The second number of /proc/self/statm, in pages; 0 where /proc is hidden. */
static double resident_bytes(void)
{
    char text[128];
    int64_t pages = 0;
    struct err ignored;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    struct str rest = {text, n > 0 ? (size_t)n : 0};
    (void)str_cut(rest, ' ', &rest);
    const struct str word = str_cut(rest, ' ', &rest);
    return num_int(word, 0, INT64_MAX, &pages, &ignored) == 0
               ? (double)pages * (double)sysconf(_SC_PAGESIZE)
               : 0;
}

static void collect(const struct own_counts *counts, const struct outbox *outbox,
                    double values[OWN_COUNT])
{
    values[OWN_SAMPLES_SENT] = (double)counts->samples_sent;
    values[OWN_DROPPED_FULL] = (double)outbox_dropped(outbox, OUTBOX_FULL);
    values[OWN_DROPPED_OLD] = (double)outbox_dropped(outbox, OUTBOX_TOO_OLD);
    values[OWN_DROPPED_REFUSED] = (double)outbox_dropped(outbox, OUTBOX_REFUSED);
    values[OWN_DROPPED_LABELS] = (double)counts->not_sent[SERIES_TOO_MANY_LABELS];
    values[OWN_DROPPED_LENGTH] = (double)counts->not_sent[SERIES_LABELS_TOO_LONG];
    values[OWN_DROPPED_DUPLICATE] = (double)counts->not_sent[SERIES_DUPLICATE];
    values[OWN_DROPPED_ORDER] = (double)counts->not_sent[SERIES_OUT_OF_ORDER];
    values[OWN_REQUESTS] = (double)counts->requests;
    values[OWN_REQUESTS_FAILED] = (double)counts->requests_failed;
    values[OWN_BUFFER] = (double)outbox_bytes(outbox);
    values[OWN_CPU] = cpu_seconds();
    values[OWN_MEMORY] = resident_bytes();
}

static bool shows(enum own_metric i, const double values[OWN_COUNT])
{
    return !rows[i].only_once_happened || values[i] > 0;
}

int own_add(struct series_table *table, const struct own_counts *counts,
            const struct outbox *outbox, struct err *e)
{
    double values[OWN_COUNT];
    collect(counts, outbox, values);
    for (enum own_metric i = 0; i < OWN_COUNT; i++) {
        if (shows(i, values) && scrape_add_own(table, rows[i].series, values[i], e) != 0) {
            return -1;
        }
    }
    return 0;
}

void own_print(const struct own_counts *counts, const struct outbox *outbox, struct buf *out)
{
    double values[OWN_COUNT];
    const char *last = "";
    collect(counts, outbox, values);
    for (enum own_metric i = 0; i < OWN_COUNT; i++) {
        char text[NUM_TEXT_BYTES];
        const struct own_row *row = &rows[i];
        if (!shows(i, values)) {
            continue;
        }
        if (!str_eq(str_from(last), str_from(row->name))) {
            buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                       row->type);
            last = row->name;
        }
        buf_format(out, "%.*s %.*s\n", STR_ARG(row->series),
                   STR_ARG(num_print_double(values[i], text)));
    }
}
