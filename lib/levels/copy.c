/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving copies of other ranks' files (see keep.h).  Lower half.
 *
 * The bytes are spliced from the socket to the file: the one copy that is made is from the
 * pages that the sender has sent, or the network has filled, to those of the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "levels/files.h"
#include "levels/keep.h"
#include "levels/levels.h"
#include "storage/directory.h"

#define TURN_BYTES ((size_t)1 << 20)

enum crmpi_status crmpi_copy_begin(struct crmpi_copy *copy, const char *home,
                                   uint32_t owner, const struct crmpi_exchange_head *head,
                                   const uint64_t *numbers)
{
    char path[CRMPI_PATH_BYTES];
    int error = crmpi_fault("levels.store");
    enum crmpi_status status;

    *copy = (struct crmpi_copy){.bytes = head->file_bytes, .output.fd = -1};
    if (error != 0) {
        crmpi_error("cannot keep a copy for rank %u: %s", owner, strerror(error));
        return crmpi_file_status(error);
    }
    status = crmpi_partner_path(home, owner, head->sn, 1, path, sizeof path);
    if (status == CRMPI_OK)
        status = crmpi_copies_drop(path, CRMPI_FILE_SUFFIX, head->sn, numbers,
                                   head->n_numbers);
    if (status == CRMPI_OK)
        status = crmpi_output_open(path, &copy->output);
    if (status != CRMPI_OK) {
        copy->output.fd = -1;
        return status;
    }
    status = crmpi_output_reserve(&copy->output, copy->bytes);
    if (status != CRMPI_OK)
        crmpi_copy_abandon(copy);
    return status;
}

/* Put what is in the pipe into the file; what cannot be is taken out of the pipe. */
static int drain_pipe(struct crmpi_copy *copy, int pipe, size_t bytes)
{
    char lost[4096];
    int error = 0;

    while (bytes > 0) {
        loff_t offset = (loff_t)copy->done;
        ssize_t moved = -1;

        if (error == 0)
            error = crmpi_fault("levels.store");
        if (error == 0)
            moved = splice(pipe, NULL, copy->output.fd, &offset, bytes, 0);
        if (error == 0 && moved < 0 && errno == EINTR)
            continue;
        if (error == 0 && moved <= 0)
            error = moved < 0 ? errno : EIO;
        if (error != 0)
            moved = read(pipe, lost, bytes < sizeof lost ? bytes : sizeof lost);
        if (moved <= 0)
            return error != 0 ? error : EIO;
        copy->done += (uint64_t)moved;
        bytes -= (size_t)moved;
    }
    return error;
}

enum crmpi_status crmpi_copy_take(struct crmpi_copy *copy, int fd, int pipe[2],
                                  size_t *taken_out, int *ended_out)
{
    uint64_t left = copy->bytes - copy->done;
    int error = crmpi_fault("levels.receive");
    ssize_t taken = -1;

    *taken_out = 0;
    if (error == 0) {
        taken = splice(fd, NULL, pipe[1], NULL, left < TURN_BYTES ? left : TURN_BYTES,
                       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (taken < 0 && (errno == EAGAIN || errno == EINTR))
            return CRMPI_OK;
        *ended_out = taken == 0;
        if (taken > 0) {
            *taken_out = (size_t)taken;
            error = drain_pipe(copy, pipe[0], (size_t)taken);
        } else if (taken < 0) {
            error = errno;
        }
    }
    if (error == 0)
        return CRMPI_OK;
    crmpi_error("cannot keep %s: %s", copy->output.path, strerror(error));
    crmpi_copy_abandon(copy);
    return crmpi_file_status(error);
}

enum crmpi_status crmpi_copy_finish(struct crmpi_copy *copy)
{
    enum crmpi_status status =
        crmpi_output_commit(&copy->output, copy->bytes, crmpi_config.sync);

    copy->output.fd = -1;
    return status;
}

void crmpi_copy_abandon(struct crmpi_copy *copy)
{
    if (copy->output.fd >= 0)
        crmpi_output_abandon(&copy->output);
    copy->output.fd = -1;
}
