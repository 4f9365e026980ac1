/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories, and descriptors that only stand for a name (O_PATH): opened again by it.
 * Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "descriptors/kind.h"

static int is_named(const struct crmpi_seen *seen)
{
    struct stat named;

    return seen->path[0] == '/' && lstat(seen->path, &named) == 0 &&
           named.st_dev == seen->about.st_dev && named.st_ino == seen->about.st_ino;
}

static const char *named_check(const struct crmpi_descriptor *descriptor, const void *data)
{
    struct stat named;

    (void)data;
    return lstat(descriptor->path, &named) == 0 ? NULL : strerror(errno);
}

static enum crmpi_status named_restore(const struct crmpi_restoring *restoring,
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

static int directory_is(const struct crmpi_seen *seen)
{
    return S_ISDIR(seen->about.st_mode);
}

static enum crmpi_status directory_save(struct crmpi_saving *saving,
                                        const struct crmpi_seen *seen,
                                        struct crmpi_descriptor *descriptor)
{
    return is_named(seen) ? CRMPI_OK
                          : crmpi_descriptor_refuse(saving, descriptor,
                                                    "a directory that has been removed");
}

const struct crmpi_descriptor_kind crmpi_kind_directory = {
    .number = CRMPI_DESCRIPTOR_DIRECTORY,
    .is = directory_is,
    .save = directory_save,
    .check = named_check,
    .restore = named_restore,
};

static int path_is(const struct crmpi_seen *seen)
{
    return (seen->flags & O_PATH) != 0;
}

static enum crmpi_status path_save(struct crmpi_saving *saving,
                                   const struct crmpi_seen *seen,
                                   struct crmpi_descriptor *descriptor)
{
    return is_named(seen)
               ? CRMPI_OK
               : crmpi_descriptor_refuse(saving, descriptor,
                                         "of something that has no name any more");
}

const struct crmpi_descriptor_kind crmpi_kind_path = {
    .number = CRMPI_DESCRIPTOR_PATH,
    .is = path_is,
    .save = path_save,
    .check = named_check,
    .restore = named_restore,
};
