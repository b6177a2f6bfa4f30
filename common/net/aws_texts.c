/* What went wrong on the way to credentials, and what to do about it, in words that hold no secret.
 */
#include <errno.h>
#include <string.h>

#include "base/fmt.h"
#include "base/httperr.h"
#include "net/aws_internal.h"
#include "net/file.h"

enum {
    SHOWN_BYTES = 300,
    LOOKED_AT_BYTES = 8 * 1024, /* of a body that may be shown in part */
    CLOCK_SKEW_MS = 60 * 1000,
};

void aws_hint(struct err *e, const char *format, ...)
{
    char hint[512];
    const struct err plain = *e;
    va_list args;
    va_start(args, format);
    (void)fmt_v(hint, sizeof hint, format, args);
    va_end(args);
    (void)err_set(e, plain.code, "%s; %s", plain.text, hint);
    e->http_status = plain.http_status;
    e->retry_after_ms = plain.retry_after_ms;
}

/* AWS's complaints about a parameter quote it, and parameters are tokens. In `a`; absent when
 * memory ran out. */
static struct str without_tokens(struct str text, struct arena *a)
{
    const size_t room = text.len < LOOKED_AT_BYTES ? text.len : LOOKED_AT_BYTES;
    char *out = arena_alloc(a, room);
    return out != NULL ? httperr_withhold(text, out, room) : (struct str){NULL, 0};
}

/* One line of somebody else's text. */
static struct str shown(struct str text, char out[SHOWN_BYTES + 1])
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < SHOWN_BYTES; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        out[len++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    while (len > 0 && !str_is_utf8((struct str){out, len})) {
        len--;
    }
    out[len] = '\0';
    return str_trim((struct str){out, len});
}

static bool passes(int status, struct str code)
{
    static const struct str codes[] = {
        STR_INIT("IDPCommunicationError"),         STR_INIT("InvalidIdentityToken"),
        STR_INIT("InvalidIdentityTokenException"), STR_INIT("Throttling"),
        STR_INIT("ThrottlingException"),           STR_INIT("RequestLimitExceeded"),
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (str_eq(code, codes[i])) {
            return true;
        }
    }
    return status == 408 || status == 429 || status >= 500;
}

bool aws_refusal(const struct http_response *r, struct arena *a, struct str *code, struct err *e)
{
    char message[SHOWN_BYTES + 1], name[SHOWN_BYTES + 1];
    const struct aws_fault fault = awsanswer_fault(r->body, a);
    if (fault.code.len == 0) {
        (void)httperr_set(e, r->status, without_tokens(r->body, a));
    } else {
        (void)err_set(e, httperr_code(r->status), "HTTP %d: %.*s: %.*s", r->status,
                      STR_ARG(shown(fault.code, name)),
                      STR_ARG(shown(without_tokens(fault.message, a), message)));
        e->http_status = r->status;
    }
    e->retry_after_ms = r->retry_after_ms;
    *code = fault.code;
    return passes(r->status, fault.code);
}

int aws_read_token(struct str file, struct buf *out, struct err *e)
{
    if (file_read(file.ptr, out, e) != 0) {
        if (strstr(e->text, strerrordesc_np(EACCES)) != NULL) {
            aws_hint(e, "give the pod's securityContext an fsGroup, so that its user may read the "
                        "token");
        } else if (strstr(e->text, strerrordesc_np(ENOENT)) != NULL) {
            aws_hint(e,
                     "is the token's volume mounted? The webhook that adds it looks at pods when "
                     "they are created: delete the pod once the ServiceAccount is set up");
        }
        return err_prefix(e, "token file");
    }
    const struct str token = str_trim(buf_view(out));
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] <= ' ' || token.ptr[i] > '~') {
            return err_set(e, ERR_INVALID, "token file: %.*s: holds more than one line of text",
                           STR_ARG(file));
        }
    }
    if (token.len == 0) {
        return err_set(e, ERR_INVALID, "token file: %.*s: is empty", STR_ARG(file));
    }
    memmove(out->ptr, token.ptr, token.len);
    out->len = token.len;
    return 0;
}

/* ---- what the credentials are used for ---- */

static bool is_one_of(struct str text, const struct str *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(text, list[i])) {
            return true;
        }
    }
    return false;
}

bool aws_refused_credentials(int status, struct str error_type)
{
    static const struct str types[] = {
        STR_INIT("ExpiredToken"),          STR_INIT("ExpiredTokenException"),
        STR_INIT("InvalidClientTokenId"),  STR_INIT("UnrecognizedClientException"),
        STR_INIT("InvalidTokenException"), STR_INIT("InvalidAccessKeyId"),
    };
    return status >= 400 && status < 500 &&
           is_one_of(error_type, types, sizeof types / sizeof types[0]);
}

void aws_explain_clock(struct str error_type, int64_t date_ms, int64_t now_ms, struct err *e)
{
    static const struct str types[] = {
        STR_INIT("InvalidSignatureException"),    STR_INIT("SignatureDoesNotMatch"),
        STR_INIT("RequestTimeTooSkewed"),         STR_INIT("RequestExpired"),
        STR_INIT("IncompleteSignatureException"),
    };
    const int64_t behind_ms = date_ms - now_ms;
    const int64_t off_ms = behind_ms < 0 ? -behind_ms : behind_ms;
    if (date_ms <= 0 || off_ms < CLOCK_SKEW_MS ||
        !is_one_of(error_type, types, sizeof types / sizeof types[0])) {
        return;
    }
    aws_hint(e,
             "this machine's clock is %lld min %lld s %s AWS's: set it right (AWS allows 5 to 15 "
             "min)",
             (long long)(off_ms / 60000), (long long)(off_ms / 1000 % 60),
             behind_ms > 0 ? "behind" : "ahead of");
}
