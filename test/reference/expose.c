/* The collector's parser with the door of textparse/main.go: the same input, the same output. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "collector/exposition.h"
#include "collector/lines.h"

enum { BODY_MAX = 64 << 20 };

/* One body on its way. What it prints is held until it is known to be valid. */
struct reading {
    struct exposition at;
    struct buf scratch;
    struct buf out;
};

static void hex(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        buf_format(out, "%02x", (unsigned)(unsigned char)text.ptr[i]);
    }
}

static int print_sample(struct reading *r, const struct exposed_sample *s, struct err *e)
{
    struct exposed_series series;
    uint64_t bits;

    buf_reset(&r->scratch);
    if (exposition_labels(r->at.format, s->series, &r->scratch, &series, e) != 0) {
        return -1;
    }
    memcpy(&bits, &s->value, sizeof(bits));
    buf_format(&r->out, "s %016" PRIx64 " ", bits);
    if (s->has_timestamp) {
        buf_format(&r->out, "%" PRId64 " ", s->timestamp_ms);
    } else {
        buf_append(&r->out, STR("- "));
    }
    hex(&r->out, series.name);
    for (size_t i = 0; i < series.label_count; i++) {
        buf_append_char(&r->out, ' ');
        hex(&r->out, series.labels[i].name);
        buf_append_char(&r->out, '=');
        hex(&r->out, series.labels[i].value);
    }
    buf_append_char(&r->out, '\n');
    return 0;
}

static int take(void *context, struct str line, struct err *e)
{
    struct reading *r = context;
    struct exposed_sample sample;
    enum exposition_line kind;

    if (exposition_take(&r->at, line, &kind, &sample, e) != 0) {
        return -1;
    }
    return kind == EXPOSITION_SAMPLE ? print_sample(r, &sample, e) : 0;
}

static int read_body(struct reading *r, struct str body, struct err *e)
{
    struct lines lines;

    lines_init(&lines, BODY_MAX, take, r);
    int failed = lines_feed(&lines, body, e) != 0 || lines_end(&lines, e) != 0 ||
                 exposition_end(&r->at, e) != 0;
    lines_free(&lines);
    return failed != 0 ? -1 : 0;
}

static void print_body(enum exposition_format format, struct str body)
{
    struct reading r = {.at = {.format = format}};
    struct err e = ERR_INIT;

    buf_init(&r.scratch, BODY_MAX);
    buf_init(&r.out, (size_t)BODY_MAX * 4);
    if (read_body(&r, body, &e) == 0) {
        buf_append(&r.out, STR("ok\n"));
    } else {
        buf_reset(&r.out);
        buf_append(&r.out, STR("error "));
        hex(&r.out, str_from(e.text));
        buf_append_char(&r.out, '\n');
    }
    (void)fwrite(r.out.ptr, 1, r.out.len, stdout);
    buf_free(&r.scratch);
    buf_free(&r.out);
}

/* "FORMAT LENGTH\n" */
static int read_head(struct str head, enum exposition_format *format, int64_t *length)
{
    struct err e = ERR_INIT;
    struct str number;
    struct str word = str_cut(str_trim(head), ' ', &number);

    *format = str_eq(word, STR("openmetrics")) ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    return num_int(number, 0, BODY_MAX, length, &e);
}

int main(void)
{
    char head[64];

    while (fgets(head, sizeof(head), stdin) != NULL) {
        enum exposition_format format;
        int64_t length;
        if (read_head(str_from(head), &format, &length) != 0) {
            return 2;
        }
        char *body = malloc((size_t)length + 1);
        if (body == NULL || fread(body, 1, (size_t)length, stdin) != (size_t)length) {
            free(body);
            return 1;
        }
        print_body(format, (struct str){body, (size_t)length});
        free(body);
    }
    return 0;
}
