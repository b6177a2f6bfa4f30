/* ampscale-webhook: flags, the world, two listeners. The work is in admission.c and below. */
#include <malloc.h>
#include <stdlib.h>

#include "base/fmt.h"
#include "base/num.h"
#include "net/common_flags.h"
#include "webhook/admission.h"
#include "webhook/collector_flags.h"
#include "webhook/families.h"
#include "webhook/review.h"
#include "webhook/tls_flags.h"
#include "webhook/verdict.h"

enum { METRICS_MAX_BYTES = 16 << 20, DRAIN_MS = 10000, LISTEN_TLS = 0, LISTEN_PLAIN = 1 };
enum { OWN_FLAGS = 4, KEEP_FREE_BYTES = 2 << 20 };

static const struct program program = {
    .name = "ampscale-webhook",
    .about = "Admission webhook of ampscale: writes the defaults of annotated Deployments, and "
             "checks their annotations, other autoscalers on them and their query against Amazon "
             "Managed Service for Prometheus.",
};

struct webhook_flags {
    struct common_flags common;
    struct str listen, metrics_listen;
    struct tls_flags tls;
    int64_t shutdown_delay_ms;
    bool no_cluster;
    struct collector_flags collector;
    struct rulebook_flags rules;
};

static int parse_flags(struct webhook_flags *f, int argc, char *const argv[])
{
    *f = (struct webhook_flags){.listen = STR(":8443"), .metrics_listen = STR(":8080")};
    struct flag rows[OWN_FLAGS + TLS_FLAGS + COLLECTOR_FLAGS + RULEBOOK_FLAGS] = {
        {.name = "listen",
         .kind = FLAG_STR,
         .out = &f->listen,
         .argument = "ADDR:PORT",
         .default_text = ":8443",
         .help = "Where the API server calls, with TLS."},
        {.name = "metrics-listen",
         .kind = FLAG_STR,
         .out = &f->metrics_listen,
         .argument = "ADDR:PORT",
         .default_text = ":8080",
         .help = "Where /healthz, /readyz and /metrics are, without TLS."},
        {.name = "shutdown-delay",
         .kind = FLAG_DURATION,
         .out = &f->shutdown_delay_ms,
         .argument = "DURATION",
         .default_text = "0s",
         .help = "How long to serve on after SIGTERM, until the Service's endpoints are updated.",
         .min = 0,
         .max = 600000},
        {.name = "no-cluster",
         .kind = FLAG_BOOL,
         .out = &f->no_cluster,
         .help = "Do without the API server: other autoscalers and scalers' Leases are not looked "
                 "for."},
    };
    tls_flag_rows(&f->tls, rows + OWN_FLAGS);
    collector_flag_rows(&f->collector, rows + OWN_FLAGS + TLS_FLAGS);
    rulebook_flag_rows(&f->rules, rows + OWN_FLAGS + TLS_FLAGS + COLLECTOR_FLAGS);
    const int status =
        common_start(&program, rows, sizeof(rows) / sizeof(rows[0]),
                     COMMON_QUERY | COMMON_AWS | COMMON_KUBE, &f->common, argc, argv);
    struct err e = ERR_INIT;
    if (status < 0 && (tls_flags_check(&f->tls, f->no_cluster, &e) != 0 ||
                       collector_flags_check(&f->collector, &e) != 0)) {
        return common_usage_error(&program, &e);
    }
    return status;
}

/* ---- the operator's paths ---- */

static void handle_healthz(void *context, struct server_request *r)
{
    (void)context;
    server_reply(r, 200, "text/plain; charset=utf-8", STR("ok\n"));
}

static void handle_readyz(void *context, struct server_request *r)
{
    const struct service *s = context;
    const char *why = "no certificate yet, or shutting down";
    const bool ready = (s->certs == NULL || certs_ready(s->certs, &why)) && server_ready(s->server);
    char text[128];
    server_reply(r, ready ? 200 : 503, "text/plain; charset=utf-8",
                 fmt(text, sizeof(text), "%s\n", ready ? "ok" : why));
}

