/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing the application's files back to what they were at the checkpoint.  Lower half,
 * at a restart.
 *
 *   prepare    look at all files: what cannot be brought back is said by its name, and
 *              nothing has been changed yet
 *   begin      undo the journal; make files anew that had no name
 *              (memory is mapped and loaded, and with it what is saved of the files)
 *   contents   write that into the files; cut those that have grown
 *              (descriptors are opened, windows and MPI files made again)
 *   end        the journal is not needed any more, and a new one begins
 *
 * A file that several ranks have open is brought back by one of them: the one that knows it
 * with the largest length, so that none loses what another had written.
 */
#ifndef CRMPI_FILES_BRING_H
#define CRMPI_FILES_BRING_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

struct crmpi_bring_request {
    const void *record; /* CRMPI_RECORD_INODES; NULL: there is none */
    size_t record_bytes;
    uint32_t world_rank;
    uint64_t sn;     /* of the rank's checkpoint */
    uint64_t epoch;  /* of the journal of files when that was taken */
    int keep_later;  /* files stay as they are now (--no-truncate) */
    int accept;      /* also those that are not what they have to be (--accept-files) */
};

/** Collective; CRMPI_ERR_UNFIT in all ranks if one has refused. */
enum crmpi_status crmpi_bring_prepare(const struct crmpi_bring_request *request);

/** Collective. */
enum crmpi_status crmpi_bring_begin(void);

/** Collective. */
enum crmpi_status crmpi_bring_contents(void);

/**
 * Open a file again.
 * @param index  its place in the record
 * @param flags  open()'s
 * @return a descriptor, or -1 and errno
 */
int crmpi_bring_open(size_t index, int flags);

/** The same for a mapping, told by what /proc/self/maps said at the checkpoint. */
int crmpi_bring_open_mapped(const char *name, uint64_t inode, int flags);

/** Seal memfds as they were; when nothing has to be written to them any more. */
void crmpi_bring_seal(void);

/** Collective. */
enum crmpi_status crmpi_bring_end(void);

#endif
