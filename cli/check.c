#include "cli/check.h"

#include "base/num.h"
#include "base/spec.h"
#include "cli/view.h"
#include "webhook/scalers.h"

#define DENIED "admission webhook \""
#define FAILED "failed calling webhook"
#define BROKEN SPEC_PREFIX "threshold"

static const struct str WORDS[CHECK_COUNT] = {
    [CHECK_COMPLETES] = STR_INIT("completes"),
    [CHECK_REFUSES] = STR_INIT("refuses"),
    [CHECK_SERVED] = STR_INIT("served"),
};
static const struct str TITLES[CHECK_COUNT] = {
    [CHECK_COMPLETES] = STR_INIT("the webhook completes annotations"),
    [CHECK_REFUSES] = STR_INIT("the webhook refuses wrong ones"),
    [CHECK_SERVED] = STR_INIT("a scaler is at work"),
};

/* Where in `s` the text begins; s.len: nowhere. */
static size_t find(struct str s, struct str text)
{
    size_t at = 0;
    while (at < s.len && !str_starts(str_slice(s, at, s.len), text)) {
        at++;
    }
    return at;
}

static bool has(struct str s, struct str text)
{
    return find(s, text) < s.len;
}

/* ---- the webhook ---- */

void check_manifest(enum check_kind kind, struct str name, struct buf *out)
{
    buf_format(
        out,
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%.*s\","
        "\"labels\":{\"app.kubernetes.io/name\":\"ampscale-check\"},\"annotations\":{"
        "\"" SPEC_PREFIX "query\":\"vector(1)\",\"" BROKEN "\":\"%s\","
        "\"" SPEC_PREFIX "max-replicas\":\"1\",\"" SPEC_PREFIX "polling-interval\":\"1h\"}},"
        "\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"%.*s\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"%.*s\"}},\"spec\":{"
        "\"automountServiceAccountToken\":false,\"securityContext\":{\"runAsNonRoot\":true,"
        "\"runAsUser\":65532,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},"
        "\"containers\":[{\"name\":\"none\",\"image\":\"none.invalid/none:none\","
        "\"resources\":{\"requests\":{\"cpu\":\"1m\",\"memory\":\"1Mi\"},"
        "\"limits\":{\"cpu\":\"1m\",\"memory\":\"1Mi\"}},"
        "\"securityContext\":{\"allowPrivilegeEscalation\":false,"
        "\"readOnlyRootFilesystem\":true,\"capabilities\":{\"drop\":[\"ALL\"]}}}]}}}}",
        STR_ARG(name), kind == CHECK_REFUSES ? "0" : "1", STR_ARG(name), STR_ARG(name));
}

static struct str default_given(const struct json *object)
{
    const struct json *annotations = json_path(object, "metadata/annotations");
    return json_str(json_get(annotations, STR(SPEC_PREFIX "min-replicas")));
}

bool check_is_right(enum check_kind kind, const struct check_answer *got)
{
    struct str said = str_from(got->e.text);
    return kind == CHECK_COMPLETES
               ? got->object != NULL && default_given(got->object).len > 0
               : got->object == NULL && str_starts(said, STR(DENIED)) && has(said, STR(BROKEN));
}

static const struct json *first_hook(const struct check_answer *hooks)
{
    const struct json *items = json_get(hooks->object, STR("items"));
    return items != NULL ? items->child : NULL;
}

static const struct json *first_webhook(const struct json *hook)
{
    const struct json *webhooks = json_get(hook, STR("webhooks"));
    return webhooks != NULL ? webhooks->child : NULL;
}

struct str check_webhook_namespace(const struct check_answer *hooks)
{
    return json_str(json_path(first_webhook(first_hook(hooks)), "clientConfig/service/namespace"));
}

/* Why nobody of ours looked at the Deployment. */
enum unseen {
    UNSEEN_UNKNOWN, /* the configurations cannot be read */
    UNSEEN_NO_HOOK,
    UNSEEN_OWN_NAMESPACE,
    UNSEEN_NO_AUTHORITY,
    UNSEEN_IGNORED,
    UNSEEN_LEFT_OUT,
};

