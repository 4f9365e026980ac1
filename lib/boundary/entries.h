/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lower entry points, by call number, of which the upper half's stubs jump to one each; and
 * their names.  Generated from wrappers/mpi-calls.txt.
 */
#ifndef CRMPI_BOUNDARY_ENTRIES_H
#define CRMPI_BOUNDARY_ENTRIES_H

#include <stdint.h>

extern const char *const crmpi_call_names[]; /* "MPI_Send", ...; ended by NULL */
extern const int crmpi_n_calls;
extern const uint64_t crmpi_calls_hash; /* changes with any row of the table */

/* The entry points, in the lower half; crmpi-host sets it. */
extern void *const *crmpi_calls;

#endif
