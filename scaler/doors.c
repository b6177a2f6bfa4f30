#include "scaler/doors.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "base/json.h"
#include "base/num.h"
#include "scaler/scaler_metrics.h"

enum {
    PATH_BYTES = 1024,
    BODY_BYTES = 8192,
    URL_BYTES = 2560,
    ANSWER_ARENA_BYTES = 1 << 20,
    EVENTS_OUT_MAX = 256,
    SCALE_TIMEOUT_MS = 10000,
};

struct scaler_time doors_now(const struct doors *d)
{
    return (struct scaler_time){loop_now_ms(d->loop), loop_unix_ms()};
}

static void run_due(void *context)
{
    struct doors *d = context;
    scaler_run_due(d->core, doors_now(d));
    doors_rearm(d);
}

void doors_rearm(struct doors *d)
{
    int64_t due_ms = scaler_next_due_ms(d->core);
    struct err e = ERR_INIT;
    if (due_ms == INT64_MAX) {
        loop_timer_cancel(d->loop, &d->due);
    } else if (loop_timer_set(d->loop, &d->due, due_ms, &e) != 0) {
        LOG_AT(d->log, LOG_ERROR, "no timer, workloads wait for the next change", F_ERR(&e));
    }
}

/* One query that is out. */
struct query_call {
    struct doors *doors;
    struct workload *workload;
    size_t trigger;
    int64_t started_ms;
    struct prom_call *call;
};

static void query_done(void *context, const struct prom_result *result, const struct err *e)
{
    struct query_call *q = context;
    struct doors *d = q->doors;
    struct scaler_time now = doors_now(d);
    struct reading reading;
    reading_from(result, e, now.unix_ms, &reading);
    metrics_query(d->metrics, q->workload, q->trigger, &reading, e,
                  now.monotonic_ms - q->started_ms);
    scaler_on_reading(d->core, q->workload, q->trigger, &reading, now);
    free(q);
    doors_rearm(d);
}

static int door_query(void *context, struct workload *w, size_t trigger, int64_t timeout_ms,
                      void **call, struct err *e)
{
    struct doors *d = context;
    const struct scale_spec *spec = &w->spec;
    char url[URL_BYTES];
    if (prom_resolve(d->prom, spec->endpoint, spec->workspace, spec->region, url, sizeof(url), e) !=
        0) {
        return -1;
    }
    struct query_call *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    *q = (struct query_call){d, w, trigger, loop_now_ms(d->loop), NULL};
    if (prom_query(d->prom, url, spec->region, spec->triggers[trigger].query, timeout_ms,
                   query_done, q, &q->call, e) != 0) {
        free(q);
        return -1;
    }
    *call = q;
    return 0;
}

static void door_cancel_query(void *context, void *call)
{
    (void)context;
    struct query_call *q = call;
    prom_cancel(q->call);
    free(q);
}

/* One read or write of /scale that is out. */
struct scale_call {
    struct doors *doors;
    struct workload *workload;
    bool write;
    struct kube_call *call;
};

