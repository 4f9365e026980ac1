/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that are opened again by their name (see named.h).  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "descriptors/named.h"

int crmpi_descriptor_is_named(const struct crmpi_seen *seen)
{
    struct stat named;

    return seen->path[0] == '/' && lstat(seen->path, &named) == 0 &&
           named.st_dev == seen->about.st_dev && named.st_ino == seen->about.st_ino;
}

const char *crmpi_by_name_check(const struct crmpi_descriptor *descriptor,
                                const void *data)
{
    struct stat named;

    (void)data;
    return lstat(descriptor->path, &named) == 0 ? NULL : strerror(errno);
}

enum crmpi_status crmpi_by_name_restore(const struct crmpi_restoring *restoring,
                                        const struct crmpi_descriptor *descriptor,
                                        const void *data)
{
    int flags = descriptor->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
    int fd = open(descriptor->path, flags | O_CLOEXEC);

    (void)restoring;
    (void)data;
    if (fd >= 0 && !(flags & O_PATH))
        lseek(fd, (off_t)descriptor->offset, SEEK_SET);
    return crmpi_descriptor_place(descriptor, fd);
}
