#include "webhook/certview.h"

#include <string.h>

static void complain(struct cert_view *v, const struct err *e)
{
    if (v->complaint.code == ERR_NONE) {
        v->complaint = *e;
    }
}

/* ---- the CAs ---- */

static bool is_known(const struct cert_view *v, const unsigned char *id)
{
    for (size_t i = 0; i < v->facts.ca_count; i++) {
        if (memcmp(v->ids[i], id, CERT_ID_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* Where it stands among those that are there: newest first, and always in the same order. */
static size_t place_of(const struct cert_view *v, const struct cert_ca *ca, const unsigned char *id)
{
    size_t at = 0;
    while (at < v->facts.ca_count) {
        const int64_t there_ms = v->facts.cas[at].span.not_before_ms;
        if (there_ms < ca->span.not_before_ms ||
            (there_ms == ca->span.not_before_ms && memcmp(v->ids[at], id, CERT_ID_BYTES) < 0)) {
            break;
        }
        at++;
    }
    return at;
}

static void insert(struct cert_view *v, const struct cert_ca *ca, const unsigned char *id,
                   struct str block)
{
    const size_t at = place_of(v, ca, id);
    if (at == CERT_CAS_MAX) {
        return;
    }
    if (v->facts.ca_count < CERT_CAS_MAX) {
        v->facts.ca_count++;
    }
    for (size_t i = v->facts.ca_count - 1; i > at; i--) {
        v->facts.cas[i] = v->facts.cas[i - 1];
        v->cas[i] = v->cas[i - 1];
        memcpy(v->ids[i], v->ids[i - 1], CERT_ID_BYTES);
    }
    v->facts.cas[at] = *ca;
    v->cas[at] = block;
    memcpy(v->ids[at], id, CERT_ID_BYTES);
}

static void read_secret_cas(struct str text, struct cert_view *v)
{
    struct str block, rest = text;
    while (certstore_next_block(&rest, &block)) {
        struct cert_ca ca = {.in_secret = true};
        unsigned char id[CERT_ID_BYTES];
        struct err e = ERR_INIT;
        if (certread_ca(block, &ca.span, id, &e) != 0) {
            complain(v, &e);
        } else if (!is_known(v, id)) {
            insert(v, &ca, id, block);
        }
    }
    if (text.ptr != NULL && v->facts.ca_count == 0) {
        struct err e = ERR_INIT;
        (void)err_set(&e, ERR_TLS, "ca.crt: expected certificates in PEM");
        complain(v, &e);
    }
}

/* Others may stand there too; they are overwritten, and nobody's to complain about. */
static void read_bundle_cas(struct str text, struct cert_view *v)
{
    struct str block, rest = text;
    while (certstore_next_block(&rest, &block)) {
        struct cert_ca ca = {.in_secret = false};
        unsigned char id[CERT_ID_BYTES];
        struct err ignored = ERR_INIT;
        if (certread_ca(block, &ca.span, id, &ignored) == 0 && !is_known(v, id)) {
            insert(v, &ca, id, block);
        }
    }
}

/* ca.crt is what certview_print_cas makes of those that it holds. */
static bool list_is_clean(struct str text, const struct cert_view *v)
{
    for (size_t i = 0; i < v->facts.ca_count; i++) {
        if (!v->facts.cas[i].in_secret) {
            continue;
        }
        const struct str block = v->cas[i];
        if (!str_starts(text, block) || text.len == block.len || text.ptr[block.len] != '\n') {
            return false;
        }
        text = str_slice(text, block.len + 1, text.len);
    }
    return text.len == 0;
}

void certview_print_cas(const struct cert_view *v, const bool kept[CERT_CAS_MAX], size_t most,
                        struct buf *out)
{
    for (size_t i = 0; i < v->facts.ca_count && most > 0; i++) {
        if (kept[i]) {
            buf_append(out, v->cas[i]);
            buf_append_char(out, '\n');
            most--;
        }
    }
}

/* ---- the keys and the leaf ---- */

static void find_signer(struct str key, struct cert_view *v)
{
    struct err e = ERR_INIT;
    for (size_t i = 0; i < v->facts.ca_count; i++) {
        if (certread_key(v->cas[i], key, &e) == 0) {
            v->facts.signs = true;
            v->facts.signer = i;
            return;
        }
    }
    if (v->facts.ca_count == 0) {
        (void)err_set(&e, ERR_TLS, "there is no certificate for it");
    }
    (void)err_prefix(&e, "ca.key");
    complain(v, &e);
}

static void read_leaf(const struct cert_texts *t, const struct cert_service *s, struct cert_view *v)
{
    struct cert_facts *f = &v->facts;
    struct err e = ERR_INIT;
    if (certread_leaf(t->leaf, t->leaf_key, s, v->cas, f->ca_count, &f->leaf, &f->leaf_ca, &e) ==
        0) {
        f->leaf_usable = true;
        return;
    }
    (void)err_prefix(&e, "tls.crt");
    complain(v, &e);
}

void certview_read(const struct cert_texts *texts, const struct cert_config *const *configs,
                   const struct cert_service *s, struct cert_view *out)
{
    memset(out, 0, sizeof(*out));
    read_secret_cas(texts->cas, out);
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        for (size_t j = 0; configs[i] != NULL && j < configs[i]->hook_count; j++) {
            read_bundle_cas(configs[i]->hooks[j].bundle, out);
        }
    }
    out->facts.list_clean = list_is_clean(texts->cas, out);
    if (texts->key.ptr != NULL) {
        find_signer(texts->key, out);
    }
    if (texts->leaf.ptr != NULL || texts->leaf_key.ptr != NULL) {
        read_leaf(texts, s, out);
    }
}
