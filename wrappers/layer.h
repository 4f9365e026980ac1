/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the wrappers (lower half) know of each MPI object, and the services they share.  All
 * structures lie in crmpi's upper heap: they are the recipes a restart rebuilds from.
 */
#ifndef CRMPI_WRAPPERS_LAYER_H
#define CRMPI_WRAPPERS_LAYER_H

#include <mpi.h>
#include "base/log.h"
#include "base/status.h"
#include "boundary/boundary.h"
#include "boundary/heap.h"
#include "handle/handle.h"

struct crmpi_attribute;
struct crmpi_topology;

/* extra of a communicator's handle */
struct crmpi_comm {
    uint64_t id;               /* the same in all members, unique in the job */
    uint64_t n_created;        /* communicators created from this one so far */
    uint64_t collective_count; /* blocking: completed, nonblocking: initiated */
    int32_t size, rank;        /* of the local group, and in it */
    int32_t remote_size;       /* 0: an intra-communicator */
    int32_t *members;          /* world ranks of the local group */
    int32_t *peers;            /* world rank behind a rank given to send or receive: members,
                                  or the remote group's for an inter-communicator */
    struct crmpi_handle *errhandler;
    struct crmpi_attribute *attributes;
    struct crmpi_topology *topology;
    char *name;                /* NULL: MPI's own */
    struct crmpi_handle *info; /* hints given; NULL: none */
    void *p2p;                 /* kept by wrappers/hand/p2p.c */
};

/* The lower handle behind the application's: one load. */
#define CRMPI_REAL(type, handle) ((type)((struct crmpi_handle *)(void *)(handle))->real)

static inline struct crmpi_comm *crmpi_comm_of(MPI_Comm comm)
{
    return ((struct crmpi_handle *)(void *)comm)->extra;
}

/** Create a handle of @p kind for @p real with an extra of @p extra_bytes, zeroed. */
struct crmpi_handle *crmpi_handle_create(enum crmpi_kind kind, void *real, size_t extra_bytes);
/** Add a reference; drop one and, with the last, destroy handle and lower object. */
void crmpi_handle_hold(struct crmpi_handle *handle);
void crmpi_handle_release(struct crmpi_handle *handle);
/** All non-predefined handles of a kind in order of creation; follow ->next. */
struct crmpi_handle *crmpi_handle_first(enum crmpi_kind kind);

/** The application's handle for a lower one: predefined, or derived and living; else NULL.
 * For results that are not new objects (envelopes, callbacks of operations). */
struct crmpi_handle *crmpi_handle_of_real(enum crmpi_kind kind, void *real);

/**
 * Report an MPI error on a communicator (or NULL: on MPI_COMM_WORLD) to its error handler,
 * as the MPI standard has it; returns what the wrapper has to return.
 */
int crmpi_comm_error(MPI_Comm comm, int error, const char *function);

/**
 * A blocking collective begins: waits at the gate if a checkpoint wants it.  It has ended,
 * with MPI_SUCCESS: it counts.  A nonblocking one is initiated: begin before, end after the
 * lower call.  (wrappers/hand/gate.c)
 */
void crmpi_collective_begin(MPI_Comm comm);
void crmpi_collective_end(MPI_Comm comm);

/** 1 if the lower MPI provides MPI_THREAD_MULTIPLE: wait by polling then. */
extern int crmpi_thread_multiple;

/** Wait for a lower request: PMPI_Wait, or with MPI_THREAD_MULTIPLE a polling loop with a
 * park point. */
int crmpi_wait_real(MPI_Request *real, MPI_Status *status);

/* Called by crmpi_mpi_layer_start/rebuild in this order; local.c, comm.c, p2p.c, ... each
 * have their part.  Rebuild parts return CRMPI_OK or say why. */
enum crmpi_status crmpi_objects_start(void);    /* predefined handles, info, types, ops, groups, comms */
enum crmpi_status crmpi_objects_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_p2p_start(void);        /* requests, counters, saved messages */
enum crmpi_status crmpi_p2p_rebuild(char *why, size_t why_bytes);

#endif
