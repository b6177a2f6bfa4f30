#include "net/metrics_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"

enum { STAT_BYTES = 2048 }; /* 52 numbers and a name of at most 64 bytes */

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

/* What /proc/self/stat holds from the field after the command name on. That name may hold anything,
 * so fields are counted from the last ')'. */
static struct str read_stat(char *text, size_t size)
{
    struct str stat = read_proc("/proc/self/stat", text, size);
    size_t end = stat.len;
    while (end > 0 && stat.ptr[end - 1] != ')') {
        end--;
    }
    return str_slice(stat, end + 1, stat.len);
}

static double clock_s(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double metrics_process_start_s(void)
{
    char text[STAT_BYTES];
    int64_t ticks = 0; /* from the boot on */
    if (!stat_field(read_stat(text, sizeof(text)), FIELD_START_TICKS, &ticks)) {
        return 0;
    }
    return clock_s(CLOCK_REALTIME) - clock_s(CLOCK_BOOTTIME) +
           (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void print_memory(struct buf *out)
{
    char text[STAT_BYTES];
    int64_t value = 0;
    struct str stat = read_stat(text, sizeof(text));
    if (stat_field(stat, FIELD_RESIDENT_PAGES, &value)) {
        print(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
              (double)value * (double)sysconf(_SC_PAGESIZE));
    }
    if (stat_field(stat, FIELD_VIRTUAL_BYTES, &value)) {
        print(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
              (double)value);
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

void metrics_print_process(double start_s, struct buf *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        print(out, "process_cpu_seconds_total", "counter",
              "Total user and system CPU time spent in seconds.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
    }
    print_memory(out);
    if (start_s > 0) {
        print(out, "process_start_time_seconds", "gauge",
              "Start time of the process since unix epoch in seconds.", start_s);
    }
    print_descriptors(out);
}
