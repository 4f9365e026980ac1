/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that the kernel makes up, of /proc, /sys and control groups: opened again, those of
 * the own process as the new process's.  Lower half.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors/kind.h"

static int system_is(const struct crmpi_seen *seen)
{
    uint64_t type = seen->file_system[0];

    return (S_ISREG(seen->about.st_mode) || S_ISDIR(seen->about.st_mode)) &&
           (type == PROC_SUPER_MAGIC || type == SYSFS_MAGIC || type == CGROUP2_SUPER_MAGIC ||
            type == CGROUP_SUPER_MAGIC);
}

/* "/proc/PID/task/PID/REST" is the first thread's, and stands as "/proc/self/first/REST";
 * "/proc/PID/REST" as "/proc/self/REST". */
static enum crmpi_status system_save(struct crmpi_saving *saving,
                                     const struct crmpi_seen *seen,
                                     struct crmpi_descriptor *descriptor)
{
    char own[64], task[128], rest[sizeof descriptor->path];
    size_t n, m;

    if (seen->about.st_nlink == 0 || strstr(seen->path, " (deleted)"))
        return crmpi_descriptor_refuse(saving, descriptor, "of a process that is gone");
    if (strncmp(seen->path, "/proc/", 6) != 0 || !isdigit((unsigned char)seen->path[6]))
        return CRMPI_OK;
    n = (size_t)snprintf(own, sizeof own, "/proc/%d", getpid());
    m = (size_t)snprintf(task, sizeof task, "%s/task/%d", own, getpid());
    if (strncmp(seen->path, own, n) != 0 || (seen->path[n] && seen->path[n] != '/'))
        return crmpi_descriptor_refuse(saving, descriptor, "of another process in /proc");
    if (strncmp(seen->path, task, m) == 0 && (!seen->path[m] || seen->path[m] == '/')) {
        snprintf(rest, sizeof rest, "%s", seen->path + m);
        snprintf(descriptor->path, sizeof descriptor->path, "/proc/self/first%.4000s", rest);
    } else if (strncmp(seen->path + n, "/task/", 6) == 0) {
        return crmpi_descriptor_refuse(saving, descriptor, "of a thread in /proc");
    } else {
        snprintf(rest, sizeof rest, "%s", seen->path + n);
        snprintf(descriptor->path, sizeof descriptor->path, "/proc/self%.4000s", rest);
    }
    return CRMPI_OK;
}

/* What stands for it, as this process opens it. */
static const char *here(const char *path, char *text, size_t bytes)
{
    static const char first[] = "/proc/self/first";

    if (strncmp(path, first, sizeof first - 1) != 0)
        return path;
    snprintf(text, bytes, "/proc/self/task/%d%s", getpid(), path + sizeof first - 1);
    return text;
}

static const char *system_check(const struct crmpi_descriptor *descriptor, const void *data)
{
    char text[sizeof descriptor->path + 64];

    (void)data;
    return access(here(descriptor->path, text, sizeof text), F_OK) == 0 ? NULL
                                                                        : strerror(errno);
}

static enum crmpi_status system_restore(const struct crmpi_restoring *restoring,
                                        const struct crmpi_descriptor *descriptor,
                                        const void *data)
{
    char text[sizeof descriptor->path + 64];
    int fd = open(here(descriptor->path, text, sizeof text), descriptor->flags | O_CLOEXEC);

    (void)restoring;
    (void)data;
    if (fd >= 0)
        lseek(fd, (off_t)descriptor->offset, SEEK_SET);
    return crmpi_descriptor_place(descriptor, fd);
}

const struct crmpi_descriptor_kind crmpi_kind_system = {
    .number = CRMPI_DESCRIPTOR_SYSTEM,
    .is = system_is,
    .save = system_save,
    .check = system_check,
    .restore = system_restore,
};
