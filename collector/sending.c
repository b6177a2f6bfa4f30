#include "collector/sending.h"

#include <string.h>

#include "base/fmt.h"

enum { PAUSE_FIRST_MS = 30, PAUSE_LAST_MS = 5000, RETRY_AFTER_MAX_MS = 60000, REASON_BYTES = 128 };

enum { STATUS_TOO_LARGE = 413, STATUS_DENIED = 403, STATUS_THROTTLED = 429 };

/* xorshift64*: 0 to 1000, well enough spread for jitter. */
static int64_t random_milli(uint64_t *state)
{
    uint64_t x = *state == 0 ? UINT64_C(0x9e3779b97f4a7c15) : *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (int64_t)((x * UINT64_C(0x2545f4914f6cdd1d) >> 33) % 1001);
}

static void pause_longer(struct sending *s, int64_t retry_after_ms, int64_t now_ms)
{
    int64_t twice = s->pause_ms == 0 ? PAUSE_FIRST_MS : s->pause_ms * 2;
    s->pause_ms = twice < PAUSE_LAST_MS ? twice : PAUSE_LAST_MS;
    int64_t random = random_milli(&s->random), pause;
    if (retry_after_ms > 0) { /* never earlier than asked */
        pause = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
        pause += pause * random / 10000;
    } else {
        pause = s->pause_ms + s->pause_ms * (random - 500) / 5000;
    }
    s->not_before_ms = now_ms + pause;
}

static enum send_verdict verdict_on(int status)
{
    if (status >= 200 && status < 300) {
        return SEND_DONE;
    }
    if (status == STATUS_TOO_LARGE) {
        return SEND_SPLIT;
    }
    bool later = status == 0 || (status >= 500 && status < 600) || status == STATUS_THROTTLED ||
                 status == STATUS_DENIED;
    return later ? SEND_AGAIN : SEND_REFUSED;
}

enum send_verdict sending_answer(struct sending *s, int status, int64_t retry_after_ms,
                                 int64_t now_ms)
{
    enum send_verdict verdict = verdict_on(status);
    if (verdict == SEND_AGAIN) {
        s->attempts++;
        pause_longer(s, retry_after_ms, now_ms);
    } else {
        s->attempts = 0;
        s->pause_ms = 0;
        s->not_before_ms = now_ms;
    }
    return verdict;
}

/* ---- reasons ---- */

/* Bytes of the character at text[at], 0 when it is no UTF-8 or does not print. */
static size_t printable(struct str text, size_t at)
{
    unsigned char c = (unsigned char)text.ptr[at];
    size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    struct str character = str_slice(text, at, at + length);
    bool control = c < ' ' || c == 0x7f;
    return !control && character.len == length && str_is_utf8(character) ? length : 0;
}

struct str sending_reason(int status, struct str body, char out[REASON_BYTES])
{
    size_t length = fmt(out, REASON_BYTES, "%d", status).len;
    struct str text = str_trim(body),
               line = str_trim(str_slice(text, 0, str_find_char(text, '\n')));
    bool number = false;
    if (line.len > 0) {
        memcpy(out + length, ": ", 2);
        length += 2;
    }
    for (size_t i = 0; i < line.len;) {
        size_t bytes = printable(line, i);
        bool digit = char_is_digit(line.ptr[i]);
        if (length + (bytes > 0 ? bytes : 1) > REASON_BYTES) {
            break;
        }
        if (digit && !number) {
            out[length++] = 'N';
        } else if (bytes == 0) {
            out[length++] = '?';
        } else if (!digit) {
            memcpy(out + length, line.ptr + i, bytes);
            length += bytes;
        }
        number = digit;
        i += bytes > 0 ? bytes : 1;
    }
    return (struct str){out, length};
}
