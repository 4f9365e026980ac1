/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public interface: for programs that want to say when a checkpoint is taken, and what
 * of.  No program needs it to be checkpointed.  Upper half; link with -lcrmpi.
 *
 * All functions return 0; -1 if the program does not run under crmpi, where they do
 * nothing; or an MPI error code, the reason of which was logged.  They are local, and may be
 * called before MPI_Init and by any thread, if nothing else is said, but not by signal
 * handlers.
 */
#ifndef CRMPI_H
#define CRMPI_H

#define CRMPI_VERSION_MAJOR 0
#define CRMPI_VERSION_MINOR 1
#define CRMPI_VERSION_PATCH 0

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Take a checkpoint of the whole job.
 *
 * Local: any rank may call it, between MPI_Init and MPI_Finalize, from any thread but not
 * from a signal handler.  It waits until the checkpoint is committed or was given up; the
 * other ranks are saved wherever they then are.  If they need this rank to go on before
 * they can be saved, it returns earlier, and the checkpoint is taken soon after.
 *
 * Requests while one is under way are merged into it; so are the n-th calls of several
 * ranks within a second.  In a job that was restarted from the checkpoint it returns 0,
 * too.
 *
 * @return 0; -1 if the program does not run under crmpi; an MPI error code if no
 *         checkpoint was taken, for a reason that was logged.
 */
int CRMPI_Checkpoint(void);

/**
 * Leave memory out of checkpoints: what is in it can be done without, or be had again.
 * After a restart it is zero.
 *
 * Say CRMPI_Include() before the memory is freed: what lies there next would be lost.  An
 * exclusion takes the place of those that it overlaps.  Not the stack; in windows that MPI
 * has allocated it has no effect.
 */
int CRMPI_Exclude(void *start, size_t bytes);

/** Have memory saved again: all of the exclusion that begins at @p start. */
int CRMPI_Include(void *start);

/**
 * Let no checkpoint be taken while the calling thread is between these two, which may be
 * nested.  A checkpoint of this rank waits for their end; after CRMPI_QUIESCE_LIMIT it is
 * given up, with this rank's name.
 *
 * The other ranks, and other threads of this rank, may have been stopped meanwhile: so a
 * critical section should be short, and wait for none of them.
 */
int CRMPI_Critical_begin(void);
int CRMPI_Critical_end(void);

#ifdef __cplusplus
}
#endif

#endif
