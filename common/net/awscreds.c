/* Identities: made from options, asked, given up. */
#include "net/awscreds.h"

#include <stdlib.h>
#include <string.h>

#include "base/awsname.h"
#include "net/aws_internal.h"
#include "net/prom_url.h"

enum { TEXTS_MAX_BYTES = 64 * 1024, RENEW_EVERY_MS = 60 * 1000 };

/* ---- the setup ---- */

static void setup_free(struct aws_setup *s)
{
    if (--s->uses == 0) {
        arena_free(&s->arena);
        free(s);
    }
}

static int copy(struct arena *a, struct str from, struct str *out, struct err *e)
{
    return from.len == 0 ? 0 : arena_str(a, from, out, e);
}

/* The region in the order of their nearness; the profile's last, as its files must be read. */
static struct str region_of(const struct aws_options *o, struct arena *a)
{
    const struct str candidates[] = {o->region, aws_env("AWS_REGION"),
                                     aws_env("AWS_DEFAULT_REGION")};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (candidates[i].len > 0) {
            return candidates[i];
        }
    }
    return aws_profile_region(a);
}

static int fill_setup(struct aws_setup *s, const struct aws_options *o, struct err *e)
{
    char session[AWSNAME_SESSION_BYTES];
    const struct str bundle = aws_env("AWS_CA_BUNDLE");
    const struct str named = aws_env("AWS_ROLE_SESSION_NAME");
    struct str endpoint = o->sts_endpoint, ca_file = {NULL, 0};
    endpoint = endpoint.len > 0 ? endpoint : aws_env("AWS_ENDPOINT_URL_STS");
    endpoint = endpoint.len > 0 ? endpoint : aws_env("AWS_ENDPOINT_URL");
    s->imds = o->imds;
    if (copy(&s->arena, region_of(o, &s->arena), &s->region, e) != 0 ||
        copy(&s->arena, endpoint, &s->sts_endpoint, e) != 0 ||
        copy(&s->arena, o->role_arn, &s->role_arn, e) != 0 ||
        copy(&s->arena, o->web_identity_token_file, &s->web_identity_token_file, e) != 0 ||
        copy(&s->arena, bundle.len > 0 ? bundle : str_from(o->ca_file), &ca_file, e) != 0 ||
        copy(&s->arena, awsname_session(named.len > 0 ? named : o->session_name, session),
             &s->session_name, e) != 0) {
        return -1;
    }
    s->ca_file = ca_file.ptr;
    return 0;
}

int aws_options_check(const struct aws_options *o, struct err *e)
{
    char url[PROM_URL_BYTES];
    if (o->role_arn.len > 0 && !awsname_is_role(o->role_arn)) {
        return err_set(e, ERR_INVALID,
                       "--role-arn \"%.*s\": expected arn:aws:iam::ACCOUNT:role/NAME",
                       STR_ARG(str_slice(o->role_arn, 0, 200)));
    }
    if (o->web_identity_token_file.len > 0 && o->role_arn.len == 0) {
        return err_set(e, ERR_INVALID, "--web-identity-token-file needs --role-arn");
    }
    if (o->sts_endpoint.len > 0 && prom_url_normal(o->sts_endpoint, url, e) != 0) {
        return err_prefix(e, "--sts-endpoint");
    }
    if (o->region.len > 0 && !awsname_is_label(o->region)) {
        return err_set(e, ERR_INVALID, "--region \"%.*s\": expected one as in eu-central-1",
                       STR_ARG(str_slice(o->region, 0, 64)));
    }
    return 0;
}

static struct aws_setup *setup_new(struct http_client *http, const struct aws_options *o,
                                   struct err *e)
{
    struct aws_setup *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)err_set(e, ERR_MEMORY, "out of memory for AWS credentials");
        return NULL;
    }
    arena_init(&s->arena, TEXTS_MAX_BYTES);
    s->uses = 1;
    s->http = http;
    s->loop = http_loop(http);
    s->log = o->log;
    s->random = (unsigned)loop_unix_ms() | 1;
    if (fill_setup(s, o, e) != 0) {
        setup_free(s);
        return NULL;
    }
    return s;
}

/* ---- identities ---- */

static void fetch_again(void *context)
{
    aws_fetch(context);
}

struct aws_identity *aws_identity_make(struct aws_setup *s, const struct aws_provider *p)
{
    struct aws_identity *i = calloc(1, sizeof *i);
    if (i != NULL) {
        s->uses++;
        i->setup = s;
        i->provider = p;
        i->uses = 1;
        i->timer = (struct loop_timer){.fire = fetch_again, .context = i};
        arena_init(&i->texts, TEXTS_MAX_BYTES);
        arena_init(&i->claims_arena, TEXTS_MAX_BYTES);
        buf_init(&i->secret, AWS_TOKEN_MAX_BYTES);
    }
    return i;
}

struct aws_identity *aws_identity_on(struct aws_identity *base, struct str role_arn)
{
    struct err e = ERR_INIT;
    struct aws_identity *i = base != NULL ? aws_identity_make(base->setup, &AWS_ASSUME_ROLE) : NULL;
    if (i == NULL || copy(&i->texts, role_arn, &i->role_arn, &e) != 0) {
        aws_identity_free(i);
        aws_identity_free(base);
        return NULL;
    }
    i->base = base;
    i->next_dependent = base->dependents;
    base->dependents = i;
    return i;
}

