/* The simulator: the shipped scaler core in a world that is seeded, hostile and fast.
 *
 *     sim.c         the loop: whatever is next, the command line, the report
 *     world.c       Deployments, HPAs and the API server that keeps them; what happens by itself
 *     process.c     scaler processes: they start, die, lead by turns; what their watches show them
 *     doors.c       struct scaler_io, and the answers: each door fails in every way it may
 *     oracle.c      what must hold of every decision and write, judged from true time and readings
 *     redecide.c    a sample of decisions made twice: same inputs, higher readings
 *     sweep.c       a fixed course of events, with one fault at its n-th door call, for all n
 *     spec_maker.c  random annotations within the contract, and some that are not
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
    PROCESSES = 2,
    APPS = 12,
    LEAPS = 64,
    CALLS_MAX = 256,
    NEWS_MAX = 512,
    ANNOTATIONS_MAX = 24,
    HISTORY_MAX = 1024,
    UID_BYTES = 24
};

struct sim;
struct app;

/* A scaler process: one core, its clocks, and what its watches have shown it. */

/* What the watch is going to show, in order. */
enum news_kind { NEWS_LIST_BEGIN, NEWS_DEPLOYMENT, NEWS_HPA, NEWS_LIST_END };

struct news {
    enum news_kind kind;
    size_t app;
    char uid[UID_BYTES];
    uint64_t version;
    int32_t replicas, ready;
    bool exists;             /* DEPLOYMENT */
    bool hpa;                /* HPA: it targets the app */
    int64_t due_ms;          /* true */
    struct condition active; /* of status.conditions the one that is read back */
};

/* What the core was shown of one app last. */
struct view {
    char uid[UID_BYTES];
    unsigned edition; /* of the annotations; 0: it was shown nothing that asks to be scaled */
    bool invalid, complains, restores;
    bool hpa, hpa_seen; /* some HPA targets it; it was in the list that is being read */
    int64_t initial_ms;
};

struct process {
    struct sim *sim;
    size_t index;
    struct scaler *core; /* NULL: it is dead */
    struct logger log;
    bool leads, watch_down;
    int64_t monotonic_offset_ms, unix_offset_ms;
    int64_t starts_ms; /* true time at which it begins again; INT64_MAX: it runs */
    struct view views[APPS];
    struct news news[NEWS_MAX]; /* a ring */
    size_t news_first, news_count;
};

/* Something a core started, on its way to an answer. */
enum call_kind { CALL_QUERY, CALL_WRITE, CALL_READ, CALL_CONDITIONS };

struct call {
    enum call_kind kind;
    bool cancelled; /* nobody waits for the answer */
    bool arrives;   /* it reaches the other side though it was cancelled */
    struct process *process;
    struct workload *w; /* not to be touched once it is cancelled */
    struct app *app;
    char uid[UID_BYTES];
    size_t trigger;
    int32_t from, replicas; /* WRITE */
    uint64_t version;       /* WRITE: of what it was decided on */
    struct condition conditions[CONDITION_COUNT];
    int fault; /* enum sweep_fault */
    int64_t due_ms;
    uint64_t serial;
};

/* A raw proposal, or the count at a fresh start, at a true time. */
struct proposed {
    int64_t ms;
    int32_t replicas;
};

/* Events that may only be told once a cause. */
enum budget {
    BUDGET_READINGS,  /* a trigger's reading became another kind */
    BUDGET_RESCALED,  /* a write was acknowledged */
    BUDGET_FAILED,    /* the last write before did not fail */
    BUDGET_COMPLAINT, /* annotations were shown to one that leads */
    BUDGET_CONFLICT,  /* an HPA was shown */
    BUDGET_COUNT
};

