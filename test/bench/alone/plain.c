/* The least that asking costs: libcurl's own loop (curl_easy_perform on one kept handle and one
 * kept connection) asking QUERIES queries evenly over SECONDS seconds, doing nothing with what is
 * answered. Prints the processor time it took in milliseconds, its start-up excepted.
 *
 *     bench_plain URL QUERIES SECONDS
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/fmt.h"
#include "base/num.h"

enum { URL_BYTES = 512, FORM_BYTES = 256, SECOND_NS = 1000000000 };

static size_t pass_over(char *ptr, size_t size, size_t count, void *context)
{
    (void)ptr;
    (void)context;
    return size * count;
}

static double processor_ms(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static void sleep_until(const struct timespec *begin, int64_t after_ns)
{
    int64_t at_ns = begin->tv_nsec + after_ns;
    struct timespec at = {begin->tv_sec + at_ns / SECOND_NS, at_ns % SECOND_NS};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static int ask(CURL *easy, int64_t number)
{
    char form[FORM_BYTES];
    /* As the stand-in's Deployments have it, escaped. */
    (void)fmt(
        form, sizeof(form),
        "query=sum%%28rate%%28http_requests_total%%7Bapp%%3D%%22w-%05lld%%22%%7D%%5B2m%%5D%%29"
        "%%29",
        (long long)number);
    (void)curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, form);
    CURLcode rc = curl_easy_perform(easy);
    if (rc != CURLE_OK) {
        (void)fprintf(stderr, "bench_plain: %s\n", curl_easy_strerror(rc));
        return -1;
    }
    return 0;
}

static int ask_all(CURL *easy, int64_t queries, int64_t seconds)
{
    struct timespec begin;
    if (ask(easy, 0) != 0) { /* connects */
        return -1;
    }
    double before_ms = processor_ms();
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int64_t i = 0; i < queries; i++) {
        sleep_until(&begin, seconds * SECOND_NS / queries * i);
        if (ask(easy, i) != 0) {
            return -1;
        }
    }
    printf("%.1f\n", processor_ms() - before_ms);
    return 0;
}

int main(int argc, char *argv[])
{
    struct err e = ERR_INIT;
    int64_t queries, seconds;
    if (argc != 4 || num_int(str_from(argv[2]), 1, 100000000, &queries, &e) != 0 ||
        num_int(str_from(argv[3]), 1, 86400, &seconds, &e) != 0) {
        (void)fputs("usage: bench_plain URL QUERIES SECONDS\n", stderr);
        return 2;
    }
    CURL *easy = curl_easy_init();
    if (easy == NULL || curl_easy_setopt(easy, CURLOPT_URL, argv[1]) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, pass_over) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK) {
        (void)fputs("bench_plain: libcurl cannot start\n", stderr);
        return 1;
    }
    int status = ask_all(easy, queries, seconds) == 0 ? 0 : 1;
    curl_easy_cleanup(easy);
    return status;
}
