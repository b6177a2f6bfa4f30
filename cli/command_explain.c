#include "base/fmt.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/explain.h"
#include "cli/names.h"
#include "cli/stdio.h"

enum { ARENA_BYTES = 64 << 20, OUTPUT_BYTES = 4 << 20, PATH_BYTES = 1024 };

static const struct program PROGRAM = {
    .name = "kubectl ampscale explain",
    .about = "Tells all about one Deployment: its contract with the defaults in force, what the "
             "scaler says of it, its last events, and, with --endpoint or --workspace, what would "
             "be decided now."};

struct request {
    struct common_flags common;
    struct str namespace_, name;
    bool json;
};

static void look_up_events(struct cluster *c, const struct view *v, struct arena *a,
                           struct explanation *x)
{
    char path[PATH_BYTES];
    const struct json *list;
    struct err e = ERR_INIT;
    (void)fmt(path, sizeof(path),
              "/api/v1/namespaces/%.*s/events?fieldSelector=involvedObject.kind%%3DDeployment%%2C"
              "involvedObject.name%%3D%.*s",
              STR_ARG(v->namespace_), STR_ARG(v->name));
    if (cluster_get(c, path, a, &list, &e) == 0) {
        x->event_count = explain_events(list, x->events);
        return;
    }
    struct err full = ERR_INIT;
    if (arena_str(a, str_from(e.text), &x->events_error, &full) != 0) {
        x->events_error = STR("out of memory");
    }
}

static int decide_now(struct cluster *c, struct view *v, struct explanation *x, struct err *e)
{
    struct cluster_asking asking;
    if (c->prom == NULL || !v->usable) {
        return 0;
    }
    cluster_ask(c, &v->spec, &asking);
    int status = cluster_wait(c, &asking, e);
    cluster_give_up(&asking);
    if (status != 0) {
        return -1;
    }
    view_read_now(v, asking.readings);
    x->decided = true;
    return explain_decide(v, x->now_ms, &x->decision, e);
}

static int explain(struct cluster *c, const struct request *r, struct arena *a, struct buf *out,
                   struct err *e)
{
    char path[PATH_BYTES];
    const struct json *object;
    struct deployment d;
    struct view view;
    (void)fmt(path, sizeof(path), "/apis/apps/v1/namespaces/%.*s/deployments/%.*s",
              STR_ARG(c->namespace_), STR_ARG(r->name));
    if (cluster_get(c, path, a, &object, e) != 0 || deployment_decode(object, a, &d, e) != 0 ||
        view_make(&d, a, &view, e) != 0) {
        return -1;
    }
    struct explanation x = {.view = &view, .now_ms = loop_unix_ms()};
    if (view.scaled) {
        look_up_events(c, &view, a, &x);
        if (decide_now(c, &view, &x, e) != 0) {
            return -1;
        }
    }
    if (r->json) {
        explain_json(&x, out);
    } else {
        explain_text(&x, out);
    }
    return 0;
}

static int run(const struct request *r)
{
    struct cluster c;
    struct arena arena;
    struct buf out;
    struct err e = ERR_INIT;
    if (cluster_open(&r->common, r->namespace_, &c, &e) != 0) {
        return complain(&e);
    }
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, OUTPUT_BYTES);
    int status = explain(&c, r, &arena, &out, &e);
    if (status == 0) {
        status = output_flush(&out, &e);
    }
    buf_free(&out);
    arena_free(&arena);
    cluster_close(&c);
    return status == 0 ? 0 : complain(&e);
}

int command_explain(int argc, char *const argv[])
{
    struct request r = {.json = false};
    struct flag_list names = {.count = 0};
    int output = OUTPUT_TEXT;
    const struct flag flags[] = {
        {.name = "namespace",
         .kind = FLAG_STR,
         .out = &r.namespace_,
         .argument = "NS",
         .default_text = "the context's",
         .help = "Namespace of the Deployment.",
         .letter = 'n'},
        {.name = "output",
         .kind = FLAG_CHOICE,
         .out = &output,
         .argument = "FORMAT",
         .default_text = "text",
         .help = "text, or json: one object.",
         .choices = OUTPUT_TEXT_OR_JSON,
         .letter = 'o'},
        {.name = "DEPLOYMENT", .kind = FLAG_ARGUMENTS, .out = &names, .required = true, .max = 1},
    };
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]),
                              COMMON_QUERY | COMMON_AWS | COMMON_KUBE, &r.common, argc, argv);
    if (status >= 0) {
        return status;
    }
    struct err e = ERR_INIT;
    r.json = output == OUTPUT_JSON;
    if (names_deployment(names.items[0], &r.name, &e) != 0 ||
        (r.namespace_.len > 0 && names_namespace(r.namespace_, &e) != 0)) {
        return common_usage_error(&PROGRAM, &e);
    }
    return run(&r);
}
