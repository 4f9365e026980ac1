/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this room asks of those above it; crmpi-host fills it in before there are threads of the
 * application.  Lower half.
 */
#ifndef CRMPI_THREADS_CALLBACKS_H
#define CRMPI_THREADS_CALLBACKS_H

struct crmpi_thread_callbacks {
    /** Call the functions of the application that are due in the calling thread, which is
     * one of its own, below. */
    void (*run_hooks)(void);
    /** A signal asks for a checkpoint.  In its handler, on any TLS base. */
    void (*request)(void);
    /** A signal says that the time of the job is up; likewise.  0: nothing is done about
     * that, so the signal should do what it does otherwise. */
    int (*stop)(void);
    /** A system call of the application is about to be made that may change what a name leads
     * to, or watches it.  On the upper TLS base, with all signals blocked: no libc.
     * @param arguments  six */
    void (*name_call)(long number, const long *arguments);
    /** Whether memory may be made guards (MADV_GUARD_INSTALL): a checkpoint finds them. */
    int guards_are_told;
};

extern struct crmpi_thread_callbacks crmpi_thread_callbacks;

#endif
