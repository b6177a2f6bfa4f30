/* decide()'s memory as JSON, for decision lines and their replay. */
#ifndef AMPSCALE_SCALER_MEMORY_JSON_H
#define AMPSCALE_SCALER_MEMORY_JSON_H

#include "base/json.h"
#include "scaler/decide.h"

/* {"lastMs":…,"adoptedMs":…,"everActive":…,"inactiveMs":…,"unknownMs":[…],"lastFrom":…,"lastTo":…,
 * "proposals":[[ms,replicas],…],"ups":[…],"downs":[…]}: `triggers` elements of unknownMs. */
void memory_write(struct json_writer *j, const struct decide_memory *memory, size_t triggers);

/* The reverse, into a memory that decide_memory_init made. Errors: ERR_INVALID naming the member;
 * ERR_LIMIT: more records than the spec allows. *memory is then undefined. */
int memory_read(const struct json *node, struct decide_memory *memory, struct err *e)
    __attribute__((warn_unused_result));

#endif
