/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests: their descriptors, nonblocking and persistent operations, freeing and
 * cancelling (lower half; the descriptors lie in the upper heap).  Waiting and testing is
 * in complete.c.
 */
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wrappers/hand/reduction.h"
#include "wrappers/objects.h"

#define SLAB_BYTES ((1ul << 16) - 64) /* with the heap's header below a power of two */
#define REAP_MIN 64 /* freed requests are looked at when there are so many */

/*
 * Descriptors
 */

static void slab_create(void)
{
    struct crmpi_request_slab *slab = crmpi_heap_alloc(SLAB_BYTES);

    if (!slab) {
        crmpi_error("no memory for MPI requests");
        abort();
    }
    slab->n = (SLAB_BYTES - sizeof *slab) / sizeof slab->requests[0];
    slab->next = crmpi_p2p->slabs;
    crmpi_p2p->slabs = slab;
    for (uint64_t i = slab->n; i-- > 0;) {
        struct crmpi_request *r = &slab->requests[i];
        r->handle.kind = CRMPI_REQUEST;
        r->handle.fortran = -1;
        r->handle.refs = 1;
        r->handle.next = (struct crmpi_handle *)crmpi_p2p->free;
        crmpi_p2p->free = r;
    }
}

struct crmpi_request *crmpi_request_take(enum crmpi_operation operation, MPI_Comm comm,
                                         MPI_Datatype type)
{
    struct crmpi_request *r;

    crmpi_lock(&crmpi_p2p->lock);
    if (__builtin_expect(!crmpi_p2p->free, 0))
        slab_create();
    r = crmpi_p2p->free;
    crmpi_p2p->free = (struct crmpi_request *)r->handle.next;
    crmpi_unlock(&crmpi_p2p->lock);
    r->handle.magic = CRMPI_HANDLE_MAGIC;
    r->handle.real = MPI_REQUEST_NULL;
    r->operation = operation;
    r->persistent = r->active = r->noted = r->complete = r->cancelled = r->freed = 0;
    r->held = r->runs_op = 0;
    r->arriving = NULL;
    r->reduction = NULL;
    r->recipe = NULL;
    r->comm = crmpi_hold(comm);
    r->type = crmpi_hold(type);
    return r;
}

void crmpi_request_drop(struct crmpi_request *r)
{
    if (r->handle.fortran >= 0)
        crmpi_handle_drop_number(&r->handle);
    if (r->persistent && r->handle.real != MPI_REQUEST_NULL) {
        MPI_Request real = r->handle.real;
        PMPI_Request_free(&real);
    }
    if (r->recipe)
        crmpi_request_kinds.persistent_drop(r);
    else if (r->operation == CRMPI_COLLECTIVE || r->operation == CRMPI_REDUCTION)
        crmpi_drop(r->op);
    if (r->runs_op)
        crmpi_reduction_count_lower(-1);
    if (r->operation == CRMPI_ACCESS)
        crmpi_drop(r->object);
    else if (r->operation == CRMPI_UNSAVED)
        crmpi_unsaved_end(r->object);
    crmpi_request_put(r);
}

void crmpi_request_visit(void (*visit)(struct crmpi_request *, void *), void *context)
{
    for (struct crmpi_request_slab *slab = crmpi_p2p->slabs; slab; slab = slab->next)
        for (uint64_t i = 0; i < slab->n; i++)
            if (slab->requests[i].handle.magic == CRMPI_HANDLE_MAGIC)
                visit(&slab->requests[i], context);
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        struct crmpi_call *call = t->mpi;

        if (call && call->receive.active)
            visit(&call->receive, context);
        if (call && call->send.active)
            visit(&call->send, context);
    }
}

void crmpi_request_count(struct crmpi_request *r)
{
    int cancelled = 0;

    if (r->operation == CRMPI_COLLECTIVE && crmpi_comm_of(r->comm))
        crmpi_comm_of(r->comm)->making = 0; /* if it was MPI_Comm_idup's */
    if (r->operation != CRMPI_RECEIVE)
        return;
    if (r->cancelled)
        PMPI_Test_cancelled(&r->status, &cancelled);
    if (!cancelled)
        crmpi_count_received(r->comm, r->status.MPI_SOURCE, r->status.MPI_TAG, r->order);
}

