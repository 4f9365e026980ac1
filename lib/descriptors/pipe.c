/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pipes of which both ends are in the process, or the other end is closed.  What is in one is read
 * from a copy that tee(2) makes, so nothing is taken out.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "descriptors/kind.h"

static int pipe_is(const struct crmpi_seen *seen)
{
    return S_ISFIFO(seen->about.st_mode) && strncmp(seen->path, "pipe:[", 6) == 0;
}

static enum crmpi_status pipe_save(struct crmpi_saving *saving,
                                   const struct crmpi_seen *seen,
                                   struct crmpi_descriptor *descriptor)
{
    int capacity = fcntl(seen->fd, F_GETPIPE_SZ);

    (void)saving;
    descriptor->value = capacity > 0 ? (uint64_t)capacity : 0;
    return CRMPI_OK;
}

#define CLOSED (-1)         /* `other`: nobody has the other end; */
#define CLOSED_PACKETS (-2) /* what is left are packets */

static int is_writer(const struct crmpi_descriptor *descriptor)
{
    return (descriptor->flags & O_ACCMODE) != O_RDONLY;
}

static int pipe_is_other_end(const struct crmpi_descriptor *descriptor,
                             const struct crmpi_descriptor *other)
{
    return descriptor->identity[0] == other->identity[0] &&
           descriptor->identity[1] == other->identity[1] &&
           is_writer(descriptor) != is_writer(other);
}

/* What is in it, each read as its length (u64) and its bytes: with O_DIRECT one read gives
 * one packet. */
static enum crmpi_status copy_read(struct crmpi_saving *saving,
                                   struct crmpi_descriptor *descriptor, int copy)
{
    size_t room = descriptor->value ? descriptor->value : 65536;
    char *piece = malloc(room);
    enum crmpi_status status = piece ? CRMPI_OK : CRMPI_ERR_NOMEM;
    ssize_t n;

    while (status == CRMPI_OK && (n = read(copy, piece, room)) > 0) {
        uint64_t bytes = (uint64_t)n;

        status = crmpi_descriptor_data(saving, descriptor, &bytes, sizeof bytes);
        if (status == CRMPI_OK)
            status = crmpi_descriptor_data(saving, descriptor, piece, bytes);
    }
    free(piece);
    return status;
}

/* Whether nobody has the other end: what is in it can be read, and no more comes; or nobody
 * reads it. */
static int is_half_closed(const struct crmpi_descriptor *descriptor)
{
    struct pollfd polled = {.fd = descriptor->fd};

    return poll(&polled, 1, 0) > 0 &&
           polled.revents & (is_writer(descriptor) ? POLLERR : POLLHUP);
}

/* With a copy of what is in it: of a packet that is read in part the rest is gone, and of several one
 * read gives the first. */
static int are_packets(const struct crmpi_descriptor *descriptor, const int copy[2],
                       int waiting)
{
    char first[2];
    int left = 0;
    ssize_t n;

    if (tee(descriptor->fd, copy[1], (size_t)waiting, SPLICE_F_NONBLOCK) != waiting)
        return 0;
    n = read(copy[0], first, waiting > 2 ? 2 : 1);
    return n < (waiting > 2 ? 2 : 1) ||
           (ioctl(copy[0], FIONREAD, &left) == 0 && left < waiting - n);
}

static enum crmpi_status pipe_contents(struct crmpi_saving *saving,
                                       struct crmpi_descriptor *descriptor)
{
    enum crmpi_status status = CRMPI_OK;
    int waiting = 0, copy[2];

    if (descriptor->other < 0 && !is_half_closed(descriptor))
        return crmpi_descriptor_refuse(saving, descriptor, "a pipe to another process");
    for (size_t i = 0; i < saving->n && &saving->list[i] < descriptor; i++)
        if (saving->list[i].number == CRMPI_DESCRIPTOR_PIPE &&
            saving->list[i].identity[1] == descriptor->identity[1] &&
            !is_writer(&saving->list[i]))
            return CRMPI_OK; /* another reader of the same pipe has it */
    if (saving->look || is_writer(descriptor) ||
        ioctl(descriptor->fd, FIONREAD, &waiting) != 0 || waiting == 0)
        return CRMPI_OK;
    if (pipe2(copy, O_NONBLOCK | O_CLOEXEC) != 0)
        return CRMPI_ERR_SYSTEM;
    if (fcntl(copy[1], F_SETPIPE_SZ, (int)descriptor->value) < 0 ||
        tee(descriptor->fd, copy[1], (size_t)waiting, SPLICE_F_NONBLOCK) != waiting)
        status = crmpi_descriptor_refuse(saving, descriptor,
                                         "a pipe whose contents cannot be copied");
    if (status == CRMPI_OK)
        status = copy_read(saving, descriptor, copy[0]);
    if (status == CRMPI_OK && descriptor->other == CLOSED &&
        are_packets(descriptor, copy, waiting))
        descriptor->other = CLOSED_PACKETS;
    close(copy[0]);
    close(copy[1]);
    return status;
}