static void handle_metrics(void *context, struct server_request *r)
{
    const struct service *s = context;
    struct buf text;
    struct err e = ERR_INIT;
    buf_init(&text, METRICS_MAX_BYTES);
    metrics_print(s->metrics, &text);
    if (buf_check(&text, &e) != 0) {
        server_reply(r, 500, "text/plain; charset=utf-8", str_from(e.text));
    } else {
        server_reply(r, 200, METRICS_CONTENT_TYPE, buf_view(&text));
    }
    buf_free(&text);
}

static void on_tls(void *context, const char *tls_dir, int64_t not_after_s, const struct err *e)
{
    struct service *s = context;
    char text[NUM_TEXT_BYTES];
    const struct str end = num_print_time(not_after_s * 1000, 0, text);
    metrics_set(s->metrics, WEBHOOK_CERTIFICATE_EXPIRY, NULL, (double)not_after_s);
    if (e == NULL) {
        LOG_AT(&s->log, LOG_INFO, "certificate loaded", F_STR("dir", str_from(tls_dir)),
               F_STR("not_after", end));
    } else {
        metrics_add(s->metrics, WEBHOOK_CERTIFICATE_ERRORS, NULL, 1);
        LOG_AT(&s->log, LOG_ERROR, "certificate not usable", F_STR("dir", str_from(tls_dir)),
               F_BOOL("still_serving", not_after_s > 0), F_ERR(e));
    }
}

static void on_response(void *context, const struct server_route *route, int status)
{
    struct service *s = context;
    char code[NUM_TEXT_BYTES];
    const struct str labels[] = {route != NULL ? str_from(route->path) : STR("other"),
                                 num_print_int(status, code)};
    metrics_add(s->metrics, WEBHOOK_RESPONSES, labels, 1);
}

static void on_turn(void *context)
{
    struct service *s = context;
    log_batch_write(&s->lines);
}

/* ---- the world ---- */

static void close_all(struct service *s)
{
    admission_forget(s);
    query_cache_free(s->queries);
    lease_watch_stop(s->leases);
    rulebook_free(s->rules);
    metrics_free(s->metrics);
    kube_free(s->kube);
    prom_free(s->prom);
    http_client_free(s->http);
    loop_free(s->loop);
}

static int open_clients(struct service *s, const struct webhook_flags *f, struct err *e)
{
    const struct http_client_options http = {
        .user_agent = common_user_agent(&program, s->user_agent, sizeof(s->user_agent))};
    const struct prom_config prom = common_prom_config(&f->common, &s->log);
    const struct kube_config kube = common_kube_config(&f->common);

    if (loop_new(&s->loop, e) != 0 || http_client_new(s->loop, &http, &s->http, e) != 0 ||
        prom_new(s->http, &prom, &s->prom, e) != 0) {
        return -1;
    }
    if (!f->no_cluster && kube_new(s->http, &kube, &s->kube, e) != 0) {
        return err_prefix(e, "API server (--no-cluster does without)");
    }
    if (s->kube != NULL && lease_watch_start(s->loop, s->kube, &s->log, &s->leases, e) != 0) {
        return -1;
    }
    if (webhook_metrics_new(program.name, &s->metrics, e) != 0) {
        return -1;
    }
    if (rulebook_watch(s->rules, s->loop, s->metrics, e) != 0) {
        return -1;
    }
    return query_cache_new(s->loop, s->prom, s->metrics, &s->queries, e);
}

struct stop_context {
    struct service *service;
    int64_t delay_ms;
};

static void on_stop(void *context, int signal)
{
    const struct stop_context *c = context;
    LOG_AT(&c->service->log, LOG_INFO, "stopping", F_INT("signal", signal),
           F_INT("shutdown_delay_ms", c->delay_ms));
    if (c->service->certs != NULL) {
        certs_release(c->service->certs);
    }
    server_stop(c->service->server, c->delay_ms, DRAIN_MS);
}

