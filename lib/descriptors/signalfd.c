/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * signalfd.  Lower half.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors/kind.h"

static int signalfd_is(const struct crmpi_seen *seen)
{
    return crmpi_descriptor_is_anonymous(seen, "signalfd");
}

static enum crmpi_status signalfd_save(struct crmpi_saving *saving,
                                       const struct crmpi_seen *seen,
                                       struct crmpi_descriptor *descriptor)
{
    (void)saving;
    descriptor->value = crmpi_descriptor_info(seen->fd, "sigmask", 16);
    return CRMPI_OK;
}

static enum crmpi_status signalfd_restore(const struct crmpi_restoring *restoring,
                                          const struct crmpi_descriptor *descriptor,
                                          const void *data)
{
    (void)restoring;
    (void)data;
    return crmpi_descriptor_place(
        descriptor,
        (int)syscall(SYS_signalfd4, -1, &descriptor->value, sizeof descriptor->value,
                     O_CLOEXEC | (descriptor->flags & O_NONBLOCK)));
}

const struct crmpi_descriptor_kind crmpi_kind_signalfd = {
    .number = CRMPI_DESCRIPTOR_SIGNALFD,
    .is = signalfd_is,
    .save = signalfd_save,
    .restore = signalfd_restore,
};
