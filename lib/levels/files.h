/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that this job has on a node: which there are, and removing them.  Lower half.
 */
#ifndef CRMPI_LEVELS_FILES_H
#define CRMPI_LEVELS_FILES_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/** The numbers of the checkpoints that a rank has files of, ascending; from malloc(). */
enum crmpi_status crmpi_own_files(const char *home, uint32_t world_rank,
                                  uint64_t **numbers_out, size_t *n_out);

/**
 * In the folder of @p path, which will be that of checkpoint @p sn, drop the files of
 * older checkpoints but @p numbers, and what was left unfinished; one of them becomes the
 * spare that the next output is written over.
 */
enum crmpi_status crmpi_copies_drop(const char *path, const char *suffix, uint64_t sn,
                                    const uint64_t *numbers, size_t n);

/** Whether two files have the same size and seal, and so the same checkpoint. */
int crmpi_seals_agree(const char *a, const char *b);

/** Remove HOME/KIND/RRRRRR with the files in it that crmpi names so. */
void crmpi_folder_remove(const char *home, const char *kind, uint32_t world_rank);

/** Remove HOME, and the folders above it up to the node's, as far as they are empty. */
void crmpi_home_remove(const char *home);

#endif
