/* The simulator: the shipped scaler core in a world that is seeded, hostile and fast.
 *
 *     world.c   Deployments, an API server, Prometheus and clocks that fail in every way the doors
 * allow oracle.c  what must hold after every step, judged from true time and true readings sim.c
 * the loop: whatever is next, and a report
 *
 * One seed is one run: days of a namespace in well under a second. A broken invariant prints the
 * seed and the command that repeats it.
 */
#ifndef AMPSCALE_TEST_SIM_H
#define AMPSCALE_TEST_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scaler/scaler.h"

#define UNIX_OFFSET_MS INT64_C(1700000000000)

enum {
    LEAPS = 64,
    APPS = 12,
    CALLS_MAX = 256,
    NEWS_MAX = 512,
    ANNOTATIONS_MAX = 20,
    HISTORY_MAX = 4096
};

enum call_kind { CALL_QUERY, CALL_WRITE, CALL_READ, CALL_CONDITIONS };

struct app;

/* Something the core started, on its way to an answer. */
struct call {
    bool used;
    enum call_kind kind;
    struct workload *w;
    struct app *app;
    char uid[24];
    size_t trigger;
    int32_t replicas;                     /* WRITE */
    char version[RESOURCE_VERSION_BYTES]; /* WRITE */
    int64_t due_ms;                       /* true time */
};

/* What the watch is going to show: a snapshot of one Deployment. */
struct news {
    size_t app;
    char uid[24], version[24];
    int32_t replicas, ready;
    bool exists;
    unsigned edition; /* of the annotations */
    int64_t due_ms;
};

enum prometheus_mood { MOOD_FINE, MOOD_EMPTY, MOOD_ERROR, MOOD_SILENT };

/* A raw proposal, or the count at a fresh start, at a true time. */
struct proposed {
    int64_t ms;
    int32_t replicas;
};

struct app {
    size_t index;
    unsigned incarnation, edition;
    unsigned shown_edition; /* of the annotations that the core knows; 0: none */
    bool exists, annotated;
    char name[16], uid[24];
    char texts[ANNOTATIONS_MAX][640];
    struct kv annotations[ANNOTATIONS_MAX];
    size_t annotation_count;
    int32_t replicas, ready;
    uint64_t version;
    double load[SPEC_TRIGGERS_MAX];
    struct condition conditions[CONDITION_COUNT]; /* as the API server keeps them */

    /* The oracle's. */
    struct reading last[SPEC_TRIGGERS_MAX];
    int64_t unknown_since_ms[SPEC_TRIGGERS_MAX]; /* true; 0: known */
    int64_t active_ms;  /* true time of the last active reading; 0: never */
    int64_t begun_ms;   /* true time at which this process met it */
    int64_t fresh_ms;   /* true time of the last fresh start */
    int64_t decided_ms; /* true time of the last decision */
    struct proposed history[HISTORY_MAX];
    size_t history_count;
};

struct sim {
    uint64_t seed, random;
    int64_t true_ms, end_ms, calm_ms; /* from calm_ms on nothing happens any more */
    int64_t monotonic_offset_ms, unix_offset_ms;
    int64_t leaps_ms[LEAPS]; /* true times of the last leaps of the monotonic clock, a ring */
    size_t leaps;
    struct scaler *core;
    struct logger log;
    struct app apps[APPS];
    struct call calls[CALLS_MAX];
    struct news news[NEWS_MAX];
    size_t news_count;
    enum prometheus_mood mood;
    bool api_down, watch_down, leads, listing;
    int64_t next_event_ms;
    uint64_t decisions, writes, lowered, restarts, jumps, conflicts, faults;
    uint64_t calm_writes;
    bool broken;
};

/* sim.c */
uint64_t sim_random(struct sim *s, uint64_t below);
bool sim_chance(struct sim *s, unsigned per_mille);
struct scaler_time sim_now(const struct sim *s);
/* Report a broken invariant. */
__attribute__((format(printf, 2, 3))) void sim_broken(struct sim *s, const char *format, ...);

/* world.c */
void world_init(struct sim *s);
/* True time of the next thing that happens outside the core. */
int64_t world_next_ms(const struct sim *s);
/* Do all that is due at s->true_ms. */
void world_step(struct sim *s);
struct scaler_io world_io(struct sim *s);
/* A scaler process dies and another begins. */
void world_restart(struct sim *s);

/* oracle.c */
/* The core begins anew with an app, in the same process or another. */
void oracle_fresh(struct sim *s, struct app *app, bool other_process);
void oracle_reading(struct sim *s, struct app *app, const struct workload *w, size_t trigger,
                    const struct reading *reading);
void oracle_decided(struct sim *s, struct app *app, const struct workload *w);
/* The core is about to write this count. */
void oracle_write(struct sim *s, struct app *app, const struct workload *w, int32_t replicas);
void oracle_alive(struct sim *s, struct app *app, const struct workload *w);

#endif
