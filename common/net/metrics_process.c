#include "net/metrics_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"

enum { STAT_BYTES = 65536 };

/* Fields of /proc/self/stat counted from the one after the command name. Source: proc(5). */
enum { FIELD_START_TICKS = 19, FIELD_VIRTUAL_BYTES = 20, FIELD_RESIDENT_PAGES = 21 };

static struct str read_proc(const char *path, char *out, size_t size)
{
    size_t len = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && len < size) {
        const ssize_t n = read(fd, out + len, size - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return (struct str){out, len};
}

static void print(struct buf *out, const char *name, const char *type, const char *help,
                  double value)
{
    char text[NUM_TEXT_BYTES];
    const struct str number = num_print_double(value, text);
    buf_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %.*s\n", name, help, name, type, name,
               STR_ARG(number));
}

static bool stat_field(struct str stat, int field, int64_t *out)
{
    struct err e = ERR_INIT;
    struct str word = str_cut(stat, ' ', &stat);
    for (int i = 0; i < field; i++) {
        word = str_cut(stat, ' ', &stat);
    }
    return num_int(word, 0, INT64_MAX, out, &e) == 0;
}

static bool boot_time_s(int64_t *out)
{
    char text[STAT_BYTES];
    struct err e = ERR_INIT;
    struct str rest = read_proc("/proc/stat", text, sizeof(text));
    while (rest.len > 0) {
        const struct str line = str_cut(rest, '\n', &rest);
        if (str_starts(line, STR("btime "))) {
            return num_int(str_slice(line, 6, line.len), 0, INT64_MAX, out, &e) == 0;
        }
    }
    return false;
}

static void print_memory_and_start(struct buf *out)
{
    char text[4096];
    int64_t value = 0;
    int64_t boot_s = 0;
    struct str stat = read_proc("/proc/self/stat", text, sizeof(text));
    /* The command name may hold anything, so fields are counted from the last ')'. */
    size_t end = stat.len;
    while (end > 0 && stat.ptr[end - 1] != ')') {
        end--;
    }
    stat = str_slice(stat, end + 1, stat.len);

    if (stat_field(stat, FIELD_RESIDENT_PAGES, &value)) {
        print(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
              (double)value * (double)sysconf(_SC_PAGESIZE));
    }
    if (stat_field(stat, FIELD_VIRTUAL_BYTES, &value)) {
        print(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
              (double)value);
    }
    if (stat_field(stat, FIELD_START_TICKS, &value) && boot_time_s(&boot_s)) {
        print(out, "process_start_time_seconds", "gauge",
              "Start time of the process since unix epoch in seconds.",
              (double)boot_s + (double)value / (double)sysconf(_SC_CLK_TCK));
    }
}

static void print_descriptors(struct buf *out)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    if (dir != NULL) {
        int count = -3; /* ".", ".." and the directory's own descriptor */
        while (readdir(dir) != NULL) {
            count++;
        }
        (void)closedir(dir);
        print(out, "process_open_fds", "gauge", "Number of open file descriptors.", count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        print(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
              (double)limit.rlim_cur);
    }
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void metrics_print_process(struct buf *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        print(out, "process_cpu_seconds_total", "counter",
              "Total user and system CPU time spent in seconds.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
    }
    print_memory_and_start(out);
    print_descriptors(out);
}
