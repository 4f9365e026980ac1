/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories.  Lower half.
 */
#include "descriptors/named.h"

static int directory_is(const struct crmpi_seen *seen)
{
    return S_ISDIR(seen->about.st_mode);
}

static enum crmpi_status directory_save(struct crmpi_saving *saving,
                                        const struct crmpi_seen *seen,
                                        struct crmpi_descriptor *descriptor)
{
    return crmpi_descriptor_is_named(seen)
               ? CRMPI_OK
               : crmpi_descriptor_refuse(saving, descriptor,
                                         "a directory that has been removed");
}

const struct crmpi_descriptor_kind crmpi_kind_directory = {
    .number = CRMPI_DESCRIPTOR_DIRECTORY,
    .is = directory_is,
    .save = directory_save,
    .check = crmpi_by_name_check,
    .restore = crmpi_by_name_restore,
};