/* Open MPI leaves a request that failed to whoever looks at its error, or frees it,
 * even a persistent one. */
static void failed_end(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;

    if (!r->persistent && real != MPI_REQUEST_NULL) {
        r->handle.real = MPI_REQUEST_NULL;
        PMPI_Request_free(&real);
    } else if (r->persistent && real == MPI_REQUEST_NULL &&
               r->operation != CRMPI_COLLECTIVE && r->operation != CRMPI_UNSAVED) {
        crmpi_request_init(r);
    }
}

/* What was received lies in a message of ours: it goes to its buffer. */
static int arrive(struct crmpi_request *r)
{
    int error = crmpi_saved_deliver(r->arriving, r->buffer, r->count,
                                    CRMPI_REAL(MPI_Datatype, r->type), &r->status);

    crmpi_saved_destroy(r->arriving);
    r->arriving = NULL;
    return error == MPI_SUCCESS ? r->status.MPI_ERROR : error;
}

/* A persistent receive has its own lower request again. */
static void idle_again(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;

    if (real != MPI_REQUEST_NULL)
        PMPI_Request_free(&real); /* it failed */
    r->handle.real = r->idle;
    r->operation = CRMPI_RECEIVE;
}

/* The receiver has begun to receive a synchronous message: it has done something with this
 * rank, which has no other trace if the message is from before the last checkpoint; and
 * this rank must not be restored without that, if it was logged. */
static void send_received(struct crmpi_request *r)
{
    struct crmpi_comm *c = crmpi_comm_of(r->comm);
    struct crmpi_stream_slot *slot;

    if (r->held)
        crmpi_count(r->comm, r->peer, r->tag, 0, 0, 0);
    if (crmpi_ledger->logging && c && r->number && r->base == crmpi_ledger->base) {
        crmpi_lock(&crmpi_p2p->counting);
        slot = crmpi_stream_of(c, r->peer, r->tag);
        if (slot && slot->unlogged < r->number)
            slot->unlogged = r->number;
        crmpi_unlock(&crmpi_p2p->counting);
    }
    r->held = 0;
}

void crmpi_request_completed(struct crmpi_request *r, int error)
{
    if (__builtin_expect(r->arriving != NULL, 0))
        error = error == MPI_SUCCESS ? arrive(r) : error;
    r->status.MPI_ERROR = error;
    if (!r->noted)
        crmpi_request_count(r);
    if (r->operation == CRMPI_SEND_SYNCHRONOUS)
        send_received(r);
    if (__builtin_expect(r->runs_op, 0)) {
        crmpi_reduction_count_lower(-1);
        r->runs_op = 0;
    }
    if (__builtin_expect(r->persistent && r->operation == CRMPI_RECEIVE_MATCHED, 0))
        idle_again(r);
    r->complete = 1;
    if (__builtin_expect(error != MPI_SUCCESS, 0))
        failed_end(r);
    if (__builtin_expect(r->lower != NULL, 0)) {
        free(r->lower);
        r->lower = NULL;
    }
}

/*
 * What the MPI library keeps of an access may be given to the application only when it
 * takes the request back (data read for a type with gaps lie in a buffer until then).  So
 * the drain does not look at the lower request, but completes it; and no thread parks
 * where the library still holds it.
 */
int crmpi_access_poll(struct crmpi_request *r)
{
    MPI_Request real;
    int flag = 0, error = MPI_SUCCESS;

    crmpi_poll_point();
    crmpi_whole_begin();
    real = r->handle.real;
    if (!r->complete) /* a drain may have completed it just now */
        error = PMPI_Test(&real, &flag, &r->status);
    if (flag || error != MPI_SUCCESS) {
        r->handle.real = real;
        crmpi_request_completed(r, error);
    }
    crmpi_whole_end();
    return r->complete;
}

/*
 * Starting
 */

typedef int (*isend_fn)(const void *, int, MPI_Datatype, int, int, MPI_Comm,
                        MPI_Request *);

/* The lower send stands as a constant in each caller, so this becomes a direct call.  None
 * of these needs anything of its arguments after a restart: it has been received. */
