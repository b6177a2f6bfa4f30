#include "webhook/certplan.h"

bool cert_span_holds(const struct cert_span *s, int64_t now_ms)
{
    return s->not_before_ms <= now_ms && now_ms < s->not_after_ms;
}

static int64_t made_ms(const struct cert_span *s)
{
    return s->not_before_ms + CERT_BACKDATE_MS;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When two thirds of its life are over; one of a longer life than is given now is renewed as if it
 * had that. */
static int64_t due_ms(const struct cert_span *s, int64_t life_ms)
{
    return made_ms(s) + least(s->not_after_ms - made_ms(s), life_ms) / 3 * 2;
}

/* When no leaf of cas[i] can serve any more; without a younger CA it may sign still. */
static int64_t retired_ms(const struct cert_facts *f, const struct cert_lives *lives, size_t i)
{
    const int64_t end_ms = f->cas[i].span.not_after_ms;
    if (i == 0) {
        return end_ms;
    }
    /* A tenth more: time is told in seconds, and by more than one clock. */
    return least(end_ms, made_ms(&f->cas[i - 1].span) + lives->leaf_ms + lives->leaf_ms / 10);
}

static bool is_kept(const struct cert_facts *f, const struct cert_lives *lives, int64_t now_ms,
                    size_t i)
{
    if (!cert_span_holds(&f->cas[i].span, now_ms)) {
        return false;
    }
    return (f->signs && i == f->signer) || (f->leaf_usable && i == f->leaf_ca) ||
           now_ms < retired_ms(f, lives, i);
}

void certplan_kept(const struct cert_facts *f, const struct cert_lives *lives, int64_t now_ms,
                   bool out[CERT_CAS_MAX])
{
    for (size_t i = 0; i < CERT_CAS_MAX; i++) {
        out[i] = i < f->ca_count && is_kept(f, lives, now_ms, i);
    }
}

static struct cert_plan step(enum cert_step s, const char *why)
{
    return (struct cert_plan){.step = s, .why = why};
}

static struct cert_plan wait_for(const char *why, int64_t wait_ms)
{
    return (struct cert_plan){.step = CERT_WAIT, .why = why, .wait_ms = wait_ms > 0 ? wait_ms : 0};
}

/* True with *out filled when a new CA is needed. */
static bool needs_ca(const struct cert_facts *f, const struct cert_lives *lives, int64_t now_ms,
                     struct cert_plan *out)
{
    const struct cert_span *s = &f->cas[f->signer].span;
    if (!f->signs) {
        *out = step(CERT_NEW_CA, "there is none that could sign");
    } else if (now_ms < s->not_before_ms) {
        *out = step(CERT_NEW_CA, "it is not valid yet");
    } else if (now_ms >= s->not_after_ms) {
        *out = step(CERT_NEW_CA, "it has expired");
    } else if (now_ms >= due_ms(s, lives->ca_ms)) {
        *out = step(CERT_NEW_CA, "two thirds of its life are over");
    } else {
        return false;
    }
    return true;
}

static bool list_is_right(const struct cert_facts *f, const struct cert_lives *lives,
                          int64_t now_ms)
{
    for (size_t i = 0; i < f->ca_count; i++) {
        if (f->cas[i].in_secret != is_kept(f, lives, now_ms, i)) {
            return false;
        }
    }
    return f->list_clean;
}

/* A CA beside the one that signs, whose leaf somebody may be serving. */
static bool others_live(const struct cert_facts *f, const struct cert_lives *lives, int64_t now_ms)
{
    for (size_t i = 0; i < f->ca_count; i++) {
        if (i != f->signer && is_kept(f, lives, now_ms, i)) {
            return true;
        }
    }
    return false;
}

/* A leaf that need not wait for its CA to be published. */
static bool needs_leaf_now(const struct cert_facts *f, const struct cert_lives *lives,
                           int64_t now_ms, struct cert_plan *out)
{
    if (f->leaf_usable && now_ms >= f->leaf.not_after_ms) {
        *out = step(CERT_NEW_LEAF, "it has expired");
    } else if (!f->leaf_usable && !others_live(f, lives, now_ms)) {
        *out = step(CERT_NEW_LEAF, "there is none");
    } else if (f->leaf_usable && f->leaf_ca == f->signer && now_ms >= f->leaf.not_before_ms &&
               now_ms >= due_ms(&f->leaf, lives->leaf_ms)) {
        *out = step(CERT_NEW_LEAF, "two thirds of its life are over");
    } else {
        return false;
    }
    return true;
}

/* The leaf is to be of another CA than the one whose leaf may be serving. */
static struct cert_plan change_ca(const struct cert_facts *f, const struct cert_lives *lives)
{
    if (f->published_ms >= lives->settle_ms && f->published_ms > 0) {
        return step(CERT_NEW_LEAF, f->leaf_usable ? "its authority is published" : "there is none");
    }
    return wait_for("the authority is being published", lives->settle_ms - f->published_ms);
}

static struct cert_plan rest(const struct cert_facts *f, const struct cert_lives *lives,
                             int64_t now_ms)
{
    int64_t next_ms =
        least(due_ms(&f->leaf, lives->leaf_ms), due_ms(&f->cas[f->signer].span, lives->ca_ms));
    for (size_t i = 0; i < f->ca_count; i++) {
        if (i != f->signer && f->cas[i].in_secret) {
            next_ms = least(next_ms, retired_ms(f, lives, i));
        }
    }
    return wait_for("nothing is due", next_ms - now_ms);
}

struct cert_plan certplan(const struct cert_facts *f, const struct cert_lives *lives,
                          int64_t now_ms)
{
    struct cert_plan plan;
    if (needs_ca(f, lives, now_ms, &plan)) {
        return plan;
    }
    if (!list_is_right(f, lives, now_ms)) {
        return step(CERT_WRITE_CAS, "the authorities to be trusted are others");
    }
    if (needs_leaf_now(f, lives, now_ms, &plan)) {
        return plan;
    }
    for (size_t i = 0; i < CERT_BUNDLES; i++) {
        if (f->bundles[i] == BUNDLE_OTHER) {
            return step(CERT_PUBLISH, "caBundle is another");
        }
    }
    if (!f->leaf_usable || now_ms < f->leaf.not_before_ms || f->leaf_ca != f->signer) {
        return change_ca(f, lives);
    }
    return rest(f, lives, now_ms);
}
