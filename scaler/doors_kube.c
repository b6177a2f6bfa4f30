/* The doors to the API server: /scale, /status, and what is left behind when a workload goes. */
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/json.h"
#include "base/num.h"
#include "scaler/doors.h"
#include "scaler/scaler_metrics.h"

enum {
    PATH_BYTES = 1024,
    BODY_BYTES = 16384,
    ANSWER_ARENA_BYTES = 1 << 20,
    MESSAGE_BYTES = 1024,
    SCALE_TIMEOUT_MS = 10000,
    UID_BYTES = 128,
    NAMESPACE_BYTES = 64,
    NAME_BYTES = 256,
};

static void print_path(const struct workload *w, const char *subresource, char out[PATH_BYTES])
{
    (void)fmt(out, PATH_BYTES,
              "/apis/apps/v1/namespaces/%.*s/deployments/%.*s/%s?fieldManager=ampscale",
              STR_ARG(w->namespace_), STR_ARG(w->name), subresource);
}

static int check_allowed(const struct doors *d, struct str namespace_, struct err *e)
{
    if (d->may_write != NULL && !d->may_write(d->may_write_context, namespace_)) {
        return err_set(e, ERR_CANCELLED, "this process does not lead any more");
    }
    return 0;
}

/* ---- /scale ---- */

/* One read or write of /scale that is out. */
struct scale_call {
    struct lane_job job; /* first */
    struct doors *doors;
    struct workload *workload;
    bool write;
    int32_t replicas;                     /* to write, */
    char version[RESOURCE_VERSION_BYTES]; /* if it is still this one */
    struct kube_call *call;
};

/* A Scale of autoscaling/v1, of the Deployment with that UID and no later one of its name. Its
 * replicas are left out when they are 0. */
static int scale_decode(struct str body, struct str uid, struct arena *a, struct scaler_scale *out,
                        struct err *e)
{
    const struct json *root;
    if (json_parse(body, &JSON_LIMITS_API, a, &root, e) != 0) {
        return err_prefix(e, "answer of /scale");
    }
    if (!str_eq(json_str(json_path(root, "metadata/uid")), uid)) {
        return err_set(e, ERR_NOT_FOUND, "the Deployment is gone, and another one has its name");
    }
    const struct json *replicas = json_path(root, "spec/replicas");
    int64_t count = 0;
    if (replicas != NULL && (!json_int(replicas, &count) || count < 0 || count > INT32_MAX)) {
        return err_set(e, ERR_UNAVAILABLE, "answer of /scale: spec.replicas is no count");
    }
    struct str version = json_str(json_path(root, "metadata/resourceVersion"));
    if (version.len == 0 || version.len >= RESOURCE_VERSION_BYTES) {
        return err_set(e, ERR_UNAVAILABLE, "answer of /scale: no usable resourceVersion");
    }
    *out = (struct scaler_scale){(int32_t)count, version};
    return 0;
}

/* Tell the core how it came out; the call is over. */
static void scale_over(struct scale_call *c, const struct scaler_scale *scale, const struct err *e)
{
    struct doors *d = c->doors;
    if (c->write) {
        metrics_scale(d->metrics, e);
        scaler_on_scaled(d->core, c->workload, scale, e, doors_now(d));
    } else {
        scaler_on_scale_read(d->core, c->workload, scale, e, doors_now(d));
    }
    free(c);
    doors_rearm(d);
}

static void scale_done(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    struct scale_call *c = context;
    struct arena arena;
    struct scaler_scale scale = {0};
    struct err e = *failed;
    lane_leave(&c->job);
    arena_init(&arena, ANSWER_ARENA_BYTES);
    if (e.code == ERR_NONE) {
        struct err decoded = ERR_INIT;
        if (scale_decode(body, c->workload->uid, &arena, &scale, &decoded) != 0) {
            e = decoded;
        }
    }
    scale_over(c, &scale, &e);
    arena_free(&arena);
}

