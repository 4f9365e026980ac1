/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doing something with files that leaves no trace in this process.  Lower half.
 *
 * Closing any descriptor of a file drops all locks that the process has on the file by
 * fcntl(F_SETLK).  So what opens a file of the application and closes it again is done in a
 * process of its own, with the same memory and its own descriptors.
 */
#ifndef CRMPI_LOWER_APART_H
#define CRMPI_LOWER_APART_H

/**
 * Call @p work with a copy of this process's descriptors, and wait for it: what it opens is
 * closed when it returns, what it maps stays.  It runs on the caller's stack and TLS base
 * while the caller stands still.
 * @return what it returned; -errno if no process could be made
 * With all signals blocked, safe in a signal handler if @p work is.
 */
long crmpi_apart(long (*work)(void *), void *data);

#endif
