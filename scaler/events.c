#include "scaler/events.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "base/num.h"
#include "scaler/errands.h"
#include "scaler/event_series.h"
#include "scaler/scaler_metrics.h"

enum {
    PATH_BYTES = 1024,
    BODY_BYTES = 8192,
    NAME_BYTES = 256,
    NOTE_BYTES = 1024,
    OUT_MAX = 1000, /* under way or waiting, as in client-go */
};

struct events {
    struct events_options o;
    struct event_series *series;
    struct errands out;
};

/* One request that is out. */
struct event_errand {
    struct errand errand; /* first */
    struct events *events;
    struct event_id id;
    bool creates;
};

int events_new(const struct events_options *o, struct events **out, struct err *e)
{
    struct events *ev = calloc(1, sizeof(*ev));
    if (ev == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the events");
    }
    ev->o = *o;
    errands_init(&ev->out, o->kube, o->loop);
    if (event_series_new(&ev->series, e) != 0) {
        free(ev);
        return -1;
    }
    *out = ev;
    return 0;
}

void events_free(struct events *ev)
{
    if (ev == NULL) {
        return;
    }
    errands_cancel(&ev->out);
    event_series_free(ev->series);
    free(ev);
}

/* A name of dot-separated labels, each of which begins and ends with a letter or digit; so must
 * what is cut. Source: RFC 1123 subdomain, apimachinery validation. */
static struct str print_name(const struct event_subject *about, struct event_id id,
                             char out[NAME_BYTES])
{
    struct str name = str_slice(about->name, 0, 200);
    while (name.len > 0 && (name.ptr[name.len - 1] == '-' || name.ptr[name.len - 1] == '.')) {
        name.len--;
    }
    return fmt(out, NAME_BYTES, "%.*s.%llx%04x", STR_ARG(name), (unsigned long long)id.unix_ms,
               (unsigned)id.serial);
}

static void put_regarding(struct json_writer *j, const struct event_subject *about)
{
    json_begin_object(j);
    json_member_str(j, STR("apiVersion"), STR("apps/v1"));
    json_member_str(j, STR("kind"), STR("Deployment"));
    json_member_str(j, STR("namespace"), about->namespace_);
    json_member_str(j, STR("name"), about->name);
    json_member_str(j, STR("uid"), about->uid);
    json_end_object(j);
}

/* All that events/v1 requires. */
static void put_event(const struct events *ev, const struct event_subject *about,
                      struct event_id id, struct str type, struct str reason, struct str note,
                      struct buf *out)
{
    char name[NAME_BYTES], time[NUM_TEXT_BYTES];
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    json_member_str(&j, STR("apiVersion"), STR("events.k8s.io/v1"));
    json_member_str(&j, STR("kind"), STR("Event"));
    json_key(&j, STR("metadata"));
    json_begin_object(&j);
    json_member_str(&j, STR("namespace"), about->namespace_);
    json_member_str(&j, STR("name"), print_name(about, id, name));
    json_end_object(&j);
    json_member_str(&j, STR("eventTime"), num_print_time(id.unix_ms, 6, time));
    json_member_str(&j, STR("reportingController"), STR("scale.amp/ampscale-scaler"));
    json_member_str(&j, STR("reportingInstance"), str_slice(str_from(ev->o.instance), 0, 128));
    json_member_str(&j, STR("action"), STR("Scale"));
    json_member_str(&j, STR("reason"), reason);
    json_member_str(&j, STR("type"), type);
    json_member_str(&j, STR("note"), note);
    json_key(&j, STR("regarding"));
    put_regarding(&j, about);
    json_end_object(&j);
}

static void put_series(int64_t count, int64_t unix_ms, struct buf *out)
{
    char time[NUM_TEXT_BYTES];
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    json_key(&j, STR("series"));
    json_begin_object(&j);
    json_member_int(&j, STR("count"), count);
    json_member_str(&j, STR("lastObservedTime"), num_print_time(unix_ms, 6, time));
    json_end_object(&j);
    json_end_object(&j);
}

static void sent(struct errand *errand, const struct err *e)
{
    struct event_errand *x = (struct event_errand *)errand;
    struct events *ev = x->events;
    if (e->code == ERR_NONE) {
        metrics_event(ev->o.metrics, x->creates ? EVENT_METRIC_CREATED : EVENT_METRIC_REPEATED);
        return;
    }
    metrics_event(ev->o.metrics, EVENT_METRIC_FAILED);
    event_series_forget(ev->series, x->id); /* it is not there, or not any more (404) */
    LOG_AT(ev->o.log, LOG_WARN, "event not sent", F_ERR(e));
}

static int send_one(struct events *ev, const struct event_subject *about, struct event_id id,
                    bool creates, struct str body, struct err *e)
{
    char path[PATH_BYTES], name[NAME_BYTES];
    struct event_errand *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for an event");
    }
    *x =
        (struct event_errand){.errand = {.done = sent}, .events = ev, .id = id, .creates = creates};
    (void)fmt(path, sizeof(path), "/apis/events.k8s.io/v1/namespaces/%.*s/events%s%.*s",
              STR_ARG(about->namespace_), creates ? "" : "/",
              STR_ARG(creates ? STR("") : print_name(about, id, name)));
    struct kube_request request = {.method = creates ? "POST" : "PATCH",
                                   .path = path,
                                   .body = body,
                                   .content_type =
                                       creates ? NULL : "application/strategic-merge-patch+json"};
    return errands_send(&ev->out, &x->errand, &request, e);
}

static void drop(struct events *ev, const struct event_subject *about, const char *reason,
                 const char *why)
{
    metrics_event(ev->o.metrics, EVENT_METRIC_DROPPED);
    LOG_AT(ev->o.log, LOG_DEBUG, "event not sent", F_STR("namespace", about->namespace_),
           F_STR("deployment", about->name), F_STR("reason", str_from(reason)),
           F_STR("why", str_from(why)));
}

void events_send(struct events *ev, struct event_subject about, enum scaler_event type,
                 const char *reason, const char *note)
{
    char cut[NOTE_BYTES];
    struct str kind = type == SCALER_NORMAL ? STR("Normal") : STR("Warning");
    struct str text = fmt(cut, sizeof(cut), "%s", note);
    int64_t unix_ms = loop_unix_ms();
    struct event_id id;
    int64_t count;
    if (ev->out.count >= OUT_MAX) {
        drop(ev, &about, reason, "too many are under way");
        return;
    }
    enum event_step step = event_series_next(ev->series, about.uid, kind, str_from(reason), text,
                                             loop_now_ms(ev->o.loop), unix_ms, &id, &count);
    if (step == EVENT_DROP) {
        drop(ev, &about, reason, "too many about this Deployment");
        return;
    }
    struct buf body;
    struct err e = ERR_INIT;
    buf_init(&body, BODY_BYTES);
    if (step == EVENT_CREATE) {
        put_event(ev, &about, id, kind, str_from(reason), text, &body);
    } else {
        put_series(count, unix_ms, &body);
    }
    if (buf_check(&body, &e) != 0 ||
        send_one(ev, &about, id, step == EVENT_CREATE, buf_view(&body), &e) != 0) {
        struct event_errand failed = {.events = ev, .id = id};
        sent(&failed.errand, &e);
    }
    buf_free(&body);
}
