/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers in the payloads of messages: seven bits a byte, the lowest first.  Pure.
 */
#ifndef CRMPI_POLICY_VARINT_H
#define CRMPI_POLICY_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define CRMPI_VARINT_MAX_BYTES 10 /* that 64 bits take */

static inline unsigned char *crmpi_varint_put(unsigned char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (unsigned char)(value | 0x80);
    *at++ = (unsigned char)value;
    return at;
}

/** NULL if @p at is, the bytes end within the number, or it has more than 64 bits. */
static inline const unsigned char *crmpi_varint_get(const unsigned char *at,
                                                    const unsigned char *end,
                                                    uint64_t *value_out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; at != NULL && at < end && shift < 64; shift += 7) {
        uint64_t bits = *at & 0x7f;
        if (shift == 63 && bits > 1)
            return NULL;
        value |= bits << shift;
        if ((*at++ & 0x80) == 0) {
            *value_out = value;
            return at;
        }
    }
    return NULL;
}

#endif
