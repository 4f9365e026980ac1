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
 * Ask for a checkpoint of the whole job.
 *
 * Local: any rank may call it, between MPI_Init and MPI_Finalize, from any thread but not
 * from a signal handler.  It only asks, and returns at once; the checkpoint is taken soon
 * after, wherever the ranks then are.  Requests while one is under way are merged into it.
 *
 * @return 0, or -1 if the program does not run under crmpi or MPI is not initialised.
 */
int CRMPI_Checkpoint(void);

#ifdef __cplusplus
}
#endif

#endif
