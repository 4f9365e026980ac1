/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pipes and sockets that the process was started with, beside stdin, stdout and stderr: nothing
 * comes of them any more after a restart.  Lower half.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "descriptors/kind.h"
#include "lower/descriptors.h"

#define MAX_INHERITED 1024

static struct {
    dev_t device;
    ino_t inode;
} inherited[MAX_INHERITED];
static int n_inherited;

void crmpi_inherited_start(void)
{
    struct stat about;

    for (int fd = 3; fd < MAX_INHERITED; fd++)
        if (fstat(fd, &about) == 0 &&
            (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode)) &&
            !crmpi_descriptor_is_lower(fd)) {
            inherited[n_inherited].device = about.st_dev;
            inherited[n_inherited++].inode = about.st_ino;
        }
}

static int inherited_is(const struct crmpi_seen *seen)
{
    for (int i = 0; i < n_inherited; i++)
        if (inherited[i].device == seen->about.st_dev &&
            inherited[i].inode == seen->about.st_ino)
            return 1;
    return 0;
}

static enum crmpi_status inherited_restore(const struct crmpi_restoring *restoring,
                                           const struct crmpi_descriptor *descriptor,
                                           const void *data)
{
    (void)restoring;
    (void)data;
    return crmpi_descriptor_place(descriptor, open("/dev/null", O_RDWR | O_CLOEXEC));
}

const struct crmpi_descriptor_kind crmpi_kind_inherited = {
    .number = CRMPI_DESCRIPTOR_INHERITED,
    .is = inherited_is,
    .restore = inherited_restore,
};
