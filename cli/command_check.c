/* check: ask the API server what a user would ask it, and judge the answers. */
#include "base/fmt.h"
#include "cli/check.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/names.h"
#include "cli/stdio.h"
#include "webhook/scalers.h"

enum {
    ARENA_BYTES = 32 << 20, /* of one round */
    OUTPUT_BYTES = 4 << 20,
    PATH_BYTES = 1024,
    MANIFEST_BYTES = 4096,
    WARNINGS_BYTES = 64 << 10,
    AGAIN_MS = 500, /* between two looks at what may yet come */
    WAIT_MAX_MS = 3600000,
    NAMESPACES_MAX = FLAG_LIST_MAX,
};

static const struct program PROGRAM = {
    .name = "kubectl ampscale check",
    .about = "Tells whether an installation does its work in these namespaces: a Deployment with "
             "annotations, created by server-side dry run, comes back completed, one with a wrong "
             "annotation is refused, and a scaler holds its Lease. Nothing is written, and the "
             "query itself is not run. Exit status 1: something is wrong, and the fix is said."};

struct check {
    struct common_flags common;
    struct cluster cluster;
    struct flag_list namespaces;
    struct str namespace_, scaler_namespace; /* absent: not given */
    bool no_webhook, no_scaler, json;
    int64_t wait_ms;
    struct arena arena; /* of one round */
    struct check_answer mutating, validating;
    bool know_mutating, know_validating; /* asked for in this round */
    struct check_result results[NAMESPACES_MAX * CHECK_COUNT];
    size_t count;
};

/* -1 only for what is no answer of the API server's: no memory, a loop that failed. */
static int ask(struct check *c, const struct kube_request *r, struct check_answer *out,
               struct err *e)
{
    *out = (struct check_answer){.object = NULL};
    if (cluster_send(&c->cluster, r, &c->arena, &out->object, &out->e) == 0 ||
        out->e.code != ERR_MEMORY) {
        return 0;
    }
    *e = out->e;
    return -1;
}

/* The webhook configurations of ampscale, asked for when there is something to tell by them. */
static int ask_hooks(struct check *c, enum check_kind kind, const struct check_answer **out,
                     struct err *e)
{
    bool mutating = kind != CHECK_REFUSES;
    bool *known = mutating ? &c->know_mutating : &c->know_validating;
    struct check_answer *hooks = mutating ? &c->mutating : &c->validating;
    char path[PATH_BYTES];
    (void)fmt(path, sizeof(path),
              "/apis/admissionregistration.k8s.io/v1/%swebhookconfigurations"
              "?labelSelector=app.kubernetes.io%%2Fpart-of%%3Dampscale",
              mutating ? "mutating" : "validating");
    const struct kube_request request = {.method = "GET", .path = path};
    if (!*known && ask(c, &request, hooks, e) != 0) {
        return -1;
    }
    *known = true;
    *out = hooks;
    return 0;
}

static int check_webhook(struct check *c, enum check_kind kind, struct str namespace_,
                         struct check_result *out, struct err *e)
{
    char path[PATH_BYTES], name[64];
    struct buf body, warnings;
    struct check_answer got;
    const struct check_answer *hooks = NULL;
    buf_init(&body, MANIFEST_BYTES);
    buf_init(&warnings, WARNINGS_BYTES);
    (void)fmt(path, sizeof(path),
              "/apis/apps/v1/namespaces/%.*s/deployments?dryRun=All&fieldManager=ampscale-check",
              STR_ARG(namespace_));
    check_manifest(
        kind, fmt(name, sizeof(name), "ampscale-check-%llx", (unsigned long long)loop_unix_ms()),
        &body);
    const struct kube_request request = {
        .method = "POST", .path = path, .body = buf_view(&body), .warnings = &warnings};
    int status = buf_check(&body, e);
    if (status == 0) {
        status = ask(c, &request, &got, e);
    }
    if (status == 0 && !check_is_right(kind, &got)) {
        status = ask_hooks(c, kind, &hooks, e);
    }
    if (status == 0) {
        status = check_judge_webhook(kind, namespace_, &got, hooks, &c->arena, out, e);
    }
    if (status == 0) {
        status = arena_str(&c->arena, buf_view(&warnings), &out->warnings, e);
    }
    buf_free(&warnings);
    buf_free(&body);
    return status;
}

