/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open MPI's progress engine, which is in a library of its own.  That one's name changes with
 * each version, and not every package lets programs link with it; libmpi needs it, so it is
 * in the process.  Lower half.
 */
#ifndef CRMPI_LOWER_PROGRESS_H
#define CRMPI_LOWER_PROGRESS_H

#include "base/status.h"

/** Find the functions below; CRMPI_ERR_UNSUPPORTED, and told, if the MPI library has none.
 * Before any other thread runs, and before the functions below. */
enum crmpi_status crmpi_progress_start(void);

/** Have @p callback called whenever the library makes progress; it returns how much it has
 * completed.  0, or an error. */
extern int (*crmpi_progress_register)(int (*callback)(void));

/** Make progress. */
extern void (*crmpi_progress)(void);

#endif
