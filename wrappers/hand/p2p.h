/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the wrappers of point-to-point communication and of requests share (lower half).
 * All structures lie in the upper heap.
 *
 * A request is known here in three degrees:
 *   active    started, and the application has not seen its end
 *   noted     the drain saw that the lower request is complete, and counted it; `status`
 *             is set.  The lower request is still there; the note is for a restart
 *   complete  its end is known for good: `status` is final, it has been counted, and the
 *             lower request is gone (persistent: inactive)
 * The application's call that waits or tests takes a complete request away from it.  Each
 * receive is counted once: when noted or, if it was not, when complete.
 */
#ifndef CRMPI_WRAPPERS_HAND_P2P_H
#define CRMPI_WRAPPERS_HAND_P2P_H

#include <sched.h>

#include "interaction/saved.h"
#include "wrappers/hand/ledger.h"
#include "wrappers/layer.h"

enum crmpi_operation {
    CRMPI_SEND, /* standard and ready */
    CRMPI_SEND_BUFFERED,
    CRMPI_SEND_SYNCHRONOUS,
    CRMPI_RECEIVE,
    CRMPI_RECEIVE_MATCHED, /* of a message that was matched, and counted, before; of a
                              persistent request while it receives one */
    CRMPI_COLLECTIVE,      /* nonblocking, or persistent */
    CRMPI_GENERALIZED,
    CRMPI_ACCESS,    /* to a window or a file: the drain completes it, for good */
    CRMPI_REDUCTION, /* reduction.c */
    CRMPI_UNSAVED,   /* partitioned: there is none at a cut */
};

struct crmpi_request {
    struct crmpi_handle handle; /* next: the free list; extra: not used */
    uint8_t operation;          /* enum crmpi_operation */
    uint8_t persistent;
    uint8_t active, noted, complete;
    uint8_t cancelled; /* MPI_Cancel was called */
    uint8_t freed;     /* MPI_Request_free was called: nobody will ask for it */
    uint8_t held;      /* CRMPI_SEND_SYNCHRONOUS: the receiver holds the message */
    uint8_t runs_op;   /* the library calls the application's operation for it */
    int32_t count, peer, tag;
    uint64_t order;    /* of posting; receives are posted again in it, and synchronous
                          messages sent again */
    uint64_t number;   /* CRMPI_SEND_SYNCHRONOUS: in its stream since counting began, from
                          1; 0: not known */
    uint64_t base;     /* likewise: the checkpoint at which counting had begun */
    void *buffer;      /* the application's */
    MPI_Datatype type; /* the application's, held; MPI_DATATYPE_NULL's place is NULL */
    MPI_Comm comm;     /* the application's, held; NULL: none */
    MPI_Status status;
    MPI_Op op;   /* CRMPI_COLLECTIVE: the application's, held; NULL: none */
    struct crmpi_persistent *recipe; /* of a persistent one */
    void *object; /* CRMPI_ACCESS: the application's window or file, held; CRMPI_UNSAVED:
                     what is in use, in words */
    void *lower; /* memory of the lower half to free at the end; not renewed */
    struct crmpi_generalized *generalized; /* CRMPI_GENERALIZED */
    struct crmpi_reduction *reduction; /* CRMPI_REDUCTION; NULL: it is over */
    MPI_Request idle; /* of a persistent receive that receives a message which was matched
                         before: its own lower request.  Not renewed */
    struct crmpi_saved_message *arriving; /* what it receives into: to be delivered then */
};

/* Requests are cut from slabs, which stay for ever: there the drain finds them all. */
struct crmpi_request_slab {
    struct crmpi_request_slab *next;
    uint64_t n;
    struct crmpi_request requests[];
};

/* The application's side of a generalized request. */
struct crmpi_generalized {
    MPI_Grequest_query_function *query;
    MPI_Grequest_free_function *free;
    MPI_Grequest_cancel_function *cancel;
    void *state;
    int32_t completed; /* MPI_Grequest_complete was called */
};

/* extra of a message handle: matched by a probe, and counted; not received yet */
struct crmpi_matched {
    struct crmpi_saved_message *message;
    MPI_Comm comm; /* the application's, held */
};

/* What a thread's blocking call has done, for the drain and for the call made again. */
struct crmpi_call {
    struct crmpi_request
        receive; /* MPI_Recv, Mrecv, Sendrecv: active until seen complete */
    struct crmpi_request send; /* MPI_Ssend: likewise */
    struct crmpi_request *reduction; /* a blocking one, where threads may wait at the same
                                        time; NULL: none has begun */
    MPI_Comm
        reducing; /* of a blocking reduction by an operation of the program, from its beginning
                          until it counts; the operation may be left by a jump */
    uint64_t reducing_call; /* its function: crmpi_frame.call */
    int32_t n_started; /* MPI_Startall: of its requests */
    int64_t n_done;    /* of a call made in parts: bytes of data, where it parks */
    /* The input of a collective that overwrites it, until it has completed. */
    int32_t input_kept;
    size_t input_room;
    void *input;
};