static enum unseen unseen_because(const struct check_answer *hooks, struct str namespace_)
{
    const struct json *webhook = first_webhook(first_hook(hooks));
    if (hooks->object == NULL) {
        return UNSEEN_UNKNOWN;
    }
    if (webhook == NULL) {
        return UNSEEN_NO_HOOK;
    }
    if (str_eq(namespace_, check_webhook_namespace(hooks)) ||
        str_eq(namespace_, STR("kube-system"))) {
        return UNSEEN_OWN_NAMESPACE;
    }
    if (json_str(json_path(webhook, "clientConfig/caBundle")).len == 0) {
        return UNSEEN_NO_AUTHORITY;
    }
    return str_eq(json_str(json_get(webhook, STR("failurePolicy"))), STR("Ignore"))
               ? UNSEEN_IGNORED
               : UNSEEN_LEFT_OUT;
}

static int put_unseen(enum unseen why, const char *seen, const char *resource, struct str name,
                      const struct check_answer *hooks, struct arena *a, struct str *out,
                      struct err *e)
{
    switch (why) {
    case UNSEEN_UNKNOWN:
        return arena_format(a, out, e,
                            "a Deployment %s: the webhook is not installed, or does not look at "
                            "this namespace, or is away and failurePolicy Ignore lets pass what "
                            "it does not answer. Which of these cannot be told: %s",
                            seen, hooks->e.text);
    case UNSEEN_NO_HOOK:
        return arena_format(a, out, e, "a Deployment %s: there are no %s of ampscale", seen,
                            resource);
    case UNSEEN_OWN_NAMESPACE:
        return arena_format(a, out, e,
                            "a Deployment %s: %.*s leaves out this namespace, as it does "
                            "kube-system and the webhook's own",
                            seen, STR_ARG(name));
    case UNSEEN_NO_AUTHORITY:
        return arena_format(a, out, e,
                            "a Deployment %s: %.*s has no caBundle, so the API server does not "
                            "trust the webhook, and failurePolicy Ignore lets pass what it does "
                            "not answer",
                            seen, STR_ARG(name));
    case UNSEEN_IGNORED:
        return arena_format(a, out, e,
                            "a Deployment %s: the webhook is away, and %.*s has failurePolicy "
                            "Ignore, which lets pass what it does not answer; or its selectors "
                            "leave this namespace out",
                            seen, STR_ARG(name));
    case UNSEEN_LEFT_OUT:
        return arena_format(a, out, e,
                            "a Deployment %s: %.*s leaves it out, by namespaceSelector, "
                            "objectSelector or matchConditions",
                            seen, STR_ARG(name));
    }
    return 0;
}

static int put_fix(enum unseen why, const char *resource, struct str name, struct str where,
                   struct arena *a, struct str *out, struct err *e)
{
    switch (why) {
    case UNSEEN_NO_HOOK:
        *out = STR("helm upgrade --install with webhook.enabled=true; where a scaler is meant to "
                   "be alone: --no-webhook");
        return 0;
    case UNSEEN_OWN_NAMESPACE: *out = STR("name another namespace"); return 0;
    case UNSEEN_NO_AUTHORITY:
    case UNSEEN_IGNORED:
        return arena_format(a, out, e,
                            "kubectl -n %.*s get pods,endpointslices, and look at the pods' logs; "
                            "kubectl get %s %.*s -o yaml",
                            STR_ARG(where), resource, STR_ARG(name));
    case UNSEEN_UNKNOWN:
    case UNSEEN_LEFT_OUT:
        return arena_format(a, out, e, "kubectl get %s%s%.*s -o yaml", resource,
                            name.len > 0 ? " " : "", STR_ARG(name));
    }
    return 0;
}

static int not_seen(enum check_kind kind, const struct check_answer *hooks,
                    struct check_result *out, struct arena *a, struct err *e)
{
    const char *resource = kind == CHECK_COMPLETES ? "mutatingwebhookconfigurations"
                                                   : "validatingwebhookconfigurations";
    const char *seen = kind == CHECK_COMPLETES ? "came back as it was sent"
                                               : "was admitted with a wrong threshold";
    enum unseen why = unseen_because(hooks, out->namespace_);
    struct str name = json_str(json_path(first_hook(hooks), "metadata/name"));
    return put_unseen(why, seen, resource, name, hooks, a, &out->text, e) != 0
               ? -1
               : put_fix(why, resource, name, check_webhook_namespace(hooks), a, &out->fix, e);
}

