#include "collector/allowance.h"

#include "base/num.h"

static uint64_t between(uint64_t low, uint64_t value, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

struct allowance allowance_of(uint64_t limit_bytes, uint64_t buffer_bytes)
{
    uint64_t buffer = buffer_bytes, table = ALLOWANCE_TABLE_MAX_BYTES;
    if (buffer == 0) {
        buffer = limit_bytes == 0
                     ? ALLOWANCE_BUFFER_BYTES
                     : between(ALLOWANCE_BUFFER_MIN_BYTES, limit_bytes / 8, ALLOWANCE_BUFFER_BYTES);
    }
    if (limit_bytes > 0) {
        const uint64_t taken = ALLOWANCE_PROGRAM_BYTES + buffer;
        const uint64_t left = limit_bytes > taken ? limit_bytes - taken : 0;
        table = between(ALLOWANCE_TABLE_MIN_BYTES, left / 4 * 3, ALLOWANCE_TABLE_MAX_BYTES);
    }
    return (struct allowance){.table_bytes = (size_t)table, .buffer_bytes = (size_t)buffer};
}

uint64_t allowance_cgroup(struct str text)
{
    struct err ignored;
    int64_t bytes = 0;
    return num_int(str_trim(text), 1, INT64_MAX, &bytes, &ignored) == 0 ? (uint64_t)bytes : 0;
}
