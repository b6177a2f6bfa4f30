/* The fake world around the scaler's core: records every door call, answers when told to. */
#ifndef AMPSCALE_TEST_SCALER_WORLD_H
#define AMPSCALE_TEST_SCALER_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    size_t writes, reads, released, decisions;
    struct fake_event events[CALLS_MAX];
    size_t event_count;
    bool fail_query, fail_write, fail_read;
    char lines[1 << 16];
    size_t lines_len;
    struct scaler_time now;
};

/* Query vector(100), threshold 25, and a key between them that is not ours. */
extern const struct kv GOOD[3];

/* cmocka's: *state becomes a world with a core in it. */
int world_setup(void **state);
int world_setup_dry(void **state);
int world_teardown(void **state);

/* A Deployment as the watch would show it. */
struct deployment shown(const char *name, const char *version, int32_t replicas,
                        const struct kv *annotations, size_t count);
void show(struct world *world, const struct deployment *d);
void show_good(struct world *world, const char *name, const char *version, int32_t replicas);

void run_due(struct world *world);
/* Let both clocks go on, then run what is due. */
void pass_ms(struct world *world, int64_t ms);

/* Answers to the last query. */
struct workload *last_asked(const struct world *world);
void answer_value(struct world *world, double value);
void answer_error(struct world *world, const char *text);

/* Answers to the last write, and to the read after a conflict. */
void scaled(struct world *world, int32_t replicas, const char *version);
void scale_failed(struct world *world, enum err_code code);
void scale_read(struct world *world, int32_t replicas, const char *version);

size_t events_of(const struct world *world, const char *reason);
bool logged(const struct world *world, const char *text);

#endif
