/* What the plan says, done: certificates are made and the Secret is written, or a caBundle is. */
#include <stdlib.h>

#include "webhook/certs_internal.h"
#include "webhook/families.h"

enum { BODY_BYTES = 2 << 20, PATH_BYTES = 1024, AGAIN_MS = 50, WRITES_MAX = 10 };

/* What a write replaces in the Secret, and its memory. */
struct renewal {
    struct cert_texts texts;
    struct buf cas, certificate, key;
};

/* All of its room at once, so that growing leaves no copy of a key behind. */
static int init_secret(struct buf *b, size_t max_bytes, struct err *e)
{
    buf_init(b, max_bytes);
    b->ptr = malloc(max_bytes);
    if (b->ptr == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for certificates");
    }
    b->cap = max_bytes;
    return 0;
}

static void renewal_free(struct renewal *r)
{
    buf_free(&r->cas);
    buf_free(&r->certificate);
    buf_wipe(&r->key);
}

/* ---- the Secret ---- */

static void count_made(struct certs *c)
{
    const bool ca = c->plan.step == CERT_NEW_CA;
    const struct str label = ca ? STR("authority") : STR("certificate");
    if (c->plan.step == CERT_WRITE_CAS) {
        LOG_AT(c->o.log, LOG_INFO, "authorities to be trusted written",
               F_STR("why", str_from(c->plan.why)));
        return;
    }
    metrics_add(c->o.metrics, WEBHOOK_CERTIFICATES_MADE, &label, 1);
    LOG_AT(c->o.log, LOG_INFO, ca ? "authority made" : "certificate made",
           F_STR("why", str_from(c->plan.why)), F_STR("secret", c->o.secret));
}

/* Read again what is there now. One that takes more steps than any state needs is fighting with
 * somebody over what they write. */
static void go_on(struct certs *c)
{
    if (++c->writes > WRITES_MAX) {
        certs_poll_later(c);
    } else {
        certs_later(c, AGAIN_MS);
    }
}

static void write_ended(struct certs *c, struct err *e, const char *verb, const char *resource,
                        struct str name)
{
    c->call = NULL;
    if (e->code == ERR_NONE || e->code == ERR_CONFLICT) {
        if (e->code == ERR_NONE) {
            certs_well(c, TROUBLE_WRITING);
        }
        go_on(c);
        return;
    }
    (void)err_prefix(e, "%s %s/%.*s", verb, resource, STR_ARG(name));
    certs_trouble(c, TROUBLE_WRITING, e);
    certs_poll_later(c);
}

static void secret_written(void *context, int status, struct str body, const struct err *failed)
{
    struct certs *c = context;
    struct err e = *failed;
    (void)status;
    (void)body;
    if (e.code == ERR_NONE) {
        count_made(c);
    }
    write_ended(c, &e, "update", "secrets", c->o.secret);
}

static int make(struct certs *c, struct renewal *r, struct err *e)
{
    const struct cert_facts *f = &c->view.facts;
    const int64_t now_ms = kube_unix_ms(c->o.kube);
    bool kept[CERT_CAS_MAX];
    certplan_kept(f, &c->lives, now_ms, kept);
    if (c->plan.step == CERT_NEW_LEAF) {
        if (certmake_leaf(c->view.cas[f->signer], r->texts.key, &c->service, now_ms,
                          c->lives.leaf_ms, &r->certificate, &r->key, e) != 0) {
            return -1;
        }
        r->texts.leaf = buf_view(&r->certificate);
        r->texts.leaf_key = buf_view(&r->key);
        return 0;
    }
    if (c->plan.step == CERT_NEW_CA) {
        if (certmake_ca(now_ms, c->lives.ca_ms, &r->cas, &r->key, e) != 0) {
            return -1;
        }
        r->texts.key = buf_view(&r->key);
    }
    certview_print_cas(&c->view, kept, CERT_CAS_MAX - (c->plan.step == CERT_NEW_CA), &r->cas);
    r->texts.cas = buf_view(&r->cas);
    return buf_check(&r->cas, e);
}

static int put_secret(struct certs *c, const struct cert_texts *texts, struct err *e)
{
    struct buf body, path;
    buf_init(&path, PATH_BYTES);
    certs_secret_path(c, &path);
    int result = init_secret(&body, BODY_BYTES, e);
    if (result == 0) {
        certstore_print_secret(&c->secret, texts, &body);
        const struct kube_request request = {
            .method = "PUT", .path = path.ptr, .body = buf_view(&body), .secret = true};
        result = buf_check(&path, e) != 0 || buf_check(&body, e) != 0
                     ? -1
                     : certs_send(c, &request, secret_written, e);
    }
    buf_wipe(&body);
    buf_free(&path);
    return result;
}

static int renew(struct certs *c, struct err *e)
{
    struct renewal r = {.texts = c->secret.texts};
    buf_init(&r.cas, (size_t)CERT_CAS_MAX * CERT_PEM_MAX_BYTES);
    buf_init(&r.certificate, CERT_PEM_MAX_BYTES);
    int result = init_secret(&r.key, CERT_PEM_MAX_BYTES, e);
    if (result == 0 && make(c, &r, e) == 0) {
        result = put_secret(c, &r.texts, e);
    } else {
        result = -1;
    }
    renewal_free(&r);
    return result;
}

/* ---- caBundle ---- */

static void config_written(void *context, int status, struct str body, const struct err *failed)
{
    struct certs *c = context;
    struct err e = *failed;
    (void)status;
    (void)body;
    if (e.code == ERR_NONE) {
        LOG_AT(c->o.log, LOG_INFO, "authorities published",
               F_STR("kind", str_from(CERT_CONFIGS[c->asking])), F_STR("name", c->o.configuration));
    }
    write_ended(c, &e, "patch", CERT_CONFIGS[c->asking], c->o.configuration);
}

static int publish(struct certs *c, struct err *e)
{
    struct buf body, path;
    c->asking = c->view.facts.bundles[0] == BUNDLE_OTHER ? 0 : 1;
    buf_init(&path, PATH_BYTES);
    buf_init(&body, BODY_BYTES);
    certs_config_path(c, c->asking, "?fieldManager=ampscale-webhook", &path);
    certstore_print_patch(&c->configs[c->asking], c->secret.texts.cas, &body);
    const struct kube_request request = {.method = "PATCH",
                                         .path = path.ptr,
                                         .body = buf_view(&body),
                                         .content_type = "application/json-patch+json"};
    const int result = buf_check(&path, e) != 0 || buf_check(&body, e) != 0
                           ? -1
                           : certs_send(c, &request, config_written, e);
    buf_free(&body);
    buf_free(&path);
    return result;
}

void certs_act(struct certs *c)
{
    struct err e = ERR_INIT;
    int result = 0;
    switch (c->plan.step) {
    case CERT_WAIT:
        c->writes = 0;
        certs_poll_later(c);
        return;
    case CERT_NEW_CA:
    case CERT_NEW_LEAF:
    case CERT_WRITE_CAS: result = renew(c, &e); break;
    case CERT_PUBLISH: result = publish(c, &e); break;
    }
    if (result != 0) {
        certs_trouble(c, TROUBLE_WRITING, &e);
        certs_poll_later(c);
    }
}
