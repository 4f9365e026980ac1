/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the wrappers (lower half) know of each MPI object, and the services they share.
 * All structures lie in crmpi's upper heap: they are the recipes a restart rebuilds from.
 */
#ifndef CRMPI_WRAPPERS_LAYER_H
#define CRMPI_WRAPPERS_LAYER_H

#include "wrappers/lower.h" /* generated; includes mpi.h */
#include "base/log.h"
#include "base/status.h"
#include "boundary/heap.h"
#include "handle/handle.h"
#include "interaction/dependencies.h"
#include "interaction/streams.h"
#include "threads/boundary.h"

struct crmpi_attribute;
struct crmpi_topology;
struct crmpi_objects;
struct crmpi_p2p;
struct crmpi_ledger;

/* Root of all that the MPI layer keeps across a restart. */
struct crmpi_layer {
    struct crmpi_handles *handles; /* lib/handle; first, for libcrmpi's number.c */
    struct crmpi_objects *objects; /* wrappers/hand/layer.c */
    struct crmpi_p2p *p2p;         /* wrappers/hand/p2p_state.c */
    struct crmpi_ledger *ledger;   /* wrappers/hand/ledger.c */
};
#define crmpi_root ((struct crmpi_layer *)crmpi_control->mpi)

/*
 * extra of a communicator's handle.
 *
 * A cut counts the collectives of MPI_COMM_WORLD, MPI_COMM_SELF and of all in the list,
 * unborn ones and freed ones (CRMPI_HANDLE_FREED) too: making one by
 * MPI_Comm_create_group or MPI_Intercomm_create is its own first collective,
 * MPI_Comm_free its last, and a freed one stays in the list until all its members have
 * freed it.
 */
struct crmpi_comm {
    uint64_t id;               /* the same in all members, unique in the job */
    uint64_t n_created;        /* communicators created from this one so far */
    uint64_t n_persistent;     /* persistent collectives made on it so far */
    uint64_t n_starts;         /* and started */
    uint64_t n_places;         /* of these, with a tag: see persistent.c */
    uint64_t oldest_place;     /* at the last restart: that any member had still */
    uint64_t collective_count; /* blocking: completed, nonblocking: initiated */
    uint64_t base_count;       /* of these, at the newest checkpoint with all the others */
    int32_t size, rank;        /* of the local group, and in it */
    int32_t remote_size;       /* 0: an intra-communicator */
    int32_t *members;          /* world ranks of the local group */
    int32_t *peers; /* world rank behind a rank given to send or receive: members,
                                  or the remote group's for an inter-communicator */
    struct crmpi_handle *errhandler;
    struct crmpi_attribute *attributes;
    struct crmpi_topology *topology;
    char *name;                /* NULL: MPI's own */
    struct crmpi_handle *info; /* hints given; NULL: none */
    struct crmpi_handle *told; /* what the library has told of them: crmpi_info_tell() */
    int32_t is_dynamic; /* has processes outside of the job, whose members and peers
                                  are -1; or comes of a connection within the job, whose two
                                  sides know it by different ids.  It forbids checkpoints */
    int32_t is_joined;  /* of such a connection */
    int32_t inherits;   /* has MPI_COMM_WORLD's predefined attributes */
    int32_t reaped;     /* all members have freed it: only requests keep it */
    int32_t unborn;     /* MPI_Comm_create_group or MPI_Intercomm_create has begun; the
                                  handle's real is NULL */
    int32_t making;     /* by MPI_Comm_idup, whose request is not known to be complete:
                                  no message can come, nor be probed for */
    int32_t under_way;  /* a collective has begun that cannot be made again */
    struct crmpi_group_calls *group_calls;
    struct crmpi_stream_table streams; /* by rank in peers, and tag */
    uint32_t flow; /* of collectives since the last checkpoint: enum crmpi_flow */
    const char *maker; /* is_dynamic: the MPI function, in the lower half's memory, as no
                          checkpoint has it */
};

/* The lower handle behind the application's; NULL, which MPI reports as an error, if it
 * is not one. */
#define CRMPI_REAL(type, handle) ((type)crmpi_handle_real((void *)(handle)))

/* That the library does not say so to MPI_COMM_WORLD, if crmpi asks it about the type before
 * the call that is to fail. */
static inline int crmpi_no_type(MPI_Datatype real)
{
    return !real || real == MPI_DATATYPE_NULL;
}

/* The application's handle of a predefined object: in lower code MPI_COMM_WORLD and its
 * like are the lower library's.  CRMPI_UPPER(MPI_Request, ompi_request_null) */
#define CRMPI_UPPER(type, object) ((type)crmpi_control->predefined[CRMPI_OBJECT_##object])

