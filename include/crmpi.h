/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public interface: for programs that want to say when a checkpoint is taken, and
 * what of.  No program needs it to be checkpointed.  Upper half; link with -lcrmpi.
 *
 * All functions return 0; -1 if the program does not run under crmpi, where they do
 * nothing; or an MPI error code, the reason of which was logged.  They are local, and may
 * be called before MPI_Init and by any thread, if nothing else is said, but not by signal
 * handlers.
 */
#ifndef CRMPI_H
#define CRMPI_H

#define CRMPI_VERSION_MAJOR 0
#define CRMPI_VERSION_MINOR 1
#define CRMPI_VERSION_PATCH 0

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Take a checkpoint of the whole job.
 *
 * Local: any rank may call it, between MPI_Init and MPI_Finalize, from any thread but not
 * from a signal handler.  It waits until the checkpoint is committed or was given up; the
 * other ranks are saved wherever they then are.  If they need this rank to go on before
 * they can be saved, it returns earlier, and the checkpoint is taken soon after.
 *
 * With CRMPI_SAVE=named it is collective over MPI_COMM_WORLD: all ranks call it, and
 * memory that has a name is saved as it is then.  Checkpoints that are due, or asked for
 * from outside, wait for the next call.
 *
 * Requests while one is under way are merged into it; so are the n-th calls of several
 * ranks within a second.  In a job that was restarted from the checkpoint it returns 0,
 * too.
 *
 * @return 0; -1 if the program does not run under crmpi; an MPI error code if no
 *         checkpoint was taken, for a reason that was logged.
 */
int CRMPI_Checkpoint(void);

/**
 * Ask whether a checkpoint is due: somebody has asked for one, or it is time for the
 * next, and it has not been taken.
 *
 * Collective over MPI_COMM_WORLD: all ranks get the same answer.  Checkpoints of the
 * whole memory are taken without the program's help, so there it is 1 only for the short
 * time until all ranks are stopped, or critical sections have ended.
 */
int CRMPI_Checkpoint_due(int *due);

/**
 * Ask whether the job should come to an end: it is to be stopped after its next
 * checkpoint (crmpi-checkpoint --stop), or its time is nearly over (CRMPI_TIME_LIMIT).
 * Collective over MPI_COMM_WORLD, with the same answer for all.
 */
int CRMPI_Should_stop(int *stop);

/* Numbers of the calling rank, since the job first started. */
struct CRMPI_statistics {
    unsigned long long checkpoints; /* that were committed */
    unsigned long long failures;    /* checkpoints that were given up */
    unsigned long long restarts;    /* of the job */
    unsigned long long line;        /* the newest recovery line; 0: none */
    unsigned long long bytes;       /* of files, in all, and of the newest */
    unsigned long long last_bytes;
    double blocked;      /* seconds for which its threads were stopped, in all, */
    double last_blocked; /* and the last time */
    double last_time;    /* seconds since 1970 when the newest was begun; 0: none */
};

/** Get them. */
int CRMPI_Get_statistics(struct CRMPI_statistics *statistics);

/**
 * Leave memory out of checkpoints: what is in it can be done without, or be had again.
 * After a restart it is zero.
 *
 * Say CRMPI_Include() before the memory is freed: what lies there next would be lost.  An
 * exclusion takes the place of those that it overlaps.  Not the stack; in windows that
 * MPI has allocated it has no effect.
 */
int CRMPI_Exclude(void *start, size_t bytes);

/** Have memory saved again: all of the exclusion that begins at @p start. */
int CRMPI_Include(void *start);

/* What named memory consists of. */
#define CRMPI_INT8 1
#define CRMPI_UINT8 2
#define CRMPI_INT16 3
#define CRMPI_UINT16 4
#define CRMPI_INT32 5
#define CRMPI_UINT32 6
#define CRMPI_INT64 7
#define CRMPI_UINT64 8
#define CRMPI_FLOAT 9
#define CRMPI_DOUBLE 10

/**
 * Give memory a name: checkpoints have it as the dataset /task/named/NAME, with its type
 * and shape, for any program that reads HDF5.  With CRMPI_SAVE=named they have nothing
 * else.  A name that is there already is given to this memory instead.
 *
 * Say CRMPI_Unname() before the memory is freed.
 *
 * @param name  1 to 63 characters, no slash
 * @param type  one of the above
 * @param dims  n_dims (0 to 8; 0: one element) numbers of elements, the last one being
 *              that of neighbours in memory
 */
int CRMPI_Name(const char *name, void *start, int type, int n_dims, const size_t *dims);
int CRMPI_Unname(const char *name);

/**
 * Ask whether the program was started anew from a checkpoint of named memory
 * (CRMPI_SAVE=named); after MPI_Init.  In a restart from an image no program begins, so
 * it is 0 there.
 */
int CRMPI_Restarted(int *restarted);

/**
 * Fill all memory that has a name with what the checkpoint has under it.
 *
 * Collective over MPI_COMM_WORLD, when CRMPI_Restarted() says 1.  If a name is not in the
 * checkpoint, or its type or shape is another one there, in any rank, nothing is filled
 * and all ranks return an error.  If reading fails contents are undefined.
 */
int CRMPI_Restore(void);

/**
 * Have excluded memory filled at a restart: @p refill is called with the start and size
 * of the exclusion that begins at @p start, before any thread of the application goes on.
 * NULL: the memory is zero again.  See CRMPI_Hook_add() for what such a function may do.
 */
typedef int CRMPI_Refill_function(void *start, size_t bytes, void *extra_state);
int CRMPI_Refill(void *start, CRMPI_Refill_function *refill, void *extra_state);

/* What a hook is called for. */
#define CRMPI_BEFORE 1    /* a checkpoint is about to be taken */
#define CRMPI_COMMITTED 2 /* it has been: a restart would go on from it */
#define CRMPI_GIVEN_UP 4  /* it was given up */
#define CRMPI_RESTART 8   /* the job has been restarted from it */

/**
 * Have a function called before and after checkpoints of this rank.
 *
 * It is called by the thread that has called this, when that next calls MPI or crmpi, or
 * while it waits in such a call; after a restart, before any thread of the application
 * goes on.  Such a thread is stopped in calls only, so a checkpoint waits until it makes
 * one, and after CRMPI_QUIESCE_LIMIT is given up.
 *
 * A hook may do what any function does, but not communicate: of MPI it may ask who and
 * where it is (MPI_Comm_rank, _size, MPI_Wtime, ...), and MPI_Abort; other calls end the
 * job, with a message.  In a restart it must not wait for other threads, nor take locks
 * they may hold: that of malloc() is one, if the rank has several threads.
 *
 * It returns 0.  With another value, before a checkpoint, the checkpoint is given up;
 * after a restart, the job ends.
 *
 * @param events  of the above, joined by |
 */
typedef int CRMPI_Hook_function(int event, void *extra_state);
int CRMPI_Hook_add(int events, CRMPI_Hook_function *hook, void *extra_state);

/** Call it no more. */
int CRMPI_Hook_remove(CRMPI_Hook_function *hook, void *extra_state);

/**
 * Let no checkpoint be taken while the calling thread is between these two, which may be
 * nested.  A checkpoint of this rank waits for their end; after CRMPI_QUIESCE_LIMIT it is
 * given up, with this rank's name.
 *
 * The other ranks, and other threads of this rank, may have been stopped meanwhile: so a
 * critical section should be short, and wait for none of them.
 */
int CRMPI_Critical_begin(void);
int CRMPI_Critical_end(void);

#ifdef __cplusplus
}
#endif

#endif
