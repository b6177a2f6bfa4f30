/* The HTTP client leaves no header's value behind in memory that it gives up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "calls.h"

static struct {
    size_t wiped; /* of the headers given up, libcurl's own among them */
    size_t legible;
} seen;

/* In libcurl's place: what the client gives up is looked at first. */
void curl_slist_free_all(struct curl_slist *list)
{
    while (list != NULL) {
        struct curl_slist *next = list->next;
        seen.wiped += list->data[0] == '\0';
        seen.legible += strstr(list->data, ": a.pods.token") != NULL ||
                        strstr(list->data, ": the+token") != NULL;
        free(list->data);
        free(list);
        list = next;
    }
}

static void headers_are_wiped(void **state)
{
    (void)state;
    const struct http_header headers[] = {{STR("Authorization"), STR("a.pods.token")}};
    const struct http_sigv4 sigv4 = {.access_key = STR("AKIDEXAMPLE"),
                                     .secret_key = STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                     .session_token = STR("the+token/=="),
                                     .region = STR("eu-central-1"),
                                     .service = STR("aps")};
    const char *url = calls_url("http", calls.server.http, "/ok");
    const struct http_request requests[] = {
        {.method = "GET", .url = url, .timeout_ms = 10000, .headers = headers, .header_count = 1},
        {.method = "POST", .url = url, .timeout_ms = 10000, .sigv4 = &sigv4},
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct outcome o;
        seen.wiped = seen.legible = 0;
        calls_run(&requests[i], &o);
        assert_int_equal(o.status, 200);
        assert_int_equal(seen.wiped, 1);
        assert_int_equal(seen.legible, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(headers_are_wiped)};
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