/* NULL if @p comm is no communicator (MPI_COMM_NULL, freed, garbage), or before
 * MPI_Init. */
static inline struct crmpi_comm *crmpi_comm_of(MPI_Comm comm)
{
    struct crmpi_handle *handle = (struct crmpi_handle *)(void *)comm;
    return handle && handle->magic == CRMPI_HANDLE_MAGIC ? handle->extra : NULL;
}

/** A duplicate of the lower MPI_COMM_WORLD for crmpi alone.  Renewed. */
extern MPI_Comm crmpi_private_world;

/** The tags on it.  Threads make communicators at the same time, and their messages are told
 * apart by these alone: so a hash is of as many bits as the library's tags have.
 * (wrappers/hand/layer.c) */
enum crmpi_private_tag {
    CRMPI_TAG_MAKE,  /* a communicator of given members */
    CRMPI_TAG_SIDES, /* what the sides of an intercommunicator tell each other */
    CRMPI_TAG_FREED,
    CRMPI_TAG_GONE
};
int crmpi_private_tag(enum crmpi_private_tag what, uint64_t hash);

/** An array of lower handles for an array of the application's, from malloc(), or NULL if
 * @p handles is. */
void *crmpi_reals(int n, void *const *handles);

/** How many ranks may be sent to; the in- and outdegree of its topology. */
int crmpi_comm_n_peers(MPI_Comm comm);
int crmpi_comm_n_sources(MPI_Comm comm);
int crmpi_comm_n_targets(MPI_Comm comm);

/**
 * Report an MPI error on a communicator (or NULL: on MPI_COMM_WORLD) to its error
 * handler, as the MPI standard has it; returns what the wrapper has to return.
 */
int crmpi_comm_error(MPI_Comm comm, int error, const char *function);
int crmpi_win_error(MPI_Win win, int error, const char *function);
int crmpi_file_error(MPI_File file, int error, const char *function);

/**
 * A blocking collective begins: waits at the gate if a checkpoint wants it.  It has
 * ended, with MPI_SUCCESS: it counts.  A nonblocking one is initiated: begin before, end
 * after the lower call.  (wrappers/hand/gate.c)
 */
void crmpi_collective_begin(MPI_Comm comm);
void crmpi_collective_end(MPI_Comm comm);

/** The same where data do not flow from all to all: @p flow is of enum crmpi_flow or
 * of this one, with the root. */
enum crmpi_flow_rooted { CRMPI_FLOW_FROM_ROOT = 1u << 8, CRMPI_FLOW_TO_ROOT = 1u << 9 };
void crmpi_collective_end_flow(MPI_Comm comm, uint32_t flow, int root);

/**
 * Wait, with a park point, until all duplicates of @p comm that MPI_Comm_idup has begun
 * are made: before a lower nonblocking collective in a call that waits for all members.
 * (wrappers/hand/comm_idup.c)
 */
void crmpi_idup_settle(MPI_Comm comm);

/**
 * The application's request for a lower one that crmpi did not start itself.
 * @param object  the application's window or file, whose error handler is told; what
 *                MPI_Comm_idup makes
 */
enum crmpi_wrap {
    CRMPI_WRAP_ACCESS,     /* to a window or a file */
    CRMPI_WRAP_IDUP,       /* MPI_Comm_idup: a nonblocking collective, initiated */
};
MPI_Request crmpi_request_wrap(MPI_Request real, enum crmpi_wrap kind, void *object);

/** Say which request forbids a checkpoint now; returns 0 if none does.
 * (wrappers/hand/request.c) */
int crmpi_request_refusal(char *why, size_t why_bytes);

/** The communicator is no more: forget messages saved for it.  (wrappers/hand/p2p_state.c) */
void crmpi_p2p_forget(const struct crmpi_comm *comm);

/** 1 if the lower MPI provides MPI_THREAD_MULTIPLE: wait by polling then. */
extern int crmpi_thread_multiple;

/** Wait for a lower request: PMPI_Wait, or with MPI_THREAD_MULTIPLE a polling loop with a
 * park point. */
int crmpi_wait_real(MPI_Request *real, MPI_Status *status);

/**
 * At attach, before any MPI call is served: give the upper half's predefined objects
 * their descriptors.  Needs crmpi_control->predefined.
 */
enum crmpi_status crmpi_objects_start(void);

/** Create the layer's state after MPI_Init (the application's own thread, below). */
enum crmpi_status crmpi_mpi_layer_start(void);

/* Parts of crmpi_mpi_layer_start (after MPI_Init) and _rebuild, called in this order.
 * Rebuild parts return CRMPI_OK or say why. */
enum crmpi_status crmpi_objects_ready(void);
enum crmpi_status crmpi_objects_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_p2p_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_persistent_rebuild(char *why, size_t why_bytes);

#endif
