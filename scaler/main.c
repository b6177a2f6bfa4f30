/* ampscale-scaler: flags, wiring, the loop. Everything of substance is in the core and the doors.
 */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "net/common_flags.h"
#include "net/leader.h"
#include "net/server.h"
#include "scaler/leadership.h"
#include "scaler/scaler_metrics.h"
#include "scaler/watches.h"

enum {
    DRAIN_MS = 2000,
    EXPOSITION_BYTES = 32 << 20,
    LARGE_BYTES = 128 << 10,
    /* One endpoint that stalls must leave room for the others and for the API server. */
    CONNECTIONS = 1024,
    HOST_CONNECTIONS = 192, /* several workspaces are one host; each has a lane of 64 */
};

static const struct program PROGRAM = {
    .name = "ampscale-scaler",
    .about =
        "Scales Deployments that carry scale.amp/query and scale.amp/threshold on the value of the "
        "query: watches them, asks Prometheus or AMP, and writes their replica count."};

struct app {
    struct common_flags common;
    struct flag_list namespaces;
    bool all_namespaces, dry_run, no_leader_election, stopping;
    struct str metrics_listen;
    struct logger log;
    char user_agent[64], instance[256], identity[LEADER_IDENTITY_BYTES];
    struct loop *loop;
    struct http_client *http;
    struct prom *prom;
    struct kube *kube;
    struct metrics *metrics;
    struct server *server;
    struct doors doors;
    struct scaler *core;
    struct leadership_options leadership_options;
    struct leadership *leadership;
    struct watches *watches;
};

static void handle_health(void *context, struct server_request *r)
{
    (void)context;
    server_reply(r, 200, "text/plain", STR("ok\n"));
}

static void handle_ready(void *context, struct server_request *r)
{
    const struct app *app = context;
    if (watches_synced(app->watches)) {
        server_reply(r, 200, "text/plain", STR("ok\n"));
    } else {
        server_reply(r, 503, "text/plain", STR("the Deployments are not being watched\n"));
    }
}

static void handle_metrics(void *context, struct server_request *r)
{
    struct app *app = context;
    struct buf text;
    struct err e = ERR_INIT;
    buf_init(&text, EXPOSITION_BYTES);
    metrics_state(app->metrics, scaler_count(app->core), watches_synced(app->watches));
    metrics_print(app->metrics, &text);
    if (buf_check(&text, &e) != 0) {
        server_reply(r, 500, "text/plain", str_from(e.text));
    } else {
        server_reply(r, 200, METRICS_CONTENT_TYPE, buf_view(&text));
    }
    buf_free(&text);
}

static void on_released(void *context)
{
    const struct app *app = context;
    server_stop(app->server, 0, DRAIN_MS);
}

/* First give the Leases away, so that another one can take over, then drain. A second signal does
 * not wait. */
static void on_stop(void *context, int signal)
{
    struct app *app = context;
    LOG_AT(&app->log, LOG_INFO, "stopping", F_INT("signal", signal));
    if (app->stopping) {
        server_stop(app->server, 0, 0);
        return;
    }
    app->stopping = true;
    leadership_release(app->leadership, on_released, app);
}

static int start_server(struct app *app, struct err *e)
{
    static struct server_route routes[] = {
        {.path = "/healthz", .method = "GET", .handle = handle_health},
        {.path = "/readyz", .method = "GET", .handle = handle_ready},
        {.path = "/metrics", .method = "GET", .handle = handle_metrics}};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        routes[i].context = app;
    }
    struct server_listen listen = {.address = common_text(app->metrics_listen),
                                   .routes = routes,
                                   .route_count = sizeof(routes) / sizeof(routes[0])};
    struct server_options options = {.listens = &listen, .listen_count = 1};
    return server_new(app->loop, &options, &app->server, e);
}

static bool may_write(void *context, struct str namespace_)
{
    const struct app *app = context;
    return app->leadership != NULL && leadership_allows(app->leadership, namespace_);
}

static int start_core(struct app *app, struct err *e)
{
    if (app->namespaces.count == 0 && !app->all_namespaces) {
        app->namespaces.items[app->namespaces.count++] = kube_namespace(app->kube);
    }
    /* A dry run writes nothing, so it takes no Lease and need not yield to anybody. */
    app->leadership_options =
        (struct leadership_options){.doors = &app->doors,
                                    .namespaces = &app->namespaces,
                                    .home = kube_namespace(app->kube),
                                    .identity = str_from(app->identity),
                                    .elects = !app->no_leader_election && !app->dry_run,
                                    .yields = !app->dry_run};
    struct scaler_options options = {.log = &app->log,
                                     .dry_run = app->dry_run,
                                     .elects = leadership_waits(&app->leadership_options)};
    app->doors = (struct doors){.loop = app->loop,
                                .prom = app->prom,
                                .kube = app->kube,
                                .metrics = app->metrics,
                                .log = &app->log,
                                .instance = app->instance,
                                .may_write = may_write,
                                .may_write_context = app};
    struct scaler_io io = doors_io(&app->doors);
    if (doors_open(&app->doors, e) != 0 || scaler_new(&options, &io, &app->core, e) != 0 ||
        doors_attach(&app->doors, app->core, e) != 0 ||
        leadership_start(&app->leadership_options, &app->leadership, e) != 0) {
        return -1;
    }
    return watches_start(&app->doors, &app->namespaces, &app->watches, e);
}