/* Look at the Lease of one namespace until it is known whether its holder lives. *why: it could not
 * be had. */
static int look_at_lease(struct check *c, struct str where, struct check_lease *out,
                         struct err *why, struct err *e)
{
    char path[PATH_BYTES];
    struct check_answer got;
    (void)fmt(path, sizeof(path),
              "/apis/coordination.k8s.io/v1/namespaces/%.*s/leases/" SCALER_LEASE, STR_ARG(where));
    const struct kube_request request = {.method = "GET", .path = path};
    *out = (struct check_lease){.since_ms = 0};
    for (;;) {
        int64_t now_ms = loop_now_ms(c->cluster.loop);
        if (ask(c, &request, &got, e) != 0) {
            return -1;
        }
        *why = got.e;
        if (got.object == NULL || check_lease_look(out, got.object, now_ms, why) != 0 ||
            !check_lease_is_open(out, now_ms, kube_unix_ms(c->cluster.kube))) {
            return 0;
        }
        if (cluster_pause(&c->cluster, AGAIN_MS, e) != 0) {
            return -1;
        }
    }
}

/* Its own scaler, or, where it has none, the one of all namespaces, which is beside the webhook. */
static int check_scaler(struct check *c, struct str namespace_, struct check_result *out,
                        struct err *e)
{
    struct str where = c->scaler_namespace.len > 0 ? c->scaler_namespace : namespace_;
    struct check_lease lease;
    struct err why = ERR_INIT;
    const struct check_answer *hooks;
    if (look_at_lease(c, where, &lease, &why, e) != 0) {
        return -1;
    }
    if (why.code == ERR_NOT_FOUND && c->scaler_namespace.len == 0) {
        if (ask_hooks(c, CHECK_SERVED, &hooks, e) != 0) {
            return -1;
        }
        struct str beside = check_webhook_namespace(hooks);
        struct check_lease other;
        struct err ignored = ERR_INIT;
        if (beside.len > 0 && look_at_lease(c, beside, &other, &ignored, e) != 0) {
            return -1;
        }
        if (beside.len > 0 && ignored.code == ERR_NONE) {
            lease = other;
            where = beside;
        }
    }
    return check_judge_lease(namespace_, where, &lease, &why, kube_unix_ms(c->cluster.kube),
                             &c->arena, out, e);
}

/* All checks once. *well: none found anything wrong. */
static int check_all(struct check *c, bool *well, struct err *e)
{
    int status = 0;
    arena_reset(&c->arena);
    c->count = 0;
    c->know_mutating = c->know_validating = false;
    *well = true;
    for (size_t i = 0; i < c->namespaces.count; i++) {
        struct str namespace_ = c->namespaces.items[i];
        const int first = c->no_webhook ? CHECK_SERVED : CHECK_COMPLETES;
        const int end = c->no_scaler ? CHECK_SERVED : CHECK_COUNT;
        for (int kind = first; kind < end; kind++) {
            struct check_result *result = &c->results[c->count];
            status = kind == CHECK_SERVED
                         ? check_scaler(c, namespace_, result, e)
                         : check_webhook(c, (enum check_kind)kind, namespace_, result, e);
            if (status != 0) {
                return -1;
            }
            *well = *well && result->ok;
            c->count++;
        }
    }
    return 0;
}