/* Put back what was in it by its writing end, each packet apart if it has packets. */
static enum crmpi_status fill(const struct crmpi_descriptor *descriptor, int writer,
                              int packets, const void *data)
{
    int flags = fcntl(writer, F_GETFL);
    const char *at = data;

    if (!descriptor->data_bytes)
        return CRMPI_OK;
    fcntl(writer, F_SETFL, O_NONBLOCK | (packets ? O_DIRECT : 0));
    for (uint64_t left = descriptor->data_bytes, n = 0; left > 0; left -= sizeof n + n) {
        if (left >= sizeof n)
            memcpy(&n, at, sizeof n);
        if (left < sizeof n || n > left - sizeof n ||
            write(writer, at + sizeof n, n) != (ssize_t)n)
            return crmpi_descriptor_cannot(descriptor, "what was in it");
        at += sizeof n + n;
    }
    fcntl(writer, F_SETFL, flags);
    return CRMPI_OK;
}

/* Both ends at once, when the first of them is met; a further descriptor of the same pipe
 * opens it through /proc. */
static enum crmpi_status pipe_restore(const struct crmpi_restoring *restoring,
                                      const struct crmpi_descriptor *descriptor,
                                      const void *data)
{
    const struct crmpi_descriptor *other =
        crmpi_descriptor_find(restoring, descriptor->other);
    const struct crmpi_descriptor *twin = crmpi_descriptor_twin(restoring, descriptor);
    enum crmpi_status status;
    char path[64];
    int ends[2];

    if (descriptor->other != CLOSED && descriptor->other != CLOSED_PACKETS &&
        (!other || other->number != CRMPI_DESCRIPTOR_PIPE))
        return crmpi_descriptor_cannot(descriptor, "its other end is missing");
    if (twin && twin->other == descriptor->fd)
        return CRMPI_OK; /* placed with its other end */
    if (twin) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", twin->fd);
        return crmpi_descriptor_place(
            descriptor, open(path, (descriptor->flags & (O_ACCMODE | O_NONBLOCK)) |
                                       O_CLOEXEC));
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return crmpi_descriptor_cannot(descriptor, strerror(errno));
    if (descriptor->value && fcntl(ends[0], F_GETPIPE_SZ) != (int)descriptor->value &&
        fcntl(ends[0], F_SETPIPE_SZ, (int)descriptor->value) < 0) {
        close(ends[0]);
        close(ends[1]);
        return crmpi_descriptor_cannot(descriptor, "its capacity is not allowed here");
    }
    if (!other) {
        status = fill(descriptor, ends[1], descriptor->other == CLOSED_PACKETS, data);
        close(ends[!is_writer(descriptor)]);
        if (status == CRMPI_OK)
            return crmpi_descriptor_place(descriptor, ends[is_writer(descriptor)]);
        close(ends[is_writer(descriptor)]);
        return status;
    }
    status = crmpi_descriptor_place(descriptor, ends[is_writer(descriptor)]);
    return status == CRMPI_OK
               ? crmpi_descriptor_place(other, ends[!is_writer(descriptor)])
               : status;
}

static enum crmpi_status pipe_fill(const struct crmpi_restoring *restoring,
                                   const struct crmpi_descriptor *descriptor,
                                   const void *data)
{
    const struct crmpi_descriptor *other =
        crmpi_descriptor_find(restoring, descriptor->other);

    return other ? fill(descriptor, other->fd, (other->flags & O_DIRECT) != 0, data)
                 : CRMPI_OK; /* it was before the other end was closed */
}

const struct crmpi_descriptor_kind crmpi_kind_pipe = {
    .number = CRMPI_DESCRIPTOR_PIPE,
    .is = pipe_is,
    .save = pipe_save,
    .is_other_end = pipe_is_other_end,
    .contents = pipe_contents,
    .restore = pipe_restore,
    .fill = pipe_fill,
};