/* crmpi_root->p2p */
struct crmpi_p2p {
    uint64_t order;
    struct crmpi_saved_queue saved;
    struct crmpi_request_slab *slabs;
    struct crmpi_request *free;
    struct crmpi_request *sent_request; /* of all sends that complete at once */
    struct crmpi_reductions *reductions;
    int32_t lock;      /* of the free list */
    int32_t counting;  /* a lock: of the tables of streams */
    int32_t ordering; /* a lock: messages get numbers in the order the library has them */
    int32_t is_exact; /* they do so also where messages are not logged: this process has
                         sent synchronously, or matched a message by a probe; 1: threads
                         may be sending that do not know it yet */
    int32_t n_matched; /* messages that probes have matched, not received */
    int32_t matching;  /* a lock: of what message handles have */
    int32_t holds, held; /* synchronous messages were held, or had been handed over, at
                            the newest cut; at the base */
    uint64_t n_freed;  /* requests freed while active and not yet gone */
    uint64_t reap_at;  /* look at them when there are so many */
    int32_t reaping;
    void *buffer; /* MPI_Buffer_attach */
    int32_t buffer_bytes;
    int32_t buffer_attached;
};
extern struct crmpi_p2p *crmpi_p2p;   /* renewed */
extern MPI_Status crmpi_status_empty; /* renewed */
extern MPI_Comm
    crmpi_private_self; /* lower, for crmpi alone: copies between types.  Renewed */

/* What requests of some kinds need of files that use requests; layer.c sets it. */
struct crmpi_request_kinds {
    /** Go on with reductions; how many are over. */
    int (*reductions_advance)(void);
    /** Persistent collectives: start one; and forget its recipe. */
    int (*persistent_start)(struct crmpi_request *r);
    void (*persistent_drop)(struct crmpi_request *r);
};
extern struct crmpi_request_kinds crmpi_request_kinds;

/** Go on with reductions by the application's operations: in its threads only, where these
 * make progress.  Returns how many are over. */
extern int crmpi_reductions_active;
static inline int crmpi_reductions_progress(void)
{
    return __builtin_expect(!crmpi_reductions_active, 1)
               ? 0
               : crmpi_request_kinds.reductions_advance();
}

/** In a restarted process: an MPI error code. */
int crmpi_reduction_rebuild(struct crmpi_request *r);

/*
 * Small things
 */

static inline void crmpi_lock(int32_t *lock)
{
    if (crmpi_thread_multiple)
        while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
            sched_yield();
}

static inline void crmpi_unlock(int32_t *lock)
{
    if (crmpi_thread_multiple)
        __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static inline uint64_t crmpi_add(uint64_t *counter, uint64_t n)
{
    if (crmpi_thread_multiple)
        return __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
    *counter += n;
    return *counter - n;
}

/* Where a thread waits or looks without the library's progress in between. */
static inline void crmpi_poll_point(void)
{
    crmpi_reductions_progress();
    crmpi_park_point();
}

/* Between these the thread does not park, so a checkpoint sees all that happens or
 * nothing. Nothing that waits for another rank may lie between. */
static inline void crmpi_whole_begin(void)
{
    crmpi_thread->nest++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void crmpi_whole_end(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    crmpi_thread->nest--;
}

/* The counters of a stream that has not been looked at before; ledger.c. */
struct crmpi_stream_slot *crmpi_stream_of(struct crmpi_comm *c, int peer, int tag);

/* Nothing is counted that MPI itself will say is wrong, or with MPI_PROC_NULL. */
static inline void crmpi_count(MPI_Comm comm, int peer, int tag, uint64_t sent,
                               uint64_t received, uint64_t order)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_stream_slot *slot;
    uint64_t key = crmpi_stream_key(peer, tag);

    if (!c || peer < 0 || peer >= (c->remote_size ? c->remote_size : c->size))
        return;
    crmpi_lock(&crmpi_p2p->counting);
    slot = c->streams.slots
               ? &c->streams.slots[crmpi_stream_hash(key, c->streams.bits)]
               : NULL;
    if (__builtin_expect(!slot || slot->key != key, 0))
        slot = crmpi_stream_of(c, peer, tag);
    if (__builtin_expect(slot != NULL, 1)) {
        slot->sent += sent;
        slot->received += received;
        if (order > slot->order)
            slot->order = order;
    }
    crmpi_unlock(&crmpi_p2p->counting);
}

/* A message of the stream was matched by what has this order: those that probes matched
 * before have one more behind them.  (held.c) */
void crmpi_matched_count(MPI_Comm comm, int source, int tag, uint64_t order);

/* @p order  of the receive that was posted for it */
static inline void crmpi_count_received(MPI_Comm comm, int source, int tag,
                                        uint64_t order)
{
    crmpi_count(comm, source, tag, 0, 1, order);
    if (__builtin_expect(crmpi_p2p->n_matched != 0, 0))
        crmpi_matched_count(comm, source, tag, order);
}

static inline void crmpi_count_probed(MPI_Comm comm, int source, int tag)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_stream_slot *slot;

    if (!c || source < 0 || source >= (c->remote_size ? c->remote_size : c->size))
        return;
    crmpi_lock(&crmpi_p2p->counting);
    slot = crmpi_stream_of(c, source, tag);
    if (slot)
        slot->probed = crmpi_add(&crmpi_p2p->order, 1);
    crmpi_unlock(&crmpi_p2p->counting);
}