static void leave(struct aws_identity *i)
{
    struct aws_identity **link = &i->base->dependents;
    while (*link != i) {
        link = &(*link)->next_dependent;
    }
    *link = i->next_dependent;
}

void aws_identity_free(struct aws_identity *i)
{
    if (i == NULL || --i->uses > 0) {
        return;
    }
    struct aws_identity *base = i->base;
    if (base != NULL) {
        leave(i);
    }
    http_cancel(i->call);
    loop_timer_cancel(i->setup->loop, &i->timer);
    aws_held_wipe(&i->held);
    buf_wipe(&i->secret);
    arena_free(&i->claims_arena);
    arena_free(&i->texts);
    setup_free(i->setup);
    free(i);
    aws_identity_free(base);
}

/* The base before what is on top of it, which then finds its fetch under way. */
static void begin(struct aws_identity *i)
{
    if (i->base != NULL) {
        begin(i->base);
    }
    aws_fetch(i);
}

/* The whole of it; NULL: out of memory. */
static struct aws_identity *build(struct aws_setup *s)
{
    struct err e = ERR_INIT;
    if (s->role_arn.len > 0 && s->web_identity_token_file.len > 0) {
        struct aws_identity *i = aws_identity_make(s, &AWS_WEB_IDENTITY);
        if (i != NULL && (copy(&i->texts, s->role_arn, &i->role_arn, &e) != 0 ||
                          copy(&i->texts, s->web_identity_token_file, &i->token_file, &e) != 0)) {
            aws_identity_free(i);
            return NULL;
        }
        return i;
    }
    struct aws_identity *i = aws_chain(s);
    if (i == NULL || s->role_arn.len == 0 || str_eq(i->role_arn, s->role_arn)) {
        return i;
    }
    i = aws_identity_on(i, s->role_arn);
    if (i != NULL) {
        i->on_top = true;
    }
    return i;
}

int aws_identity_new(struct http_client *http, const struct aws_options *o,
                     struct aws_identity **out, struct err *e)
{
    if (aws_options_check(o, e) != 0) {
        return -1;
    }
    struct aws_setup *s = setup_new(http, o, e);
    if (s == NULL) {
        return -1;
    }
    struct aws_identity *i = build(s);
    setup_free(s);
    if (i == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for AWS credentials");
    }
    begin(i);
    *out = i;
    return 0;
}

int aws_identity_for_role(struct aws_identity *of, struct str role_arn, struct aws_identity **out,
                          struct err *e)
{
    if (!awsname_is_role(role_arn)) {
        return err_set(e, ERR_INVALID, "role \"%.*s\": expected arn:aws:iam::ACCOUNT:role/NAME",
                       STR_ARG(str_slice(role_arn, 0, 200)));
    }
    struct aws_identity *base = of->on_top && of->base != NULL ? of->base : of;
    struct aws_identity *i = of;
    while (i != NULL && !str_eq(i->role_arn, role_arn)) {
        i = i->base;
    }
    if (i != NULL) {
        i->uses++;
        *out = i;
        return 0;
    }
    base->uses++;
    i = aws_identity_on(base, role_arn);
    if (i == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for AWS credentials");
    }
    i->on_top = true;
    aws_fetch(i);
    *out = i;
    return 0;
}

/* ---- what is had of them ---- */

int aws_identity_get(struct aws_identity *i, struct aws_credentials *out, struct err *e)
{
    if (i->provider->look != NULL) {
        return i->provider->look(out, e);
    }
    if (aws_serves(i)) {
        *out = i->held.c;
        return 0;
    }
    if (aws_settled(i)) {
        *e = i->error;
        return -1;
    }
    if (i->failures == 0) {
        aws_fetch_soon(i); /* a clock that was set forward may have made them expire unseen */
    }
    return i->failures > 0
               ? err_set(e, ERR_UNAVAILABLE, "still being fetched, after: %s", i->error.text)
               : err_set(e, ERR_UNAVAILABLE, "AWS credentials (%s%s%.*s) are being fetched",
                         i->provider->name, i->role_arn.len > 0 ? ", role " : "",
                         STR_ARG(i->role_arn));
}

int64_t aws_identity_next_ms(const struct aws_identity *i)
{
    if (i->fetching) {
        return i->waits ? aws_identity_next_ms(i->base) : 0;
    }
    return i->timer.heap_slot != 0 ? i->timer.due_ms : INT64_MAX;
}

void aws_identity_on_change(struct aws_identity *i, void (*changed)(void *context), void *context)
{
    i->changed = changed;
    i->context = context;
}

void aws_identity_renew(struct aws_identity *i)
{
    const int64_t now_ms = loop_now_ms(i->setup->loop);
    if (i->fetching || (i->renewed && now_ms - i->renewed_ms < RENEW_EVERY_MS)) {
        return;
    }
    i->renewed = true;
    i->renewed_ms = now_ms;
    aws_fetch_soon(i);
}
