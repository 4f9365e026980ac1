/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A checkpoint and its parents, back to a full one: which bytes come from which file.
 *
 *   newest   | stored |  kept         |          |stored|
 *   parent            | kept |stored|    stored        |     what was kept is looked for
 *   its parent  stored       |                                from the newest on
 *   loaded   | newest | its p.|parent |   zero   |newest|
 *
 * Lower half and tools; see hdf.h about threads.
 */
#ifndef CRMPI_STORAGE_CHAIN_H
#define CRMPI_STORAGE_CHAIN_H

#include "storage/opened.h"

struct crmpi_chain {
    struct crmpi_opened *files; /* the newest first */
    size_t n;
};

/** Open a file and its parents, which lie next to it, and find all bytes.  With HDF5
 * locked. */
enum crmpi_status crmpi_chain_open(const char *path, struct crmpi_chain *chain_out);

void crmpi_chain_close(struct crmpi_chain *chain);

/**
 * Read every block that has a piece, and check it.
 * @param to_memory  whether the pieces go to their addresses
 * @param with_named  whether those of named regions do
 */
enum crmpi_status crmpi_chain_read(const struct crmpi_chain *chain, int to_memory,
                                   int with_named, crmpi_progress_fn progress,
                                   void *context);

/** Read one part of a file, which has no more than one piece, to @p to. */
enum crmpi_status crmpi_part_read_to(const struct crmpi_opened *file,
                                     const struct crmpi_part *part, void *to);

#endif
