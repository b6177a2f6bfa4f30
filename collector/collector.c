#include "collector/collector.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fmt.h"
#include "collector/ask.h"
#include "collector/own.h"
#include "collector/remote.h"
#include "collector/scrape.h"
#include "collector/timing.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/server.h"

enum {
    HOLD_MS = 5000, /* scrapes that are more frequent wait for each other so long */
    LAST_SCRAPE_MS = 1000,
    FINAL_MS = 4000, /* for a final scrape; who asked waits a second longer (main.c) */
    SERVER_DRAIN_MS = 200,
    OWN_TEXT_BYTES = 16 << 10,
    CONNECTIONS = 4,
};

enum life {
    LIFE_RUNNING,
    LIFE_LAST_SCRAPE,
    LIFE_FLUSHING,
    LIFE_OVER,
};

enum final {
    FINAL_NONE,
    FINAL_SCRAPING,
    FINAL_SENDING,
};

struct collector {
    const struct collector_options *o;
    struct loop *loop;
    struct http_client *http;
    struct aws_identity *identity;
    struct series_table *table;
    struct outbox *outbox;
    struct own_counts counts;
    struct scraper *scraper;
    struct remote *remote;
    struct ask_server *ask;
    struct server_route route;
    struct server *server;
    struct timing timing;
    struct loop_timer tick, deadline, final_limit;
    enum life life;
    int64_t end_ms;       /* loop's clock; of LIFE_LAST_SCRAPE and LIFE_FLUSHING */
    enum final final;     /* the scrape that was asked for */
    int64_t final_end_ms; /* loop's clock: when who asked is answered at the latest */
};

/* To who asked for a final scrape, if any. */
static void answer_final(struct collector *c, struct str text)
{
    c->final = FINAL_NONE;
    loop_timer_cancel(c->loop, &c->final_limit);
    ask_server_answer(c->ask, text);
}

/* ---- the end ---- */

static void over(struct collector *c)
{
    c->life = LIFE_OVER;
    if (c->server != NULL) {
        server_stop(c->server, 0, SERVER_DRAIN_MS);
    }
}

static void on_flushed(void *context, bool sent)
{
    (void)sent; /* the last line tells */
    over(context);
}

static void on_deadline(void *context)
{
    over(context);
}

static void flush(struct collector *c)
{
    c->life = LIFE_FLUSHING;
    remote_flush(c->remote, c->end_ms, on_flushed, c);
}

static void on_last_scrape(void *context, bool up)
{
    struct collector *c = context;
    struct err e = ERR_INIT;
    LOG_AT(c->o->log, LOG_DEBUG, "last scrape", F_BOOL("up", up));
    if (series_all_stale(c->table, loop_unix_ms(), c->outbox, &e) != 0) {
        LOG_AT(c->o->log, LOG_ERROR, "the series cannot be marked stale", F_ERR(&e));
    }
    flush(c);
}

static int64_t stamp(struct collector *c)
{
    int64_t back_ms = 0;
    const int64_t timestamp_ms = timing_stamp(&c->timing, loop_unix_ms(), &back_ms);
    if (back_ms > 0) {
        LOG_AT(c->o->log, LOG_WARN,
               "the clock was set back: a receiver refuses what is older than it has",
               F_NUM("backSeconds", (double)back_ms / 1000));
    }
    return timestamp_ms;
}

static void last_scrape(struct collector *c)
{
    const int64_t within_ms = c->o->timeout_ms < LAST_SCRAPE_MS ? c->o->timeout_ms : LAST_SCRAPE_MS;
    c->life = LIFE_LAST_SCRAPE;
    scraper_begin(c->scraper, stamp(c), within_ms, true, on_last_scrape, c);
}

static void on_stop(void *context, int signal)
{
    struct collector *c = context;
    struct err e = ERR_INIT;
    LOG_AT(c->o->log, LOG_INFO, "stopping", F_INT("signal", signal),
           F_INT("waiting", (int64_t)outbox_samples(c->outbox)));
    if (c->life != LIFE_RUNNING) {
        over(c);
        return;
    }
    answer_final(c, STR("the collector is ending"));
    loop_timer_cancel(c->loop, &c->tick);
    scraper_cancel(c->scraper);
    c->end_ms = loop_now_ms(c->loop) + c->o->shutdown_timeout_ms;
    if (loop_timer_set(c->loop, &c->deadline, c->end_ms, &e) != 0) {
        over(c);
    } else if (signal == SIGTERM) {
        last_scrape(c);
    } else {
        flush(c);
    }
}

/* ---- scrapes ---- */

#define NOT_SENT STR("scraped, and it cannot be sent at the moment")

