/* Inside of AWS identities: awscreds.c (the interface), aws_fresh.c (fetching ahead, again, and
 * telling), aws_chain.c and aws_profile.c (which provider), aws_sts.c, aws_container.c and
 * aws_imds.c (the providers that ask somebody), aws_texts.c (the fix).
 *
 * A provider's fetch ends in exactly one of aws_fetched and aws_failed, at once or from a callback;
 * it has one call out at a time, in `call`.
 */
#ifndef AMPSCALE_NET_AWS_INTERNAL_H
#define AMPSCALE_NET_AWS_INTERNAL_H

#include "base/arena.h"
#include "base/awsanswer.h"
#include "base/buf.h"
#include "net/awscreds.h"

enum { AWS_ANSWER_MAX_BYTES = 64 * 1024, AWS_TOKEN_MAX_BYTES = 20000, AWS_URL_BYTES = 512 };

/* What all identities of one aws_identity_new share. */
struct aws_setup {
    unsigned uses;
    struct http_client *http;
    struct loop *loop;
    const struct logger *log;                     /* NULL: silent */
    struct arena arena;                           /* of the texts here */
    struct str region;                            /* of STS; absent: not known */
    struct str sts_endpoint;                      /* absent: the region's own */
    struct str role_arn, web_identity_token_file; /* of the flags */
    struct str session_name;
    const char *ca_file; /* NULL: the system's store */
    bool imds;
    unsigned random;
};

struct aws_provider {
    const char *name; /* in texts: "web identity" */
    /* Begin. -1: failed at once, *e without the prefix that aws_failed puts. */
    int (*fetch)(struct aws_identity *i, struct err *e);
    /* What is held already is looked up anew at each aws_identity_get; NULL: it is kept. */
    int (*look)(struct aws_credentials *out, struct err *e);
    unsigned tries; /* in a row, of what may pass, before it counts as failed */
};

extern const struct aws_provider AWS_ENVIRONMENT, AWS_WEB_IDENTITY, AWS_ASSUME_ROLE, AWS_CONTAINER,
    AWS_PROFILE_KEYS, AWS_IMDS, AWS_NOTHING;

/* Credentials that are held: one block, wiped when given up. */
struct aws_held {
    char *block;
    size_t size;
    struct aws_credentials c;
    int64_t expires_ms; /* Unix; INT64_MAX: never */
};

struct aws_identity {
    struct aws_setup *setup;
    const struct aws_provider *provider;
    unsigned uses;
    struct aws_identity *base;       /* ASSUME_ROLE: whose credentials sign */
    struct aws_identity *dependents; /* those with this one as base */
    struct aws_identity *next_dependent;
    bool on_top;                          /* ASSUME_ROLE: by option, not as the chain has it */
    struct arena texts;                   /* of the following */
    struct str role_arn;                  /* WEB_IDENTITY, ASSUME_ROLE */
    struct str token_file;                /* WEB_IDENTITY, CONTAINER; absent: none */
    struct str token;                     /* CONTAINER: in the environment's memory */
    struct str url;                       /* CONTAINER, IMDS */
    struct str external_id, session_name; /* of STS; absent: none, the setup's */
    int64_t duration_s;                   /* of STS; 0: its default */
    struct str profile;                   /* PROFILE_KEYS */

    struct aws_held held;
    bool fetching; /* from start to aws_fetched or aws_failed */
    bool waits;    /* ASSUME_ROLE: for news of the base */
    unsigned news; /* how often its dependents were told */
    unsigned told; /* ASSUME_ROLE: of which news of the base it was told last */
    bool reread;   /* WEB_IDENTITY: the token had expired, and was read once more */
    struct http_call *call;
    struct loop_timer timer;  /* the next fetch */
    unsigned failures;        /* in a row */
    bool passing;             /* the last failure may pass by itself soon */
    struct err error;         /* the last failure; of NOTHING: why */
    bool renewed;             /* aws_identity_renew fetched, at */
    int64_t renewed_ms;       /* of the loop's clock */
    struct buf secret;        /* IMDS: the session's token */
    struct aws_claims claims; /* WEB_IDENTITY: of the token last sent, in */
    struct arena claims_arena;
    void (*changed)(void *context);
    void *context;
};

