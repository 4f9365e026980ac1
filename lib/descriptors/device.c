/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Character devices that keep nothing for who has opened them.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "descriptors/kind.h"

#define MEMORY_MAJOR 1 /* of the kernel's Documentation/admin-guide/devices.txt */

static int device_is(const struct crmpi_seen *seen)
{
    static const unsigned harmless[] = {3, 5, 7, 8, 9}; /* null zero full random urandom */
    size_t i = 0, n = sizeof harmless / sizeof *harmless;

    if (!S_ISCHR(seen->about.st_mode) || major(seen->about.st_rdev) != MEMORY_MAJOR)
        return 0;
    while (i < n && minor(seen->about.st_rdev) != harmless[i])
        i++;
    return i < n;
}

static const char *device_check(const struct crmpi_descriptor *descriptor, const void *data)
{
    (void)data;
    return access(descriptor->path, F_OK) == 0 ? NULL : strerror(errno);
}

static enum crmpi_status device_restore(const struct crmpi_restoring *restoring,
                                        const struct crmpi_descriptor *descriptor,
                                        const void *data)
{
    (void)restoring;
    (void)data;
    return crmpi_descriptor_place(
        descriptor, open(descriptor->path, descriptor->flags | O_NOCTTY | O_CLOEXEC));
}

const struct crmpi_descriptor_kind crmpi_kind_device = {
    .number = CRMPI_DESCRIPTOR_DEVICE,
    .is = device_is,
    .check = device_check,
    .restore = device_restore,
};
