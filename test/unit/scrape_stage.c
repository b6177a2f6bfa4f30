#include "scrape_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "writerequest.h"

enum { RECEIVED_BYTES = 64 << 20 };

static const struct series_label SHARED[] = {{STR_INIT("job"), STR_INIT("j")}};

void stage_init(struct stage *s)
{
    *s = (struct stage){
        .options = {.shared = SHARED,
                    .shared_count = 1,
                    .limits = {.labels_max = 150,
                               .label_bytes_max = 7168,
                               .samples_max = 200000,
                               .table_bytes_max = 64 << 20},
                    .seed = 1},
        .limits = {.bytes_max = 8 << 20,
                   .age_max_ms = 3300000,
                   .request_samples = 2000,
                   .request_bytes = 900000},
    };
    buf_init(&s->received, RECEIVED_BYTES);
}

void stage_open(struct stage *s)
{
    struct err e = ERR_INIT;
    if (series_table_new(&s->options, &s->table, &e) != 0 ||
        outbox_new(&s->limits, s->table, &s->outbox, &e) != 0) {
        fail_msg("%s", e.text);
    }
}

void stage_close(struct stage *s)
{
    outbox_free(s->outbox);
    series_table_free(s->table);
    buf_free(&s->received);
}

int stage_setup(void **state)
{
    static struct stage stage;
    stage_init(&stage);
    *state = &stage;
    return 0;
}

int stage_teardown(void **state)
{
    stage_close(*state);
    return 0;
}

const char *stage_take(struct stage *s, const char *body)
{
    static struct err e; /* its text is handed out */
    struct exposition x = {.format = EXPOSITION_TEXT};
    struct str rest = str_from(body);
    e.text[0] = '\0';
    while (rest.len > 0) {
        struct str line = str_cut(rest, '\n', &rest);
        enum exposition_line kind;
        struct exposed_sample sample;
        assert_int_equal(exposition_take(&x, line, &kind, &sample, &e), 0);
        if (kind == EXPOSITION_SAMPLE && scrape_take(s->table, EXPOSITION_TEXT, &sample, &e) != 0) {
            break;
        }
    }
    return e.text;
}

void stage_finish(struct stage *s, bool up)
{
    struct err e = ERR_INIT;
    struct scrape_result r = {.up = up, .received = up, .duration_s = 0.5};
    if (scrape_finish(s->table, &r, s->outbox, &s->counts, &e) != 0) {
        fail_msg("%s", e.text);
    }
}

void stage_scrape(struct stage *s, int64_t time_ms, const char *body)
{
    scrape_begin(s->table, time_ms);
    assert_string_equal(stage_take(s, body), "");
    stage_finish(s, true);
}

void stage_fail(struct stage *s, int64_t time_ms)
{
    scrape_begin(s->table, time_ms);
    stage_finish(s, false);
}

static void print_sample(struct buf *out, const struct sent *sent)
{
    char number[NUM_TEXT_BYTES];
    double value;
    struct str text = STR("stale");
    memcpy(&value, &sent->bits, sizeof(value));
    if (sent->bits != UINT64_C(0x7ff0000000000002)) {
        text = num_print_double(value, number);
    }
    buf_append(out, sent_value(sent, STR("__name__")));
    char before = '{';
    for (size_t i = 0; i < sent->label_count; i++) {
        if (!str_eq(sent->labels[i].name, STR("__name__"))) {
            buf_format(out, "%c%.*s=\"%.*s\"", before, STR_ARG(sent->labels[i].name),
                       STR_ARG(sent->labels[i].value));
            before = ',';
        }
    }
    buf_format(out, "%s %.*s @%lld\n", before == ',' ? "}" : "", STR_ARG(text),
               (long long)sent->time_ms);
}

void stage_read(struct stage *s, struct str body)
{
    static struct sent sent;
    struct sent_reader reader;
    char *plain = sent_open(body, &reader);
    assert_non_null(plain);
    while (sent_next(&reader, &sent)) {
        struct str name = sent_value(&sent, STR("__name__"));
        bool report = str_eq(name, STR("up")) || str_starts(name, STR("scrape_"));
        if (!report || s->reports) {
            print_sample(&s->received, &sent);
        }
    }
    if (reader.wrong != NULL) {
        fail_msg("a request has %s", reader.wrong);
    }
    free(plain);
}

const char *stage_receive(struct stage *s)
{
    struct err e = ERR_INIT;
    struct outbox_request request;
    buf_reset(&s->received);
    s->requests = 0;
    for (;;) {
        assert_int_equal(outbox_front(s->outbox, &request, &e), 0);
        if (request.samples == 0) {
            break;
        }
        s->requests++;
        stage_read(s, request.body);
        outbox_sent(s->outbox, false);
    }
    assert_int_equal(outbox_samples(s->outbox), 0);
    assert_int_equal(outbox_bytes(s->outbox), 0);
    buf_append_char(&s->received, '\0');
    return s->received.ptr;
}
