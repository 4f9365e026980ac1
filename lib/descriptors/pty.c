/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pseudo terminals of which both ends are in the process.  A restart has another one, with
 * another number, of the same settings.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "descriptors/kind.h"

#define MASTER_MAJOR 5 /* minor 2: /dev/ptmx */
#define SLAVE_MAJOR 136

/* In the data of a slave. */
struct terminal {
    struct termios settings;
    struct winsize size;
};

static int is_slave(const struct stat *about)
{
    return major(about->st_rdev) == SLAVE_MAJOR;
}

static int pty_is(const struct crmpi_seen *seen)
{
    return S_ISCHR(seen->about.st_mode) &&
           (is_slave(&seen->about) ||
            (major(seen->about.st_rdev) == MASTER_MAJOR && minor(seen->about.st_rdev) == 2));
}

/* Its number, and which end it is: the offset, which has no meaning, is 1 of a slave. */
static enum crmpi_status pty_save(struct crmpi_saving *saving, const struct crmpi_seen *seen,
                                  struct crmpi_descriptor *descriptor)
{
    int number = -1, waiting = 0;

    descriptor->offset = (uint64_t)is_slave(&seen->about);
    if (descriptor->offset)
        number = (int)minor(seen->about.st_rdev);
    else if (ioctl(seen->fd, TIOCGPTN, &number) != 0)
        return crmpi_descriptor_refuse(saving, descriptor, "a terminal");
    descriptor->value = (uint64_t)number;
    if (ioctl(seen->fd, FIONREAD, &waiting) == 0 && waiting > 0)
        return crmpi_descriptor_refuse(saving, descriptor,
                                       "a pseudo terminal with data that has not been read");
    return CRMPI_OK;
}

static int pty_is_other_end(const struct crmpi_descriptor *descriptor,
                            const struct crmpi_descriptor *other)
{
    return descriptor->value == other->value && descriptor->offset != other->offset;
}

static enum crmpi_status pty_contents(struct crmpi_saving *saving,
                                      struct crmpi_descriptor *descriptor)
{
    struct terminal terminal = {0};

    if (descriptor->other < 0)
        return crmpi_descriptor_refuse(saving, descriptor,
                                       "a terminal of which another process has the other "
                                       "end");
    if (!descriptor->offset)
        return CRMPI_OK;
    if (tcgetattr(descriptor->fd, &terminal.settings) != 0 ||
        ioctl(descriptor->fd, TIOCGWINSZ, &terminal.size) != 0)
        return CRMPI_ERR_SYSTEM;
    return crmpi_descriptor_data(saving, descriptor, &terminal, sizeof terminal);
}

/* The number of the new terminal, made when the first descriptor of it is met. */
static enum crmpi_status pair_make(const struct crmpi_descriptor *master,
                                   const struct crmpi_descriptor *slave)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), peer = -1;

    if (fd >= 0 && unlockpt(fd) == 0)
        peer = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0)
        return crmpi_descriptor_cannot(master, strerror(errno));
    enum crmpi_status status = crmpi_descriptor_place(master, fd);

    return status == CRMPI_OK ? crmpi_descriptor_place(slave, peer) : status;
}

static enum crmpi_status pty_restore(const struct crmpi_restoring *restoring,
                                     const struct crmpi_descriptor *descriptor,
                                     const void *data)
{
    const struct crmpi_descriptor *other =
        crmpi_descriptor_find(restoring, descriptor->other);
    char path[64];
    int number;

    (void)data;
    if (!other || other->number != CRMPI_DESCRIPTOR_PTY)
        return crmpi_descriptor_cannot(descriptor, "its other end is missing");
    for (const struct crmpi_descriptor *made = restoring->list; made < descriptor; made++) {
        if (made->number != CRMPI_DESCRIPTOR_PTY || made->value != descriptor->value)
            continue;
        if (made->other == descriptor->fd)
            return CRMPI_OK; /* placed with its other end */
        if (made->offset && descriptor->offset) { /* another open file of the slave */
            snprintf(path, sizeof path, "/proc/self/fd/%d", made->fd);
            return crmpi_descriptor_place(
                descriptor, open(path, (descriptor->flags & O_ACCMODE) | O_NOCTTY |
                                           O_CLOEXEC));
        }
        if (!made->offset && descriptor->offset && ioctl(made->fd, TIOCGPTN, &number) == 0) {
            snprintf(path, sizeof path, "/dev/pts/%d", number);
            return crmpi_descriptor_place(
                descriptor, open(path, (descriptor->flags & O_ACCMODE) | O_NOCTTY |
                                           O_CLOEXEC));
        }
    }
    return descriptor->offset ? pair_make(other, descriptor) : pair_make(descriptor, other);
}

static enum crmpi_status pty_fill(const struct crmpi_restoring *restoring,
                                  const struct crmpi_descriptor *descriptor,
                                  const void *data)
{
    struct terminal terminal;

    (void)restoring;
    if (!descriptor->offset)
        return CRMPI_OK;
    if (descriptor->data_bytes != sizeof terminal)
        return crmpi_descriptor_cannot(descriptor, "the list of descriptors is damaged");
    memcpy(&terminal, data, sizeof terminal);
    if (tcsetattr(descriptor->fd, TCSANOW, &terminal.settings) != 0 ||
        ioctl(descriptor->fd, TIOCSWINSZ, &terminal.size) != 0)
        return crmpi_descriptor_cannot(descriptor, strerror(errno));
    return CRMPI_OK;
}

const struct crmpi_descriptor_kind crmpi_kind_pty = {
    .number = CRMPI_DESCRIPTOR_PTY,
    .is = pty_is,
    .save = pty_save,
    .is_other_end = pty_is_other_end,
    .contents = pty_contents,
    .restore = pty_restore,
    .fill = pty_fill,
};
