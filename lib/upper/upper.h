/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of libcrmpi.so (upper half) know of each other: assembly, generated stubs
 * and C.
 */
#ifndef CRMPI_UPPER_UPPER_H
#define CRMPI_UPPER_UPPER_H

#include "boundary/control.h"

/* switch.S */
extern const char crmpi_stub_begin[] __attribute__((visibility("hidden")));
extern const char crmpi_stub_end[] __attribute__((visibility("hidden")));
void crmpi_resume(struct crmpi_thread *thread) __attribute__((visibility("hidden")));

/* generated from wrappers/mpi-calls.txt */
extern const char *const crmpi_call_names[] __attribute__((visibility("hidden")));
extern const uint64_t crmpi_stubs_version __attribute__((visibility("hidden")));
extern void *const crmpi_predefined_upper[] __attribute__((visibility("hidden")));

/* preload.c */
extern int crmpi_is_split __attribute__((visibility("hidden"))); /* there is a lower half */

/* application.c: the function that stands in for a call of crmpi.h in a process that is not
 * split; NULL if it is a call of MPI. */
void *crmpi_application_without(const char *call) __attribute__((visibility("hidden")));

/* redirect.c: let Open MPI's Fortran functions be those here, in a process that is split */
void crmpi_redirect_start(void) __attribute__((visibility("hidden")));

/* called by switch.S */
uint64_t crmpi_after(struct crmpi_thread *thread, uint64_t result)
    __attribute__((visibility("hidden")));
void *crmpi_enter(int call) __attribute__((visibility("hidden")));

#endif
