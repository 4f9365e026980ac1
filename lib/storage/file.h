/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files as the container needs them: new ones written under a temporary name and renamed
 * into place, existing ones only if nobody else may have written them.  All of it by
 * plain system calls, with short transfers and EINTR dealt with, and fault points
 * (base/fault.h). Lower half and tools.
 */
#ifndef CRMPI_STORAGE_FILE_H
#define CRMPI_STORAGE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/status.h"

#define CRMPI_TMP_SUFFIX ".tmp"
/* The file of a dropped checkpoint, kept in a rank's folder to be written over: with its
 * pages and blocks at hand that is faster than writing a new one. */
#define CRMPI_SPARE_NAME "spare" CRMPI_TMP_SUFFIX

/** Convert an errno of a file operation. */
enum crmpi_status crmpi_file_status(int error);

/* A file being written: PATH.tmp, mode 0600. */
struct crmpi_output {
    char *path, *tmp;
    int fd;
    uint64_t device, inode; /* of the file */
};

/**
 * Create PATH.tmp, out of the spare file next to it if there is one, else anew.  Every
 * byte of the file has to be written.  Logs failures, as all here.
 */
enum crmpi_status crmpi_output_open(const char *path, struct crmpi_output *output_out);

/**
 * Have the file system set aside the first @p bytes of the file: a full disk is noticed
 * before much is written, and writing is faster.  Does nothing where that is not so.
 */
enum crmpi_status crmpi_output_reserve(const struct crmpi_output *output, uint64_t bytes);

/**
 * Have a descriptor of the file again, in case that the program, whose threads may have run
 * since it was opened, has closed it or given its number to a file of its own.
 */
enum crmpi_status crmpi_output_reclaim(struct crmpi_output *output);

/**
 * Write all bytes of @p iov at @p offset.
 * Memory that cannot be read gives CRMPI_ERR_SYSTEM.
 */
enum crmpi_status crmpi_output_write(const struct crmpi_output *output,
                                     const struct iovec *iov, size_t n_iov,
                                     uint64_t offset);

/**
 * Cut the file to the @p bytes written to it, close it and rename it to its path.  On
 * failure nothing is left but what was at the path before.  The output is at an end
 * either way.
 * @param sync  whether file and name have to be on the disk then; if only the name fails to
 *              be, what has replaced an older file stays, and else nothing
 */
enum crmpi_status crmpi_output_commit(struct crmpi_output *output, uint64_t bytes,
                                      int sync);

/** Close and remove the file. */
void crmpi_output_abandon(struct crmpi_output *output);

/**
 * Open for reading a regular file that the effective user or root owns and nobody else
 * may write; else CRMPI_ERR_PERMISSION.
 */
enum crmpi_status crmpi_input_open(const char *path, int *fd_out, uint64_t *bytes_out);

/**
 * Read all bytes of @p iov from @p offset; CRMPI_ERR_CORRUPT if the file ends before.
 * @param path  for the message
 */
enum crmpi_status crmpi_input_read(int fd, const char *path, const struct iovec *iov,
                                   size_t n_iov, uint64_t offset);

/** Check, with the same conditions, a directory by its descriptor. */
enum crmpi_status crmpi_directory_trust(int fd, const char *path);

#endif
