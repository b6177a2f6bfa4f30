/* What the collector may hold, given the memory its container has: rather a scrape that fails with
 * a word about it than a process that is killed, and its buffer with it. Pure.
 */
#ifndef AMPSCALE_COLLECTOR_ALLOWANCE_H
#define AMPSCALE_COLLECTOR_ALLOWANCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    ALLOWANCE_TABLE_MAX_BYTES = 64 << 20,
    ALLOWANCE_TABLE_MIN_BYTES = 2 << 20,
    ALLOWANCE_BUFFER_BYTES = 8 << 20,
    ALLOWANCE_BUFFER_MIN_BYTES = 256 << 10,
    /* The program and its libraries, TLS, and the request that is being made. */
    ALLOWANCE_PROGRAM_BYTES = 12 << 20,
};

struct allowance {
    size_t table_bytes, buffer_bytes;
};

/* limit_bytes 0: unlimited. buffer_bytes 0: not given, then at most an eighth of the limit. Of what
 * program and buffer leave, the table gets three quarters: it grows by copying. */
struct allowance allowance_of(uint64_t limit_bytes, uint64_t buffer_bytes);

/* The contents of a cgroup's memory.max (or v1's memory.limit_in_bytes): bytes; 0 for "max" and
 * for what is no number. Source: Linux, Documentation/admin-guide/cgroup-v2.rst. */
uint64_t allowance_cgroup(struct str text);

#endif
