#include "base/httperr.h"

#include <string.h>

#include "base/fmt.h"

enum { TOKEN_RUN_BYTES = 100 }; /* of characters of a token in a row: then it is one */

enum err_code httperr_code(int http_status)
{
    static const struct {
        int status;
        enum err_code code;
    } codes[] = {
        {401, ERR_DENIED},   {403, ERR_DENIED}, {404, ERR_NOT_FOUND}, {408, ERR_TIMEOUT},
        {409, ERR_CONFLICT}, {410, ERR_GONE},   {413, ERR_LIMIT},     {429, ERR_THROTTLED},
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].status == http_status) {
            return codes[i].code;
        }
    }
    return http_status >= 500 ? ERR_UNAVAILABLE : ERR_HTTP;
}

/* Length of the tag at the start of s ("<…>", or all that is left of a cut one). */
static size_t tag_length(struct str s)
{
    size_t close = str_find_char(s, '>');

    return close < s.len ? close + 1 : s.len;
}

/* Where the text may stop once there is some: a line's end, a title's end. */
static bool ends_line(struct str rest)
{
    return rest.ptr[0] == '\n' || rest.ptr[0] == '\r' ||
           str_eq_nocase(str_slice(rest, 0, 7), STR("</title"));
}

struct str httperr_excerpt(struct str body, char out[HTTPERR_EXCERPT_BYTES])
{
    char line[HTTPERR_EXCERPT_BYTES];
    bool markup = str_starts(str_trim(body), STR("<"));
    size_t len = 0;
    struct str rest = body;
    bool space = false;

    while (rest.len > 0 && len + 2 < sizeof line && !(len > 0 && ends_line(rest))) {
        unsigned char c = (unsigned char)rest.ptr[0];
        size_t skip = markup && c == '<' ? tag_length(rest) : 1;

        if (c <= ' ' || c == 0x7f || skip > 1) {
            space = len > 0;
        } else {
            if (space) {
                line[len++] = ' ';
                space = false;
            }
            line[len++] = (char)c;
        }
        rest = str_slice(rest, skip, rest.len);
    }
    while (len > 0 && !str_is_utf8((struct str){line, len})) {
        len--; /* cut within a character; a body in another encoding is cut at its first such byte
                */
    }
    if (len == 0) {
        return fmt(out, HTTPERR_EXCERPT_BYTES, "%s", body.len == 0 ? "empty body" : "no text");
    }
    return fmt(out, HTTPERR_EXCERPT_BYTES, "%.*s", (int)len, line);
}

static bool is_of_token(char c)
{
    return char_is_lower(char_lower(c)) || char_is_digit(c) ||
           (c != '\0' && strchr("+/=_.-", c) != NULL);
}

struct str httperr_withhold(struct str text, char *out, size_t room)
{
    static const struct str instead = STR_INIT("(withheld)");
    char *to = out;
    for (size_t i = 0; i < text.len && to < out + room;) {
        size_t end = i;
        while (end < text.len && is_of_token(text.ptr[end])) {
            end++;
        }
        const size_t run = end > i ? end - i : 1;
        const struct str piece = run >= TOKEN_RUN_BYTES ? instead : str_slice(text, i, i + run);
        (void)str_copy_to(&to, str_slice(piece, 0, room - (size_t)(to - out)));
        i += run;
    }
    return (struct str){out, (size_t)(to - out)};
}

int httperr_set(struct err *e, int http_status, struct str body)
{
    char excerpt[HTTPERR_EXCERPT_BYTES];
    struct str text = httperr_excerpt(body, excerpt);

    (void)err_set(e, httperr_code(http_status), "HTTP %d: %.*s", http_status, STR_ARG(text));
    e->http_status = http_status;
    return -1;
}

int httperr_redirect(struct err *e, int http_status, struct str where)
{
    enum { SHOWN_BYTES = 300 };
    struct str query;
    struct str to = str_slice(str_cut(where, '?', &query), 0, SHOWN_BYTES);

    (void)err_set(e, ERR_HTTP,
                  "HTTP %d: redirects to %.*s, and redirects are not followed: name the final "
                  "address",
                  http_status, STR_ARG(to));
    e->http_status = http_status;
    return -1;
}
