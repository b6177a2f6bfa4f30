#include "webhook/lookup.h"

#include "base/fmt.h"
#include "base/num.h"

enum { PATH_BYTES = 256, NAMESPACE_BYTES = 63, WHOSE_BYTES = 96 };

/* resourceVersion=0: from the API server's watch cache, which is as fresh as this needs. */
static const char *const list_paths[LIST_COUNT][2] = {
    [LIST_HPAS] = {"/apis/autoscaling/v2/namespaces/",
                   "/horizontalpodautoscalers?resourceVersion=0"},
    [LIST_SCALED_OBJECTS] = {"/apis/keda.sh/v1alpha1/namespaces/",
                             "/scaledobjects?resourceVersion=0"},
};

/* ---- the end ---- */

static void stop_all(struct lookup *l)
{
    loop_timer_cancel(l->service->loop, &l->deadline);
    for (size_t i = 0; i < LIST_COUNT; i++) {
        kube_cancel(l->lists[i].call);
        l->lists[i].call = NULL;
    }
    for (size_t i = 0; i < l->query_count; i++) {
        query_cache_leave(l->queries[i].waiter);
        l->queries[i].waiter = NULL;
    }
}

void lookup_cancel(struct lookup *l)
{
    if (l->pending > 0) {
        l->pending = 0;
        stop_all(l);
    }
}

static void complete(struct lookup *l)
{
    l->facts.hpas = l->lists[LIST_HPAS].list;
    l->facts.scaled_objects = l->lists[LIST_SCALED_OBJECTS].list;
    l->facts.autoscalers_error = l->lists_error.code != ERR_NONE ? &l->lists_error : NULL;
    l->facts.queries = l->query_facts;
    l->facts.scaler = lease_watch_scaler(l->service->leases, l->namespace_);
}

static void one_less(struct lookup *l)
{
    l->pending--;
    if (l->pending == 0) {
        stop_all(l);
        complete(l);
        l->done(l->context);
    }
}

static void timeout_err(const struct lookup *l, struct err *e)
{
    char text[NUM_TEXT_BYTES];
    if (l->budget_ms <= 0) {
        (void)err_set(e, ERR_TIMEOUT, "the API server's timeout for this webhook leaves no time");
        return;
    }
    const struct str budget = num_print_duration(l->budget_ms, text);
    (void)err_set(e, ERR_TIMEOUT, "no answer within %.*s", STR_ARG(budget));
}

static void on_deadline(void *context)
{
    struct lookup *l = context;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        if (l->lists[i].call != NULL) {
            timeout_err(l, &l->lists_error);
        }
    }
    for (size_t i = 0; i < l->query_count; i++) {
        if (l->queries[i].waiter != NULL) {
            timeout_err(l, &l->queries[i].error);
            l->query_facts[i].outcome = QUERY_FAILED;
        }
    }
    l->pending = 1;
    one_less(l);
}

/* ---- autoscalers ---- */

static int keep_list(struct lookup_list_call *c, struct str body, struct err *e)
{
    struct str copy;
    if (arena_str(c->lookup->arena, body, &copy, e) != 0) {
        return -1;
    }
    return json_parse(copy, &JSON_LIMITS_API, c->lookup->arena, &c->list, e);
}

static void on_list(void *context, int status, struct str body, const struct err *e)
{
    struct lookup_list_call *c = context;
    struct lookup *l = c->lookup;
    struct err problem = *e;
    (void)status;
    c->call = NULL;
    if (e->code == ERR_NONE) {
        (void)keep_list(c, body, &problem);
    }
    /* 404: the cluster has no KEDA. */
    if (problem.code != ERR_NONE && problem.code != ERR_NOT_FOUND) {
        l->lists_error = problem;
    }
    one_less(l);
}

/* It becomes part of a path, and a review may come from anybody. */
static bool is_namespace(struct str name)
{
    if (name.len == 0 || name.len > NAMESPACE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!char_is_lower(c) && !char_is_digit(c) && c != '-') {
            return false;
        }
    }
    return true;
}

static void start_list(struct lookup *l, enum lookup_list which, struct str namespace_)
{
    char path[PATH_BYTES];
    struct lookup_list_call *c = &l->lists[which];
    struct err e = ERR_INIT;
    (void)fmt(path, sizeof(path), "%s%.*s%s", list_paths[which][0], STR_ARG(namespace_),
              list_paths[which][1]);
    const struct kube_request request = {.method = "GET", .path = path, .timeout_ms = l->budget_ms};
    if (kube_send(l->service->kube, &request, on_list, c, &c->call, &e) != 0) {
        l->lists_error = e;
        return;
    }
    l->pending++;
}

