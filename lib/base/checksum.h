/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checksum of everything crmpi stores: XXH3-64, at 20 GB/s and more a guard against
 * damage, not against forgery.  Lower half and tools; thread safe.
 */
#ifndef CRMPI_BASE_CHECKSUM_H
#define CRMPI_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** The checksum of one block of bytes. */
uint64_t crmpi_checksum(const void *data, size_t bytes);

/** What tells whether memory is as it was: XXH3-128, so equal ones do not happen. */
struct crmpi_hash {
    uint64_t low, high;
};
struct crmpi_hash crmpi_hash(const void *data, size_t bytes);

static inline int crmpi_hash_is_equal(struct crmpi_hash a, struct crmpi_hash b)
{
    return a.low == b.low && a.high == b.high;
}

/** A checksum in the making, over bytes that come in pieces. */
struct crmpi_checksum_state {
    _Alignas(64) unsigned char opaque[576];
};

void crmpi_checksum_begin(struct crmpi_checksum_state *state);
void crmpi_checksum_add(struct crmpi_checksum_state *state, const void *data,
                        size_t bytes);
uint64_t crmpi_checksum_end(const struct crmpi_checksum_state *state);

#endif