/*
 * Threads that send, or post receives, at the same time: the log, the check of what is
 * half done and the numbers of messages go by the order in which the library has them.
 * Nothing in between waits.
 */

/** From now on all do, whether messages are logged or not. */
void crmpi_order_be_exact(void);
static inline void crmpi_order_exactly(void)
{
    if (crmpi_thread_multiple && crmpi_p2p->is_exact < 2)
        crmpi_order_be_exact();
}

static inline int crmpi_order_is_needed(void)
{
    return (crmpi_ledger->logging | crmpi_p2p->is_exact) != 0;
}

static inline int crmpi_order_begin(int is_needed)
{
    if (__builtin_expect(!is_needed, 1) || !crmpi_thread_multiple)
        return 0;
    crmpi_whole_begin();
    crmpi_lock(&crmpi_p2p->ordering);
    return 1;
}

static inline void crmpi_order_end(int ordered)
{
    if (__builtin_expect(!ordered, 1))
        return;
    crmpi_unlock(&crmpi_p2p->ordering);
    crmpi_whole_end();
}

/** Data as bytes, for the log; NULL: there is no memory, or MPI will say what is wrong. */
struct crmpi_logged *crmpi_log_packed(const void *buf, int count, MPI_Datatype type);

/* A copy of a message for the log, if messages are logged; else NULL.  @p type is lower.
 * (sent_log.c) */
struct crmpi_logged *crmpi_log_copy(const void *buf, int count, MPI_Datatype type,
                                    int dest, MPI_Comm comm);
static inline struct crmpi_logged *crmpi_log_begin(const void *buf, int count,
                                                   MPI_Datatype type, int dest,
                                                   MPI_Comm comm)
{
    return __builtin_expect(crmpi_ledger->logging, 0)
               ? crmpi_log_copy(buf, count, type, dest, comm)
               : NULL;
}
/* Count it among those sent, and log it; or take that back. */
void crmpi_log_count(struct crmpi_logged *logged, MPI_Comm comm, int dest, int tag, int n);
static inline void crmpi_count_sent(MPI_Comm comm, int dest, int tag, int n,
                                    struct crmpi_logged *logged)
{
    if (__builtin_expect(logged != NULL, 0))
        crmpi_log_count(logged, comm, dest, tag, n);
    else
        crmpi_count(comm, dest, tag, (uint64_t)(int64_t)n, 0, 0);
}

static inline int crmpi_comm_result(MPI_Comm comm, int error, const char *function)
{
    return __builtin_expect(error == MPI_SUCCESS, 1)
               ? error
               : crmpi_comm_error(comm, error, function);
}

/* Add a reference; NULL if this is no handle.  Most handles are predefined, and most jobs
 * have one thread: both are worth a test. */
static inline void *crmpi_hold(void *handle)
{
    struct crmpi_handle *h = handle;

    if (!h || h->magic != CRMPI_HANDLE_MAGIC)
        return NULL;
    if (!(h->flags & CRMPI_HANDLE_PREDEFINED)) {
        if (crmpi_thread_multiple)
            crmpi_handle_hold(h);
        else
            h->refs++;
    }
    return h;
}

static inline void crmpi_drop(void *handle)
{
    struct crmpi_handle *h = handle;

    if (!h || h->flags & CRMPI_HANDLE_PREDEFINED)
        return;
    if (!crmpi_thread_multiple && h->refs > 1)
        h->refs--;
    else
        crmpi_handle_release(h);
}

