/* Fingerprints of texts: 128 bits, so that the text itself need not be kept.
 *
 * Two lanes of folded multiplication (the idea of wyhash), each over the whole text with secrets of
 * its own, drawn from a seed. Among a million texts the odds that any two meet are about 2^-85, and
 * who does not know the seed cannot choose them to. Not for security beyond that.
 */
#ifndef AMPSCALE_COLLECTOR_FINGERPRINT_H
#define AMPSCALE_COLLECTOR_FINGERPRINT_H

#include <stdint.h>

#include "base/str.h"

struct fingerprint {
    uint64_t low, high;
};

struct fingerprint_key {
    uint64_t secrets[4];
};

/* Keys of different seeds give unrelated fingerprints. */
struct fingerprint_key fingerprint_key_of(uint64_t seed);

struct fingerprint fingerprint_of(const struct fingerprint_key *key, struct str text);

#endif
