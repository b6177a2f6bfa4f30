#include "net/leader.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/lease.h"

enum {
    PATH_BYTES = 512,
    METADATA_BYTES = 512 << 10, /* of the Lease: its annotations alone may be 256 KiB */
    BODY_BYTES = METADATA_BYTES + 4096,
    ANSWER_BYTES = 1 << 20,
    NAME_BYTES = 256,
    RELEASE_MS = 2000,
};

struct leader {
    struct leader_options o;
    char namespace_[NAME_BYTES], name[NAME_BYTES], identity[LEASE_TEXT_BYTES];
    struct lease_view view;
    struct buf metadata; /* the Lease's own, as seen with view; empty: there is none */
    struct loop_timer retry, deadline;
    struct kube_call *call;
    int64_t asked_ms; /* when the request that is out was sent */
    bool leads, failing;
    void (*released)(void *context);
    void *released_context;
};

static void retry(void *context);

static void arm(struct leader *l, struct loop_timer *t, int64_t due_ms)
{
    struct err e = ERR_INIT;
    if (loop_timer_set(l->o.loop, t, due_ms, &e) != 0) {
        LOG_AT(l->o.log, LOG_ERROR, "leader election stands still", F_ERR(&e));
    }
}

/* The next try, up to a fifth later: identities are told apart by their names' hash. */
static void arm_retry(struct leader *l)
{
    int64_t jitter = (int64_t)(str_hash(str_from(l->identity)) % 100) * l->o.retry_ms / 500;
    arm(l, &l->retry, loop_now_ms(l->o.loop) + l->o.retry_ms + jitter);
}

static void set_leads(struct leader *l, bool leads)
{
    if (l->leads == leads) {
        return;
    }
    l->leads = leads;
    LOG_AT(l->o.log, LOG_INFO, leads ? "leading" : "not leading any more",
           F_STR("namespace", str_from(l->namespace_)), F_STR("identity", str_from(l->identity)));
    if (!leads) {
        loop_timer_cancel(l->o.loop, &l->deadline);
    }
    l->o.changed(l->o.context, leads);
}

static void deadline_passed(void *context)
{
    struct leader *l = context;
    LOG_AT(l->o.log, LOG_ERROR, "the Lease could not be renewed in time",
           F_STR("namespace", str_from(l->namespace_)));
    set_leads(l, false);
}

/* `verb` as in RBAC: without that right it fails so. */
static void note_failure(struct leader *l, const char *verb, const struct err *failed)
{
    if (!l->failing) {
        struct err e = *failed;
        (void)err_prefix(&e, "%s leases/%s", verb, l->name);
        LOG_AT(l->o.log, LOG_WARN, "the Lease cannot be read or written",
               F_STR("namespace", str_from(l->namespace_)), F_ERR(&e));
    }
    l->failing = true;
}

static const char *write_verb(const struct leader *l)
{
    return l->metadata.len == 0 ? "create" : "update";
}

/* Take in an answer that holds the Lease. */
static int observe(struct leader *l, struct str body, struct err *e)
{
    struct arena arena;
    const struct json *object;
    arena_init(&arena, ANSWER_BYTES);
    int status = json_parse(body, &JSON_LIMITS_API, &arena, &object, e);
    if (status == 0) {
        status = lease_observe(&l->view, object, loop_now_ms(l->o.loop), e);
    }
    if (status == 0) {
        buf_reset(&l->metadata);
        buf_append(&l->metadata, json_get(object, STR("metadata"))->raw);
        status = buf_check(&l->metadata, e);
    }
    arena_free(&arena);
    return status;
}

static void written(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    struct leader *l = context;
    struct err e = *failed;
    l->call = NULL;
    if (e.code == ERR_NONE && observe(l, body, &e) == 0) {
        l->failing = false;
        arm(l, &l->deadline, l->asked_ms + l->o.renew_ms);
        set_leads(l, true);
    } else if (e.code != ERR_CONFLICT) { /* 409: somebody was faster; the next read says who */
        note_failure(l, write_verb(l), &e);
    }
    arm_retry(l);
}

static int send(struct leader *l, const char *method, bool to_collection, struct str body,
                kube_done_fn *done, struct err *e)
{
    char path[PATH_BYTES];
    (void)fmt(path, sizeof(path), "/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s",
              l->namespace_, to_collection ? "" : "/", to_collection ? "" : l->name);
    struct kube_request request = {
        .method = method, .path = path, .body = body, .timeout_ms = l->o.renew_ms / 2};
    l->asked_ms = loop_now_ms(l->o.loop);
    return kube_send(l->o.kube, &request, done, l, &l->call, e);
}

/* Write the Lease as `identity`'s. */
static int write_lease(struct leader *l, struct str identity, kube_done_fn *done, struct err *e)
{
    struct buf body;
    bool create = l->metadata.len == 0;
    buf_init(&body, BODY_BYTES);
    lease_print(&l->view, buf_view(&l->metadata), str_from(l->namespace_), str_from(l->name),
                identity, l->o.lease_ms, loop_unix_ms(), &body);
    int status = buf_check(&body, e);
    if (status == 0) {
        status = send(l, create ? "POST" : "PUT", create, buf_view(&body), done, e);
    }
    buf_free(&body);
    return status;
}

