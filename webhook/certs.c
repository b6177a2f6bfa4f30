/* One round reads the Secret, then the two configurations, so a leaf is never newer than what is
 * known of the bundles that have to carry its CA. Then what was read is served, and what is due is
 * done.
 */
#include "webhook/certs.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "webhook/certs_internal.h"
#include "webhook/families.h"

enum {
    ROUND_BYTES = 16 << 20, /* an answer or two of the API server, and their trees */
    PATH_BYTES = 1024,
    POLL_MIN_MS = 200,
    POLL_MAX_MS = 10000,
    POLL_UNREADY_MS = 1000,
    SETTLE_MAX_MS = 10000,
};

const char *const CERT_CONFIGS[CERT_BUNDLES] = {"mutatingwebhookconfigurations",
                                                "validatingwebhookconfigurations"};

/* ---- trouble ---- */

static const char *const TROUBLES[TROUBLE_COUNT] = {
    [TROUBLE_SECRET] = "the Secret of the certificates cannot be read",
    [TROUBLE_CONFIGS] = "the mutating configuration's caBundle cannot be read",
    [TROUBLE_CONFIGS + 1] = "the validating configuration's caBundle cannot be read",
    [TROUBLE_CONTENT] = "the Secret's certificates cannot all be used",
    [TROUBLE_SERVING] = "the certificate cannot be served",
    [TROUBLE_WRITING] = "certificates cannot be made or written",
};

void certs_trouble(struct certs *c, enum cert_trouble what, const struct err *e)
{
    const unsigned long long told = str_hash(str_from(e->text)) | 1;
    metrics_add(c->o.metrics, WEBHOOK_CERTIFICATE_ERRORS, NULL, 1);
    if (c->told[what] != told) {
        c->told[what] = told;
        LOG_AT(c->o.log, LOG_WARN, TROUBLES[what], F_STR("secret", c->o.secret),
               F_BOOL("still_serving", c->serving.there), F_ERR(e));
    }
}

void certs_well(struct certs *c, enum cert_trouble what)
{
    if (c->told[what] != 0) {
        LOG_AT(c->o.log, LOG_INFO, "trouble with certificates is over",
               F_STR("trouble", str_from(TROUBLES[what])));
    }
    c->told[what] = 0;
}

/* ---- time ---- */

static void round_begins(void *context);

/* A fifth earlier or later, so that replicas do not ask in step. */
void certs_later(struct certs *c, int64_t in_ms)
{
    struct err e = ERR_INIT;
    c->random = c->random * 1664525U + 1013904223U;
    const int64_t jitter = in_ms * 2 / 5 * (int64_t)(c->random >> 16) / 65536;
    arena_wipe(&c->arena);
    arena_init(&c->arena, ROUND_BYTES);
    const int64_t due_ms = loop_now_ms(c->o.loop) + in_ms - in_ms / 5 + jitter;
    if (loop_timer_set(c->o.loop, &c->timer, due_ms, &e) != 0) {
        LOG_AT(c->o.log, LOG_ERROR, "certificates are not followed any more", F_ERR(&e));
    }
}

static int64_t within(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : (value > high ? high : value);
}

void certs_poll_later(struct certs *c)
{
    const char *why;
    certs_later(c, within(c->lives.leaf_ms / 30, POLL_MIN_MS,
                          certs_ready(c, &why) ? POLL_MAX_MS : POLL_UNREADY_MS));
}

/* ---- serving ---- */

