/* The cluster and the place of queries, asked one thing after the other. */
#ifndef AMPSCALE_CLI_CLUSTER_H
#define AMPSCALE_CLI_CLUSTER_H

#include "base/promresult.h"
#include "base/spec.h"
#include "net/common_flags.h"

struct cluster {
    char user_agent[64];
    struct logger log; /* of what readings are too short for, on stderr */
    struct loop *loop;
    struct http_client *http;
    struct kube *kube;
    struct prom *prom; /* NULL: nobody said where to query */
    struct str namespace_;
};

/* `namespace_`: of --namespace; absent: the context's. */
int cluster_open(const struct common_flags *flags, struct str namespace_, struct cluster *out,
                 struct err *e) __attribute__((warn_unused_result));
void cluster_close(struct cluster *c);

/* GET `path`; the answer is copied into `a` and parsed there. */
int cluster_get(struct cluster *c, const char *path, struct arena *a, const struct json **out,
                struct err *e) __attribute__((warn_unused_result));

/* Ask for every trigger's value at once; what goes wrong with one is its reading. -1: the loop
 * failed. */
int cluster_ask(struct cluster *c, const struct scale_spec *spec,
                struct reading out[SPEC_TRIGGERS_MAX], struct err *e)
    __attribute__((warn_unused_result));

#endif