static int scale_start(struct lane_job *job, struct err *e)
{
    struct scale_call *c = (struct scale_call *)job;
    char path[PATH_BYTES], body[256];
    print_path(c->workload, "scale", path);
    struct kube_request request = {.method = "GET", .path = path, .timeout_ms = SCALE_TIMEOUT_MS};
    if (c->write) {
        request.method = "PATCH";
        request.content_type = "application/merge-patch+json";
        request.body = fmt(body, sizeof(body),
                           "{\"metadata\":{\"resourceVersion\":\"%s\"},\"spec\":{\"replicas\":%d}}",
                           c->version, c->replicas);
        if (check_allowed(c->doors, c->workload->namespace_, e) != 0) {
            return -1;
        }
    }
    return kube_send(c->doors->kube, &request, scale_done, c, &c->call, e);
}

static void scale_failed(struct lane_job *job, const struct err *e)
{
    struct scaler_scale none = {0};
    scale_over((struct scale_call *)job, &none, e);
}

static int send_scale(struct doors *d, struct workload *w, bool write, int32_t replicas,
                      void **call, struct err *e)
{
    struct scale_call *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a request to /scale");
    }
    *c = (struct scale_call){.job = {.start = scale_start, .failed = scale_failed},
                             .doors = d,
                             .workload = w,
                             .write = write,
                             .replicas = replicas};
    memcpy(c->version, w->resource_version, sizeof(c->version));
    if (lane_enter(&d->scales, &c->job, e) != 0) {
        free(c);
        return -1;
    }
    *call = c;
    return 0;
}

static int door_write_scale(void *context, struct workload *w, int32_t replicas, void **call,
                            struct err *e)
{
    return send_scale(context, w, true, replicas, call, e);
}

static int door_read_scale(void *context, struct workload *w, void **call, struct err *e)
{
    return send_scale(context, w, false, 0, call, e);
}

static void door_cancel_scale(void *context, void *call)
{
    (void)context;
    struct scale_call *c = call;
    lane_leave(&c->job);
    kube_cancel(c->call);
    free(c);
}

/* ---- conditions ---- */

struct status_call {
    struct lane_job job; /* first */
    struct doors *doors;
    struct workload *workload;
    struct kube_call *call;
};

static const char *status_text(enum condition_status status)
{
    switch (status) {
    case STATUS_TRUE: return "True";
    case STATUS_FALSE: return "False";
    case STATUS_ABSENT:
    case STATUS_UNKNOWN: break;
    }
    return "Unknown";
}

static void put_condition(struct json_writer *j, const struct workload *w,
                          enum scaler_condition which, bool away, int64_t unix_ms)
{
    const struct condition *c = &w->conditions[which];
    char message[MESSAGE_BYTES], changed[NUM_TEXT_BYTES], now[NUM_TEXT_BYTES];
    json_begin_object(j);
    if (away || c->status == STATUS_ABSENT) {
        json_member_str(j, STR("$patch"), STR("delete"));
        json_member_str(j, STR("type"), SCALER_CONDITION_TYPES[which]);
    } else {
        json_member_str(j, STR("type"), SCALER_CONDITION_TYPES[which]);
        json_member_str(j, STR("status"), str_from(status_text(c->status)));
        json_member_str(j, STR("reason"), str_from(c->reason));
        json_member_str(j, STR("message"), conditions_message(w, which, message, sizeof(message)));
        json_member_str(j, STR("lastUpdateTime"), num_print_time(unix_ms, 0, now));
        json_member_str(j, STR("lastTransitionTime"), num_print_time(c->transition_ms, 0, changed));
    }
    json_end_object(j);
}

/* A strategic merge patch of /status, for this very Deployment and no later one of its name. */
static void put_status(const struct workload *w, bool away, struct buf *out)
{
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    json_key(&j, STR("metadata"));
    json_begin_object(&j);
    json_member_str(&j, STR("uid"), w->uid);
    json_end_object(&j);
    json_key(&j, STR("status"));
    json_begin_object(&j);
    json_key(&j, STR("conditions"));
    json_begin_array(&j);
    for (int i = 0; i < CONDITION_COUNT; i++) {
        put_condition(&j, w, (enum scaler_condition)i, away, loop_unix_ms());
    }
    json_end_array(&j);
    json_end_object(&j);
    json_end_object(&j);
}

