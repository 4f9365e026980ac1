/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DIR/history.csv: what a job's checkpoints were like, one row each, also of those whose
 * files were dropped long ago.  For people and tools: nothing in it is needed for a restart,
 * and no failure to write it is one of a checkpoint.  doc/format.md describes it.  Lower
 * half and tools.
 */
#ifndef CRMPI_STORAGE_JOURNAL_H
#define CRMPI_STORAGE_JOURNAL_H

#include "storage/container.h"

#define CRMPI_JOURNAL_NAME "history.csv"
#define CRMPI_JOURNAL_OLD_NAME "history.csv.1"
/* A file that has got so large becomes the old one, and what was that is dropped. */
#define CRMPI_JOURNAL_BYTES_MAX ((uint64_t)1 << 20)

enum crmpi_journal_event {
    CRMPI_JOURNAL_START,    /* of the job, or a restart of it */
    CRMPI_JOURNAL_LINE,     /* a line was committed */
    CRMPI_JOURNAL_ALONE,    /* a rank was saved alone */
    CRMPI_JOURNAL_GIVEN_UP, /* a checkpoint was not taken */
    CRMPI_JOURNAL_END,      /* all ranks are in MPI_Finalize */
};

/* Of a line: sums over the ranks that were saved, and the longest times of one. */
struct crmpi_journal_row {
    enum crmpi_journal_event event;
    double time; /* seconds since 1970; of a line: when it was committed */
    char job_id[64];
    uint64_t incarnation;
    uint64_t line; /* the one committed, or restarted from; the checkpoint of a rank saved
                      alone; 0: none */
    uint32_t n_ranks, n_saved;
    char policy[32];
    char target[32]; /* kind of the file system that rank files are written to */
    char level[32];  /* how far they are kept from harm: local, partner, ... */
    uint32_t how;    /* CRMPI_HOW_* of any rank */
    uint32_t n_increments;
    uint64_t memory_bytes, changed_bytes, raw_bytes, file_bytes;
    double quiet_seconds; /* from the request until nothing moved; 0: not known */
    double blocked_seconds, save_seconds;
    double total_seconds; /* from the request to the commit */
    uint32_t slowest;     /* the rank that took longest to be saved */
    char reason[256];     /* why it was given up */
};

/** Add what one rank's checkpoint was like to the row of a line. */
void crmpi_journal_add_rank(struct crmpi_journal_row *row, uint32_t world_rank,
                            uint64_t file_bytes, const struct crmpi_figures *figures);

/** The kind of file system that a folder is in: "tmpfs", "ext4", "nfs", ...; in hexadecimal
 * if it has no name here, "?" if it cannot be told. */
void crmpi_journal_target(const char *folder, char *name_out, size_t bytes);

/**
 * Append a row, at once or not at all: any process of the job may do so.  Makes the file if
 * need be; with @p may_rotate, which only one process may say, an old file gives way.
 * Failures are logged.
 */
enum crmpi_status crmpi_journal_append(const char *dir,
                                       const struct crmpi_journal_row *row,
                                       int may_rotate);

/**
 * Read the rows there are, oldest first; what is no row, such as one that a crash cut off,
 * is passed over.  Without a file there are none.
 * @param[out] rows_out  from malloc()
 */
enum crmpi_status crmpi_journal_read(const char *dir, struct crmpi_journal_row **rows_out,
                                     size_t *n_out);

#endif
