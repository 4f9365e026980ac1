/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of which both ends are in the process, and those without another end.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors/kind.h"
#include "descriptors/socket.h"

static int socket_is(const struct crmpi_seen *seen)
{
    return S_ISSOCK(seen->about.st_mode);
}

/* Its messages are read twice, here for nothing: what it is decides about the other end. */
static enum crmpi_status describe(struct crmpi_saving *saving,
                                  struct crmpi_descriptor *descriptor, int keep)
{
    char what[256];
    void *data;
    size_t bytes;
    enum crmpi_status status;

    status = crmpi_socket_save(descriptor->fd, &data, &bytes, what, sizeof what);
    if (status == CRMPI_ERR_UNSUPPORTED)
        return crmpi_descriptor_refuse(saving, descriptor, what);
    if (status != CRMPI_OK)
        return status;
    descriptor->value = ((struct crmpi_socket *)data)->peer;
    if (keep)
        status = crmpi_descriptor_data(saving, descriptor, data, bytes);
    free(data);
    return status;
}

static enum crmpi_status socket_save(struct crmpi_saving *saving,
                                     const struct crmpi_seen *seen,
                                     struct crmpi_descriptor *descriptor)
{
    (void)seen;
    return describe(saving, descriptor, 0);
}

static int socket_is_other_end(const struct crmpi_descriptor *descriptor,
                               const struct crmpi_descriptor *other)
{
    return descriptor->identity[0] == other->identity[0] &&
           descriptor->value == other->identity[1];
}

static enum crmpi_status socket_contents(struct crmpi_saving *saving,
                                         struct crmpi_descriptor *descriptor)
{
    if (descriptor->other < 0 && descriptor->value)
        return crmpi_descriptor_refuse(saving, descriptor, "a socket to another process");
    return saving->look ? CRMPI_OK : describe(saving, descriptor, 1);
}

/* Both ends at once, as of a pipe; or one whose other end was closed after what waits in
 * it had been sent. */
static enum crmpi_status socket_restore(const struct crmpi_restoring *restoring,
                                        const struct crmpi_descriptor *descriptor,
                                        const void *data)
{
    const struct crmpi_socket *saved =
        crmpi_socket_parse(data, descriptor->data_bytes);
    const struct crmpi_descriptor *other =
        crmpi_descriptor_find(restoring, descriptor->other);
    enum crmpi_status status;
    int other_fd;

    if (!saved || (saved->peer != 0) != (other != NULL) ||
        (other && (other->number != CRMPI_DESCRIPTOR_SOCKET ||
                   other->other != descriptor->fd)))
        return crmpi_descriptor_cannot(descriptor, "the list of descriptors is damaged");
    if (other && other->fd < descriptor->fd)
        return CRMPI_OK; /* placed with its other end */
    int fd = crmpi_socket_make(saved, &other_fd);

    if (fd < 0)
        return crmpi_descriptor_cannot(descriptor, strerror(errno));
    if (other) {
        status = crmpi_descriptor_place(other, other_fd);
        return status == CRMPI_OK ? crmpi_descriptor_place(descriptor, fd) : status;
    }
    if (saved->is_paired) {
        if (crmpi_socket_fill(saved, other_fd) != 0)
            return crmpi_descriptor_cannot(descriptor, strerror(errno));
        if (saved->is_reset)
            send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(other_fd);
    }
    return crmpi_descriptor_place(descriptor, fd);
}

static enum crmpi_status socket_fill(const struct crmpi_restoring *restoring,
                                     const struct crmpi_descriptor *descriptor,
                                     const void *data)
{
    (void)restoring;
    return descriptor->other >= 0 && crmpi_socket_fill(data, descriptor->other) != 0
               ? crmpi_descriptor_cannot(descriptor, strerror(errno))
               : CRMPI_OK;
}

static void socket_finish(const struct crmpi_descriptor *descriptor, const void *data)
{
    crmpi_socket_finish(data, descriptor->fd);
}

const struct crmpi_descriptor_kind crmpi_kind_socket = {
    .number = CRMPI_DESCRIPTOR_SOCKET,
    .is = socket_is,
    .save = socket_save,
    .is_other_end = socket_is_other_end,
    .contents = socket_contents,
    .restore = socket_restore,
    .fill = socket_fill,
    .finish = socket_finish,
};