/* A Scale of autoscaling/v1. Its replicas are left out when they are 0. */
static int scale_decode(struct str body, struct arena *a, struct scaler_scale *out, struct err *e)
{
    const struct json *root;
    if (json_parse(body, &JSON_LIMITS_API, a, &root, e) != 0) {
        return err_prefix(e, "answer of /scale");
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

static void scale_done(void *context, int status, struct str body, const struct err *failed)
{
    (void)status;
    struct scale_call *c = context;
    struct doors *d = c->doors;
    struct arena arena;
    struct scaler_scale scale = {0};
    struct err e = *failed;
    arena_init(&arena, ANSWER_ARENA_BYTES);
    if (e.code == ERR_NONE) {
        struct err decoded = ERR_INIT;
        if (scale_decode(body, &arena, &scale, &decoded) != 0) {
            e = decoded;
        }
    }
    if (c->write) {
        metrics_scale(d->metrics, &e);
        scaler_on_scaled(d->core, c->workload, &scale, &e, doors_now(d));
    } else {
        scaler_on_scale_read(d->core, c->workload, &scale, &e, doors_now(d));
    }
    arena_free(&arena);
    free(c);
    doors_rearm(d);
}

static int send_scale(struct doors *d, struct workload *w, const char *method, struct str body,
                      void **call, struct err *e)
{
    char path[PATH_BYTES];
    (void)fmt(path, sizeof(path),
              "/apis/apps/v1/namespaces/%.*s/deployments/%.*s/scale?fieldManager=ampscale",
              STR_ARG(w->namespace_), STR_ARG(w->name));
    struct scale_call *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a request to /scale");
    }
    bool write = body.len > 0;
    *c = (struct scale_call){.doors = d, .workload = w, .write = write};
    struct kube_request request = {.method = method,
                                   .path = path,
                                   .body = body,
                                   .content_type = write ? "application/merge-patch+json" : NULL,
                                   .timeout_ms = SCALE_TIMEOUT_MS};
    if (kube_send(d->kube, &request, scale_done, c, &c->call, e) != 0) {
        free(c);
        return -1;
    }
    *call = c;
    return 0;
}

static int door_write_scale(void *context, struct workload *w, int32_t replicas, void **call,
                            struct err *e)
{
    char body[256];
    struct str patch = fmt(body, sizeof(body),
                           "{\"metadata\":{\"resourceVersion\":\"%s\"},\"spec\":{\"replicas\":%d}}",
                           w->resource_version, replicas);
    return send_scale(context, w, "PATCH", patch, call, e);
}

static int door_read_scale(void *context, struct workload *w, void **call, struct err *e)
{
    return send_scale(context, w, "GET", STR(""), call, e);
}

static void door_cancel_scale(void *context, void *call)
{
    (void)context;
    struct scale_call *c = call;
    kube_cancel(c->call);
    free(c);
}

static void put_member(struct json_writer *j, struct str key, struct str value)
{
    json_key(j, key);
    json_put_str(j, value);
}

/* An Event of events.k8s.io/v1: all required fields, names at most 253 bytes. */
static void put_event(struct doors *d, const struct workload *w, enum scaler_event type,
                      const char *reason, const char *note, struct buf *out)
{
    char name[256], time[NUM_TEXT_BYTES], short_note[1024];
    int64_t now_ms = loop_unix_ms();
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    put_member(&j, STR("apiVersion"), STR("events.k8s.io/v1"));
    put_member(&j, STR("kind"), STR("Event"));
    json_key(&j, STR("metadata"));
    json_begin_object(&j);
    put_member(&j, STR("namespace"), w->namespace_);
    put_member(&j, STR("name"),
               fmt(name, sizeof(name), "%.*s.%llx%04x", STR_ARG(str_slice(w->name, 0, 200)),
                   (unsigned long long)now_ms, d->event_serial++ & 0xffffU));
    json_end_object(&j);
    put_member(&j, STR("eventTime"), num_print_time(now_ms, 6, time));
    put_member(&j, STR("reportingController"), STR("scale.amp/ampscale-scaler"));
    put_member(&j, STR("reportingInstance"), str_slice(str_from(d->instance), 0, 128));
    put_member(&j, STR("action"), STR("Scale"));
    put_member(&j, STR("reason"), str_from(reason));
    put_member(&j, STR("type"), type == SCALER_NORMAL ? STR("Normal") : STR("Warning"));
    put_member(&j, STR("note"), fmt(short_note, sizeof(short_note), "%s", note));
    json_key(&j, STR("regarding"));
    json_begin_object(&j);
    put_member(&j, STR("apiVersion"), STR("apps/v1"));
    put_member(&j, STR("kind"), STR("Deployment"));
    put_member(&j, STR("namespace"), w->namespace_);
    put_member(&j, STR("name"), w->name);
    put_member(&j, STR("uid"), w->uid);
    json_end_object(&j);
    json_end_object(&j);
}

static void event_done(void *context, int status, struct str body, const struct err *e)
{
    (void)status;
    (void)body;
    struct doors *d = context;
    d->events_out--;
    if (e->code != ERR_NONE) {
        LOG_AT(d->log, LOG_WARN, "event not sent", F_ERR(e));
    }
}

static void door_event(void *context, const struct workload *w, enum scaler_event type,
                       const char *reason, const char *note)
{
    struct doors *d = context;
    if (d->events_out >= EVENTS_OUT_MAX) {
        LOG_AT(d->log, LOG_WARN, "event not sent: too many are under way",
               F_STR("namespace", w->namespace_), F_STR("deployment", w->name),
               F_STR("reason", str_from(reason)));
        return;
    }
    struct buf body;
    struct kube_call *call;
    struct err e = ERR_INIT;
    char path[PATH_BYTES];
    buf_init(&body, BODY_BYTES);
    put_event(d, w, type, reason, note, &body);
    (void)fmt(path, sizeof(path), "/apis/events.k8s.io/v1/namespaces/%.*s/events",
              STR_ARG(w->namespace_));
    struct kube_request request = {.method = "POST", .path = path, .body = buf_view(&body)};
    if (buf_check(&body, &e) != 0 || kube_send(d->kube, &request, event_done, d, &call, &e) != 0) {
        LOG_AT(d->log, LOG_WARN, "event not sent", F_ERR(&e));
    } else {
        d->events_out++;
    }
    buf_free(&body);
}

static void door_decided(void *context, const struct workload *w, const struct decision *decision)
{
    struct doors *d = context;
    metrics_decision(d->metrics, w, decision);
}

static void door_released(void *context, const struct workload *w)
{
    struct doors *d = context;
    metrics_released(d->metrics, w);
}

struct scaler_io doors_io(struct doors *d)
{
    return (struct scaler_io){.context = d,
                              .query = door_query,
                              .write_scale = door_write_scale,
                              .read_scale = door_read_scale,
                              .cancel_query = door_cancel_query,
                              .cancel_scale = door_cancel_scale,
                              .event = door_event,
                              .decided = door_decided,
                              .released = door_released};
}

int doors_attach(struct doors *d, struct scaler *core, struct err *e)
{
    d->core = core;
    d->due = (struct loop_timer){.fire = run_due, .context = d};
    return loop_timer_set(d->loop, &d->due, loop_now_ms(d->loop), e);
}

void doors_detach(struct doors *d)
{
    loop_timer_cancel(d->loop, &d->due);
}
