#include "scaler/lane.h"

static void unlink_first(struct lane *lane)
{
    struct lane_job *job = lane->first;
    lane->first = job->next;
    if (job->next != NULL) {
        job->next->link = &lane->first;
    } else {
        lane->end = &lane->first;
    }
    lane->waiting--;
}

static void begin_next(void *context)
{
    struct lane *lane = context;
    while (lane->first != NULL && lane->running < lane->limit) {
        struct lane_job *job = lane->first;
        struct err e = ERR_INIT;
        unlink_first(lane);
        job->running = true;
        lane->running++;
        if (job->start(job, &e) != 0) {
            lane->running--;
            job->lane = NULL;
            job->failed(job, &e);
        }
    }
}

void lane_init(struct lane *lane, struct loop *loop, size_t limit)
{
    *lane = (struct lane){.loop = loop, .limit = limit};
    lane->end = &lane->first;
    lane->kick = (struct loop_timer){.fire = begin_next, .context = lane};
}

void lane_close(struct lane *lane)
{
    if (lane->loop != NULL) {
        loop_timer_cancel(lane->loop, &lane->kick);
    }
}

int lane_enter(struct lane *lane, struct lane_job *job, struct err *e)
{
    job->lane = lane;
    job->running = lane->running < lane->limit && lane->waiting == 0;
    if (!job->running) {
        job->next = NULL;
        job->link = lane->end;
        *lane->end = job;
        lane->end = &job->next;
        lane->waiting++;
        return 0;
    }
    if (job->start(job, e) != 0) {
        job->lane = NULL;
        return -1;
    }
    lane->running++;
    return 0;
}

void lane_leave(struct lane_job *job)
{
    struct lane *lane = job->lane;
    struct err ignored = ERR_INIT;
    if (lane == NULL) {
        return;
    }
    job->lane = NULL;
    if (!job->running) {
        *job->link = job->next;
        if (job->next != NULL) {
            job->next->link = job->link;
        } else {
            lane->end = job->link;
        }
        lane->waiting--;
        return;
    }
    lane->running--;
    if (lane->waiting > 0) { /* where no timer is to be had, the next one that leaves tries */
        (void)!loop_timer_set(lane->loop, &lane->kick, loop_now_ms(lane->loop), &ignored);
    }
}

struct lane_job *lane_waiting(const struct lane *lane)
{
    return lane->first;
}
