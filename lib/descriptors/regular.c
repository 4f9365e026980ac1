/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of file systems, with a name, without one, and memfds: what is in them is the
 * business of lib/files.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "descriptors/kind.h"
#include "files/bring.h"

static int regular_is(const struct crmpi_seen *seen)
{
    return S_ISREG(seen->about.st_mode);
}

static enum crmpi_status regular_save(struct crmpi_saving *saving,
                                      const struct crmpi_seen *seen,
                                      struct crmpi_descriptor *descriptor)
{
    uint32_t written =
        (descriptor->flags & O_ACCMODE) != O_RDONLY ? CRMPI_INODE_WRITTEN : 0;
    char what[128] = "";
    size_t index;
    enum crmpi_status status =
        crmpi_inodes_add(saving->inodes, seen->fd, &seen->about, seen->path, written,
                         &index, what, sizeof what);

    if (status == CRMPI_ERR_UNSUPPORTED)
        return crmpi_descriptor_refuse(saving, descriptor, what);
    descriptor->value = index;
    return status;
}

static enum crmpi_status regular_restore(const struct crmpi_restoring *restoring,
                                         const struct crmpi_descriptor *descriptor,
                                         const void *data)
{
    int fd = crmpi_bring_open(descriptor->value, descriptor->flags);

    (void)restoring;
    (void)data;
    if (fd >= 0)
        lseek(fd, (off_t)descriptor->offset, SEEK_SET);
    return crmpi_descriptor_place(descriptor, fd);
}

const struct crmpi_descriptor_kind crmpi_kind_regular = {
    .number = CRMPI_DESCRIPTOR_REGULAR,
    .is = regular_is,
    .save = regular_save,
    .restore = regular_restore,
};