static struct kube_request status_request(const char *path, struct str body)
{
    return (struct kube_request){.method = "PATCH",
                                 .path = path,
                                 .body = body,
                                 .content_type = "application/strategic-merge-patch+json"};
}

static void conditions_over(struct status_call *c, const struct err *e)
{
    metrics_conditions(c->doors->metrics, e);
    scaler_on_conditions_written(c->doors->core, c->workload, e);
    free(c);
}

static void conditions_done(void *context, int status, struct str body, const struct err *e)
{
    (void)status;
    (void)body;
    struct status_call *c = context;
    lane_leave(&c->job);
    conditions_over(c, e);
}

static int conditions_start(struct lane_job *job, struct err *e)
{
    struct status_call *c = (struct status_call *)job;
    char path[PATH_BYTES];
    struct buf body;
    if (check_allowed(c->doors, c->workload->namespace_, e) != 0) {
        return -1;
    }
    buf_init(&body, BODY_BYTES);
    put_status(c->workload, false, &body);
    print_path(c->workload, "status", path);
    struct kube_request request = status_request(path, buf_view(&body));
    int result = buf_check(&body, e);
    if (result == 0) {
        result = kube_send(c->doors->kube, &request, conditions_done, c, &c->call, e);
    }
    buf_free(&body);
    return result;
}

static void conditions_failed(struct lane_job *job, const struct err *e)
{
    conditions_over((struct status_call *)job, e);
}

static int door_write_conditions(void *context, struct workload *w, void **call, struct err *e)
{
    struct doors *d = context;
    struct status_call *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the conditions");
    }
    *c = (struct status_call){
        .job = {.start = conditions_start, .failed = conditions_failed}, .doors = d, .workload = w};
    if (lane_enter(&d->conditions, &c->job, e) != 0) {
        free(c);
        return -1;
    }
    *call = c;
    return 0;
}

static void door_cancel_conditions(void *context, void *call)
{
    (void)context;
    struct status_call *c = call;
    lane_leave(&c->job);
    kube_cancel(c->call);
    free(c);
}

/* ---- farewells ---- */

/* What is still done for a workload that is not ours any more. */
struct farewell {
    struct errand errand; /* first */
    struct doors *doors;
    char namespace_[NAMESPACE_BYTES], name[NAME_BYTES], uid[UID_BYTES];
    int32_t from, restore; /* restore < 0: this one takes the conditions away */
};

static void restored(const struct farewell *f, const struct err *e)
{
    struct event_subject about = {str_from(f->namespace_), str_from(f->name), str_from(f->uid)};
    char note[MESSAGE_BYTES];
    metrics_scale(f->doors->metrics, e);
    if (e->code == ERR_NONE) {
        (void)fmt(note, sizeof(note), "Restored from %d to %d replica%s: the annotations are gone",
                  f->from, f->restore, fmt_s(f->restore));
        LOG_AT(f->doors->log, LOG_INFO, "restored", F_STR("namespace", about.namespace_),
               F_STR("deployment", about.name), F_INT("from", f->from), F_INT("to", f->restore));
        events_send(f->doors->events, about, SCALER_NORMAL, "RestoredReplicas", note);
        return;
    }
    (void)fmt(note, sizeof(note), "Could not restore %d replica%s: %s", f->restore,
              fmt_s(f->restore), e->text);
    LOG_AT(f->doors->log, LOG_WARN, "not restored", F_STR("namespace", about.namespace_),
           F_STR("deployment", about.name), F_INT("to", f->restore), F_ERR(e));
    if (e->code == ERR_CANCELLED) {
        return; /* who does not lead tells nobody either */
    }
    events_send(f->doors->events, about, SCALER_WARNING, "FailedRescale", note);
}

/* Deleted meanwhile; or there is another one of its name, which the UID in the request tells. Then
 * /scale says 409, "Precondition failed: UID in precondition: …" (pkg/registry/apps/deployment),
 * and /status 422, "metadata.uid: Invalid value: …: field is immutable" (apimachinery validation).
 */
