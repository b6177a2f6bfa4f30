/* A lane: so many jobs at once, the others in the order they came.
 *
 * Whatever comes in a crowd (the first queries after a start, the conditions of a whole namespace)
 * goes through one, so that it costs neither memory nor the patience of a deadline while it waits.
 * Jobs are intrusive: the first member of what they do.
 */
#ifndef AMPSCALE_SCALER_LANE_H
#define AMPSCALE_SCALER_LANE_H

#include <stdbool.h>

#include "net/loop.h"

struct lane_job {
    /* Begin; its end comes later, from the loop. -1: it could not begin. */
    int (*start)(struct lane_job *job, struct err *e);
    /* It waited, and then could not begin: it is out of the lane. Called from the loop. */
    void (*failed)(struct lane_job *job, const struct err *e);
    struct lane *lane; /* these are the lane's; NULL: in none */
    bool running;
    struct lane_job *next, **link;
};

struct lane {
    struct loop *loop;
    size_t limit;            /* that run at once */
    size_t running, waiting; /* the rest is the lane's own */
    struct lane_job *first, **end;
    struct loop_timer kick;
};

void lane_init(struct lane *lane, struct loop *loop, size_t limit);
/* Its jobs have left. Safe on a zeroed lane. */
void lane_close(struct lane *lane);

/* Begin the job or let it wait. -1: it could not begin, and is in no lane. */
int lane_enter(struct lane *lane, struct lane_job *job, struct err *e)
    __attribute__((warn_unused_result));
/* It has ended, or is given up; from anywhere. The next one begins in the loop. */
void lane_leave(struct lane_job *job);
/* The one that has waited longest; NULL: none waits. */
struct lane_job *lane_waiting(const struct lane *lane);

#endif
