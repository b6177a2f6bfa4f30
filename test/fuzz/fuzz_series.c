/* The table against a naive model of it: any course of scrapes over few names, labels and values,
 * so that they clash, come in several orders, vanish and return; with times of their own, broken
 * lines, failed scrapes, series of ours, clocks set back, a buffer that overflows, and the end.
 * What a strict receiver gets must be what the model wrote, scrape by scrape, no sample more or
 * less.
 */
#include "../unit/writerequest.h"
#include "fuzz.h"
#include "series_model.h"

static unsigned below(struct world *w, unsigned limit)
{
    if (w->input.left == 0) {
        return 0;
    }
    w->input.left--;
    return *w->input.at++ % limit;
}

/* ---- what is received ---- */

static void key_of(const struct sent *sent, char out[KEY_BYTES])
{
    size_t length = 0;
    for (size_t i = 0; i < sent->label_count; i++) {
        length += fmt(out + length, KEY_BYTES - length, "%.*s=%.*s;", STR_ARG(sent->labels[i].name),
                      STR_ARG(sent->labels[i].value))
                      .len;
    }
}

/* It is one of the oldest scrape that is not all received. */
static void receive(struct world *w, const struct sent *sent)
{
    char key[KEY_BYTES];
    key_of(sent, key);
    while (w->begin < w->written_count && w->written[w->begin].received) {
        w->begin++;
    }
    check(w->begin < w->written_count);
    unsigned scrape = w->written[w->begin].scrape;
    for (size_t i = w->begin; i < w->written_count && w->written[i].scrape == scrape; i++) {
        struct written *want = &w->written[i];
        if (!want->received && want->time_ms == sent->time_ms &&
            (want->bits == sent->bits || want->bits == ANY_BITS) &&
            strcmp(want->series->key, key) == 0) {
            want->received = true;
            check(want->series->received_era != want->era ||
                  want->series->received_ms < want->time_ms);
            want->series->received_era = want->era;
            want->series->received_ms = want->time_ms;
            return;
        }
    }
    abort();
}

static void drain(struct world *w, unsigned requests)
{
    static struct sent sent;
    struct err e = ERR_INIT;
    struct outbox_request request;
    for (unsigned i = 0; i < requests; i++) {
        struct sent_reader reader;
        size_t samples = 0;
        check(outbox_front(w->outbox, &request, &e) == 0);
        if (request.samples == 0) {
            return;
        }
        char *plain = sent_open(request.body, &reader);
        check(plain != NULL && reader.left.len == request.plain_bytes);
        for (; sent_next(&reader, &sent); samples++) {
            receive(w, &sent);
        }
        check(reader.wrong == NULL && samples == request.samples);
        free(plain);
        outbox_sent(w->outbox, false);
    }
}

/* The outbox dropped its oldest scrapes: exactly what was not received of them. */
static void follow_drops(struct world *w)
{
    for (size_t i = w->begin; i < w->written_count; i++) {
        struct written *x = &w->written[i];
        if (!x->received && w->numbers[x->scrape] < outbox_first(w->outbox)) {
            x->received = true;
            w->dropped++;
        }
    }
    check(w->dropped == outbox_dropped(w->outbox, OUTBOX_FULL));
}

/* ---- one scrape ---- */

static void choose(struct world *w, struct pairs *out)
{
    static const char *const NAMES[] = {"m0", "m1", "m2", "x0", "up", "m0", "m1", "m2"};
    static const char *const LABELS[] = {"a", "b", "job", "exported_a", "exported_job", "__r"};
    static const char *const VALUES[] = {"1", "22", "", "vvvvvvvvvvvvvv"};
    unsigned first = below(w, 6), step = below(w, 2) == 0 ? 1 : 5, count = below(w, 5);
    *out = (struct pairs){.count = 0};
    add_pair(out, "__name__", NAMES[below(w, 8)]);
    for (unsigned i = 0; i < count; i++) {
        add_pair(out, LABELS[(first + i * step) % 6], VALUES[below(w, 4)]);
    }
}