/* A single completion leaves MPI_ERROR as it was. */
static inline void crmpi_status_give(MPI_Status *status, const MPI_Status *from)
{
    if (status != MPI_STATUS_IGNORE) {
        int error = status->MPI_ERROR;
        *status = *from;
        status->MPI_ERROR = error;
    }
}

/** The calling thread's state, made at its first call; ends the job without memory. */
struct crmpi_call *crmpi_call_create(void);
static inline struct crmpi_call *crmpi_call(void)
{
    struct crmpi_call *call = crmpi_thread->mpi;
    return __builtin_expect(call != NULL, 1) ? call : crmpi_call_create();
}

/*
 * request.c
 */

static inline int crmpi_is_send(const struct crmpi_request *r)
{
    return r->operation <= CRMPI_SEND_SYNCHRONOUS;
}

static inline struct crmpi_request *crmpi_request_of(MPI_Request request)
{
    return (struct crmpi_request *)(void *)request;
}

static inline MPI_Request crmpi_request_handle(struct crmpi_request *r)
{
    return (MPI_Request)(void *)r;
}

/** A new request of the application's, holding @p comm and @p type (each may be NULL). */
struct crmpi_request *crmpi_request_take(enum crmpi_operation operation, MPI_Comm comm,
                                         MPI_Datatype type);
/** Give it back: its handle is no more. */
void crmpi_request_drop(struct crmpi_request *r);

/** The same for sends and receives that are neither persistent nor have a Fortran number:
 * only put it into the free list. */
static inline void crmpi_request_put(struct crmpi_request *r)
{
    crmpi_drop(r->comm);
    crmpi_drop(r->type);
    r->handle.magic = 0;
    r->freed = 0; /* reap() may find it again as soon as it is taken */
    crmpi_lock(&crmpi_p2p->lock);
    r->handle.next = (struct crmpi_handle *)crmpi_p2p->free;
    crmpi_p2p->free = r;
    crmpi_unlock(&crmpi_p2p->lock);
}

/** Visit every request that is in use, those of blocking calls too, in no particular
 * order. */
void crmpi_request_visit(void (*visit)(struct crmpi_request *, void *), void *context);

static inline int crmpi_request_is_valid(MPI_Request request)
{
    const struct crmpi_handle *handle = (const void *)request;
    return handle && handle->magic == CRMPI_HANDLE_MAGIC && handle->kind == CRMPI_REQUEST;
}

/** If it is a receive, count what it received: @p r->status is set.  If it is that of
 * MPI_Comm_idup the communicator is ready. */
void crmpi_request_count(struct crmpi_request *r);

/** The lower request is complete, with @p r->status and @p error, and is gone or, if
 * persistent, inactive: note and count it. */
void crmpi_request_completed(struct crmpi_request *r, int error);

/** The same as crmpi_request_poll() for one that a drain completes for good: of
 * CRMPI_ACCESS, or what receives an arriving message. */
int crmpi_access_poll(struct crmpi_request *r);

/**
 * Look once whether an active request is complete, and make it so if its lower request
 * is; makes progress.
 */
static inline int crmpi_request_poll(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;
    int flag = 0, error;

    if (r->complete)
        return 1;
    if (__builtin_expect(r->operation == CRMPI_ACCESS || r->arriving, 0))
        return crmpi_access_poll(r);
    error = PMPI_Test(&real, &flag, &r->status);
    if (!flag && error == MPI_SUCCESS)
        return 0;
    r->handle.real = real;
    if (r->operation == CRMPI_RECEIVE && error == MPI_SUCCESS && !r->noted &&
        !r->cancelled) {
        crmpi_count_received(r->comm, r->status.MPI_SOURCE, r->status.MPI_TAG, r->order);
        r->status.MPI_ERROR = MPI_SUCCESS;
        r->complete = 1;
    } else {
        crmpi_request_completed(r, error);
    }
    return 1;
}

/** Wait until it is complete; a park point. */
static inline void crmpi_request_wait(struct crmpi_request *r)
{
    while (!crmpi_request_poll(r))
        crmpi_park_point();
}

/** Take a completed request from the application: inactive if persistent, else gone. */
static inline void crmpi_request_retire(struct crmpi_request *r, MPI_Request *request)
{
    if (r->persistent) {
        r->active = 0;
        return;
    }
    *request = CRMPI_UPPER(MPI_Request, ompi_request_null);
    if (r == crmpi_p2p->sent_request)
        return;
    if (r->operation <= CRMPI_RECEIVE && r->handle.fortran < 0)
        crmpi_request_put(r);
    else
        crmpi_request_drop(r);
}