static int start_certs(struct service *s, const struct tls_flags *f, struct err *e)
{
    const struct certs_options options = {.loop = s->loop,
                                          .kube = s->kube,
                                          .server = s->server,
                                          .listen = LISTEN_TLS,
                                          .metrics = s->metrics,
                                          .log = &s->log,
                                          .secret = f->secret,
                                          .lease = f->lease,
                                          .service = f->service,
                                          .configuration = f->configuration,
                                          .ca_life_ms = f->ca_life_ms,
                                          .leaf_life_ms = f->leaf_life_ms};
    return certs_start(&options, &s->certs, e);
}

static int serve(struct service *s, const struct webhook_flags *f, struct err *e)
{
    const struct server_route reviews[] = {
        {"/mutate", "POST", REVIEW_BODY_MAX_BYTES, "application/json", admission_mutate, s},
        {"/validate", "POST", REVIEW_BODY_MAX_BYTES, "application/json", admission_validate, s},
    };
    const struct server_route operators[] = {
        {.path = "/healthz", .method = "GET", .handle = handle_healthz, .context = s},
        {.path = "/readyz", .method = "GET", .handle = handle_readyz, .context = s},
        {.path = "/metrics", .method = "GET", .handle = handle_metrics, .context = s},
    };
    const struct server_listen listens[] = {
        [LISTEN_TLS] = {.address = f->listen.ptr,
                        .tls_dir = common_text(f->tls.dir),
                        .tls_given = f->tls.secret.len > 0,
                        .routes = reviews,
                        .route_count = 2},
        [LISTEN_PLAIN] = {.address = f->metrics_listen.ptr, .routes = operators, .route_count = 3},
    };
    const struct server_options options = {
        .listens = listens,
        .listen_count = 2,
        .on_tls = on_tls,
        .on_response = on_response,
        .on_turn = on_turn,
        .context = s,
    };
    struct stop_context stop = {s, f->shutdown_delay_ms};

    /* The signals first: from here on one is never lost, and met once the loop runs. */
    if (loop_on_stop(s->loop, on_stop, &stop, e) != 0 ||
        server_new(s->loop, &options, &s->server, e) != 0) {
        return -1;
    }
    if (f->tls.secret.len > 0 && start_certs(s, &f->tls, e) != 0) {
        server_free(s->server);
        s->server = NULL;
        return -1;
    }
    LOG_AT(&s->log, LOG_INFO, "serving", F_INT("port", server_port(s->server, LISTEN_TLS)),
           F_INT("metrics_port", server_port(s->server, LISTEN_PLAIN)),
           F_BOOL("cluster", s->kube != NULL),
           F_BOOL("queries", common_has_query_target(&f->common)));
    log_batch_begin(&s->lines, &s->log);
    const int result = server_run(s->server, e);
    log_batch_end(&s->lines);
    certs_free(s->certs);
    server_free(s->server); /* here, while its routes are there */
    s->certs = NULL;
    s->server = NULL;
    return result;
}

/* The buffers of a review of some 100 KiB serve the next one: given back to the system in between,
 * each of their pages would be faulted in anew. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_FREE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
}

int main(int argc, char *argv[])
{
    struct webhook_flags flags;
    struct service service = {.kube = NULL};
    struct err e = ERR_INIT;
    const int status = parse_flags(&flags, argc, argv);
    if (status >= 0) {
        return status;
    }
    keep_memory();
    common_logger(&flags.common, &program, &service.log);
    service.collector = collector_flags_options(&flags.collector, &flags.common);
    if (rulebook_new(&flags.rules, &service.log, &service.rules, &e) != 0) {
        return common_usage_error(&program, &e);
    }
    buf_init(&service.answer, VERDICT_ANSWER_MAX_BYTES);
    const int result = open_clients(&service, &flags, &e) == 0 && serve(&service, &flags, &e) == 0
                           ? EXIT_SUCCESS
                           : EXIT_FAILURE;
    if (result == EXIT_SUCCESS) {
        log_write(&service.log, LOG_INFO, "stopped", NULL, 0);
    } else {
        LOG_AT(&service.log, LOG_ERROR, "cannot go on", F_ERR(&e));
    }
    close_all(&service);
    return result;
}
