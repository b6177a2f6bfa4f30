#include "base/lease.h"

#include <string.h>

#include "base/fmt.h"
#include "base/num.h"

enum { DURATION_MAX_S = 86400 }; /* a claim for longer is believed for a day */

static bool copy(char *out, size_t size, struct str s)
{
    bool same = str_eq(str_from(out), s);
    (void)fmt(out, size, "%.*s", STR_ARG(s));
    return !same;
}

int lease_observe(struct lease_view *v, const struct json *object, int64_t now_ms, struct err *e)
{
    struct str version = json_str(json_path(object, "metadata/resourceVersion"));
    const struct json *spec = json_get(object, STR("spec"));
    struct str holder = json_str(json_get(spec, STR("holderIdentity")));
    if (version.len == 0 || version.len >= sizeof(v->version) || holder.len >= sizeof(v->holder)) {
        return err_set(e, ERR_INVALID, "the Lease has no usable resourceVersion or holder");
    }
    int64_t seconds = 0;
    (void)json_int(json_get(spec, STR("leaseDurationSeconds")), &seconds);
    int64_t transitions = 0;
    (void)json_int(json_get(spec, STR("leaseTransitions")), &transitions);
    bool changed = copy(v->holder, sizeof(v->holder), holder);
    changed |=
        copy(v->renew_time, sizeof(v->renew_time), json_str(json_get(spec, STR("renewTime"))));
    (void)copy(v->acquire_time, sizeof(v->acquire_time),
               json_str(json_get(spec, STR("acquireTime"))));
    (void)copy(v->version, sizeof(v->version), version);
    v->duration_ms =
        seconds <= 0 ? 0 : (seconds < DURATION_MAX_S ? seconds : DURATION_MAX_S) * 1000;
    v->transitions = transitions;
    if (changed || v->seen_ms == 0) {
        v->seen_ms = now_ms;
    }
    return 0;
}

bool lease_held_by_other(const struct lease_view *v, struct str identity, int64_t now_ms)
{
    struct str holder = str_from(v->holder);
    return holder.len > 0 && !str_eq(holder, identity) && now_ms < v->seen_ms + v->duration_ms;
}

enum lease_step lease_next(const struct lease_view *v, struct str identity, int64_t now_ms)
{
    if (str_eq(str_from(v->holder), identity)) {
        return LEASE_RENEW;
    }
    return lease_held_by_other(v, identity, now_ms) ? LEASE_WAIT : LEASE_TAKE;
}

static void put_spec(struct json_writer *j, const struct lease_view *v, struct str identity,
                     int64_t duration_ms, int64_t unix_ms)
{
    char now[NUM_TEXT_BYTES];
    struct str renew = num_print_time(unix_ms, 6, now);
    bool keeps =
        identity.len > 0 && str_eq(str_from(v->holder), identity) && v->acquire_time[0] != '\0';
    json_begin_object(j);
    json_member_str(j, STR("holderIdentity"), identity);
    json_member_int(j, STR("leaseDurationSeconds"), identity.len > 0 ? duration_ms / 1000 : 1);
    json_member_str(j, STR("acquireTime"), keeps ? str_from(v->acquire_time) : renew);
    json_member_str(j, STR("renewTime"), renew);
    json_member_int(j, STR("leaseTransitions"),
                    v->transitions + (keeps || identity.len == 0 ? 0 : 1));
    json_end_object(j);
}

static void put_new_metadata(struct json_writer *j, struct str namespace_, struct str name)
{
    json_begin_object(j);
    json_member_str(j, STR("namespace"), namespace_);
    json_member_str(j, STR("name"), name);
    json_end_object(j);
}

void lease_print(const struct lease_view *v, struct str metadata, struct str namespace_,
                 struct str name, struct str identity, int64_t duration_ms, int64_t unix_ms,
                 struct buf *out)
{
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_object(&j);
    json_member_str(&j, STR("apiVersion"), STR("coordination.k8s.io/v1"));
    json_member_str(&j, STR("kind"), STR("Lease"));
    json_key(&j, STR("metadata"));
    if (metadata.len > 0) {
        json_put_raw(&j, metadata);
    } else {
        put_new_metadata(&j, namespace_, name);
    }
    json_key(&j, STR("spec"));
    put_spec(&j, v, identity, duration_ms, unix_ms);
    json_end_object(&j);
}
