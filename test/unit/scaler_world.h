/* A fake world for the scaler's core: it records every door call and answers when told to. */
#ifndef AMPSCALE_TEST_SCALER_WORLD_H
#define AMPSCALE_TEST_SCALER_WORLD_H

#include "scaler/scaler.h"

enum { CALLS_MAX = 256, TEXT_BYTES = 512 };

struct fake_event {
    enum scaler_event type;
    char reason[64], note[TEXT_BYTES];
};

struct world {
    struct scaler *core;
    struct logger log;
    struct workload *asked[CALLS_MAX];
    size_t asked_count, cancelled_queries, cancelled_scales;
    struct workload *written;
    int32_t written_replicas;
    char written_version[RESOURCE_VERSION_BYTES];
    size_t writes, reads, released, decisions, condition_writes, cancelled_conditions;
    bool released_there;
    int32_t restore;
    struct workload *conditions_of;
    struct condition conditions[CONDITION_COUNT]; /* as last written */
    struct fake_event events[CALLS_MAX];
    size_t event_count;
    bool fail_query, fail_write, fail_read, fail_conditions;
    char lines[1 << 16];
    size_t lines_len;
    struct scaler_time now;
};

/* For cmocka: a core that scales at once, one that only decides, one that waits to be told that it
 * leads. */
int world_setup(void **state);
int world_setup_dry(void **state);
int world_setup_elects(void **state);
int world_teardown(void **state);

/* Annotations of one that asks for vector(100) with threshold 25, and one that is not ours. */
extern const struct kv WORLD_GOOD[3];

/* A Deployment of namespace shop as the watch would show it; its name is its uid. */
struct deployment world_shown(const char *name, const char *version, int32_t replicas,
                              const struct kv *annotations, size_t count);
void world_show(struct world *world, const struct deployment *d);
void world_show_good(struct world *world, const char *name, const char *version, int32_t replicas);

void world_run_due(struct world *world);
/* Both clocks go on, then what is due runs. */
void world_pass_ms(struct world *world, int64_t ms);

struct workload *world_last_asked(const struct world *world);
void world_answer(struct world *world, struct workload *w, struct reading reading);
void world_answer_value(struct world *world, double value);
void world_answer_error(struct world *world, const char *text);

/* The answers to the write or read of /scale that is out. */
void world_scaled(struct world *world, int32_t replicas, const char *version);
void world_scale_failed(struct world *world, enum err_code code);
void world_scale_read(struct world *world, int32_t replicas, const char *version);
/* The answer to the write of conditions that is out. */
void world_conditions_written(struct world *world, enum err_code code);

void world_lead(struct world *world, const char *namespace_, bool leads);
/* An HPA of namespace shop; deployment NULL: it is gone. */
void world_hpa(struct world *world, const char *hpa, const char *deployment);

size_t world_events_of(const struct world *world, const char *reason);
bool world_logged(const struct world *world, const char *text);

#endif