static inline __attribute__((always_inline)) int
isend(enum crmpi_operation operation, isend_fn lower, const char *function,
      const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
      MPI_Request *request)
{
    MPI_Datatype real_type = CRMPI_REAL(MPI_Datatype, type);
    struct crmpi_logged *logged = crmpi_log_begin(buf, count, real_type, dest, comm);
    struct crmpi_request *r;
    MPI_Request real;
    int error, ordered;

    crmpi_whole_begin();
    ordered = crmpi_order_begin(crmpi_order_is_needed());
    error = lower(buf, count, real_type, dest, tag, CRMPI_REAL(MPI_Comm, comm),
                  request ? &real : NULL);
    if (__builtin_expect(error == MPI_SUCCESS, 1))
        crmpi_count_sent(comm, dest, tag, 1, logged);
    crmpi_order_end(ordered);
    if (__builtin_expect(error == MPI_SUCCESS, 1)) {
        if (real == &ompi_request_empty) {
            *request = crmpi_request_handle(crmpi_p2p->sent_request);
        } else {
            r = crmpi_request_take(operation, comm, NULL);
            r->handle.real = real;
            r->active = 1;
            *request = crmpi_request_handle(r);
        }
    } else {
        crmpi_logged_destroy(logged);
    }
    crmpi_whole_end();
    return crmpi_comm_result(comm, error, function);
}

int crmpi_lower_MPI_Isend(const void *buf, int count, MPI_Datatype datatype, int dest,
                          int tag, MPI_Comm comm, MPI_Request *request)
{
    return isend(CRMPI_SEND, PMPI_Isend, "MPI_Isend", buf, count, datatype, dest, tag,
                 comm, request);
}

/* Ready mode promises that the receive is posted.  After a restart it may not be yet. */
int crmpi_lower_MPI_Irsend(const void *buf, int count, MPI_Datatype datatype, int dest,
                           int tag, MPI_Comm comm, MPI_Request *request)
{
    return isend(CRMPI_SEND, PMPI_Isend, "MPI_Irsend", buf, count, datatype, dest, tag,
                 comm, request);
}

int crmpi_lower_MPI_Ibsend(const void *buf, int count, MPI_Datatype datatype, int dest,
                           int tag, MPI_Comm comm, MPI_Request *request)
{
    return isend(CRMPI_SEND_BUFFERED, PMPI_Ibsend, "MPI_Ibsend", buf, count, datatype,
                 dest, tag, comm, request);
}

/*
 * A synchronous send is complete when its receive has begun.  So what has to be sent again
 * after a restart, if the receiver held it at the cut, is kept, and its place in its stream,
 * by which the receiver knows it.
 */

/* Of the message of a stream that was counted last; 0: streams are not told apart. */
static uint64_t number_of_newest(MPI_Comm comm, int peer, int tag)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_stream_slot *slot;
    uint64_t number = 0, key = crmpi_stream_key(peer, tag);

    if (!c || peer < 0)
        return 0;
    crmpi_lock(&crmpi_p2p->counting);
    slot = crmpi_stream_of(c, peer, tag);
    if (slot && slot->key == key) /* else it is one of all tags */
        number = slot->sent;
    crmpi_unlock(&crmpi_p2p->counting);
    return number;
}

int crmpi_send_post(struct crmpi_request *r)
{
    MPI_Datatype type = CRMPI_REAL(MPI_Datatype, r->type);
    struct crmpi_logged *logged =
        crmpi_log_begin(r->buffer, r->count, type, r->peer, r->comm);
    MPI_Request real = r->handle.real;
    int error, ordered;

    crmpi_order_exactly();
    r->noted = r->complete = r->cancelled = r->held = 0;
    crmpi_whole_begin();
    ordered = crmpi_order_begin(1);
    error = r->persistent
                ? PMPI_Start(&real)
                : PMPI_Issend(r->buffer, r->count, type, r->peer, r->tag,
                              CRMPI_REAL(MPI_Comm, r->comm), &real);
    r->handle.real = real;
    r->active = error == MPI_SUCCESS;
    if (r->active) {
        crmpi_count_sent(r->comm, r->peer, r->tag, 1, logged);
        r->number = number_of_newest(r->comm, r->peer, r->tag);
        r->base = crmpi_ledger->base;
        r->order = crmpi_add(&crmpi_p2p->order, 1) + 1;
    } else {
        crmpi_logged_destroy(logged);
    }
    crmpi_order_end(ordered);
    crmpi_whole_end();
    return error;
}

