/* Whose credentials sign: one identity a role, made when first wanted, given up when long unused.
 */
#include <stdlib.h>
#include <string.h>

#include "net/prom_internal.h"

enum { SWEEP_MS = 10 * 60 * 1000, UNUSED_MS = 60 * 60 * 1000 };

bool prom_must_sign(const struct prom *p, struct str base_url)
{
    switch (p->sigv4) {
    case SIGV4_AUTO: return prom_url_amp_region(base_url).len > 0;
    case SIGV4_ON: return true;
    case SIGV4_OFF: return false;
    }
    return false;
}

static void credentials_changed(void *context)
{
    prom_calls_go_on(context);
}

static void signer_free(struct prom_signer *s)
{
    aws_identity_free(s->identity);
    free(s);
}

/* All but the program's own, on which the others are built. */
static void forget_unused(void *context)
{
    struct prom *p = context;
    struct err e = ERR_INIT;
    const int64_t now_ms = loop_now_ms(http_loop(p->http));
    struct prom_signer **link = &p->signers->next;
    while (*link != NULL) {
        struct prom_signer *s = *link;
        if (s->users == 0 && now_ms - s->used_ms >= UNUSED_MS) {
            *link = s->next;
            signer_free(s);
        } else {
            link = &s->next;
        }
    }
    if (p->signers->next != NULL &&
        loop_timer_set(http_loop(p->http), &p->forget, now_ms + SWEEP_MS, &e) != 0 &&
        p->aws.log != NULL) {
        LOG_AT(p->aws.log, LOG_WARN, "unused roles are kept", F_ERR(&e));
    }
}

static int identity_of(struct prom *p, struct str base_url, struct str role_arn,
                       struct aws_identity **out, struct err *e)
{
    struct aws_options o = p->aws;
    if (role_arn.len > 0) {
        return aws_identity_for_role(p->signers->identity, role_arn, out, e);
    }
    if (o.region.len == 0) {
        const struct str configured =
            p->endpoint.len > 0 ? prom_url_amp_region(p->endpoint) : (struct str){NULL, 0};
        o.region = configured.len > 0 ? configured : prom_url_amp_region(base_url);
    }
    return aws_identity_new(p->http, &o, out, e);
}

/* Behind the first, which is the program's own. */
static int signer_add(struct prom *p, struct str base_url, struct str role_arn,
                      struct prom_signer **out, struct err *e)
{
    struct prom_signer *s = calloc(1, sizeof *s + role_arn.len + 1);
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a role");
    }
    if (identity_of(p, base_url, role_arn, &s->identity, e) != 0) {
        free(s);
        return -1;
    }
    char *cursor = s->role_arn;
    (void)str_copy_to(&cursor, role_arn);
    aws_identity_on_change(s->identity, credentials_changed, p);
    s->used_ms = loop_now_ms(http_loop(p->http));
    struct prom_signer **link = p->signers != NULL ? &p->signers->next : &p->signers;
    s->next = *link;
    *link = s;
    if (s != p->signers && p->forget.heap_slot == 0) {
        p->forget = (struct loop_timer){.fire = forget_unused, .context = p};
        forget_unused(p);
    }
    *out = s;
    return 0;
}

static struct prom_signer *find(const struct prom *p, struct str role_arn)
{
    struct prom_signer *s = p->signers;
    while (s != NULL && !str_eq(str_from(s->role_arn), role_arn)) {
        s = s->next;
    }
    return s;
}

static void use(struct prom *p, struct prom_signer *s, bool more)
{
    s->users = more ? s->users + 1 : s->users - 1;
    s->used_ms = loop_now_ms(http_loop(p->http));
}

int prom_signer_get(struct prom *p, struct str base_url, struct str role_arn,
                    struct prom_signer **out, struct err *e)
{
    struct prom_signer *s = find(p, STR(""));
    if (s == NULL && signer_add(p, base_url, STR(""), &s, e) != 0) {
        return -1;
    }
    if (role_arn.len > 0) {
        s = find(p, role_arn);
        if (s == NULL && signer_add(p, base_url, role_arn, &s, e) != 0) {
            return -1;
        }
    }
    use(p, s, true);
    *out = s;
    return 0;
}

void prom_signer_leave(struct prom *p, struct prom_signer *s)
{
    if (s != NULL) {
        use(p, s, false);
    }
}

void prom_signers_free(struct prom *p)
{
    loop_timer_cancel(http_loop(p->http), &p->forget);
    while (p->signers != NULL) {
        struct prom_signer *s = p->signers;
        p->signers = s->next;
        signer_free(s);
    }
}