/* What the oracle knows of an app: of the process that leads, since its fresh start. */
struct judged {
    struct reading last[SPEC_TRIGGERS_MAX];
    int64_t unknown_since_ms[SPEC_TRIGGERS_MAX]; /* true; 0: it does not count as unknown */
    bool all_known, all_say;                     /* at the last decision */
    bool ever_active;
    int64_t rest_from_ms;    /* inactivity counts from here on, at the earliest */
    int64_t active_ms;       /* the last decision that it is active; 0: none */
    struct condition read;   /* what was known of the past when it was adopted */
    int64_t stamp_offset_ms; /* and the wall clock's error then */
    int64_t decided_ms, written_ms;
    int direction; /* of the last write in the last hour: 1 up, -1 down, 0 none */
    int64_t budgets[BUDGET_COUNT];
    struct proposed history[HISTORY_MAX]; /* a ring */
    size_t history_count;
    bool edited; /* it began anew because its annotations changed */
};

struct app {
    size_t index;
    unsigned incarnation, edition;
    bool exists, deleting, annotated, hpa; /* deleting: in the foreground, its pods go first */
    char name[16], uid[UID_BYTES];
    char texts[ANNOTATIONS_MAX][640];
    struct kv annotations[ANNOTATIONS_MAX];
    size_t annotation_count;
    bool invalid, complains; /* a key is wrong; a key is unknown or wrong */
    bool restores, original_stays;
    int32_t original;
    int64_t initial_ms;
    int32_t replicas, ready;
    uint64_t version;
    double load[SPEC_TRIGGERS_MAX];
    struct condition conditions[CONDITION_COUNT]; /* as the API server keeps them */
    struct judged judged;
    uint64_t trace; /* hash of all its decisions and when they were made */
};

enum prometheus_mood { MOOD_FINE, MOOD_EMPTY, MOOD_ERROR, MOOD_SILENT, MOOD_ODD };

/* What the door call is made to do. */
enum sweep_fault {
    FAULT_NONE,
    FAULT_STUCK,       /* it cannot even be started */
    FAULT_AWAY,        /* the other side is away; nothing was stored */
    FAULT_LOST,        /* stored, and the answer lost */
    FAULT_DENIED,      /* 403 */
    FAULT_GONE,        /* 404 */
    FAULT_CONFLICT,    /* 409: somebody changed something else */
    FAULT_EMPTY,       /* queries: no series */
    FAULT_ODD,         /* queries: NaN */
    FAULT_LATE,        /* answered just before the deadline */
    FAULT_KILLED,      /* the process dies before the call arrives */
    FAULT_KILLED_LATE, /* stored, and the process dies before it hears of that */
    FAULT_DEPOSED,     /* it loses leadership with the call out */
    FAULT_COUNT
};

struct sweep {
    bool on;
    uint64_t calls;               /* door calls so far */
    uint64_t fail_at;             /* counted from 1; 0: none */
    enum sweep_fault fault, then; /* then: of the first CALL_READ after that */
    size_t app;                   /* that was hit; APPS: none */
    size_t minute;
    enum call_kind *kinds; /* of each call, where that is wanted */
};

struct counts {
    uint64_t decisions, writes, lowered, restarts, hand_overs, jumps, conflicts, faults, held,
        restored, again;
};

struct sim {
    uint64_t seed, random;
    int64_t true_ms, end_ms, calm_ms; /* from calm_ms on nothing happens any more */
    int64_t leaps_ms[LEAPS]; /* true times of the last leaps of a monotonic clock, a ring */
    size_t leaps;
    struct process processes[PROCESSES];
    struct process *leader; /* NULL: nobody holds the lease */
    int64_t lease_ms;       /* true time at which it is taken again */
    struct app apps[APPS];
    size_t app_count;
    struct call calls[CALLS_MAX];
    struct call *heap[CALLS_MAX + 1]; /* [1..call_count], the earliest first */
    struct call *unused[CALLS_MAX];
    size_t call_count, unused_count;
    uint64_t serial;
    enum prometheus_mood mood;
    bool api_down;
    int64_t next_event_ms;
    struct sweep sweep;
    struct redecide *redecide;
    struct counts counts;
    uint64_t calm_turns; /* writes of the last hour that undo the one before */
    size_t watched;      /* 1 + the app whose course is printed; 0: none */
    bool broken;
};

