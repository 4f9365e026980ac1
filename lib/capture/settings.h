/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel keeps for a process and its threads besides memory, threads and files: how
 * they are scheduled, settings of prctl(2), credentials, ...: record /task/settings.
 * Lower half.
 *
 * The launcher gives a process most of these, at a restart perhaps others than before.  So
 * what counts is what the program has set itself: what differs from how the process was
 * started is set again; what does not stays as the launcher has it now.  What the program has
 * set and cannot be set again, such as user ids, has to be the same, or the line does not
 * fit.
 */
#ifndef CRMPI_CAPTURE_SETTINGS_H
#define CRMPI_CAPTURE_SETTINGS_H

#include "storage/container.h"

#define CRMPI_RECORD_SETTINGS "/task/settings"

/** The process begins, as the launcher has made it: note how. */
void crmpi_settings_start(void);

/** The same for what crmpi itself adds to: its filter is in place. */
void crmpi_settings_filtered(void);

/** Called before MPI_Init of the library below, and after it: what it binds to processors is
 * not the program's doing. */
void crmpi_settings_mpi_begin(void);
void crmpi_settings_mpi_end(void);

/** Name something that the program has set and that no restart can set again. */
int crmpi_settings_refusal(char *why, size_t why_bytes);

/** Save the record; with all threads parked. */
enum crmpi_status crmpi_settings_save(struct crmpi_writer *writer);

/** See whether this process is as the record of a checkpoint wants it; nothing is changed.
 * CRMPI_ERR_UNFIT: it is not. */
enum crmpi_status crmpi_settings_check(const void *record, size_t bytes);

/** Set those of the process again. */
enum crmpi_status crmpi_settings_restore(const void *record, size_t bytes);

/** Set those of a thread, when all have been made: new ones have their maker's.
 * @param known_tid  as the record has it */
void crmpi_settings_restore_thread(const void *record, size_t bytes, int known_tid,
                                     int kernel_tid);

#endif