/* Act on what was read. */
static void step(struct leader *l)
{
    struct str identity = str_from(l->identity);
    struct err e = ERR_INIT;
    if (lease_next(&l->view, identity, loop_now_ms(l->o.loop)) == LEASE_WAIT) {
        set_leads(l, false);
        arm_retry(l);
    } else if (write_lease(l, identity, written, &e) != 0) {
        note_failure(l, write_verb(l), &e);
        arm_retry(l);
    }
}

static void was_read(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    struct leader *l = context;
    struct err e = *failed;
    l->call = NULL;
    if (e.code == ERR_NOT_FOUND) {
        l->view = (struct lease_view){0};
        buf_reset(&l->metadata);
        step(l);
    } else if (e.code == ERR_NONE && observe(l, body, &e) == 0) {
        l->failing = false;
        step(l);
    } else {
        note_failure(l, "get", &e);
        arm_retry(l);
    }
}

static void retry(void *context)
{
    struct leader *l = context;
    struct err e = ERR_INIT;
    if (send(l, "GET", false, STR(""), was_read, &e) != 0) {
        note_failure(l, "get", &e);
        arm_retry(l);
    }
}

void leader_identity(char out[LEADER_IDENTITY_BYTES])
{
    char host[LEADER_IDENTITY_BYTES - 16] = "";
    uint32_t random = 0;
    (void)gethostname(host, sizeof(host) - 1);
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        random = (uint32_t)getpid();
    }
    (void)fmt(out, LEADER_IDENTITY_BYTES, "%s_%08x", host, random);
}

int leader_start(const struct leader_options *o, struct leader **out, struct err *e)
{
    struct leader *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for leader election");
    }
    l->o = *o;
    l->o.lease_ms = o->lease_ms > 0 ? o->lease_ms : 15000;
    l->o.renew_ms = o->renew_ms > 0 ? o->renew_ms : 10000;
    l->o.retry_ms = o->retry_ms > 0 ? o->retry_ms : 2000;
    (void)fmt(l->namespace_, sizeof(l->namespace_), "%.*s", STR_ARG(o->namespace_));
    (void)fmt(l->name, sizeof(l->name), "%.*s", STR_ARG(o->name));
    (void)fmt(l->identity, sizeof(l->identity), "%.*s", STR_ARG(o->identity));
    buf_init(&l->metadata, METADATA_BYTES);
    l->retry = (struct loop_timer){.fire = retry, .context = l};
    l->deadline = (struct loop_timer){.fire = deadline_passed, .context = l};
    if (loop_timer_set(o->loop, &l->retry, loop_now_ms(o->loop), e) != 0) {
        free(l);
        return -1;
    }
    *out = l;
    return 0;
}

bool leader_leads(const struct leader *l)
{
    return l->leads && loop_now_ms(l->o.loop) < l->deadline.due_ms;
}

bool leader_other_leads(const struct leader *l)
{
    return lease_held_by_other(&l->view, str_from(l->identity), loop_now_ms(l->o.loop));
}

static void stop(struct leader *l)
{
    loop_timer_cancel(l->o.loop, &l->retry);
    loop_timer_cancel(l->o.loop, &l->deadline);
    kube_cancel(l->call);
    l->call = NULL;
}

static void given_away(void *context)
{
    struct leader *l = context;
    stop(l);
    l->released(l->released_context);
}

static void release_written(void *context, int status, struct str body, const struct err *e);

static void release_read(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    struct leader *l = context;
    struct err e = *failed;
    l->call = NULL;
    bool ours = e.code == ERR_NONE && observe(l, body, &e) == 0 &&
                str_eq(str_from(l->view.holder), str_from(l->identity));
    if (!ours || write_lease(l, STR(""), release_written, &e) != 0) {
        given_away(l);
    }
}

static void release_written(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    (void)body;
    struct leader *l = context;
    struct err e = *failed;
    l->call = NULL;
    /* 409: a renewal that was given up arrived all the same. */
    if (e.code == ERR_CONFLICT && send(l, "GET", false, STR(""), release_read, &e) == 0) {
        return;
    }
    if (e.code != ERR_NONE) {
        note_failure(l, "update", &e);
    }
    given_away(l);
}

void leader_release(struct leader *l, void (*released)(void *context), void *context)
{
    struct err e = ERR_INIT;
    bool led = l->leads;
    stop(l);
    l->leads = false;
    l->released = released;
    l->released_context = context;
    l->deadline = (struct loop_timer){.fire = given_away, .context = l};
    bool sent = led && write_lease(l, STR(""), release_written, &e) == 0;
    arm(l, &l->deadline, loop_now_ms(l->o.loop) + (sent ? RELEASE_MS : 0));
}

void leader_free(struct leader *l)
{
    if (l == NULL) {
        return;
    }
    stop(l);
    buf_free(&l->metadata);
    free(l);
}