static int check_until_well(struct check *c, bool *well, struct err *e)
{
    int64_t until_ms = loop_now_ms(c->cluster.loop) + c->wait_ms;
    for (;;) {
        if (check_all(c, well, e) != 0) {
            return -1;
        }
        if (*well || loop_now_ms(c->cluster.loop) >= until_ms) {
            return 0;
        }
        if (cluster_pause(&c->cluster, AGAIN_MS, e) != 0) {
            return -1;
        }
    }
}

static int run(struct check *c)
{
    struct err e = ERR_INIT;
    struct buf out;
    bool well = false;
    if (cluster_open(&c->common, c->namespace_, &c->cluster, &e) != 0) {
        return complain(&e);
    }
    if (c->namespaces.count == 0) {
        c->namespaces.items[c->namespaces.count++] = c->cluster.namespace_;
    }
    arena_init(&c->arena, ARENA_BYTES);
    buf_init(&out, OUTPUT_BYTES);
    int status = check_until_well(c, &well, &e);
    if (status == 0) {
        if (c->json) {
            check_print_json(c->results, c->count, &out);
        } else {
            check_print_text(c->results, c->count, &out);
        }
        status = output_flush(&out, &e);
    }
    buf_free(&out);
    arena_free(&c->arena);
    cluster_close(&c->cluster);
    return status == 0 ? !well : complain(&e);
}

/* The names given are ones of namespaces. */
static int names_check(const struct check *c, struct err *e)
{
    for (size_t i = 0; i < c->namespaces.count; i++) {
        if (names_namespace(c->namespaces.items[i], e) != 0) {
            return -1;
        }
    }
    if (c->no_webhook && c->no_scaler) {
        return err_set(e, ERR_INVALID, "--no-webhook and --no-scaler leave nothing to check");
    }
    if (c->namespaces.count > 0 && c->namespace_.len > 0) {
        return err_set(e, ERR_INVALID, "name namespaces either by -n or without it");
    }
    return (c->namespace_.len > 0 && names_namespace(c->namespace_, e) != 0) ||
                   (c->scaler_namespace.len > 0 && names_namespace(c->scaler_namespace, e) != 0)
               ? -1
               : 0;
}

int command_check(int argc, char *const argv[])
{
    struct check c = {.json = false};
    int output = OUTPUT_TEXT;
    const struct flag flags[] = {
        {.name = "namespace",
         .kind = FLAG_STR,
         .out = &c.namespace_,
         .argument = "NS",
         .default_text = "the context's",
         .help = "Namespace to check, when none is named without a flag.",
         .letter = 'n'},
        {.name = "scaler-namespace",
         .kind = FLAG_STR,
         .out = &c.scaler_namespace,
         .argument = "NS",
         .default_text = "each one's own, else the webhook's",
         .help = "Namespace of the scaler that serves them."},
        {.name = "no-webhook",
         .kind = FLAG_BOOL,
         .out = &c.no_webhook,
         .help = "Only the scalers: none of the webhook is asked for or missed."},
        {.name = "no-scaler",
         .kind = FLAG_BOOL,
         .out = &c.no_scaler,
         .help = "Only the webhook, where scalers are others' to install."},
        {.name = "wait",
         .kind = FLAG_DURATION,
         .out = &c.wait_ms,
         .argument = "DURATION",
         .default_text = "0s",
         .help = "How long to try again while something is wrong.",
         .max = WAIT_MAX_MS},
        {.name = "output",
         .kind = FLAG_CHOICE,
         .out = &output,
         .argument = "FORMAT",
         .default_text = "text",
         .help = "text, or json: a list of one object a check.",
         .choices = OUTPUT_TEXT_OR_JSON,
         .letter = 'o'},
        {.name = "NAMESPACE", .kind = FLAG_ARGUMENTS, .out = &c.namespaces},
    };
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]), COMMON_KUBE,
                              &c.common, argc, argv);
    if (status >= 0) {
        return status;
    }
    struct err e = ERR_INIT;
    c.json = output == OUTPUT_JSON;
    if (names_check(&c, &e) != 0) {
        return common_usage_error(&PROGRAM, &e);
    }
    return run(&c);
}