/** Nobody will ask for an active request: it is dropped some time after it is complete. */
void crmpi_request_leave(struct crmpi_request *r);
/** Drop those that are complete. */
void crmpi_requests_reap(void);

/* What Open MPI gives for a send that is complete when it returns, as most small ones
 * are.  Weak: where there is no such thing every send has a request of its own. */
extern struct ompi_request_t ompi_request_empty __attribute__((weak));

/** Cancel a receive that is posted, and wait until it is over: if its message has come, that is
 * lost. */
static inline void crmpi_receive_take_back(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;

    if (r->complete)
        return;
    r->cancelled = 1;
    PMPI_Cancel(&real);
    crmpi_request_wait(r);
}

/** Serve a receive from the messages taken out before; 0 if none matches. */
int crmpi_receive_saved(struct crmpi_request *r, int *error_out);
/** Post a synchronous send; @p r has its arguments.  Not renewed by a restart. */
int crmpi_send_post(struct crmpi_request *r);
/** A blocking call that stands on this request ends: drop what it holds; returns what the call has to. */
int crmpi_blocking_end(struct crmpi_request *r, const char *function);
/** Post a receive, or serve it from the saved messages; @p r has its arguments. */
int crmpi_receive_post(struct crmpi_request *r);
/** Take the arguments of a transfer into @p r. */
static inline void crmpi_request_arguments(struct crmpi_request *r, const void *buffer,
                                           int count, int peer, int tag)
{
    r->buffer = (void *)(uintptr_t)buffer;
    r->count = count;
    r->peer = peer;
    r->tag = tag;
}

/** A blocking call's receive, complete, ends: give its status, drop what it holds. */
int crmpi_receive_end(struct crmpi_request *r, MPI_Status *status, const char *function);

/** Create the lower request of a persistent one; returns MPI's error code. */
int crmpi_request_init(struct crmpi_request *r);

/** grequest.c: create the lower request of a generalized one, again after a restart. */
int crmpi_generalized_create(struct crmpi_request *r);

/** drain.c: the communicator for the bookmarks.  Collective. */
enum crmpi_status crmpi_drain_start(void);

/** The communicator of a job-wide id, NULL if this rank has it no more; the lower one, of
 * those too that only requests keep. */
struct crmpi_handle *crmpi_comm_find(uint64_t id);
MPI_Comm crmpi_comm_lower(uint64_t id);

/** coll.c: give back the memory of inputs kept by calls that have ended. */
void crmpi_input_trim(struct crmpi_call *call);

/*
 * typed.c, saved.c
 */

/**
 * Copy between two typed buffers as a message does, within this process.  Not interrupted
 * by a checkpoint.  Types are lower ones.
 * @param status  of the receive (NULL: none); an error in it is also returned
 */
int crmpi_typed_copy(const void *from, int from_count, MPI_Datatype from_type, void *to,
                     int to_count, MPI_Datatype to_type, MPI_Status *status);

/**
 * Say @p bytes as a count and a (lower) datatype; a type that had to be made is to be
 * freed by crmpi_bytes_type_free().
 */
int crmpi_bytes_type(uint64_t bytes, int *count_out, MPI_Datatype *type_out);
void crmpi_bytes_type_free(MPI_Datatype *type);

/**
 * Copy a typed buffer into a block of bytes from malloc().
 * @param[out] n_out, bytes_type_out  how to send it, see crmpi_bytes_type()
 */
int crmpi_typed_pack(const void *buf, int count, MPI_Datatype type, void **copy_out,
                     int *n_out, MPI_Datatype *bytes_type_out);

/** Receive a saved message as a receive with these arguments would.  @p type is lower. */
int crmpi_saved_deliver(const struct crmpi_saved_message *message, void *buffer,
                        int count, MPI_Datatype type, MPI_Status *status);

/** Begin to receive a message, which is in no queue, by @p r; it is gone, or belongs to
 * @p r, if this returns MPI_SUCCESS. */
int crmpi_saved_begin(struct crmpi_saved_message *message, struct crmpi_request *r);

/** A probe of the application has taken a message out of the queue: those of its stream that
 * are there still are later.  (held.c) */
void crmpi_held_matched(struct crmpi_saved_message *message);

/** Describe the message that a probe of the lower library found; NULL: no memory. */
struct crmpi_saved_message *crmpi_saved_describe(const MPI_Status *status,
                                                 const struct crmpi_comm *c);

/** Set what crmpi_handle_release() does with messages. */
void crmpi_message_start(void);

#endif