int crmpi_lower_MPI_Issend(const void *buf, int count, MPI_Datatype datatype, int dest,
                           int tag, MPI_Comm comm, MPI_Request *request)
{
    struct crmpi_request *r;
    int error;

    if (!request)
        return crmpi_comm_error(comm, MPI_ERR_REQUEST, "MPI_Issend");
    r = crmpi_request_take(CRMPI_SEND_SYNCHRONOUS, comm, datatype);
    crmpi_request_arguments(r, buf, count, dest, tag);
    error = crmpi_send_post(r);
    if (__builtin_expect(error == MPI_SUCCESS, 1)) {
        *request = crmpi_request_handle(r);
        return error;
    }
    crmpi_request_drop(r);
    return crmpi_comm_error(comm, error, "MPI_Issend");
}

int crmpi_receive_saved(struct crmpi_request *r, int *error_out)
{
    const struct crmpi_comm *c = crmpi_comm_of(r->comm);
    struct crmpi_saved_message *message;
    int source, tag;

    if (!c || !(message = crmpi_saved_take(&crmpi_p2p->saved, c->id, r->peer, r->tag)))
        return 0;
    source = message->source;
    tag = message->tag;
    *error_out = crmpi_saved_begin(message, r); /* counted when it was taken out */
    if (*error_out != MPI_SUCCESS)
        crmpi_saved_return(&crmpi_p2p->saved, message);
    else if (crmpi_ledger->logging) /* what has been probed has been received */
        crmpi_count(r->comm, source, tag, 0, 0, r->order);
    return 1;
}

/*
 * No message that was taken out could have been received by a receive posted before that, for
 * then the library would have matched them; and none is taken out but at a cut.  So looking
 * at these first, and posting what finds none there, gives each message to the receive that
 * MPI's order wants: among messages of one source such a one is older than any the library
 * will still match, and receives posted before the cut cannot take it.
 */
int crmpi_receive_post(struct crmpi_request *r)
{
    int error, ordered;

    r->noted = r->complete = r->cancelled = 0;
    crmpi_whole_begin();
    ordered = crmpi_order_begin(crmpi_order_is_needed());
    r->order = crmpi_add(&crmpi_p2p->order, 1);
    if (__builtin_expect(crmpi_saved_is_empty(&crmpi_p2p->saved), 1) ||
        !crmpi_receive_saved(r, &error)) {
        MPI_Request real = r->handle.real;

        error = r->persistent
                    ? PMPI_Start(&real)
                    : PMPI_Irecv(r->buffer, r->count, CRMPI_REAL(MPI_Datatype, r->type),
                                 r->peer, r->tag, CRMPI_REAL(MPI_Comm, r->comm), &real);
        r->handle.real = real;
    }
    crmpi_order_end(ordered);
    r->active = error == MPI_SUCCESS;
    crmpi_whole_end();
    return error;
}

/*
 * Who has sent or posted without keeping to the order had its thread in a whole: when none is
 * in one any more, all keep to it.  A callback of the application may be one for long; then
 * it is not sending.
 */
