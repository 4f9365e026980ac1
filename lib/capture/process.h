/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a checkpoint keeps of a process besides memory, threads and files: record
 * /task/process of the container.  Lower half.
 */
#ifndef CRMPI_CAPTURE_PROCESS_H
#define CRMPI_CAPTURE_PROCESS_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include "threads/xstate.h"

struct crmpi_process {
    char directory[4096];
    int64_t clock_ns;           /* the application's clocks, read after all its timers, none */
    double wtime;               /* of which then expires before its time */
    uint64_t pending;           /* signals sent to the process and not yet delivered */
    struct itimerval timers[3]; /* ITIMER_REAL, VIRTUAL, PROF */
    struct rlimit limits[16];   /* set again where they may be */
    uint64_t files_epoch;       /* of the journal of files: lib/files/journal.h */
    uint32_t umask;
    int32_t lock_future;        /* flags of mlockall(2) for what is mapped later; 0: none */
    struct crmpi_xstate xstate; /* of frames of signals */
    int32_t thread_level;       /* MPI_THREAD_* that was provided */
    uint32_t control_bytes;     /* sizes of the structures both halves share: another build */
    uint32_t thread_bytes;      /* of crmpi has to have the same */
};

#define CRMPI_RECORD_PROCESS "/task/process"
#define CRMPI_RECORD_THREADS "/task/threads"
#define CRMPI_RECORD_GUARDS "/task/guards" /* struct crmpi_extent */

#endif