static struct str text_of(struct world *w, const struct pairs *pairs, char out[KEY_BYTES])
{
    size_t length = fmt(out, KEY_BYTES, "%s", pairs->items[0].value).len;
    for (size_t i = 1; i < pairs->count; i++) {
        length += fmt(out + length, KEY_BYTES - length, "%s%s=\"%s\"", i == 1 ? "{" : ",",
                      pairs->items[i].name, pairs->items[i].value)
                      .len;
    }
    if (pairs->count > 1) {
        length += fmt(out + length, KEY_BYTES - length, below(w, 8) == 7 ? ",}" : "}").len;
    }
    return (struct str){out, length};
}

/* False: a line was refused. */
static bool take_one(struct world *w)
{
    struct err e = ERR_INIT;
    struct pairs pairs;
    char text[KEY_BYTES];
    unsigned kind = below(w, 32);
    struct exposed_sample sample = {.value = below(w, 100)};
    if (kind == 31) {
        sample.series = STR("m0{a=\"1\",a=\"2\"}");
        w->scraped++;
        check(scrape_take(w->table, EXPOSITION_TEXT, &sample, &e) == -1);
        check(e.code == ERR_INVALID);
        return false;
    }
    choose(w, &pairs);
    sample.series = text_of(w, &pairs, text);
    if (kind == 30 && w->our_count < SAMPLES_MAX) {
        check(scrape_add_own(w->table, sample.series, sample.value, &e) == 0);
        struct pairs final;
        finish_labels(&pairs, &final);
        size_t bytes = 0;
        for (size_t i = 0; i < final.count; i++) {
            bytes += strlen(final.items[i].name) + strlen(final.items[i].value);
        }
        if (bytes > BYTES_LIMIT) {
            w->drops[SERIES_LABELS_TOO_LONG]++;
        } else if (final.count > LABELS_LIMIT) {
            w->drops[SERIES_TOO_MANY_LABELS]++;
        } else {
            model_own(w, &pairs, bits_of(sample.value));
        }
        return true;
    }
    sample.has_timestamp = kind >= 20;
    /* After the last scrape: one that went and came back is not remembered by its own time. */
    sample.timestamp_ms = w->time_ms - 9 + (int64_t)below(w, 19);
    enum exposition_format format = kind % 10 == 9 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    check(scrape_take(w->table, format, &sample, &e) == 0);
    model_take(w, &pairs, bits_of(sample.value), sample.has_timestamp, sample.timestamp_ms);
    return true;
}

static void begin(struct world *w)
{
    unsigned clock = below(w, 16);
    model_undo(w);
    w->time_ms += clock < 14 ? 10 : clock == 14 ? 0 : -1000;
    if (w->time_ms < w->last_ms) {
        w->last_ms = NEVER;
        w->era++;
        for (size_t i = 0; i < w->known_count; i++) {
            w->known[i].last_ms = NEVER;
        }
    }
    w->scrape++;
    w->staged_count = w->our_count = w->undo_count = w->scraped = w->kept = 0;
    memset(w->drops, 0, sizeof(w->drops));
    scrape_begin(w->table, w->time_ms);
}

static void finish(struct world *w, bool up, unsigned how)
{
    struct err e = ERR_INIT;
    struct series_counts counts;
    struct scrape_result r = {.up = how % 4 != 0, .received = how % 8 < 4, .duration_s = 0.5};
    uint32_t number = outbox_next(w->outbox);
    bool again = w->time_ms == w->last_ms;
    if (scrape_finish(w->table, &r, w->outbox, &counts, &e) != 0) {
        check(again ? e.code == ERR_INVALID : e.code == ERR_LIMIT);
        model_undo(w);
        follow_drops(w);
        return;
    }
    check(!again);
    w->numbers[w->scrape] = number;
    for (int i = 0; i < SERIES_DROP_COUNT; i++) {
        check(counts.dropped[i] == w->drops[i]);
        check((counts.example[i].len > 0) == (counts.dropped[i] > 0));
    }
    model_finish(w, up && r.up, r.received);
    follow_drops(w);
    size_t live = 0;
    for (size_t i = 0; i < w->known_count; i++) {
        live += w->known[i].live;
    }
    check(live == series_live(w->table));
}

