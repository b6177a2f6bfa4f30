/* Inside of the query client: prom.c (where queries may go), prom_call.c (a query's life) and
 * prom_signer.c (whose credentials sign it).
 */
#ifndef AMPSCALE_NET_PROM_INTERNAL_H
#define AMPSCALE_NET_PROM_INTERNAL_H

#include "base/arena.h"
#include "net/prom.h"

/* Who signs for one role; the program's own has an empty one and is first in the list. */
struct prom_signer {
    struct prom_signer *next;
    struct aws_identity *identity;
    size_t users;    /* calls that refer to it */
    int64_t used_ms; /* when the last one came or went, by the loop's clock */
    char role_arn[];
};

struct prom {
    struct http_client *http;
    struct arena arena;
    struct str endpoint; /* normal form; absent: none */
    struct str workspace, region;
    enum sigv4_mode sigv4;
    const char *ca_file;
    struct aws_options aws;
    struct str *allow_endpoints; /* normal form */
    size_t allow_endpoint_count;
    struct str *allow_workspaces;
    size_t allow_workspace_count;
    struct str *allow_roles;
    size_t allow_role_count;
    struct prom_call *calls;
    struct prom_signer *signers;
    struct loop_timer forget; /* signers that nobody uses */
    unsigned round;           /* of telling the calls that wait for credentials */
};

/* ---- prom_call.c ---- */

/* Credentials came, or failed to: send, or end, the calls that wait for them. */
void prom_calls_go_on(struct prom *p);
void prom_calls_cancel(struct prom *p);

/* ---- prom_signer.c ---- */

/* Whether queries to this base URL are signed. */
bool prom_must_sign(const struct prom *p, struct str base_url);
/* The signer for a role (empty: the program's own), made when there is none, with one user more.
 * `base_url` tells the region of STS where no flag does. */
int prom_signer_get(struct prom *p, struct str base_url, struct str role_arn,
                    struct prom_signer **out, struct err *e) __attribute__((warn_unused_result));
/* One user less. NULL is allowed. */
void prom_signer_leave(struct prom *p, struct prom_signer *s);
void prom_signers_free(struct prom *p);

#endif