/* What an earlier one had sent is no answer to who asked again meanwhile. */
static void on_final_sent(void *context, bool sent)
{
    struct collector *c = context;
    if (c->final == FINAL_SENDING) {
        answer_final(c, sent ? STR("scraped and sent") : NOT_SENT);
    }
}

/* The target or the receiver takes its time: it goes on, but nobody is to wait for that. */
static void on_final_limit(void *context)
{
    struct collector *c = context;
    ask_server_answer(c->ask,
                      c->final == FINAL_SCRAPING ? STR("the scrape is still under way") : NOT_SENT);
}

static void on_scraped(void *context, bool up)
{
    struct collector *c = context;
    if (c->final == FINAL_SCRAPING && up) {
        c->final = FINAL_SENDING;
        remote_flush(c->remote, c->final_end_ms, on_final_sent, c);
    } else if (c->final == FINAL_SCRAPING) {
        answer_final(c, STR("the scrape failed"));
    }
    remote_wake(c->remote);
}

static void scrape(struct collector *c)
{
    if (!scraper_busy(c->scraper)) {
        scraper_begin(c->scraper, stamp(c), c->o->timeout_ms, false, on_scraped, c);
    }
}

static void on_tick(void *context)
{
    struct collector *c = context;
    struct err e = ERR_INIT;
    const int64_t next_ms = timing_next(&c->timing, loop_now_ms(c->loop));
    if (loop_timer_set(c->loop, &c->tick, next_ms, &e) != 0) {
        LOG_AT(c->o->log, LOG_ERROR, "no timer for the next scrape", F_ERR(&e));
    }
    scrape(c);
}

/* One that is under way counts, however long ago it began: there is one at a time. */
static void on_final_scrape(void *context)
{
    struct collector *c = context;
    struct err e = ERR_INIT;
    if (c->life != LIFE_RUNNING) {
        ask_server_answer(c->ask, STR("the collector is ending"));
        return;
    }
    c->final = FINAL_SCRAPING;
    c->final_end_ms = loop_now_ms(c->loop) + FINAL_MS;
    if (loop_timer_set(c->loop, &c->final_limit, c->final_end_ms, &e) != 0) {
        LOG_AT(c->o->log, LOG_ERROR, "no timer for the answer to a final scrape", F_ERR(&e));
    }
    scrape(c);
}

static int add_own(void *context, struct series_table *table, struct err *e)
{
    const struct collector *c = context;
    return own_add(table, &c->counts, c->outbox, e);
}

/* ---- the loopback's listener ---- */

static void handle_metrics(void *context, struct server_request *r)
{
    const struct collector *c = context;
    struct buf text;
    struct err e = ERR_INIT;
    buf_init(&text, OWN_TEXT_BYTES);
    own_print(&c->counts, c->outbox, &text);
    if (buf_check(&text, &e) != 0) {
        server_reply(r, 500, "text/plain", str_from(e.text));
    } else {
        server_reply(r, 200, METRICS_CONTENT_TYPE, buf_view(&text));
    }
    buf_free(&text);
}

static int start_server(struct collector *c, struct err *e)
{
    c->route = (struct server_route){
        .path = "/metrics", .method = "GET", .handle = handle_metrics, .context = c};
    const struct server_listen listen = {
        .address = c->o->metrics_listen, .routes = &c->route, .route_count = 1};
    const struct server_options options = {.listens = &listen, .listen_count = 1};
    return server_new(c->loop, &options, &c->server, e);
}

/* ---- the beginning ---- */

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = (uint64_t)loop_unix_ms();
    }
    return seed;
}

static int start_series(struct collector *c, struct err *e)
{
    const struct series_options options = {.shared = c->o->labels,
                                           .shared_count = c->o->label_count,
                                           .keep = c->o->keep->items,
                                           .keep_count = c->o->keep->count,
                                           .match = c->o->match->items,
                                           .match_count = c->o->match->count,
                                           .limits = c->o->series,
                                           .seed = random_seed()};
    return series_table_new(&options, &c->table, e) != 0 ||
                   outbox_new(&c->o->outbox, c->table, &c->outbox, e) != 0
               ? -1
               : 0;
}

static int start_scraper(struct collector *c, struct err *e)
{
    const struct scraper_options options = {.http = c->http,
                                            .log = c->o->log,
                                            .url = c->o->target_url,
                                            .tls = c->o->target_tls,
                                            .body_max_bytes = c->o->body_max_bytes,
                                            .limits = c->o->series,
                                            .table = c->table,
                                            .outbox = c->outbox,
                                            .counts = &c->counts,
                                            .add_own = c->o->own_metrics ? add_own : NULL,
                                            .add_own_context = c};
    return scraper_new(&options, &c->scraper, e);
}

