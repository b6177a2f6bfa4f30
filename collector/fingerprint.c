#include "collector/fingerprint.h"

#include <string.h>

/* Steele et al.: SplitMix64, one step. */
static uint64_t split_mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct fingerprint_key fingerprint_key_of(uint64_t seed)
{
    struct fingerprint_key key;
    for (size_t i = 0; i < 4; i++) {
        key.secrets[i] = split_mix(&seed) | 1;
    }
    return key;
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

struct fingerprint fingerprint_of(const struct fingerprint_key *key, struct str text)
{
    const uint64_t *secrets = key->secrets;
    uint64_t low = secrets[2], high = secrets[3], a, b;
    const char *at = text.ptr;
    size_t left = text.len;
    while (left > 16) {
        a = load(at);
        b = load(at + 8);
        low = fold(low ^ a, secrets[0] ^ b);
        high = fold(high ^ b, secrets[1] ^ a);
        at += 16;
        left -= 16;
    }
    char last[16] = {0}; /* the length, below, tells zeros from padding */
    if (left > 0) {
        memcpy(last, at, left);
    }
    a = load(last);
    b = load(last + 8);
    low = fold(low ^ a, secrets[0] ^ b);
    high = fold(high ^ b, secrets[1] ^ a);
    return (struct fingerprint){fold(low ^ text.len, secrets[3]),
                                fold(high ^ text.len, secrets[2])};
}
