/* What a fuzz target defines: runs one input, returns 0, keeps nothing until the next. */
#ifndef AMPSCALE_TEST_FUZZ_H
#define AMPSCALE_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
