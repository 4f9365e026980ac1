/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A descriptor that shares the open file of another one.  Lower half; save.c finds it.
 */
#include <fcntl.h>

#include "descriptors/kind.h"

static int duplicate_is(const struct crmpi_seen *seen)
{
    (void)seen;
    return 0;
}

static enum crmpi_status duplicate_restore(const struct crmpi_restoring *restoring,
                                           const struct crmpi_descriptor *descriptor,
                                           const void *data)
{
    (void)data;
    if (!crmpi_descriptor_find(restoring, descriptor->other))
        return crmpi_descriptor_cannot(descriptor, "the list of descriptors is damaged");
    return crmpi_descriptor_place(descriptor,
                                  fcntl(descriptor->other, F_DUPFD_CLOEXEC, 0));
}

const struct crmpi_descriptor_kind crmpi_kind_duplicate = {
    .number = CRMPI_DESCRIPTOR_DUPLICATE,
    .is = duplicate_is,
    .restore = duplicate_restore,
};
