/* What a fuzz target defines: runs one input; 0. It must not keep memory or state between two calls. */
#ifndef AMPSCALE_TEST_FUZZ_H
#define AMPSCALE_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
