#include "collector/scrape.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "base/httperr.h"
#include "base/num.h"
#include "collector/lines.h"
#include "collector/reasons.h"
#include "collector/sending.h"

enum { ERROR_BODY_BYTES = 4096, STARTING_MS = 60000 };

#define ACCEPT                                                                                     \
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,"                       \
    "application/openmetrics-text;version=0.0.1;q=0.5,"                                            \
    "text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,"          \
    "*/*;q=0.2"

struct scraper {
    struct scraper_options o;
    struct http_call *call;
    struct lines lines;
    struct exposition exposition;
    bool begun;   /* the body's format is known */
    bool refused; /* one of its lines was no good: what it says is to blame, not the way here */
    bool quiet;
    scrape_done_fn *done;
    void *context;
    bool was_up; /* ever */
    bool failing, failure_told;
    int64_t failing_since_ms; /* loop's clock */
    struct reasons failures, drops;
};

/* ---- the body ---- */

static int read_line(struct scraper *s, struct str line, struct err *e)
{
    struct exposed_sample sample;
    enum exposition_line kind = EXPOSITION_NOTHING;
    if (exposition_take(&s->exposition, line, &kind, &sample, e) != 0) {
        return -1;
    }
    if (kind == EXPOSITION_SAMPLE &&
        scrape_take(s->o.table, s->exposition.format, &sample, e) != 0) {
        return err_prefix(e, "line %llu", (unsigned long long)s->exposition.lines);
    }
    return 0;
}

static int take_line(void *context, struct str line, struct err *e)
{
    struct scraper *s = context;
    s->refused = read_line(s, line, e) != 0;
    return s->refused ? -1 : 0;
}

static int begin_body(struct scraper *s, struct err *e)
{
    s->begun = true;
    s->exposition = (struct exposition){.format = EXPOSITION_TEXT};
    return exposition_format_of(http_content_type(s->call), &s->exposition.format, e);
}

static int take_piece(void *context, struct str piece, struct err *e)
{
    struct scraper *s = context;
    if (!s->begun && begin_body(s, e) != 0) {
        return -1;
    }
    return lines_feed(&s->lines, piece, e);
}

static int end_body(struct scraper *s, struct err *e)
{
    return lines_end(&s->lines, e) != 0 ? -1 : exposition_end(&s->exposition, e);
}

/* ---- what went wrong, and what to do about it ---- */

static int judge_status(const struct http_response *r, struct err *e)
{
    if (r->status == 200) {
        return 0;
    }
    if (r->status >= 300 && r->status < 400 && r->redirect.len > 0) {
        return httperr_redirect(e, r->status, r->redirect);
    }
    return httperr_set(e, r->status, r->body);
}

static const char *fix_of(const struct err *e)
{
    static const struct {
        enum err_code code;
        const char *fix;
    } rows[] = {
        {ERR_UNAVAILABLE, "is the app up, does it serve metrics on this port "
                          "(scale.amp/scrape-port), and on localhost or all addresses?"},
        {ERR_TIMEOUT,
         "the endpoint is slow: make it answer sooner, or give it longer (--timeout; a "
         "sidecar's is scale.amp/scrape-interval, at most 10s)"},
        {ERR_NOT_FOUND, "is it another path (scale.amp/scrape-path)?"},
        {ERR_DENIED, "the endpoint wants credentials, and a scrape has none"},
        {ERR_TLS, "is it another scheme (scale.amp/scrape-scheme), or another CA "
                  "(--scrape-ca-file)?"},
        {ERR_INVALID, "the endpoint must serve Prometheus' text format or OpenMetrics"},
        {ERR_LIMIT, "expose less, or raise what it exceeds: --sample-limit, --body-limit, the "
                    "memory limit (scale.amp/collector-memory)"},
        {ERR_MEMORY, "raise the collector's memory limit (scale.amp/collector-memory)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == e->code) {
            return rows[i].fix;
        }
    }
    return "see the app's own log";
}

/* A sidecar starts before its app: that nobody answers yet is no reason to worry for a minute. */
static bool is_starting(const struct scraper *s, const struct err *e, int64_t now_ms)
{
    return !s->was_up && e->code == ERR_UNAVAILABLE && now_ms - s->failing_since_ms < STARTING_MS;
}

static void tell_failure(struct scraper *s, const struct err *e)
{
    char text[128];
    const int64_t now_ms = loop_now_ms(http_loop(s->o.http));
    if (!s->failing) {
        s->failing = true;
        s->failing_since_ms = now_ms;
    }
    const bool starting = is_starting(s, e, now_ms);
    const struct str reason =
        starting ? STR("starting") : sending_reason((int)e->code, str_from(e->text), text);
    if (reasons_tell(&s->failures, reason, now_ms)) {
        s->failure_told = true;
        LOG_AT(s->o.log, starting ? LOG_INFO : LOG_WARN, "scrape failed",
               F_STR("target", str_from(s->o.url)), F_ERR(e), F_STR("fix", str_from(fix_of(e))));
    }
}

static void tell_success(struct scraper *s)
{
    const int64_t now_ms = loop_now_ms(http_loop(s->o.http));
    s->was_up = true;
    if (s->failure_told) {
        LOG_AT(s->o.log, LOG_INFO, "scrape works again", F_STR("target", str_from(s->o.url)),
               F_NUM("failedForSeconds", (double)(now_ms - s->failing_since_ms) / 1000));
    }
    if (s->failing) {
        s->failing = s->failure_told = false;
        reasons_over(&s->failures);
    }
}

