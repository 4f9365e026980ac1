/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that only stand for a name (O_PATH).  Lower half.
 */
#include <fcntl.h>

#include "descriptors/named.h"

static int path_is(const struct crmpi_seen *seen)
{
    return (seen->flags & O_PATH) != 0;
}

static enum crmpi_status path_save(struct crmpi_saving *saving,
                                   const struct crmpi_seen *seen,
                                   struct crmpi_descriptor *descriptor)
{
    return crmpi_descriptor_is_named(seen)
               ? CRMPI_OK
               : crmpi_descriptor_refuse(saving, descriptor,
                                         "of something that has no name any more");
}

const struct crmpi_descriptor_kind crmpi_kind_path = {
    .number = CRMPI_DESCRIPTOR_PATH,
    .is = path_is,
    .save = path_save,
    .check = crmpi_by_name_check,
    .restore = crmpi_by_name_restore,
};