static bool holds(struct str text, struct str part)
{
    return part.len > 0 && text.len > 0 && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static enum cert_carried carried_by(const struct certs *c, size_t which, struct str ca)
{
    const struct cert_config *config = &c->configs[which];
    if (c->bundles[which] == BUNDLE_UNKNOWN || c->bundles[which] == BUNDLE_ABSENT) {
        return c->bundles[which] == BUNDLE_ABSENT ? CARRIED_ABSENT : CARRIED_UNKNOWN;
    }
    for (size_t i = 0; i < config->hook_count; i++) {
        if (!holds(config->hooks[i].bundle, ca)) {
            return CARRIED_NO;
        }
    }
    return CARRIED_YES;
}

/* What serves is good, and the leaf of the other CA might not be trusted yet. */
static bool better_keep(const struct certs *c, struct str ca, int64_t now_ms)
{
    const struct cert_serving *s = &c->serving;
    if (!s->there || !cert_span_holds(&s->span, now_ms) || str_eq(buf_view(&s->ca), ca)) {
        return false;
    }
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        const enum cert_carried carried = carried_by(c, i, ca);
        if (carried == CARRIED_NO || carried == CARRIED_UNKNOWN) {
            return true;
        }
    }
    return false;
}

static void note_serving(struct certs *c, struct str ca, unsigned long long leaf)
{
    struct cert_serving *s = &c->serving;
    char text[NUM_TEXT_BYTES];
    s->there = true;
    s->span = c->view.facts.leaf;
    s->leaf = leaf;
    buf_reset(&s->ca);
    buf_append(&s->ca, ca);
    metrics_set(c->o.metrics, WEBHOOK_CERTIFICATE_EXPIRY, NULL,
                (double)s->span.not_after_ms / 1000.0);
    LOG_AT(c->o.log, LOG_INFO, "certificate loaded", F_STR("secret", c->o.secret),
           F_STR("not_after", num_print_time(s->span.not_after_ms, 0, text)));
}

/* Serve the Secret's leaf, if that is better than what serves. */
static void serve(struct certs *c, int64_t now_ms)
{
    const struct cert_facts *f = &c->view.facts;
    const struct cert_texts *t = &c->secret.texts;
    const unsigned long long leaf = str_hash(t->leaf);
    struct err e = ERR_INIT;
    if (!f->leaf_usable || !cert_span_holds(&f->leaf, now_ms) ||
        (c->serving.there && c->serving.leaf == leaf) ||
        better_keep(c, c->view.cas[f->leaf_ca], now_ms)) {
        return;
    }
    if (server_use_pair(c->o.server, c->o.listen, t->leaf, t->leaf_key, &e) != 0) {
        certs_trouble(c, TROUBLE_SERVING, &e);
        return;
    }
    certs_well(c, TROUBLE_SERVING);
    note_serving(c, c->view.cas[f->leaf_ca], leaf);
}

static void note_carried(struct certs *c)
{
    struct cert_serving *s = &c->serving;
    bool everywhere = s->there;
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        const struct str label = i == 0 ? STR("mutating") : STR("validating");
        const enum cert_carried carried = carried_by(c, i, buf_view(&s->ca));
        if (carried != CARRIED_UNKNOWN) {
            s->carried[i] = carried;
        }
        everywhere = everywhere && s->carried[i] == CARRIED_YES;
        metrics_set(c->o.metrics, WEBHOOK_CERTIFICATE_TRUSTED, &label,
                    s->carried[i] == CARRIED_YES ? 1 : 0);
    }
    if (everywhere && !s->was_ready) {
        s->was_ready = true;
        LOG_AT(c->o.log, LOG_INFO, "both configurations trust the certificate",
               F_STR("configuration", c->o.configuration));
    }
}

bool certs_ready(const struct certs *c, const char **why)
{
    const struct cert_serving *s = &c->serving;
    if (!s->there || !cert_span_holds(&s->span, kube_unix_ms(c->o.kube))) {
        *why = s->there ? "the certificate has expired" : "no certificate yet";
        return false;
    }
    if (!s->was_ready ||
        (s->carried[0] == CARRIED_NO && s->carried[CERT_BUNDLES - 1] == CARRIED_NO)) {
        *why = "caBundle does not carry the certificate's authority yet";
        return false;
    }
    return true;
}

/* ---- a round ---- */

