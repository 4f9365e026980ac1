/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kinds need to open a descriptor again (see kind.h).  Lower half, at a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "descriptors/kind.h"
#include "lower/descriptors.h"

enum crmpi_status crmpi_descriptor_cannot(const struct crmpi_descriptor *descriptor,
                                          const char *what)
{
    crmpi_error("cannot restore file descriptor %d, %s: %s", descriptor->fd,
                descriptor->path, what);
    return CRMPI_ERR_SYSTEM;
}

enum crmpi_status crmpi_descriptor_place(const struct crmpi_descriptor *descriptor,
                                         int fd)
{
    if (fd < 0)
        return crmpi_descriptor_cannot(descriptor, strerror(errno));
    if (fd != descriptor->fd) {
        if (dup2(fd, descriptor->fd) < 0)
            return crmpi_descriptor_cannot(descriptor, strerror(errno));
        close(fd);
    } else {
        fcntl(fd, F_SETFD, 0);
    }
    crmpi_descriptor_give(descriptor->fd);
    return CRMPI_OK;
}

const struct crmpi_descriptor *
crmpi_descriptor_find(const struct crmpi_restoring *restoring, int fd)
{
    for (size_t i = 0; i < restoring->n; i++)
        if (restoring->list[i].fd == fd)
            return &restoring->list[i];
    return NULL;
}

const struct crmpi_descriptor *
crmpi_descriptor_twin(const struct crmpi_restoring *restoring,
                      const struct crmpi_descriptor *of)
{
    for (const struct crmpi_descriptor *made = restoring->list; made < of; made++)
        if (made->number == of->number && made->identity[0] == of->identity[0] &&
            made->identity[1] == of->identity[1])
            return made;
    return NULL;
}
