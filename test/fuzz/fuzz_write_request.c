/* What is sent of any text: bodies (between zero bytes) are scraped, waiting samples are sent,
 * refused, split, expired or dropped, as the first bytes of the input say. Each request must pass a
 * strict receiver, keep to its limits, stay the same until it is over; no sample may be lost or
 * counted twice, and without times of their own a series' times must rise.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/writerequest.h"
#include "collector/exposition.h"
#include "collector/outbox.h"
#include "collector/sending.h"
#include "collector/series.h"
#include "fuzz.h"

enum { CONTROL_BYTES = 16, SEEN_MAX = 4096, SCRAPES_MAX = 32, REASON_BYTES = 128 };

struct world {
    const uint8_t *control;
    size_t used; /* of control */
    struct series_table *table;
    struct outbox *outbox;
    struct outbox_limits limits;
    bool own_times;
    int64_t time_ms;
    uint64_t appended, sent;
    struct {
        unsigned long long hash;
        int64_t time_ms;
    } * seen; /* series that were sent, and when last */
    size_t seen_count;
};

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static unsigned control(struct world *w, unsigned limit)
{
    return w->control[w->used++ % CONTROL_BYTES] % limit;
}

static uint64_t dropped(const struct world *w)
{
    return outbox_dropped(w->outbox, OUTBOX_FULL) + outbox_dropped(w->outbox, OUTBOX_TOO_OLD) +
           outbox_dropped(w->outbox, OUTBOX_REFUSED);
}

static void balance(const struct world *w)
{
    check(w->appended == w->sent + dropped(w) + outbox_samples(w->outbox));
    check(outbox_bytes(w->outbox) <= w->limits.bytes_max);
    check((outbox_samples(w->outbox) == 0) == (outbox_bytes(w->outbox) == 0));
}

/* ---- receiving ---- */

static void follow(struct world *w, const struct sent *sent)
{
    unsigned long long hash = str_hash(sent->encoded);
    size_t i = 0;
    while (i < w->seen_count && w->seen[i].hash != hash) {
        i++;
    }
    if (i == SEEN_MAX) {
        return;
    }
    if (i == w->seen_count) {
        w->seen_count++;
    } else {
        check(w->own_times || sent->time_ms > w->seen[i].time_ms);
    }
    w->seen[i].hash = hash;
    w->seen[i].time_ms = sent->time_ms;
}

/* taken: the receiver takes it, so that its times count. */
static void read_request(struct world *w, const struct outbox_request *request, bool taken)
{
    static struct sent sent;
    struct sent_reader reader;
    size_t samples = 0;
    char *plain = sent_open(request->body, &reader);
    check(plain != NULL && reader.left.len == request->plain_bytes);
    for (; sent_next(&reader, &sent); samples++) {
        check(str_eq(sent_value(&sent, STR("job")), STR("j")));
        check(samples > 0 || sent.time_ms == request->oldest_ms);
        if (taken) {
            follow(w, &sent);
        }
    }
    check(reader.wrong == NULL && samples == request->samples);
    free(plain);
}

static void split(struct world *w, const struct outbox_request *request)
{
    struct err e = ERR_INIT;
    struct outbox_request half;
    bool halved = outbox_split(w->outbox);
    check(halved == (request->samples > 1));
    check(outbox_front(w->outbox, &half, &e) == 0);
    check(half.samples > 0 && half.samples <= (request->samples + 1) / 2);
    read_request(w, &half, false);
}

static void send_one(struct world *w)
{
    struct err e = ERR_INIT;
    struct outbox_request request, again;
    check(outbox_front(w->outbox, &request, &e) == 0);
    if (request.samples == 0) {
        check(outbox_samples(w->outbox) == 0);
        return;
    }
    check(request.samples <= w->limits.request_samples);
    check(request.samples == 1 || (request.plain_bytes <= w->limits.request_bytes &&
                                   request.body.len <= w->limits.request_bytes));
    check(outbox_front(w->outbox, &again, &e) == 0);
    check(again.body.ptr == request.body.ptr && again.samples == request.samples);
    switch (control(w, 8)) {
    case 0: outbox_sent(w->outbox, true); break;
    case 1: split(w, &request); break;
    case 2: read_request(w, &request, false); break;
    case 3: /* dropped, in whole or in part, while it is on its way */
        outbox_expire(w->outbox, w->time_ms - 15 + w->limits.age_max_ms);
        read_request(w, &request, false);
        outbox_sent(w->outbox, true);
        break;
    default: /* most are taken */
        read_request(w, &request, true);
        outbox_sent(w->outbox, false);
        w->sent += request.samples;
    }
    balance(w);
}