static int start(struct app *app, struct err *e)
{
    struct http_client_options http = {
        .user_agent = common_user_agent(&PROGRAM, app->user_agent, sizeof(app->user_agent)),
        .max_connections = CONNECTIONS,
        .max_host_connections = HOST_CONNECTIONS};
    struct prom_config prom = common_prom_config(&app->common, &app->log);
    struct kube_config kube = common_kube_config(&app->common);
    if (loop_new(&app->loop, e) != 0 || loop_on_stop(app->loop, on_stop, app, e) != 0 ||
        http_client_new(app->loop, &http, &app->http, e) != 0 ||
        prom_new(app->http, &prom, &app->prom, e) != 0 ||
        kube_new(app->http, &kube, &app->kube, e) != 0 ||
        scaler_metrics_new(&app->metrics, e) != 0) {
        return -1;
    }
    return start_core(app, e) != 0 || start_server(app, e) != 0 ? -1 : 0;
}

static void stop(struct app *app)
{
    watches_stop(app->watches);
    leadership_free(app->leadership);
    if (app->core != NULL) {
        doors_detach(&app->doors);
        scaler_free(app->core);
    }
    doors_close(&app->doors);
    server_free(app->server);
    kube_free(app->kube);
    prom_free(app->prom);
    http_client_free(app->http);
    metrics_free(app->metrics);
    loop_free(app->loop);
}

/* What is large is passing: a page of a list, the text of /metrics. glibc would take it as the
 * measure, serve the next one from the heap and keep as much at its end for good. */
static void return_what_is_large(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES);
}

static int run(struct app *app)
{
    struct err e = ERR_INIT;
    if (start(app, &e) != 0) {
        LOG_AT(&app->log, LOG_ERROR, "cannot start", F_ERR(&e));
        stop(app);
        return 1;
    }
    LOG_AT(&app->log, LOG_INFO, "started", F_STR("api", kube_server(app->kube)),
           F_STR("identity", str_from(app->identity)), F_BOOL("dryRun", app->dry_run));
    int status = 0;
    if (server_run(app->server, &e) != 0) {
        LOG_AT(&app->log, LOG_ERROR, "the loop failed", F_ERR(&e));
        status = 1;
    }
    stop(app);
    return status;
}

int main(int argc, char *argv[])
{
    struct app app = {.metrics_listen = STR(":8080")};
    const struct flag flags[] = {
        {.name = "namespace",
         .kind = FLAG_LIST,
         .out = &app.namespaces,
         .argument = "NS",
         .default_text = "its own",
         .help = "Namespace whose Deployments are scaled; repeatable."},
        {.name = "all-namespaces",
         .kind = FLAG_BOOL,
         .out = &app.all_namespaces,
         .help = "Scale the Deployments of every namespace."},
        {.name = "metrics-listen",
         .kind = FLAG_STR,
         .out = &app.metrics_listen,
         .argument = "ADDR:PORT",
         .default_text = ":8080",
         .help = "Where /metrics, /healthz and /readyz are served, without TLS."},
        {.name = "no-leader-election",
         .kind = FLAG_BOOL,
         .out = &app.no_leader_election,
         .help = "Scale without taking the Lease; for one process only."},
        {.name = "dry-run",
         .kind = FLAG_BOOL,
         .out = &app.dry_run,
         .help = "Decide and log, but write no replica count."}};
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]),
                              COMMON_QUERY | COMMON_AWS | COMMON_KUBE, &app.common, argc, argv);
    if (status >= 0) {
        return status;
    }
    struct err e = ERR_INIT;
    if (app.all_namespaces && app.namespaces.count > 0) {
        (void)err_set(&e, ERR_INVALID, "--namespace and --all-namespaces exclude each other");
        return common_usage_error(&PROGRAM, &e);
    }
    if (!common_has_query_target(&app.common)) {
        (void)err_set(&e, ERR_INVALID,
                      "one of --endpoint and --workspace is needed: what to query");
        return common_usage_error(&PROGRAM, &e);
    }
    return_what_is_large();
    common_logger(&app.common, &PROGRAM, &app.log);
    (void)gethostname(app.instance, sizeof(app.instance) - 1);
    leader_identity(app.identity);
    return run(&app);
}
