/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eventfd.  Lower half.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "descriptors/kind.h"

/* Before Linux 6.5 the kernel does not tell whether it is a semaphore: one gives 1. */
static int is_semaphore(int fd, uint64_t count)
{
    uint64_t told = crmpi_descriptor_info(fd, "eventfd-semaphore", 10);
    const uint64_t two = 2;
    uint64_t got = 0, added = 0;
    int flags = fcntl(fd, F_GETFL), found;

    if (told != UINT64_MAX)
        return told != 0;
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (count < 2 && write(fd, &two, sizeof two) == sizeof two)
        added = 2;
    found = read(fd, &got, sizeof got) == sizeof got && got == 1;
    if (found && added) /* one of the two is left */
        read(fd, &got, sizeof got);
    else if (found || count) /* what was taken, less what was added */
        got = found ? 1 : count, write(fd, &got, sizeof got);
    fcntl(fd, F_SETFL, flags);
    return found;
}

static int eventfd_is(const struct crmpi_seen *seen)
{
    return crmpi_descriptor_is_anonymous(seen, "eventfd");
}

static enum crmpi_status eventfd_save(struct crmpi_saving *saving,
                                      const struct crmpi_seen *seen,
                                      struct crmpi_descriptor *descriptor)
{
    (void)saving;
    descriptor->value = crmpi_descriptor_info(seen->fd, "eventfd-count", 16);
    descriptor->other = is_semaphore(seen->fd, descriptor->value);
    return CRMPI_OK;
}

static enum crmpi_status eventfd_restore(const struct crmpi_restoring *restoring,
                                         const struct crmpi_descriptor *descriptor,
                                         const void *data)
{
    int fd =
        eventfd(0, EFD_CLOEXEC | (descriptor->flags & O_NONBLOCK ? EFD_NONBLOCK : 0) |
                       (descriptor->other == 1 ? EFD_SEMAPHORE : 0));
    uint64_t count = descriptor->value;

    (void)restoring;
    (void)data;
    if (fd >= 0 && count && write(fd, &count, sizeof count) != sizeof count) {
        close(fd);
        return crmpi_descriptor_cannot(descriptor, "its count");
    }
    return crmpi_descriptor_place(descriptor, fd);
}

const struct crmpi_descriptor_kind crmpi_kind_eventfd = {
    .number = CRMPI_DESCRIPTOR_EVENTFD,
    .is = eventfd_is,
    .save = eventfd_save,
    .restore = eventfd_restore,
};
