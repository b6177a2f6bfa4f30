/* The cluster, asked one thing after the other, and the place of queries, asked many at once. */
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

/* Any request; as cluster_get. */
int cluster_send(struct cluster *c, const struct kube_request *r, struct arena *a,
                 const struct json **out, struct err *e) __attribute__((warn_unused_result));
/* Let `ms` pass. -1: the loop failed. */
int cluster_pause(struct cluster *c, int64_t ms, struct err *e) __attribute__((warn_unused_result));

/* Every trigger of one workload, being asked for its value. It stays where it is until it was
 * waited for or given up. */
struct cluster_asking {
    struct reading readings[SPEC_TRIGGERS_MAX];
    size_t count, pending;
    struct cluster_question {
        struct cluster_asking *asking;
        struct reading *reading;
        struct prom_call *call;
    } questions[SPEC_TRIGGERS_MAX];
};

/* Begin; what goes wrong with a trigger is its reading. */
void cluster_ask(struct cluster *c, const struct scale_spec *spec, struct cluster_asking *out);
/* Until all its readings are there. -1: the loop failed. */
int cluster_wait(struct cluster *c, const struct cluster_asking *asking, struct err *e)
    __attribute__((warn_unused_result));
void cluster_give_up(struct cluster_asking *asking);

#endif
