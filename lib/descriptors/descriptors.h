/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's open descriptors.  Lower half.
 *
 * What a descriptor can refer to is a kind: a test, how it is saved and how it comes back,
 * each kind in a small file of its own, and a row in one table (kinds.h).  A descriptor of no
 * kind is refused by name.
 */
#ifndef CRMPI_DESCRIPTORS_DESCRIPTORS_H
#define CRMPI_DESCRIPTORS_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/status.h"
#include "descriptors/kinds.h"
#include "files/inodes.h"

#define CRMPI_RECORD_DESCRIPTORS "/task/descriptors"

/* A descriptor; record /task/descriptors is their number (u64), an array of these, then the
 * data of each. */
struct crmpi_descriptor {
    int32_t fd;
    int32_t number; /* enum crmpi_descriptor_number */
    int32_t flags;  /* O_* as fcntl(F_GETFL) gives them */
    int32_t close_on_exec;
    int32_t other; /* duplicate: the descriptor whose open file it shares; standard: 0, 1
                       or 2; pipe, socket, pty: a descriptor of the other end, or -1; -2: of a
                       pipe with packets nobody has it */
    int32_t owner, owner_type, signal; /* of F_SETOWN_EX and F_SETSIG; 0: none */
    uint64_t offset;
    uint64_t value;       /* of the kind: regular: the index of its inode; eventfd: its
                             count; signalfd: its mask; socket: the inode of its other end;
                             pipe: its capacity; pty: its number */
    uint64_t identity[2]; /* device and inode: which descriptors belong together */
    uint64_t data_bytes;
    char path[4096];
};

/** Note what the process was started with: the launcher's stdin, stdout and stderr, and
 * other pipes and sockets; at the host's start and restart. */
void crmpi_descriptors_start(void);

/**
 * Describe all descriptors of the application and their files, with all threads parked.
 * @param look   only look whether they can be saved: what is in them is not read
 * @param[out] data_out  the record, from malloc()
 * @param[out] inodes_out  the files they refer to; for crmpi_inodes_fini()
 * @param[out] why       on CRMPI_ERR_UNSUPPORTED: the descriptor that cannot be saved
 */
enum crmpi_status crmpi_descriptors_save(int look, void **data_out, size_t *bytes_out,
                                         struct crmpi_inodes *inodes_out, char *why,
                                         size_t why_bytes);

/** Say why the descriptors cannot be saved now; 0 if they can. */
int crmpi_descriptors_refusal(char *why, size_t why_bytes);

/** Occupy the numbers of the saved descriptors, so that no library below takes them. */
enum crmpi_status crmpi_descriptors_reserve(const void *data, size_t bytes);

/** Look whether all can come back, and say of each why not, before anything is changed;
 * paths in @p data are mapped (base/pathmap.h). */
enum crmpi_status crmpi_descriptors_check(void *data, size_t bytes);

/** Open them again under their numbers, after their files (lib/files/bring.h) are back. */
enum crmpi_status crmpi_descriptors_restore(const void *data, size_t bytes);

#endif