/* The dry run failed with what is not the answer that was hoped for. */
static int failed(const struct err *why, const struct check_answer *hooks, struct check_result *out,
                  struct arena *a, struct err *e)
{
    struct str said = str_from(why->text);
    struct str where = check_webhook_namespace(hooks);
    if (arena_str(a, said, &out->text, e) != 0) {
        return -1;
    }
    if (has(said, STR(FAILED))) {
        return arena_format(a, &out->fix, e,
                            "with failurePolicy Fail no annotated Deployment is admitted until it "
                            "answers: kubectl -n %.*s get pods,endpointslices",
                            STR_ARG(where.len > 0 ? where : STR("ampscale-system")));
    }
    if (str_starts(said, STR(DENIED))) {
        out->fix = STR("the answer says whose rule that is");
    } else if (has(said, STR("cannot create resource"))) {
        out->fix = STR("who checks needs the right to create deployments.apps here, which a dry "
                       "run needs too");
    } else if (why->code == ERR_NOT_FOUND) {
        return arena_format(a, &out->fix, e, "kubectl create namespace %.*s",
                            STR_ARG(out->namespace_));
    } else {
        out->fix = STR("the answer is the API server's");
    }
    return 0;
}

/* The line of a refusal that is about what is wrong. */
static struct str complaint_of(struct str said)
{
    return str_cut(str_slice(said, find(said, STR(BROKEN)), said.len), '\n', &(struct str){0});
}

int check_judge_webhook(enum check_kind kind, struct str namespace_, const struct check_answer *got,
                        const struct check_answer *hooks, struct arena *a, struct check_result *out,
                        struct err *e)
{
    struct check_result r = {.kind = kind, .namespace_ = namespace_};
    int status;
    r.ok = check_is_right(kind, got);
    if (r.ok && kind == CHECK_COMPLETES) {
        status = arena_format(a, &r.text, e,
                              SPEC_PREFIX "min-replicas: \"%.*s\" came back. A dry run does not "
                                          "run the query: kubectl annotate does, and tells its "
                                          "value",
                              STR_ARG(default_given(got->object)));
    } else if (r.ok) {
        status = arena_str(a, complaint_of(str_from(got->e.text)), &r.text, e);
    } else if (got->object != NULL) {
        status = not_seen(kind, hooks, &r, a, e);
    } else {
        status = failed(&got->e, hooks, &r, a, e);
    }
    if (status == 0) {
        *out = r;
    }
    return status;
}

/* ---- the scaler ---- */

int check_lease_look(struct check_lease *l, const struct json *object, int64_t now_ms,
                     struct err *e)
{
    if (lease_observe(&l->view, object, now_ms, e) != 0) {
        return -1;
    }
    if (l->since_ms == 0) {
        l->since_ms = now_ms;
    }
    return 0;
}

/* Milliseconds since it was renewed, by what it says. False: it does not say. */
static bool age_of(const struct check_lease *l, int64_t unix_ms, int64_t *out)
{
    struct err ignored = ERR_INIT;
    int64_t renewed_ms;
    if (num_time_ms(str_from(l->view.renew_time), &renewed_ms, &ignored) != 0) {
        return false;
    }
    *out = unix_ms - renewed_ms;
    return true;
}

static bool is_alive(const struct check_lease *l, int64_t unix_ms)
{
    int64_t age_ms;
    bool fresh = age_of(l, unix_ms, &age_ms) && age_ms < l->view.duration_ms &&
                 age_ms > -l->view.duration_ms;
    return l->since_ms > 0 && l->view.holder[0] != '\0' && (fresh || l->view.seen_ms > l->since_ms);
}

bool check_lease_is_open(const struct check_lease *l, int64_t now_ms, int64_t unix_ms)
{
    return l->since_ms > 0 && l->view.holder[0] != '\0' && !is_alive(l, unix_ms) &&
           now_ms < l->since_ms + l->view.duration_ms;
}