void crmpi_order_be_exact(void)
{
    const struct timespec pause = {.tv_nsec = 10000};

    __atomic_store_n(&crmpi_p2p->is_exact, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        for (int turns = 0; t != crmpi_thread && turns < 10000 &&
                            __atomic_load_n(&t->nest, __ATOMIC_ACQUIRE) > 0;
             turns++)
            nanosleep(&pause, NULL);
    __atomic_store_n(&crmpi_p2p->is_exact, 2, __ATOMIC_RELEASE);
}

int crmpi_lower_MPI_Irecv(void *buf, int count, MPI_Datatype datatype, int source,
                          int tag, MPI_Comm comm, MPI_Request *request)
{
    struct crmpi_request *r;
    int error;

    if (__builtin_expect(!request, 0)) /* the library says what is wrong */
        return crmpi_comm_error(comm,
                                PMPI_Irecv(buf, count, CRMPI_REAL(MPI_Datatype, datatype),
                                           source, tag, CRMPI_REAL(MPI_Comm, comm), NULL),
                                "MPI_Irecv");
    r = crmpi_request_take(CRMPI_RECEIVE, comm, datatype);
    crmpi_request_arguments(r, buf, count, source, tag);
    error = crmpi_receive_post(r);
    if (__builtin_expect(error == MPI_SUCCESS, 1)) {
        *request = crmpi_request_handle(r);
        return error;
    }
    crmpi_request_drop(r);
    return crmpi_comm_error(comm, error, "MPI_Irecv");
}

/*
 * Persistent operations
 */

int crmpi_request_init(struct crmpi_request *r)
{
    static const isend_fn init[] = {
        [CRMPI_SEND] = PMPI_Send_init,
        [CRMPI_SEND_BUFFERED] = PMPI_Bsend_init,
        [CRMPI_SEND_SYNCHRONOUS] = PMPI_Ssend_init,
    };
    MPI_Datatype type = CRMPI_REAL(MPI_Datatype, r->type);
    MPI_Comm comm = CRMPI_REAL(MPI_Comm, r->comm);
    MPI_Request real = MPI_REQUEST_NULL;
    int error =
        crmpi_is_send(r)
            ? init[r->operation](r->buffer, r->count, type, r->peer, r->tag, comm, &real)
            : PMPI_Recv_init(r->buffer, r->count, type, r->peer, r->tag, comm, &real);

    r->handle.real = real;
    return error;
}

static int persistent_create(enum crmpi_operation operation, const char *function,
                             const void *buf, int count, MPI_Datatype type, int peer,
                             int tag, MPI_Comm comm, MPI_Request *request)
{
    struct crmpi_request *r = crmpi_request_take(operation, comm, type);
    int error;

    r->persistent = 1;
    crmpi_request_arguments(r, buf, count, peer, tag);
    error = crmpi_request_init(r);
    if (error == MPI_SUCCESS && !request) {
        PMPI_Request_free((MPI_Request *)&r->handle.real);
        error = MPI_ERR_REQUEST;
    }
    if (error == MPI_SUCCESS) {
        *request = crmpi_request_handle(r);
        return error;
    }
    r->handle.real = MPI_REQUEST_NULL;
    crmpi_request_drop(r);
    return crmpi_comm_error(comm, error, function);
}

int crmpi_lower_MPI_Send_init(const void *buf, int count, MPI_Datatype datatype, int dest,
                              int tag, MPI_Comm comm, MPI_Request *request)
{
    return persistent_create(CRMPI_SEND, "MPI_Send_init", buf, count, datatype, dest, tag,
                             comm, request);
}

int crmpi_lower_MPI_Rsend_init(const void *buf, int count, MPI_Datatype datatype,
                               int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
    return persistent_create(CRMPI_SEND, "MPI_Rsend_init", buf, count, datatype, dest,
                             tag, comm, request);
}

int crmpi_lower_MPI_Bsend_init(const void *buf, int count, MPI_Datatype datatype,
                               int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
    return persistent_create(CRMPI_SEND_BUFFERED, "MPI_Bsend_init", buf, count, datatype,
                             dest, tag, comm, request);
}

int crmpi_lower_MPI_Ssend_init(const void *buf, int count, MPI_Datatype datatype,
                               int dest, int tag, MPI_Comm comm, MPI_Request *request)
{
    return persistent_create(CRMPI_SEND_SYNCHRONOUS, "MPI_Ssend_init", buf, count,
                             datatype, dest, tag, comm, request);
}

int crmpi_lower_MPI_Recv_init(void *buf, int count, MPI_Datatype datatype, int source,
                              int tag, MPI_Comm comm, MPI_Request *request)
{
    return persistent_create(CRMPI_RECEIVE, "MPI_Recv_init", buf, count, datatype, source,
                             tag, comm, request);
}

/* Open MPI 4.1 sends something else when a buffered one is started again whose message has
 * gone: so each start has a new lower request. */
static int start_real(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;
    int error = MPI_SUCCESS;

    if (r->operation == CRMPI_SEND_BUFFERED) {
        PMPI_Request_free(&real);
        error = crmpi_request_init(r);
        real = r->handle.real;
    }
    if (error == MPI_SUCCESS)
        error = PMPI_Start(&real);
    r->handle.real = real;
    return error;
}

static int start(MPI_Request request)
{
    struct crmpi_request *r = crmpi_request_of(request);
    struct crmpi_logged *logged = NULL;
    int error, ordered;

    if (!crmpi_request_is_valid(request) || r->handle.flags & CRMPI_HANDLE_PREDEFINED ||
        !r->persistent || r->active)
        return MPI_ERR_REQUEST;
    if (r->operation == CRMPI_RECEIVE)
        return crmpi_receive_post(r);
    if (r->operation == CRMPI_SEND_SYNCHRONOUS)
        return crmpi_send_post(r);
    if (r->recipe)
        return crmpi_request_kinds.persistent_start(r);
    r->noted = r->complete = r->cancelled = 0;
    if (crmpi_is_send(r))
        logged = crmpi_log_begin(r->buffer, r->count, CRMPI_REAL(MPI_Datatype, r->type),
                                 r->peer, r->comm);
    crmpi_whole_begin();
    ordered = crmpi_order_begin(crmpi_order_is_needed());
    error = start_real(r);
    r->active = error == MPI_SUCCESS;
    if (r->active && crmpi_is_send(r))
        crmpi_count_sent(r->comm, r->peer, r->tag, 1, logged);
    else
        crmpi_logged_destroy(logged);
    crmpi_order_end(ordered);
    crmpi_whole_end();
    return error;
}

int crmpi_lower_MPI_Start(MPI_Request *request)
{
    int error = request ? start(*request) : MPI_ERR_REQUEST;

    return error == MPI_SUCCESS ? error : crmpi_comm_error(NULL, error, "MPI_Start");
}

/* A thread may park before it starts a collective: it notes how far it has come. */
int crmpi_lower_MPI_Startall(int count, MPI_Request array_of_requests[])
{
    int error = !array_of_requests ? MPI_ERR_REQUEST
                : count < 0        ? MPI_ERR_ARG
                                   : MPI_SUCCESS;
    struct crmpi_call *call = crmpi_call();

    if (!crmpi_call_resumed())
        call->n_started = 0; /* an earlier one may have been left by a jump */
    for (int i = call->n_started; i < count && error == MPI_SUCCESS; i++) {
        call->n_started = i;
        error = start(array_of_requests[i]);
    }
    call->n_started = 0;
    return error == MPI_SUCCESS ? error : crmpi_comm_error(NULL, error, "MPI_Startall");
}

/*
 * Freeing and cancelling
 */

static void reap_one(struct crmpi_request *r, void *context)
{
    (void)context;
    if (!r->freed || r->operation == CRMPI_GENERALIZED || !crmpi_request_poll(r))
        return;
    __atomic_sub_fetch(&crmpi_p2p->n_freed, 1, __ATOMIC_RELAXED);
    crmpi_request_drop(r);
}

/* One thread at a time looks at the requests that were freed while active. */
void crmpi_requests_reap(void)
{
    crmpi_whole_begin();
    if (__atomic_exchange_n(&crmpi_p2p->reaping, 1, __ATOMIC_ACQUIRE) == 0) {
        crmpi_request_visit(reap_one, NULL);
        crmpi_p2p->reap_at = 2 * crmpi_p2p->n_freed + REAP_MIN;
        __atomic_store_n(&crmpi_p2p->reaping, 0, __ATOMIC_RELEASE);
    }
    crmpi_whole_end();
}

void crmpi_request_leave(struct crmpi_request *r)
{
    r->freed = 1;
    if (__atomic_add_fetch(&crmpi_p2p->n_freed, 1, __ATOMIC_RELAXED) >=
        crmpi_p2p->reap_at)
        crmpi_requests_reap();
}

/* An active request: the library completes a send by itself; others have to be kept,
 * to be counted, and posted again by a restart, as synchronous sends have to. */
static void free_active(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;
    int is_unsaved = r->operation == CRMPI_UNSAVED;

    if (r->operation == CRMPI_GENERALIZED && r->generalized->completed) {
        PMPI_Request_free(&real);
        crmpi_request_drop(r);
    } else if (r->operation == CRMPI_GENERALIZED) {
        r->freed = 1; /* MPI_Grequest_complete() drops it */
        PMPI_Request_free(&real);
    } else if (crmpi_is_send(r) && r->operation != CRMPI_SEND_SYNCHRONOUS) {
        PMPI_Request_free(&real);
        r->handle.real = MPI_REQUEST_NULL;
        crmpi_request_drop(r);
    } else {
        crmpi_request_leave(r);
        if (is_unsaved) /* checkpoints wait for it */
            crmpi_requests_reap();
    }
}

int crmpi_lower_MPI_Request_free(MPI_Request *request)
{
    struct crmpi_request *r = request ? crmpi_request_of(*request) : NULL;

    if (!r || !crmpi_request_is_valid(*request) ||
        r->handle.flags & CRMPI_HANDLE_PREDEFINED)
        return crmpi_comm_error(NULL, MPI_ERR_REQUEST, "MPI_Request_free");
    if (r->active && !r->complete)
        free_active(r);
    else if (r != crmpi_p2p->sent_request)
        crmpi_request_drop(r);
    *request = CRMPI_UPPER(MPI_Request, ompi_request_null);
    return MPI_SUCCESS;
}

/*
 * A send is not cancelled, as in Open MPI's own transport: MPI leaves that open, and a
 * message that is on its way at a cut then surely arrives.
 */
int crmpi_lower_MPI_Cancel(MPI_Request *request)
{
    struct crmpi_request *r = request ? crmpi_request_of(*request) : NULL;
    MPI_Request real;
    int error;

    if (!r || !crmpi_request_is_valid(*request) ||
        r->handle.flags & CRMPI_HANDLE_PREDEFINED)
        return crmpi_comm_error(NULL, MPI_ERR_REQUEST, "MPI_Cancel");
    if (r->complete || crmpi_is_send(r) || r->operation == CRMPI_RECEIVE_MATCHED)
        return MPI_SUCCESS;
    crmpi_whole_begin();
    real = r->handle.real;
    r->cancelled = 1;
    error = PMPI_Cancel(&real);
    crmpi_whole_end();
    return crmpi_comm_result(r->comm, error, "MPI_Cancel");
}

int crmpi_lower_MPI_Request_get_status(MPI_Request request, int *flag, MPI_Status *status)
{
    struct crmpi_request *r = crmpi_request_of(request);
    MPI_Request real;
    int polled;

    crmpi_call_resumed();
    if (!flag || !crmpi_request_is_valid(request))
        return crmpi_comm_error(NULL, flag ? MPI_ERR_REQUEST : MPI_ERR_ARG,
                                "MPI_Request_get_status");
    if (r->handle.flags & CRMPI_HANDLE_PREDEFINED || !r->active) {
        *flag = 1;
        crmpi_status_give(status, &crmpi_status_empty);
        return MPI_SUCCESS;
    }
    polled = r->operation == CRMPI_ACCESS || r->arriving ||
             r->operation == CRMPI_SEND_SYNCHRONOUS; /* what it is told is noted */
    if (polled)
        *flag = crmpi_request_poll(r);
    if (r->complete) {
        *flag = 1;
        crmpi_status_give(status, &r->status);
        return MPI_SUCCESS;
    }
    if (polled)
        return MPI_SUCCESS;
    real = r->handle.real;
    return crmpi_comm_result(r->comm, PMPI_Request_get_status(real, flag, status),
                             "MPI_Request_get_status");
}

/*
 * Requests that other wrappers started
 */

MPI_Request crmpi_request_wrap(MPI_Request real, enum crmpi_wrap kind, void *object)
{
    static const enum crmpi_operation operations[] = {
        [CRMPI_WRAP_ACCESS] = CRMPI_ACCESS,
        [CRMPI_WRAP_IDUP] = CRMPI_COLLECTIVE,
    };
    struct crmpi_request *r = crmpi_request_take(
        operations[kind], kind == CRMPI_WRAP_IDUP ? object : NULL, NULL);

    r->op = NULL;
    r->lower = NULL;
    r->object = kind == CRMPI_WRAP_ACCESS ? crmpi_hold(object) : NULL;
    r->active = 1;
    r->handle.real = real;
    return crmpi_request_handle(r);
}

int crmpi_request_refusal(char *why, size_t why_bytes)
{
    if (!crmpi_p2p || !crmpi_reduction_is_lower())
        return 0;
    snprintf(why, why_bytes,
             "a reduction with a user-defined operation is under way, which is larger than "
             "2 GiB or has processes of another job");
    return 1;
}