/* Series that are not sent though they are wanted: counted, and told once a reason. */
static void tell_drops(struct scraper *s, const struct series_counts *counts)
{
    static const struct {
        enum series_drop why;
        const char *text;
    } rows[] = {
        {SERIES_TOO_MANY_LABELS, "more labels than a series may have"},
        {SERIES_LABELS_TOO_LONG, "labels longer than a series' may be"},
        {SERIES_DUPLICATE, "the same series twice in a scrape, the first one counts"},
        {SERIES_OUT_OF_ORDER, "a time of their own that is not after the last one"},
    };
    const int64_t limits[SERIES_DROP_COUNT] = {
        [SERIES_TOO_MANY_LABELS] = (int64_t)s->o.limits.labels_max,
        [SERIES_LABELS_TOO_LONG] = (int64_t)s->o.limits.label_bytes_max,
    };
    const int64_t now_ms = loop_now_ms(http_loop(s->o.http));
    bool none = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const enum series_drop why = rows[i].why;
        none = none && counts->dropped[why] == 0;
        if (counts->dropped[why] > 0 && reasons_tell(&s->drops, str_from(rows[i].text), now_ms)) {
            LOG_AT(s->o.log, LOG_WARN, "series are not sent",
                   F_STR("reason", str_from(rows[i].text)), F_INT("limit", limits[why]),
                   F_INT("series", (int64_t)counts->dropped[why]),
                   F_STR("example", counts->example[why]));
        }
        s->o.counts->not_sent[why] += counts->dropped[why];
    }
    if (none) {
        reasons_over(&s->drops);
    }
}

/* ---- the end of a scrape ---- */

static int finish(struct scraper *s, const struct scrape_result *result, struct err *e)
{
    struct series_counts counts = {.scraped = 0};
    if (s->o.add_own != NULL && s->o.add_own(s->o.add_own_context, s->o.table, e) != 0) {
        return -1;
    }
    if (scrape_finish(s->o.table, result, s->o.outbox, &counts, e) != 0) {
        return -1;
    }
    if (result->up) {
        tell_drops(s, &counts);
    }
    LOG_AT(s->o.log, LOG_DEBUG, "scraped", F_BOOL("up", result->up),
           F_NUM("seconds", result->duration_s), F_INT("samples", (int64_t)counts.scraped),
           F_INT("kept", (int64_t)counts.kept), F_INT("added", (int64_t)counts.added),
           F_INT("stale", (int64_t)counts.stale));
    return 0;
}

static void end(struct scraper *s, const struct scrape_result *result, struct err *e)
{
    const bool up = e->code == ERR_NONE && finish(s, result, e) == 0;
    if (!up && !s->quiet) {
        const struct scrape_result down = {.received = result->received,
                                           .duration_s = result->duration_s};
        struct err second = ERR_INIT;
        tell_failure(s, e);
        if (finish(s, &down, &second) != 0) {
            LOG_AT(s->o.log, LOG_ERROR, "a failed scrape cannot be written", F_ERR(&second));
        }
    }
    if (up) {
        tell_success(s);
    }
    s->done(s->context, up);
}

static void on_answer(void *context, const struct http_response *r, const struct err *failed)
{
    struct scraper *s = context;
    struct err e = *failed;
    struct scrape_result result = {.received = s->refused,
                                   .duration_s = (double)r->duration_us / 1e6};
    s->call = NULL;
    if (e.code == ERR_NONE && judge_status(r, &e) == 0) {
        result.received = true;
        result.up = end_body(s, &e) == 0;
    }
    lines_reset(&s->lines);
    end(s, &result, &e);
}

/* ---- the beginning ---- */

static int send(struct scraper *s, int64_t timeout_ms, struct err *e)
{
    char text[NUM_TEXT_BYTES];
    const struct http_header headers[] = {
        {STR("Accept"), STR(ACCEPT)},
        {STR("X-Prometheus-Scrape-Timeout-Seconds"),
         num_print_double((double)timeout_ms / 1000, text)},
    };
    const struct http_request r = {
        .method = "GET",
        .url = s->o.url,
        .headers = headers,
        .header_count = sizeof headers / sizeof headers[0],
        .tls = s->o.tls,
        .timeout_ms = timeout_ms,
        .connect_timeout_ms = timeout_ms,
        .max_body_bytes = ERROR_BODY_BYTES,
        .on_data = take_piece,
        .gzip = true,
    };
    return http_send(s->o.http, &r, on_answer, s, &s->call, e);
}

void scraper_begin(struct scraper *s, int64_t timestamp_ms, int64_t timeout_ms, bool quiet,
                   scrape_done_fn *done, void *context)
{
    struct err e = ERR_INIT;
    s->quiet = quiet;
    s->done = done;
    s->context = context;
    s->begun = false;
    s->refused = false;
    scrape_begin(s->o.table, timestamp_ms);
    lines_reset(&s->lines);
    if (send(s, timeout_ms, &e) != 0) {
        end(s, &(struct scrape_result){.up = false}, &e);
    }
}

bool scraper_busy(const struct scraper *s)
{
    return s->call != NULL;
}

void scraper_cancel(struct scraper *s)
{
    if (s->call != NULL) {
        http_cancel(s->call);
        s->call = NULL;
        lines_reset(&s->lines);
    }
}

int scraper_new(const struct scraper_options *o, struct scraper **out, struct err *e)
{
    struct scraper *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the scraper");
    }
    s->o = *o;
    lines_init(&s->lines, o->body_max_bytes, take_line, s);
    *out = s;
    return 0;
}

void scraper_free(struct scraper *s)
{
    if (s != NULL) {
        http_cancel(s->call);
        lines_free(&s->lines);
        free(s);
    }
}
