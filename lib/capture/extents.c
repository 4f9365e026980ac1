/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of extents, see extents.h.  Lower half.
 */
#include <stdlib.h>
#include <string.h>

#include "capture/extents.h"

enum crmpi_status crmpi_extents_add(struct crmpi_extents *extents, uint64_t start,
                                    uint64_t bytes, uint64_t border)
{
    struct crmpi_extent *last = extents->n ? &extents->list[extents->n - 1] : NULL;

    if (last && last->start + last->bytes == start && start != border) {
        last->bytes += bytes;
        return CRMPI_OK;
    }
    if (extents->n == extents->room) {
        size_t room = extents->room ? extents->room * 2 : 1024;
        struct crmpi_extent *more = realloc(extents->list, room * sizeof *more);

        if (!more)
            return CRMPI_ERR_NOMEM;
        extents->list = more;
        extents->room = room;
    }
    extents->list[extents->n++] = (struct crmpi_extent){start, bytes};
    return CRMPI_OK;
}

/* If the first is zero and each is like the one before it, all are. */
int crmpi_bytes_are_zero(const void *start, size_t bytes)
{
    const char *byte = start;

    return byte[0] == 0 && memcmp(byte, byte + 1, bytes - 1) == 0;
}
