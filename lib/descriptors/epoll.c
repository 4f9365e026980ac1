/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll sets.  Lower half.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors/kind.h"

/* An entry, in the data. */
struct watch {
    int32_t fd;
    uint32_t events;
    uint64_t data;
};

static int epoll_is(const struct crmpi_seen *seen)
{
    return crmpi_descriptor_is_anonymous(seen, "eventpoll");
}

/* The kernel tells the number that a descriptor had when it was added: the program may have
 * closed that, and keep the open file by another number. */
static int still_means(int epoll, const struct watch *watch)
{
    struct kcmp_epoll_slot slot = {.efd = (uint32_t)epoll, .tfd = (uint32_t)watch->fd};

    return syscall(SYS_kcmp, getpid(), getpid(), KCMP_EPOLL_TFD, watch->fd, &slot) == 0;
}

static enum crmpi_status epoll_contents(struct crmpi_saving *saving,
                                        struct crmpi_descriptor *descriptor)
{
    char path[64], line[512];
    enum crmpi_status status = CRMPI_OK;
    struct watch watch = {0};
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor->fd);
    if (!(info = fopen(path, "re")))
        return CRMPI_ERR_SYSTEM;
    while (status == CRMPI_OK && fgets(line, sizeof line, info)) {
        if (sscanf(line, "tfd: %d events: %x data: %lx", &watch.fd, &watch.events,
                   &watch.data) != 3)
            continue;
        if (!still_means(descriptor->fd, &watch))
            status = crmpi_descriptor_refuse(
                saving, descriptor,
                "an epoll set of a descriptor that was closed while it was in the set");
        else
            status = crmpi_descriptor_data(saving, descriptor, &watch, sizeof watch);
    }
    fclose(info);
    return status;
}

static enum crmpi_status epoll_restore(const struct crmpi_restoring *restoring,
                                       const struct crmpi_descriptor *descriptor,
                                       const void *data)
{
    (void)restoring;
    (void)data;
    return crmpi_descriptor_place(descriptor, epoll_create1(EPOLL_CLOEXEC));
}

static enum crmpi_status epoll_fill(const struct crmpi_restoring *restoring,
                                    const struct crmpi_descriptor *descriptor,
                                    const void *data)
{
    (void)restoring;
    for (uint64_t at = 0; at + sizeof(struct watch) <= descriptor->data_bytes;
         at += sizeof(struct watch)) {
        struct watch watch;

        memcpy(&watch, (const char *)data + at, sizeof watch);
        struct epoll_event event = {.events = watch.events, .data.u64 = watch.data};

        if (epoll_ctl(descriptor->fd, EPOLL_CTL_ADD, watch.fd, &event) != 0 &&
            errno != EEXIST)
            return crmpi_descriptor_cannot(descriptor, strerror(errno));
    }
    return CRMPI_OK;
}

const struct crmpi_descriptor_kind crmpi_kind_epoll = {
    .number = CRMPI_DESCRIPTOR_EPOLL,
    .is = epoll_is,
    .contents = epoll_contents,
    .restore = epoll_restore,
    .fill = epoll_fill,
};