static void start_lists(struct lookup *l, struct str namespace_)
{
    if (l->service->kube == NULL) {
        return;
    }
    if (!is_namespace(namespace_)) {
        (void)err_set(&l->lists_error, ERR_INVALID, "\"%.*s\" is no name of a namespace",
                      STR_ARG(str_slice(namespace_, 0, NAMESPACE_BYTES)));
        return;
    }
    if (l->budget_ms <= 0) {
        timeout_err(l, &l->lists_error);
        return;
    }
    for (size_t i = 0; i < LIST_COUNT; i++) {
        start_list(l, (enum lookup_list)i, namespace_);
    }
}

/* ---- queries ---- */

static void on_query(void *context, const struct prom_result *result, const struct err *e)
{
    struct lookup_query *q = context;
    struct lookup *l = q->lookup;
    struct query_fact *fact = &l->query_facts[q - l->queries];
    q->waiter = NULL;
    q->error = *e;
    fact->outcome = QUERY_FAILED;
    if (e->code == ERR_NONE && query_result_copy(result, l->arena, &q->result, &q->error) == 0) {
        fact->outcome = QUERY_ANSWERED;
    }
    one_less(l);
}

/* What the namespace has of its own in place of the flags; NULL: nothing. */
static const struct prom_own *own_of(const struct lookup *l, char whose[WHOSE_BYTES],
                                     struct prom_own *out)
{
    const struct place *place = rulebook_place(l->service->rules, l->namespace_);
    if (place == NULL) {
        return NULL;
    }
    *out = (struct prom_own){
        .whose = fmt(whose, WHOSE_BYTES, "namespace %.*s's own", STR_ARG(place->name)),
        .endpoint = place->endpoint,
        .workspace = place->workspace,
        .region = place->region,
        .role_arn = place->role_arn,
    };
    return out;
}

static void start_query(struct lookup *l, size_t index, const struct validate_query *wanted)
{
    char whose[WHOSE_BYTES];
    struct prom_own own;
    const struct prom_wanted place_wanted = {.endpoint = wanted->endpoint,
                                             .workspace = wanted->workspace,
                                             .region = wanted->region,
                                             .role_arn = wanted->role_arn,
                                             .own = own_of(l, whose, &own)};
    struct prom_place place;
    struct lookup_query *q = &l->queries[index];
    struct query_fact *fact = &l->query_facts[index];
    *q = (struct lookup_query){.lookup = l};
    *fact = (struct query_fact){.error = &q->error, .result = &q->result};
    if (prom_resolve(l->service->prom, &place_wanted, &place, &q->error) != 0) {
        const bool role = prom_allows_role(l->service->prom, &place_wanted);
        fact->outcome = role ? QUERY_UNRESOLVED : QUERY_NOT_AS_ROLE;
        return;
    }
    if (l->dry_run) {
        fact->outcome = QUERY_SKIPPED;
        return;
    }
    fact->outcome = QUERY_FAILED;
    if (l->budget_ms <= 0) {
        timeout_err(l, &q->error);
        return;
    }
    l->pending++; /* before: the cache may answer at once */
    if (query_cache_ask(l->service->queries, &place, wanted->query, on_query, q, &q->waiter,
                        &q->error) != 0) {
        l->pending--;
    }
}

bool lookup_start(struct lookup *l, struct service *s, const struct validation *v, struct arena *a,
                  int64_t deadline_ms, void (*done)(void *context), void *context)
{
    struct err e = ERR_INIT;
    l->service = s;
    l->arena = a;
    l->done = done;
    l->context = context;
    l->budget_ms = deadline_ms - loop_now_ms(s->loop);
    l->deadline = (struct loop_timer){.fire = on_deadline, .context = l};
    l->query_count = v->query_count;
    l->dry_run = v->review->dry_run;
    l->namespace_ = v->review->namespace_;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        l->lists[i] = (struct lookup_list_call){.lookup = l};
    }
    l->lists_error = (struct err)ERR_INIT;

    l->pending = 1; /* this function itself: what is answered meanwhile does not end the look-up */
    if (v->wants_autoscalers) {
        start_lists(l, v->review->namespace_);
    }
    for (size_t i = 0; i < v->query_count; i++) {
        start_query(l, i, &v->queries[i]);
    }
    l->pending--;
    if (l->pending > 0 && loop_timer_set(s->loop, &l->deadline, deadline_ms, &e) != 0) {
        on_deadline(l); /* cannot be bounded in time: do without */
        return false;
    }
    if (l->pending > 0) {
        return false;
    }
    complete(l);
    return true;
}