static void all_stale(struct world *w)
{
    struct err e = ERR_INIT;
    int64_t time = w->time_ms + (int64_t)below(w, 3);
    uint32_t number = outbox_next(w->outbox);
    if (series_all_stale(w->table, time, w->outbox, &e) != 0) {
        check(e.code == ERR_LIMIT);
        return;
    }
    bool wrote = outbox_next(w->outbox) != number;
    size_t before = w->written_count;
    int64_t last = w->last_ms;
    model_all_stale(w, last != NEVER && time <= last ? last + 1 : time);
    check(wrote == (w->written_count > before));
    if (!wrote) {
        w->last_ms = last;
    }
    w->numbers[w->scrape] = number;
    follow_drops(w);
    check(series_live(w->table) == 0);
    w->time_ms = w->last_ms == NEVER ? w->time_ms : w->last_ms;
}

static void make(struct world *w)
{
    static const struct series_label SHARED[] = {{STR_INIT("job"), STR_INIT("j")},
                                                 {STR_INIT("exported_a"), STR_INIT("s")}};
    static const struct str KEEP[] = {STR_INIT("m[0-9]")};
    struct err e = ERR_INIT;
    struct series_options options = {
        .shared = SHARED,
        .shared_count = 2,
        .keep = KEEP,
        .keep_count = w->keep_m ? 1 : 0,
        .limits = {LABELS_LIMIT, BYTES_LIMIT, 1000, 1 << 24},
        .seed = 5,
    };
    struct outbox_limits limits = {below(w, 2) == 0 ? 1 << 20 : 3000, INT64_MAX / 2,
                                   1 + below(w, 30), 4000};
    check(series_table_new(&options, &w->table, &e) == 0);
    check(outbox_new(&limits, w->table, &w->outbox, &e) == 0);
    (void)report(w, "up");
    (void)report(w, "scrape_duration_seconds");
    (void)report(w, "scrape_samples_scraped");
    (void)report(w, "scrape_samples_post_metric_relabeling");
    (void)report(w, "scrape_series_added");
}

static void run(struct world *w)
{
    for (int n = 0; n < SCRAPES_MAX && w->input.left > 0; n++) {
        unsigned samples = below(w, SAMPLES_MAX), how = below(w, 64);
        bool up = true;
        begin(w);
        for (unsigned i = 0; i < samples && up; i++) {
            up = take_one(w);
        }
        if (how == 63) {
            begin(w); /* anew, without an end */
            up = true;
        }
        finish(w, up, how + 1);
        if (how % 16 == 15) {
            all_stale(w);
        }
        drain(w, below(w, 4));
    }
    drain(w, 10000);
    for (size_t i = w->begin; i < w->written_count; i++) {
        check(w->written[i].received);
    }
    check(outbox_samples(w->outbox) == 0 && outbox_bytes(w->outbox) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof(*w));
    check(w != NULL);
    w->known = malloc(SERIES_KNOWN_MAX * sizeof(*w->known));
    w->written = malloc(WRITTEN_MAX * sizeof(*w->written));
    check(w->known != NULL && w->written != NULL);
    w->input = (struct bytes){data, size};
    w->time_ms = 100000;
    w->last_ms = NEVER;
    w->era = 1;
    w->keep_m = below(w, 2) == 1;
    make(w);
    run(w);
    outbox_free(w->outbox);
    series_table_free(w->table);
    free(w->known);
    free(w->written);
    free(w);
    return 0;
}
