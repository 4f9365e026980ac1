/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Undoing what became of files after a checkpoint, by the journal (journal.h).  Lower half,
 * at a restart; all calls are collective.
 *
 * A restart can be begun anew at any point of it: what is done twice is the same as done
 * once, and the notes count until DIR/ranks/undone says that all ranks are back.
 */
#ifndef CRMPI_FILES_UNDO_H
#define CRMPI_FILES_UNDO_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

struct crmpi_undo;

/**
 * Read the notes of this rank after its checkpoint @p sn, and learn which of them count.
 * @param epoch   of the journal when that was taken
 * @param accept  files that cannot be brought back are left as they are, after a message
 * @return CRMPI_ERR_UNFIT if some file is lost, after its name was said, or if a restart
 *         has gone back to a checkpoint before that one
 */
enum crmpi_status crmpi_undo_read(uint32_t world_rank, uint64_t sn, uint64_t epoch,
                                  int accept, struct crmpi_undo **undo_out);

/**
 * Where the file is now that a name led to at the checkpoint.
 * @return 1 and @p where_out: there; 0: the name was touched by nobody; -1: there was none
 */
int crmpi_undo_source(const struct crmpi_undo *undo, const char *path, char *where_out,
                      size_t where_bytes);

/** Bring all names back. */
enum crmpi_status crmpi_undo_apply(struct crmpi_undo *undo);

/** Say that it has been done, and drop the notes. */
enum crmpi_status crmpi_undo_end(struct crmpi_undo *undo);

/** Make an empty file beside another one, to take its name when it is whole.
 * @param[out] fresh_out  its name
 * @return a descriptor for reading and writing, or -1 and errno */
int crmpi_fresh_open(const char *path, char *fresh_out, size_t bytes);

void crmpi_undo_destroy(struct crmpi_undo *undo);

#endif