static int start_remote(struct collector *c, struct err *e)
{
    if (c->o->destination.sign && aws_identity_new(c->http, &c->o->aws, &c->identity, e) != 0) {
        return -1;
    }
    const struct remote_options options = {.http = c->http,
                                           .log = c->o->log,
                                           .destination = &c->o->destination,
                                           .tls = c->o->remote_tls,
                                           .identity = c->identity,
                                           .outbox = c->outbox,
                                           .counts = &c->counts,
                                           .request_samples = c->o->outbox.request_samples,
                                           .hold_ms = c->o->interval_ms < HOLD_MS ? HOLD_MS : 0,
                                           .seed = random_seed()};
    return remote_new(&options, &c->remote, e);
}

/* Without it the collector works as well; only its probes fail. */
static void start_ask(struct collector *c)
{
    struct err e = ERR_INIT;
    if (ask_server_new(c->loop, c->o->target.socket_name, on_final_scrape, c, &c->ask, &e) != 0) {
        LOG_AT(c->o->log, LOG_WARN,
               "--check and --final-scrape are not answered: is another collector of this target "
               "running in the pod?",
               F_ERR(&e));
    }
}

/* Pods differ in their host names, and the collectors of one pod in their targets. */
static void start_timing(struct collector *c)
{
    char text[600], host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    timing_init(&c->timing, c->o->interval_ms,
                fmt(text, sizeof text, "%s %s", host, c->o->target.instance));
}

static int start(struct collector *c, struct err *e)
{
    const struct http_client_options http = {.user_agent = c->o->user_agent,
                                             .max_connections = CONNECTIONS};
    c->tick = (struct loop_timer){.fire = on_tick, .context = c};
    c->deadline = (struct loop_timer){.fire = on_deadline, .context = c};
    c->final_limit = (struct loop_timer){.fire = on_final_limit, .context = c};
    start_timing(c);
    if (loop_new(&c->loop, e) != 0 || http_client_new(c->loop, &http, &c->http, e) != 0 ||
        start_series(c, e) != 0 || start_scraper(c, e) != 0 || start_remote(c, e) != 0 ||
        loop_on_stop(c->loop, on_stop, c, e) != 0 ||
        (c->o->metrics_listen != NULL && start_server(c, e) != 0)) {
        return -1;
    }
    start_ask(c);
    return loop_timer_set(c->loop, &c->tick, loop_now_ms(c->loop), e);
}

static void stop(struct collector *c)
{
    server_free(c->server);
    ask_server_free(c->ask);
    remote_free(c->remote);
    scraper_free(c->scraper);
    outbox_free(c->outbox);
    series_table_free(c->table);
    aws_identity_free(c->identity);
    http_client_free(c->http);
    loop_free(c->loop);
}

static int turn(struct collector *c, struct err *e)
{
    if (c->server != NULL) {
        return server_run(c->server, e);
    }
    while (c->life != LIFE_OVER) {
        if (loop_run_once(c->loop, -1, e) != 0) {
            return -1;
        }
    }
    return 0;
}

int collector_run(const struct collector_options *o)
{
    struct err e = ERR_INIT;
    struct collector c = {.o = o};
    if (start(&c, &e) != 0) {
        LOG_AT(o->log, LOG_ERROR, "cannot start", F_ERR(&e));
        stop(&c);
        return e.code == ERR_INVALID ? 2 : 1;
    }
    LOG_AT(o->log, LOG_INFO, "started", F_STR("target", o->target.url),
           F_STR("url", destination_shown(&o->destination)), F_BOOL("signed", o->destination.sign),
           F_NUM("intervalSeconds", (double)o->interval_ms / 1000),
           F_INT("tableMaxBytes", (int64_t)o->series.table_bytes_max),
           F_INT("bufferMaxBytes", (int64_t)o->outbox.bytes_max));
    const int status = turn(&c, &e) == 0 ? 0 : 1;
    if (status != 0) {
        LOG_AT(o->log, LOG_ERROR, "the loop failed", F_ERR(&e));
    }
    LOG_AT(o->log, outbox_samples(c.outbox) > 0 ? LOG_WARN : LOG_INFO, "stopped",
           F_INT("sent", (int64_t)c.counts.samples_sent),
           F_INT("notSent", (int64_t)outbox_samples(c.outbox)),
           F_STR("error", outbox_samples(c.outbox) > 0 ? remote_failure(c.remote) : STR("")));
    stop(&c);
    return status;
}
