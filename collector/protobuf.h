/* Varints, as protobuf writes them: seven bits a byte, the lowest first
 * (protobuf.dev/programming-guides/encoding). */
#ifndef AMPSCALE_COLLECTOR_PROTOBUF_H
#define AMPSCALE_COLLECTOR_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

static inline size_t varint_bytes(uint64_t value)
{
    size_t bits = 64 - (size_t)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

static inline unsigned char *varint_put(unsigned char *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *to++ = (unsigned char)value;
    return to;
}

#endif