static int no_lease(const struct err *why, struct str where, struct arena *a,
                    struct check_result *out, struct err *e)
{
    if (why->code != ERR_NOT_FOUND) {
        out->fix = STR("who checks needs the right to get leases.coordination.k8s.io "
                       "called " SCALER_LEASE);
        return arena_str(a, str_from(why->text), &out->text, e);
    }
    out->fix = STR("add it to scaler.namespaces, or set scaler.allNamespaces; where one scaler "
                   "serves all: --scaler-namespace NS");
    return arena_format(a, &out->text, e, "there is no Lease " SCALER_LEASE " in %.*s",
                        STR_ARG(where));
}

int check_judge_lease(struct str namespace_, struct str where, const struct check_lease *l,
                      const struct err *why, int64_t unix_ms, struct arena *a,
                      struct check_result *out, struct err *e)
{
    struct check_result r = {.kind = CHECK_SERVED, .namespace_ = namespace_};
    struct buf age;
    int64_t age_ms = 0;
    int status;
    buf_init(&age, 64);
    (void)age_of(l, unix_ms, &age_ms);
    view_age(age_ms, &age);
    r.ok = is_alive(l, unix_ms);
    if (l->since_ms == 0) {
        status = no_lease(why, where, a, &r, e);
    } else if (r.ok) {
        status = arena_format(a, &r.text, e, "%s holds the Lease " SCALER_LEASE " in %.*s",
                              l->view.holder, STR_ARG(where));
    } else if (l->view.holder[0] == '\0') {
        status = arena_format(a, &r.text, e, "nobody holds the Lease " SCALER_LEASE " in %.*s",
                              STR_ARG(where));
    } else {
        status = arena_format(a, &r.text, e,
                              "%s, which holds the Lease " SCALER_LEASE
                              " in %.*s, renewed it %.*s ago and does not do so any more",
                              l->view.holder, STR_ARG(where), STR_ARG(buf_view(&age)));
    }
    buf_free(&age);
    if (status == 0 && !r.ok && r.fix.len == 0) {
        status = arena_format(a, &r.fix, e,
                              "kubectl -n %.*s get pods; kubectl -n %.*s logs deployment/"
                              "ampscale-scaler",
                              STR_ARG(where), STR_ARG(where));
    }
    if (status == 0) {
        *out = r;
    }
    return status;
}

/* ---- the output ---- */

void check_print_text(const struct check_result *results, size_t count, struct buf *out)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct check_result *r = &results[i];
        struct str rest = r->warnings;
        if (i == 0 || !str_eq(r->namespace_, results[i - 1].namespace_)) {
            buf_format(out, "namespace %.*s\n", STR_ARG(r->namespace_));
        }
        wrong += r->ok ? 0 : 1;
        buf_format(out, "  %s  %.*s: %.*s\n", r->ok ? "ok   " : "WRONG", STR_ARG(TITLES[r->kind]),
                   STR_ARG(r->text));
        while (rest.len > 0) {
            struct str line = str_cut(rest, '\n', &rest);
            buf_format(out, "         Warning: %.*s\n", STR_ARG(line));
        }
        if (r->fix.len > 0) {
            buf_format(out, "         fix: %.*s\n", STR_ARG(r->fix));
        }
    }
    buf_format(out, "%zu check%s, %zu wrong\n", count, count == 1 ? "" : "s", wrong);
}

void check_print_json(const struct check_result *results, size_t count, struct buf *out)
{
    struct json_writer j;
    json_writer_init(&j, out);
    json_begin_array(&j);
    for (size_t i = 0; i < count; i++) {
        const struct check_result *r = &results[i];
        struct str rest = r->warnings;
        json_begin_object(&j);
        json_member_str(&j, STR("namespace"), r->namespace_);
        json_member_str(&j, STR("check"), WORDS[r->kind]);
        json_member_bool(&j, STR("ok"), r->ok);
        json_member_str(&j, STR("text"), r->text);
        if (r->fix.len > 0) {
            json_member_str(&j, STR("fix"), r->fix);
        }
        json_key(&j, STR("warnings"));
        json_begin_array(&j);
        while (rest.len > 0) {
            json_put_str(&j, str_cut(rest, '\n', &rest));
        }
        json_end_array(&j);
        json_end_object(&j);
    }
    json_end_array(&j);
    buf_append_char(out, '\n');
}