static bool is_gone(const struct err *e)
{
    return e->code == ERR_NOT_FOUND ||
           (e->http_status == 409 && strstr(e->text, "UID in precondition") != NULL) ||
           (e->http_status == 422 && strstr(e->text, "metadata.uid") != NULL);
}

static int farewell_may(const struct errand *errand, struct err *e)
{
    const struct farewell *f = (const struct farewell *)errand;
    return check_allowed(f->doors, str_from(f->namespace_), e);
}

static void farewell_done(struct errand *errand, const struct err *e)
{
    const struct farewell *f = (const struct farewell *)errand;
    if (is_gone(e)) {
        return;
    }
    if (f->restore >= 0) {
        restored(f, e);
        return;
    }
    metrics_conditions(f->doors->metrics, e);
    if (e->code != ERR_NONE) {
        LOG_AT(f->doors->log, LOG_WARN, "conditions not taken away",
               F_STR("namespace", str_from(f->namespace_)), F_STR("deployment", str_from(f->name)),
               F_ERR(e));
    }
}

static void send_farewell(struct doors *d, const struct workload *w, int32_t restore,
                          const struct kube_request *request)
{
    struct err e = ERR_INIT;
    struct farewell f = {.errand = {.may = farewell_may, .done = farewell_done},
                         .doors = d,
                         .from = w->replicas,
                         .restore = restore};
    (void)fmt(f.namespace_, sizeof(f.namespace_), "%.*s", STR_ARG(w->namespace_));
    (void)fmt(f.name, sizeof(f.name), "%.*s", STR_ARG(w->name));
    (void)fmt(f.uid, sizeof(f.uid), "%.*s", STR_ARG(w->uid));
    struct farewell *sent = malloc(sizeof(*sent));
    if (sent == NULL) {
        (void)err_set(&e, ERR_MEMORY, "out of memory");
        farewell_done(&f.errand, &e);
        return;
    }
    *sent = f;
    if (errands_send(&d->farewells, &sent->errand, request, &e) != 0) {
        farewell_done(&f.errand, &e);
    }
}

static void take_conditions_away(struct doors *d, const struct workload *w)
{
    char path[PATH_BYTES];
    struct buf body;
    buf_init(&body, BODY_BYTES);
    put_status(w, true, &body);
    print_path(w, "status", path);
    struct kube_request request = status_request(path, buf_view(&body));
    send_farewell(d, w, -1, &request);
    buf_free(&body);
}

/* Bound to the UID and not to the version: whoever took the annotations away also changed that, and
 * the last wish is to be honoured whatever else happens to the Deployment. */
static void restore_count(struct doors *d, const struct workload *w, int32_t restore)
{
    char path[PATH_BYTES], body[512];
    print_path(w, "scale", path);
    struct kube_request request = {
        .method = "PATCH",
        .path = path,
        .body =
            fmt(body, sizeof(body), "{\"metadata\":{\"uid\":\"%.*s\"},\"spec\":{\"replicas\":%d}}",
                STR_ARG(w->uid), restore),
        .content_type = "application/merge-patch+json",
        .timeout_ms = SCALE_TIMEOUT_MS};
    send_farewell(d, w, restore, &request);
}

static bool has_conditions(const struct workload *w)
{
    for (int i = 0; i < CONDITION_COUNT; i++) {
        if (w->conditions[i].status != STATUS_ABSENT) {
            return true;
        }
    }
    return false;
}

static void door_released(void *context, const struct workload *w, bool there, int32_t restore)
{
    struct doors *d = context;
    if (!there) {
        return;
    }
    if (restore >= 0 && restore != w->replicas) {
        restore_count(d, w, restore);
    }
    if (has_conditions(w)) {
        take_conditions_away(d, w);
    }
}

void doors_kube_io(struct scaler_io *io)
{
    io->write_scale = door_write_scale;
    io->read_scale = door_read_scale;
    io->cancel_scale = door_cancel_scale;
    io->write_conditions = door_write_conditions;
    io->cancel_conditions = door_cancel_conditions;
    io->released = door_released;
}