static int64_t published_for(struct certs *c)
{
    const unsigned long long list = str_hash(c->secret.texts.cas);
    const int64_t now_ms = loop_now_ms(c->o.loop);
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        if (c->bundles[i] == BUNDLE_OTHER || c->bundles[i] == BUNDLE_UNKNOWN) {
            c->published_since_ms = 0;
            return 0;
        }
    }
    if (c->published_since_ms == 0 || c->published != list) {
        c->published_since_ms = now_ms;
        c->published = list;
    }
    return now_ms - c->published_since_ms;
}

static void all_is_read(struct certs *c)
{
    const struct cert_config *configs[CERT_BUNDLES] = {NULL, NULL};
    const int64_t now_ms = kube_unix_ms(c->o.kube);
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        if (c->bundles[i] == BUNDLE_SAME) {
            configs[i] = &c->configs[i];
        }
    }
    certview_read(&c->secret.texts, configs, &c->service, &c->view);
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        if (configs[i] != NULL && !certstore_carries(configs[i], c->secret.texts.cas)) {
            c->bundles[i] = BUNDLE_OTHER;
        }
        c->view.facts.bundles[i] = c->bundles[i];
    }
    c->view.facts.published_ms = published_for(c);
    if (c->view.complaint.code != ERR_NONE) {
        certs_trouble(c, TROUBLE_CONTENT, &c->view.complaint);
    } else {
        certs_well(c, TROUBLE_CONTENT);
    }
    serve(c, now_ms);
    note_carried(c);
    if (c->released || !leader_leads(c->leader)) {
        certs_poll_later(c);
        return;
    }
    c->plan = certplan(&c->view.facts, &c->lives, now_ms);
    certs_act(c);
}

static void ask_config(struct certs *c);

/* Keep the answer: what is read of it are views. */
static int read_config(struct certs *c, struct str body, struct err *e)
{
    struct str kept;
    if (arena_str(&c->arena, body, &kept, e) != 0) {
        return -1;
    }
    return certstore_read_config(kept, c->service.name, c->service.namespace_, &c->arena,
                                 &c->configs[c->asking], e);
}

static void config_came(void *context, int status, struct str body, const struct err *failed)
{
    struct certs *c = context;
    const enum cert_trouble trouble = (enum cert_trouble)(TROUBLE_CONFIGS + c->asking);
    struct err e = *failed;
    (void)status;
    c->call = NULL;
    if (e.code == ERR_NONE && read_config(c, body, &e) == 0) {
        c->bundles[c->asking] = BUNDLE_SAME; /* unless the comparison says otherwise */
        certs_well(c, trouble);
    } else {
        c->bundles[c->asking] = e.code == ERR_NOT_FOUND ? BUNDLE_ABSENT : BUNDLE_UNKNOWN;
        (void)err_prefix(&e, "get %s/%.*s", CERT_CONFIGS[c->asking], STR_ARG(c->o.configuration));
        certs_trouble(c, trouble, &e);
    }
    c->asking++;
    ask_config(c);
}

static void ask_config(struct certs *c)
{
    struct buf path;
    struct err e = ERR_INIT;
    if (c->asking == CERT_BUNDLES) {
        all_is_read(c);
        return;
    }
    buf_init(&path, PATH_BYTES);
    certs_config_path(c, c->asking, "", &path);
    const struct kube_request request = {.method = "GET", .path = path.ptr};
    if (buf_check(&path, &e) != 0 || certs_send(c, &request, config_came, &e) != 0) {
        certs_trouble(c, TROUBLE_CONFIGS, &e);
        certs_poll_later(c);
    }
    buf_free(&path);
}

