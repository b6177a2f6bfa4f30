/* Warning headers: `299 - "text"`, with '\' before a quote or a backslash of the text. The API
 * server sends one a warning; what it and others put into one header, separated by commas, is read
 * too. Source: RFC 7234 §5.5; k8s.io/apimachinery pkg/util/net NewWarningHeader. */
#include "base/buf.h"
#include "net/http_call.h"

/* The quoted text that `s` goes on with, unquoted, as a line of `out` (NULL: passed over). What
 * follows it; absent when there is none. */
static struct str take_quoted(struct str s, struct buf *out)
{
    size_t i = str_find_char(s, '"') + 1;
    if (i > s.len) {
        return (struct str){NULL, 0};
    }
    for (; i < s.len && s.ptr[i] != '"'; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len) {
            i++;
        }
        if (out != NULL) {
            buf_append_char(out, s.ptr[i]);
        }
    }
    if (out != NULL) {
        buf_append_char(out, '\n');
    }
    return str_slice(s, i + 1, s.len);
}

void http_warnings_take(const struct http_call *call)
{
    struct curl_header *h = NULL;
    if (call->warnings == NULL) {
        return;
    }
    for (size_t i = 0;
         curl_easy_header(call->easy, "Warning", i, CURLH_HEADER, -1, &h) == CURLHE_OK; i++) {
        struct str rest = str_from(h->value);
        while (rest.len > 0) {
            rest = str_trim(take_quoted(rest, call->warnings));
            if (str_starts(rest, STR("\""))) { /* when it was given: nobody wants to know */
                rest = take_quoted(rest, NULL);
            }
        }
    }
}
