/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public interface: for programs that want to say when a checkpoint is taken.  No
 * program needs it to be checkpointed.  Upper half; link with -lcrmpi.
 */
#ifndef CRMPI_H
#define CRMPI_H

#define CRMPI_VERSION_MAJOR 0
#define CRMPI_VERSION_MINOR 1
#define CRMPI_VERSION_PATCH 0

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

#ifdef __cplusplus
}
#endif

#endif