static void secret_came(void *context, int status, struct str body, const struct err *failed)
{
    struct certs *c = context;
    struct err e = *failed;
    struct str kept;
    (void)status;
    c->call = NULL;
    if (e.code != ERR_NONE || arena_str(&c->arena, body, &kept, &e) != 0 ||
        certstore_read_secret(kept, &c->arena, &c->secret, &e) != 0) {
        (void)err_prefix(&e, "get secrets/%.*s of namespace %.*s", STR_ARG(c->o.secret),
                         STR_ARG(c->service.namespace_));
        certs_trouble(c, TROUBLE_SECRET, &e);
        certs_poll_later(c);
        return;
    }
    certs_well(c, TROUBLE_SECRET);
    c->asking = 0;
    ask_config(c);
}

static void round_begins(void *context)
{
    struct certs *c = context;
    struct buf path;
    struct err e = ERR_INIT;
    if (c->call != NULL) {
        return; /* a round is under way: it sets the timer itself */
    }
    buf_init(&path, PATH_BYTES);
    certs_secret_path(c, &path);
    const struct kube_request request = {.method = "GET", .path = path.ptr, .secret = true};
    if (buf_check(&path, &e) != 0 || certs_send(c, &request, secret_came, &e) != 0) {
        certs_trouble(c, TROUBLE_SECRET, &e);
        certs_poll_later(c);
    }
    buf_free(&path);
}

/* ---- requests ---- */

void certs_secret_path(const struct certs *c, struct buf *out)
{
    buf_format(out, "/api/v1/namespaces/%.*s/secrets/%.*s", STR_ARG(c->service.namespace_),
               STR_ARG(c->o.secret));
    buf_append_char(out, '\0');
}

void certs_config_path(const struct certs *c, size_t which, const char *query, struct buf *out)
{
    buf_format(out, "/apis/admissionregistration.k8s.io/v1/%s/%.*s%s", CERT_CONFIGS[which],
               STR_ARG(c->o.configuration), query);
    buf_append_char(out, '\0');
}

int certs_send(struct certs *c, const struct kube_request *r, kube_done_fn *done, struct err *e)
{
    return kube_send(c->o.kube, r, done, c, &c->call, e);
}

/* ---- life ---- */

static void leading_changed(void *context, bool leads)
{
    struct certs *c = context;
    if (leads && c->call == NULL) {
        certs_later(c, 0);
    }
}

int certs_start(const struct certs_options *o, struct certs **out, struct err *e)
{
    char identity[LEADER_IDENTITY_BYTES];
    struct certs *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the certificates");
    }
    leader_identity(identity);
    c->o = *o;
    c->service = (struct cert_service){o->service, kube_namespace(o->kube)};
    c->lives = (struct cert_lives){.ca_ms = o->ca_life_ms,
                                   .leaf_ms = o->leaf_life_ms,
                                   .settle_ms = within(o->leaf_life_ms / 10, 0, SETTLE_MAX_MS)};
    c->random = (uint32_t)str_hash(str_from(identity));
    c->timer = (struct loop_timer){.fire = round_begins, .context = c};
    arena_init(&c->arena, ROUND_BYTES);
    buf_init(&c->serving.ca, CERT_PEM_MAX_BYTES);
    const struct leader_options leader = {.loop = o->loop,
                                          .kube = o->kube,
                                          .log = o->log,
                                          .namespace_ = c->service.namespace_,
                                          .name = o->lease,
                                          .identity = str_from(identity),
                                          .changed = leading_changed,
                                          .context = c};
    if (leader_start(&leader, &c->leader, e) != 0 ||
        loop_timer_set(o->loop, &c->timer, loop_now_ms(o->loop), e) != 0) {
        certs_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

static void given_away(void *context)
{
    (void)context; /* it is freed with the rest */
}

void certs_release(struct certs *c)
{
    if (!c->released) {
        c->released = true;
        leader_release(c->leader, given_away, c);
    }
}

void certs_free(struct certs *c)
{
    if (c == NULL) {
        return;
    }
    loop_timer_cancel(c->o.loop, &c->timer);
    kube_cancel(c->call);
    leader_free(c->leader);
    arena_wipe(&c->arena);
    buf_free(&c->serving.ca);
    free(c);
}
