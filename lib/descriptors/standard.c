/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The launcher's stdin, stdout and stderr, which after a restart are those of the restart.
 * Lower half.
 *
 * Duplicates of the three are kept from the start.  A descriptor is one of them if it
 * refers to the same open file: /dev/null that the program has opened itself is not, though
 * the launcher may have given it /dev/null, too; and what the program has put away by dup()
 * while another file has its number still is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors/kind.h"
#include "lower/descriptors.h"

#define KEPT_FROM 1000 /* out of the way of most programs */

static int kept[3] = {-1, -1, -1};

/* A duplicate with a high number; -1: there is none. */
static int keep(int fd)
{
    struct rlimit limit;
    int from = KEPT_FROM, copy;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < KEPT_FROM + 16)
        from = (int)limit.rlim_cur - 16;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, from > 3 ? from : 3);
    if (copy >= 0)
        crmpi_descriptor_take(copy);
    return copy;
}

void crmpi_standard_start(void)
{
    struct stat about;

    for (int fd = 0; fd < 3; fd++)
        if (fstat(fd, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
            kept[fd] = keep(fd);
}

static int is_same(int a, int b)
{
    return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

/* Which of the three; its own number first, as all may be one terminal. */
static int standard_of(int fd)
{
    if (fd < 3 && kept[fd] >= 0 && is_same(fd, kept[fd]))
        return fd;
    for (int i = 0; i < 3; i++)
        if (kept[i] >= 0 && is_same(fd, kept[i]))
            return i;
    return -1;
}

static int standard_is(const struct crmpi_seen *seen)
{
    return standard_of(seen->fd) >= 0;
}

static enum crmpi_status standard_save(struct crmpi_saving *saving,
                                       const struct crmpi_seen *seen,
                                       struct crmpi_descriptor *descriptor)
{
    (void)saving;
    descriptor->other = standard_of(seen->fd);
    return CRMPI_OK;
}

static enum crmpi_status standard_restore(const struct crmpi_restoring *restoring,
                                          const struct crmpi_descriptor *descriptor,
                                          const void *data)
{
    int other = descriptor->other;

    (void)restoring;
    (void)data;
    if (other < 0 || other > 2)
        return crmpi_descriptor_cannot(descriptor, "the list of descriptors is damaged");
    return crmpi_descriptor_place(descriptor,
                                  kept[other] >= 0
                                      ? fcntl(kept[other], F_DUPFD_CLOEXEC, 3)
                                      : open("/dev/null", O_RDWR | O_CLOEXEC));
}

const struct crmpi_descriptor_kind crmpi_kind_standard = {
    .number = CRMPI_DESCRIPTOR_STANDARD,
    .is = standard_is,
    .save = standard_save,
    .restore = standard_restore,
};
