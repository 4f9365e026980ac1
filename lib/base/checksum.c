/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XXH3-64 by libxxhash; where the library comes with its dispatcher, the widest vector
 * instructions of this processor are used.  Lower half and tools.
 */
#define XXH_STATIC_LINKING_ONLY /* for the size of the state */
#include <xxhash.h>
#if __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif
#include "base/checksum.h"

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct crmpi_checksum_state),
               "room for the state of XXH3");
_Static_assert(_Alignof(XXH3_state_t) <= _Alignof(struct crmpi_checksum_state),
               "alignment of the state of XXH3");

uint64_t crmpi_checksum(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

struct crmpi_hash crmpi_hash(const void *data, size_t bytes)
{
    XXH128_hash_t hash = XXH3_128bits(data, bytes);

    return (struct crmpi_hash){hash.low64, hash.high64};
}

void crmpi_checksum_begin(struct crmpi_checksum_state *state)
{
    XXH3_INITSTATE((XXH3_state_t *)state);
    XXH3_64bits_reset((XXH3_state_t *)state);
}

void crmpi_checksum_add(struct crmpi_checksum_state *state, const void *data,
                        size_t bytes)
{
    XXH3_64bits_update((XXH3_state_t *)state, data, bytes);
}

uint64_t crmpi_checksum_end(const struct crmpi_checksum_state *state)
{
    return XXH3_64bits_digest((const XXH3_state_t *)state);
}
