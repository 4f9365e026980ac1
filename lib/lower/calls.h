/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of lower entry points that is generated from wrappers/mpi-calls.txt.
 */
#ifndef CRMPI_LOWER_CALLS_H
#define CRMPI_LOWER_CALLS_H

#include <stdint.h>

extern void *const crmpi_calls[];            /* by call number */
extern const char *const crmpi_call_names[]; /* "MPI_Send", ... */
extern const int crmpi_n_calls;
extern const uint64_t crmpi_calls_hash; /* changes with any row of the table */

#endif