/* ---- aws_fresh.c ---- */

/* Begin, unless that is under way. It may end at once, and then tells the listener. */
void aws_fetch(struct aws_identity *i);
/* With the loop's next turn: for callers that nobody may be told from. */
void aws_fetch_soon(struct aws_identity *i);
/* Fresh enough to sign with. */
bool aws_serves(const struct aws_identity *i);
/* It failed, and is not just about to be tried again. */
bool aws_settled(const struct aws_identity *i);
/* The answer's texts are copied. */
void aws_fetched(struct aws_identity *i, const struct aws_answer *answer);
/* `passing`: worth trying again soon. The text of *e follows "AWS credentials (provider, role): ".
 */
void aws_failed(struct aws_identity *i, bool passing, const struct err *e);
void aws_held_wipe(struct aws_held *held);

/* ---- awscreds.c ---- */

/* An identity over the setup, which it shares; the caller fills its parameters. NULL: out of
 * memory. */
struct aws_identity *aws_identity_make(struct aws_setup *s, const struct aws_provider *p);
/* A role on top of `base`, whose use passes to it. NULL: out of memory (or `base` is NULL), and
 * `base` is freed. */
struct aws_identity *aws_identity_on(struct aws_identity *base, struct str role_arn);

/* ---- aws_chain.c ---- */

/* Set and not empty, else absent. */
struct str aws_env(const char *name);
bool aws_env_true(const char *name);
/* The first provider that is configured; AWS_NOTHING, saying why, when it is misconfigured or there
 * is none. NULL: out of memory. */
struct aws_identity *aws_chain(struct aws_setup *s);
/* One that says no; `e` is copied. */
struct aws_identity *aws_nothing(struct aws_setup *s, const struct err *e);
/* Container credentials by the environment. */
struct aws_identity *aws_chain_container(struct aws_setup *s);
bool aws_chain_has_container(void);

/* ---- aws_profile.c ---- */

/* Whether a profile is named, or there is a default one with anything to say. */
bool aws_profile_configured(void);
/* Whether the profile that AWS_PROFILE names puts a role on top of what the environment has: then
 * it goes before that. */
bool aws_profile_composes(void);
struct aws_identity *aws_profile_identity(struct aws_setup *s);
/* The region of the profile in force; absent when there is none. In the arena. */
struct str aws_profile_region(struct arena *a);

/* ---- aws_sts.c ---- */

/* The base has news: go on with what waits for it. */
void aws_assume_go_on(struct aws_identity *i);

/* The URL of STS by the setup and AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT. */
int aws_sts_url(const struct aws_setup *s, char out[AWS_URL_BYTES], struct err *e)
    __attribute__((warn_unused_result));

/* ---- aws_container.c, aws_imds.c ---- */

/* NULL, or why container credentials must not be asked for at this URL. */
const char *aws_container_url_wrong(const char *url);
/* The URL below which instance metadata is; absent: AWS_EC2_METADATA_DISABLED. In the arena. */
struct str aws_imds_url(struct arena *a);

/* ---- aws_texts.c ---- */

/* Fill *e from an answer that is no success: status, code and message. Returns whether it may pass
 * by itself. */
bool aws_refusal(const struct http_response *r, struct arena *a, struct str *code, struct err *e);
/* Append "; " and a sentence to e->text. */
__attribute__((format(printf, 2, 3))) void aws_hint(struct err *e, const char *format, ...);
/* Read a token's file, trimmed, into `out`; errors say what to do. */
int aws_read_token(struct str file, struct buf *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
