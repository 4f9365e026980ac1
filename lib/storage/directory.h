/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names in the checkpoint directory.  Lower half and tools.
 */
#ifndef CRMPI_STORAGE_DIRECTORY_H
#define CRMPI_STORAGE_DIRECTORY_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#define CRMPI_NUMBER_FORMAT "%06" PRIu64 /* of a rank, checkpoint or line, in names */
#define CRMPI_FILE_SUFFIX ".h5"
#define CRMPI_PATH_BYTES 4096
#define CRMPI_UNDONE_NAME "undone" /* in DIR/ranks, see files/journal.h */

/** "DIR/lines/000012.h5", "DIR/ranks/000003", "DIR/lines" */
enum crmpi_status crmpi_line_path(const char *dir, uint64_t number, char *path_out,
                                  size_t path_bytes);
enum crmpi_status crmpi_rank_folder(const char *dir, uint32_t world_rank, char *path_out,
                                    size_t path_bytes);
enum crmpi_status crmpi_lines_folder(const char *dir, char *path_out, size_t path_bytes);

/** Make a directory (mode 0700) unless it is there; refuse one that others may write. */
enum crmpi_status crmpi_folder_make(const char *path);

/** Whether a name is exactly a number as we write it, followed by @p suffix. */
int crmpi_name_is(const char *name, const char *suffix, uint64_t *number_out);

/** Whether it is one of the journal of files: "000012-0001.log", "000012-0001.000007". */
int crmpi_name_is_note(const char *name);

/* What to do with an entry of a directory; fd is the directory, for the *at() calls. */
typedef enum crmpi_status crmpi_entry_fn(int fd, const char *folder, const char *name,
                                         void *context);

/** Call for every entry of a directory that nobody else may write; returns the first
 * failure after having seen all. */
enum crmpi_status crmpi_entries_visit(const char *folder, crmpi_entry_fn *call,
                                      void *context);

#endif
