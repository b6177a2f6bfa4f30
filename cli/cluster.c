#include "cli/cluster.h"

#include "base/fmt.h"
#include "cli/names.h"

enum { QUERY_TIMEOUT_MS = 10000 };

static const struct program PROGRAM = {.name = "kubectl-ampscale", .about = ""};

int cluster_open(const struct common_flags *flags, struct str namespace_, struct cluster *out,
                 struct err *e)
{
    const struct kube_config kube = common_kube_config(flags);
    *out = (struct cluster){.loop = NULL};
    common_logger(flags, &PROGRAM, &out->log);
    out->log.format = LOG_TEXT; /* for people, on stderr: a reading's text is too short for all */
    out->log.level = LOG_ERROR;
    const struct prom_config prom = common_prom_config(flags, &out->log);
    const struct http_client_options http = {
        .user_agent = common_user_agent(&PROGRAM, out->user_agent, sizeof(out->user_agent))};
    if (loop_new(&out->loop, e) != 0 || http_client_new(out->loop, &http, &out->http, e) != 0 ||
        kube_new(out->http, &kube, &out->kube, e) != 0 ||
        (common_has_query_target(flags) && prom_new(out->http, &prom, &out->prom, e) != 0)) {
        cluster_close(out);
        return -1;
    }
    out->namespace_ = namespace_.len > 0 ? namespace_ : kube_namespace(out->kube);
    if (names_namespace(out->namespace_, e) != 0) {
        cluster_close(out);
        return -1;
    }
    return 0;
}

void cluster_close(struct cluster *c)
{
    prom_free(c->prom);
    kube_free(c->kube);
    http_client_free(c->http);
    loop_free(c->loop);
    c->loop = NULL;
}

/* ---- the API server ---- */

struct answer {
    struct arena *arena;
    const struct json *root;
    struct err e;
    bool done;
};

static void on_answer(void *context, int status, struct str body, const struct err *e)
{
    struct answer *answer = context;
    struct str kept;
    (void)status;
    answer->done = true;
    answer->e = *e;
    if (e->code == ERR_NONE && arena_str(answer->arena, body, &kept, &answer->e) == 0) {
        (void)(json_parse(kept, &JSON_LIMITS_API, answer->arena, &answer->root, &answer->e) != 0);
    }
}

int cluster_send(struct cluster *c, const struct kube_request *r, struct arena *a,
                 const struct json **out, struct err *e)
{
    struct answer answer = {.arena = a};
    struct kube_call *call;
    if (kube_send(c->kube, r, on_answer, &answer, &call, e) != 0) {
        return -1;
    }
    while (!answer.done) {
        if (loop_run_once(c->loop, -1, e) != 0) {
            kube_cancel(call);
            return -1;
        }
    }
    if (answer.e.code != ERR_NONE) {
        *e = answer.e;
        return -1;
    }
    *out = answer.root;
    return 0;
}

int cluster_get(struct cluster *c, const char *path, struct arena *a, const struct json **out,
                struct err *e)
{
    const struct kube_request request = {.method = "GET", .path = path};
    return cluster_send(c, &request, a, out, e);
}

static void on_pause_over(void *context)
{
    bool *over = context;
    *over = true;
}

int cluster_pause(struct cluster *c, int64_t ms, struct err *e)
{
    bool over = false;
    struct loop_timer timer = {.fire = on_pause_over, .context = &over};
    int status = loop_timer_set(c->loop, &timer, loop_now_ms(c->loop) + ms, e);
    while (status == 0 && !over) {
        status = loop_run_once(c->loop, -1, e);
    }
    loop_timer_cancel(c->loop, &timer);
    return status;
}

/* ---- queries ---- */

static void on_result(void *context, const struct prom_result *result, const struct err *e)
{
    struct cluster_question *q = context;
    reading_from(result, e, loop_unix_ms(), q->reading);
    q->call = NULL;
    q->asking->pending--;
}

static int ask_one(struct cluster *c, const struct scale_spec *spec, size_t i,
                   struct cluster_question *q, struct err *e)
{
    const struct prom_wanted wanted = {.endpoint = spec->endpoint,
                                       .workspace = spec->workspace,
                                       .region = spec->region,
                                       .role_arn = spec->role_arn};
    struct prom_place place;
    return prom_resolve(c->prom, &wanted, &place, e) != 0
               ? -1
               : prom_query(c->prom, &place, spec->triggers[i].query, QUERY_TIMEOUT_MS, on_result,
                            q, &q->call, e);
}

void cluster_ask(struct cluster *c, const struct scale_spec *spec, struct cluster_asking *out)
{
    *out = (struct cluster_asking){.count = spec->trigger_count};
    for (size_t i = 0; i < spec->trigger_count; i++) {
        struct cluster_question *q = &out->questions[i];
        struct err why = ERR_INIT;
        q->asking = out;
        q->reading = &out->readings[i];
        if (ask_one(c, spec, i, q, &why) != 0) {
            reading_from(NULL, &why, loop_unix_ms(), q->reading);
        } else {
            out->pending++;
        }
    }
}

int cluster_wait(struct cluster *c, const struct cluster_asking *asking, struct err *e)
{
    int status = 0;
    while (status == 0 && asking->pending > 0) {
        status = loop_run_once(c->loop, -1, e);
    }
    return status;
}

void cluster_give_up(struct cluster_asking *asking)
{
    for (size_t i = 0; i < asking->count; i++) {
        prom_cancel(asking->questions[i].call);
        asking->questions[i].call = NULL;
    }
    asking->pending = 0;
}