/* ---- scraping ---- */

static bool take_body(struct world *w, struct str body)
{
    struct exposition x = {.format = control(w, 2) == 0 ? EXPOSITION_TEXT : EXPOSITION_OPENMETRICS};
    while (body.len > 0) {
        struct err e = ERR_INIT;
        struct exposed_sample sample;
        enum exposition_line kind;
        struct str line = str_cut(body, '\n', &body);
        if (exposition_take(&x, line, &kind, &sample, &e) != 0 || kind == EXPOSITION_NOTHING) {
            continue; /* what is wrong is another target's matter: the rest is taken */
        }
        sample.has_timestamp = sample.has_timestamp && w->own_times;
        if (scrape_take(w->table, x.format, &sample, &e) != 0) {
            check(e.code == ERR_INVALID || e.code == ERR_LIMIT);
            return false;
        }
    }
    return true;
}

static void scrape(struct world *w, struct str body)
{
    struct err e = ERR_INIT;
    struct series_counts counts;
    w->time_ms += 10;
    scrape_begin(w->table, w->time_ms);
    struct scrape_result r = {.up = take_body(w, body), .received = true, .duration_s = 1};
    size_t waiting = outbox_samples(w->outbox);
    uint64_t full = outbox_dropped(w->outbox, OUTBOX_FULL);
    if (scrape_finish(w->table, &r, w->outbox, &counts, &e) != 0) {
        check(e.code == ERR_LIMIT);
    }
    w->appended += outbox_samples(w->outbox) - waiting;
    w->appended += outbox_dropped(w->outbox, OUTBOX_FULL) - full;
    balance(w);
}

static void read_reason(struct str body)
{
    char out[REASON_BYTES];
    struct str reason = sending_reason(400, body, out);
    check(reason.len >= 3 && reason.len <= REASON_BYTES && str_is_utf8(reason));
}

static void make(struct world *w)
{
    static const struct series_label SHARED[] = {{STR_INIT("job"), STR_INIT("j")},
                                                 {STR_INIT("pod"), STR_INIT("p-1")},
                                                 {STR_INIT("A"), STR_INIT("\xc3\xb3")}};
    struct err e = ERR_INIT;
    struct series_options options = {
        .shared = SHARED,
        .shared_count = 3,
        .limits = {.labels_max = 4 + control(w, 8),
                   .label_bytes_max = 100 + 40 * (size_t)control(w, 200),
                   .samples_max = 500,
                   .table_bytes_max = 200000},
        .seed = 9,
    };
    w->limits = (struct outbox_limits){
        .bytes_max = control(w, 2) == 0 ? 1 << 20 : 2000,
        .age_max_ms = 1000000,
        .request_samples = 1 + control(w, 40),
        .request_bytes = 1 + 100 * (size_t)control(w, 100),
    };
    w->own_times = control(w, 2) == 0;
    check(series_table_new(&options, &w->table, &e) == 0);
    check(outbox_new(&w->limits, w->table, &w->outbox, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONTROL_BYTES) {
        return 0;
    }
    struct world w = {.control = data, .time_ms = 1000000};
    w.seen = malloc(SEEN_MAX * sizeof(*w.seen));
    check(w.seen != NULL);
    make(&w);
    struct str rest = {(const char *)data + CONTROL_BYTES, size - CONTROL_BYTES};
    read_reason(rest);
    for (int i = 0; i < SCRAPES_MAX && rest.len > 0; i++) {
        scrape(&w, str_cut(rest, '\0', &rest));
        for (unsigned requests = control(&w, 4); requests > 0; requests--) {
            send_one(&w);
        }
        if (control(&w, 8) == 7) {
            outbox_expire(w.outbox, w.time_ms - 25 + w.limits.age_max_ms);
            balance(&w);
        }
    }
    for (int i = 0; i < 1000 && outbox_samples(w.outbox) > 0; i++) {
        send_one(&w);
    }
    outbox_free(w.outbox);
    series_table_free(w.table);
    free(w.seen);
    return 0;
}
