/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids of the process and of its threads, after a restart.
 *
 * The program knows the ids that the kernel gave when it was started: they are in the locks
 * that its threads hold, in libc's descriptors of threads, in its own variables.  After a
 * restart the kernel has others.  So the program keeps its own: what it asks for is told, and
 * what it gives is understood, in the ids that it **knows**; only below are they the
 * **kernel's**.  An id that is not of a thread from before a restart is the same in both.
 *
 * Hence a new thread, or child process, must not get an id from the kernel that the program
 * knows an old one by: crmpi_ids_guard().  Lower half; what is said to run in the trap uses no
 * libc, on any TLS base.
 */
#ifndef CRMPI_THREADS_IDS_H
#define CRMPI_THREADS_IDS_H

#include <sys/types.h>
#include <time.h>
#include <ucontext.h>
#include "base/status.h"

/** In a restarted process, before any of its threads run: there will be @p n. */
enum crmpi_status crmpi_ids_start(size_t n);
void crmpi_ids_add(int known, int kernel);

/** The id by which the program knows a thread, or its process; and the other way round. */
int crmpi_ids_known(int kernel);
int crmpi_ids_kernel(int known);

/** A clock, which may be of the CPU time of a thread or process that the program knows. */
clockid_t crmpi_ids_clock(clockid_t clock);

/** Before the calling thread makes a thread or process: see that it gets no id that is known
 * already.  In the trap. */
void crmpi_ids_guard(void);

/** The calling thread ends: its id is free.  In the trap. */
void crmpi_ids_thread_ends(void);

/**
 * A path that leads through /proc/ID or /proc/self/task/ID, in the kernel's ids.  In the trap.
 * @return 1 if it is another than @p path, which may be no valid address
 */
#define CRMPI_IDS_PATH_BYTES 256
int crmpi_ids_path(const char *path, char kernel_out[CRMPI_IDS_PATH_BYTES]);

/** Copy what there is of a path, up to so many bytes, and a 0; it may be no valid address. */
void crmpi_ids_path_read(const char *path, char *out, size_t bytes);

#define CRMPI_NO_ID (-1) /* no register of an argument that is an id */

/** Make a trapped call that takes or gives ids, but for paths.  In the trap.
 * @param first, second  registers of arguments that are ids; CRMPI_NO_ID: none, or not always
 * @return what it returns; -ENOSYS: it is none of these */
long crmpi_ids_call(long number, const greg_t *r, int first, int second);

#endif
