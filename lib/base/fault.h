/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named fault points: places where tests make crmpi fail.  Both the host and the tools
 * have them in every build; unless CRMPI_FAULT is set one costs a load and a branch.
 *
 *     CRMPI_FAULT="POINT[@RANK]:N[+]=WHAT[,...]"
 *
 * The Nth occurrence (from 1; with + also every later one) of POINT in the process, or
 * only in the process with world rank RANK, has the effect WHAT:
 *     ENOSPC, EIO, EINTR, ...  the call reports this errno without having been made
 *     short                    a read or write transfers only a part of what was asked
 *     kill                     the process ends by SIGKILL
 *     wait                     it takes ten seconds longer
 * For example "storage.write:3=ENOSPC,engine.save@1:2=kill".
 *
 * A point is a call of crmpi_fault() right before the operation it stands for; its name
 * is "part.operation".  Those of lib/storage:
 *     storage.create storage.reserve storage.write storage.fsync storage.close
 *     storage.rename                                              writing a file
 *     storage.open storage.read                                   reading a file
 *     storage.mkdir storage.unlink storage.move                   the directory
 *     storage.history                                             a row of history.csv
 * Those of lib/engine, at the beginning of a phase of a checkpoint:
 *     engine.park engine.drain engine.balance engine.quiet
 *     engine.save engine.complete                                 in every rank of the group
 *     engine.settle                                               in a rank saved alone, at
 *                                                                 each of its steps
 *     engine.commit                                               rank 0, for a line
 * That of lib/files:
 *     files.fsync                                                 of a file of the program
 * That of wrappers, in MPI_Op_create:
 *     lower.wait                                                  with a lock that others
 *                                                                 need, the thread waits till
 *                                                                 a checkpoint is under way
 * Those of lib/levels:
 *     levels.send                                                 to a rank that keeps some
 *     levels.receive levels.store                                 in the rank that does
 *     levels.flush                                                to the global directory
 * What older kernels do not have, by the errno that they give:
 *     kernel.userfault                                            that notes writes: Linux 6.7
 *     kernel.scan                                                 of page tables: Linux 6.7
 *     kernel.timer_id                                             that is asked for: Linux 6.15
 *     kernel.noexec                                               memory files: Linux 6.3
 * Those of lib/restart, in every rank:
 *     restart.check                                               before anything is done
 *     restart.memory                                              it is about to be loaded
 *     restart.threads                                             they are about to be made
 *     restart.foreign                                             the processor is taken for one
 *                                                                 with another layout of frames
 */
#ifndef CRMPI_BASE_FAULT_H
#define CRMPI_BASE_FAULT_H

#define CRMPI_FAULT_SHORT (-1)

/* Non-zero unless it is known that no fault is wanted. */
extern int crmpi_fault_armed;

int crmpi_fault_occur(const char *point);

/**
 * Pass the fault point @p point.
 * @return 0, an errno to fail with, or CRMPI_FAULT_SHORT (from points of reads and writes
 *         only, if the configuration is sensible); thread safe
 */
static inline int crmpi_fault(const char *point)
{
    return __builtin_expect(__atomic_load_n(&crmpi_fault_armed, __ATOMIC_RELAXED), 0)
               ? crmpi_fault_occur(point)
               : 0;
}

/**
 * Replace what CRMPI_FAULT says, and count occurrences from zero; for unit tests, while
 * no other thread passes a fault point.
 * @param text  as in CRMPI_FAULT; NULL or "" for no faults
 * @return 0, or -1 after logging what is wrong with @p text: no faults are set then
 */
int crmpi_fault_configure(const char *text);

/** How many faults have struck since the process began or the last configure. */
unsigned crmpi_fault_struck(void);

#endif