/* sim.c */
uint64_t sim_random(struct sim *s, uint64_t below);
bool sim_chance(struct sim *s, unsigned per_mille);
/* From `begin`, which has set the world up, until end_ms or a broken invariant. */
void sim_course(struct sim *s, void (*begin)(struct sim *s));
/* Report a broken invariant; the first one counts. */
__attribute__((format(printf, 2, 3))) void sim_broken(struct sim *s, const char *format, ...);

/* One line of the course of the app that is watched. */
__attribute__((format(printf, 3, 4))) void sim_watch(const struct sim *s, const struct app *app,
                                                     const char *format, ...);

/* world.c */
void world_init(struct sim *s);
/* True time of the next thing that happens outside the cores. */
int64_t world_next_ms(const struct sim *s);
/* Do all that is due at s->true_ms. */
void world_step(struct sim *s);
/* An app whose annotations are still to be made. */
void world_create(struct app *app, int32_t replicas);
/* Something happens to an app just while a write of ours is on its way, more often than chance has
 * it. */
void world_coincide(struct sim *s, struct app *app);
/* The API server stores a change: a new version, shown to whoever watches. */
void world_changed(struct sim *s, struct app *app);
void world_set_replicas(struct sim *s, struct app *app, int32_t replicas);
/* The app that w is of; NULL: it was deleted and the core has not heard of it. */
struct app *world_app(struct sim *s, const struct workload *w);

/* process.c */
struct scaler_time process_now(const struct process *p);
void process_start(struct process *p);
void process_kill(struct process *p, int64_t back_in_ms);
/* The lease changes hands; never does one lead while another does. */
void process_lead(struct process *p, bool leads);
void process_tell(struct sim *s, const struct app *app);
void process_tell_hpa(struct sim *s, const struct app *app);
/* The watch was lost and begins anew with a list, which takes a while to arrive. */
void process_list(struct process *p);
void process_deliver(struct process *p);
int64_t process_next_ms(const struct process *p);
/* p's workload of an app; NULL: it has none. */
const struct workload *process_workload(const struct process *p, const struct app *app);

/* doors.c */
void doors_init(struct sim *s);
struct scaler_io doors_of(struct process *p);
int64_t doors_next_ms(const struct sim *s);
void doors_answer(struct sim *s);

/* oracle.c */
/* The process that leads begins anew with an app. first: it was none of its workloads before, or it
 * did not lead, and all it knows of the past is `active`. */
void oracle_fresh(struct process *p, struct app *app, bool first, const struct condition *active);
void oracle_reading(struct process *p, struct app *app, size_t trigger,
                    const struct reading *reading);
void oracle_decided(struct process *p, struct app *app, const struct workload *w,
                    const struct decision *d);
/* The core is about to write this count. */
void oracle_write(struct process *p, struct app *app, const struct workload *w, int32_t replicas);
void oracle_conditions(struct process *p, struct app *app, const struct workload *w);
void oracle_event(struct process *p, struct app *app, const char *reason, const char *note);
/* w was let go, and its count is to be `restore`. */
void oracle_released(struct process *p, struct app *app, const struct workload *w, bool there,
                     int32_t restore);
/* Everybody that is to be decided on still is. */
void oracle_alive(struct process *p);
/* A constant load has been there for hours. */
void oracle_settled(struct process *p);

/* redecide.c */
struct redecide *redecide_new(void);
void redecide_free(struct redecide *r);
/* Keep what decide() is about to be given. */
void redecide_keep(struct sim *s, const struct workload *w);
/* It has decided: decide again. */
void redecide_check(struct sim *s, const struct workload *w);

/* sweep.c */
/* One course for each way in which one door call may fail, of every stride-th call: 0, or 1 when
 * something was broken. total->again: how many courses. */
int sweep_run(struct sim *s, uint64_t stride, struct counts *total);
/* The fault of the call that is about to be made. */
enum sweep_fault sweep_fault(struct sim *s, enum call_kind kind, const struct app *app);
/* The next minute of the course. */
void sweep_happen(struct sim *s);

#endif
