/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions by user-defined operations that do not block, and those that do where threads
 * may wait at the same time (lower half).
 *
 * The MPI library calls the operation whenever it makes progress, also when a drain does so
 * in a thread of crmpi's own, while all threads of the application are stopped: one of them
 * may have the lock of malloc(), and none of them is where a function may run.  So these
 * reductions are messages here, which a cut drains like the application's, and the
 * operation is called in threads of the application only, when these make progress in MPI.
 * They need not end before a cut: how far one has come is in the upper heap.
 *
 * The algorithms are those of Open MPI's libnbc for short vectors: a binomial tree over the
 * ranks, whose partial results are of neighbouring ranks, so the order of operands is kept;
 * the same tree downwards, or a piece for each from the top; a chain for scans.
 *
 * Messages go over a communicator of their own.  Each begins with what it belongs to.  What
 * comes before it is wanted waits in the inbox.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lower/progress.h"
#include "wrappers/hand/cut.h"
#include "wrappers/hand/reduction.h"
#include "wrappers/objects.h"

/* Besides the steps up the tree, which are the bits of a rank. */
enum { STEP_ROOT = 40, STEP_ACROSS, STEP_DOWN, STEP_CHAIN };

struct head {
    uint64_t comm, number; /* of the reduction among the communicator's collectives */
    uint64_t step;
};

struct crmpi_parcel {
    struct crmpi_parcel *next;
    MPI_Request request; /* the application's kind: crmpi's own */
    uint64_t bytes;      /* with the head */
    int32_t peer;        /* world rank */
    struct head head;
    unsigned char data[];
};

struct crmpi_reduction {
    struct crmpi_reduction *next;
    struct crmpi_request *request;
    struct crmpi_reduction_call call; /* counts: a copy; sendbuf: not used */
    uint64_t number;
    uint64_t bytes; /* of the whole vector, packed */
    int32_t n;      /* elements of it */
    int32_t rank, size; /* in the tree: those of the local group, the root's perhaps
                           exchanged with those of the first */
    int32_t top;        /* the first one of the tree, in the local group */
    int32_t phase, step;
    char *own, *other; /* vectors as the type has them */
    void *blocks[2];   /* their memory */
};
enum phase { UP, TOP, LEAF, WAIT_ROOT, WAIT_ACROSS, WAIT_DOWN, CHAIN, DONE };

#define all (crmpi_p2p->reductions)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all of it */

static void *must(void *block)
{
    if (!block) {
        crmpi_error("no memory for a reduction");
        abort();
    }
    return block;
}

enum crmpi_status crmpi_reductions_start(void)
{
    MPI_Comm real;

    if (PMPI_Comm_dup(MPI_COMM_WORLD, &real) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    all = must(crmpi_heap_alloc(sizeof *all));
    all->comm = crmpi_comm_adopt_own(real, CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world));
    return CRMPI_OK;
}

/*
 * Vectors
 */

static MPI_Datatype lower_type(const struct crmpi_reduction *red)
{
    return CRMPI_REAL(MPI_Datatype, red->call.type);
}

/* Memory for the vector, and where its first element lies. */
static char *vector_create(const struct crmpi_reduction *red, void **block_out)
{
    MPI_Aint lb, extent, true_lb, true_extent, first, span;

    PMPI_Type_get_extent(lower_type(red), &lb, &extent);
    PMPI_Type_get_true_extent(lower_type(red), &true_lb, &true_extent);
    span = red->n > 0 ? (red->n - 1) * extent : 0;
    first = true_lb + (span < 0 ? span : 0);
    *block_out =
        must(crmpi_heap_alloc((size_t)((span < 0 ? -span : span) + true_extent) + 16));
    return (char *)*block_out - first;
}

static char *element(const struct crmpi_reduction *red, const void *vector, int i)
{
    MPI_Aint lb, extent;

    PMPI_Type_get_extent(lower_type(red), &lb, &extent);
    return (char *)(uintptr_t)vector + extent * i;
}

static void copy(const struct crmpi_reduction *red, const void *from, void *to, int n)
{
    MPI_Datatype type = lower_type(red);

    if (n > 0 && crmpi_typed_copy(from, n, type, to, n, type, NULL) != MPI_SUCCESS) {
        crmpi_error("cannot copy the data of a reduction");
        abort();
    }
}

/* in and inout become inout, which is then `own`. */
static void combine(struct crmpi_reduction *red, char *in, char *inout)
{
    if (red->n > 0)
        crmpi_op_apply((struct crmpi_handle *)(void *)red->call.op, in, inout, red->n,
                       (struct crmpi_handle *)(void *)red->call.type);
    if (inout == red->other) {
        void *block = red->blocks[0];

        red->other = red->own;
        red->own = inout;
        red->blocks[0] = red->blocks[1];
        red->blocks[1] = block;
    }
}

/*
 * Messages
 */

static MPI_Datatype byte_type(void)
{
    return CRMPI_UPPER(MPI_Datatype, ompi_mpi_byte);
}

static struct crmpi_parcel *parcel_create(uint64_t bytes)
{
    struct crmpi_parcel *p = must(
        crmpi_heap_alloc(offsetof(struct crmpi_parcel, head) + bytes + sizeof p->head));

    p->bytes = bytes;
    return p;
}

/* A part of the vector: n elements, packed. */
static void send(struct crmpi_reduction *red, const void *from, int n, int peer, int step)
{
    MPI_Count element_bytes = 0;
    struct crmpi_parcel *p;
    int error = MPI_SUCCESS, packed;

    PMPI_Type_size_x(lower_type(red), &element_bytes);
    packed = (int)(element_bytes * n);
    p = parcel_create(sizeof p->head + (uint64_t)packed);
    p->head = (struct head){crmpi_comm_of(red->call.comm)->id, red->number, (uint64_t)step};
    if (packed > 0)
        error = crmpi_typed_copy(from, n, lower_type(red), p->data, packed, MPI_BYTE, NULL);
    if (error == MPI_SUCCESS)
        error = crmpi_lower_MPI_Isend(&p->head, (int)p->bytes, byte_type(), peer, 0,
                                      all->comm, &p->request);
    if (error != MPI_SUCCESS) {
        crmpi_error("cannot send the data of a reduction");
        abort();
    }
    p->next = all->sent;
    all->sent = p;
}

static int is_over(struct crmpi_parcel *p)
{
    struct crmpi_request *r = crmpi_request_of(p->request);

    if (!crmpi_request_poll(r))
        return 0;
    crmpi_request_retire(r, &p->request);
    return 1;
}

static void sent_reap(void)
{
    for (struct crmpi_parcel **at = &all->sent, *p; (p = *at);)
        if (is_over(p)) {
            *at = p->next;
            crmpi_heap_free(p);
        } else {
            at = &p->next;
        }
}

/* Begin to receive what has come, and put what is here into the inbox. */
static void receive(void)
{
    MPI_Message message;
    MPI_Status status;
    int flag = 0, bytes;

    while (crmpi_lower_MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, all->comm, &flag, &message,
                                   &status) == MPI_SUCCESS &&
           flag) {
        struct crmpi_parcel *p;

        PMPI_Get_count(&status, MPI_BYTE, &bytes);
        p = parcel_create((uint64_t)bytes);
        p->peer = status.MPI_SOURCE;
        crmpi_lower_MPI_Imrecv(&p->head, bytes, byte_type(), &message, &p->request);
        p->next = all->arriving;
        all->arriving = p;
    }
    for (struct crmpi_parcel **at = &all->arriving, *p; (p = *at);) {
        if (!is_over(p)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = all->inbox;
        all->inbox = p;
    }
}

static struct crmpi_parcel *take(const struct crmpi_reduction *red, int peer, int step)
{
    const struct head head = {crmpi_comm_of(red->call.comm)->id, red->number,
                              (uint64_t)step};

    for (struct crmpi_parcel **at = &all->inbox, *p; (p = *at); at = &p->next)
        if (p->peer == peer && memcmp(&p->head, &head, sizeof head) == 0) {
            *at = p->next;
            return p;
        }
    return NULL;
}

/* The parcel's n elements go to @p to. */
static int take_into(struct crmpi_reduction *red, int peer, int step, void *to, int n)
{
    struct crmpi_parcel *p = take(red, peer, step);
    int packed, error = MPI_SUCCESS;

    if (!p)
        return 0;
    packed = (int)(p->bytes - sizeof p->head);
    if (packed > 0)
        error = crmpi_typed_copy(p->data, packed, MPI_BYTE, to, n, lower_type(red), NULL);
    crmpi_heap_free(p);
    if (error != MPI_SUCCESS) {
        crmpi_error("cannot take the data of a reduction");
        abort();
    }
    return 1;
}

/*
 * Steps
 */

/* The world rank behind one of the tree. */
static int in_tree(const struct crmpi_reduction *red, int rank)
{
    const struct crmpi_comm *c = crmpi_comm_of(red->call.comm);

    if (rank == 0)
        rank = red->top;
    else if (rank == red->top)
        rank = 0;
    return c->members[rank];
}

static int n_of(const struct crmpi_reduction *red, int rank)
{
    return red->call.counts ? red->call.counts[rank] : red->call.count;
}

static enum phase go_up(struct crmpi_reduction *red)
{
    for (; red->size >> red->step > 0; red->step++) {
        int bit = 1 << red->step;

        if (red->rank & bit) {
            send(red, red->own, red->n, in_tree(red, red->rank - bit), red->step);
            return LEAF;
        }
        if (red->rank + bit >= red->size)
            continue;
        if (!take_into(red, in_tree(red, red->rank + bit), red->step, red->other, red->n))
            return UP;
        combine(red, red->own, red->other);
    }
    return TOP;
}

static enum phase end(struct crmpi_reduction *red, int first, int n)
{
    copy(red, element(red, red->own, first), red->call.recvbuf, n);
    return DONE;
}

/* The result is here: tell those below in the tree, or give each its piece. */
static enum phase spread(struct crmpi_reduction *red)
{
    int first = 0, low = red->rank ? red->rank & -red->rank : INT_MAX;

    if (red->call.kind == CRMPI_ALLREDUCE) {
        int bit = 1;

        while (bit < low && red->rank + bit < red->size)
            bit <<= 1;
        for (bit >>= 1; bit; bit >>= 1)
            send(red, red->own, red->n, in_tree(red, red->rank + bit), STEP_DOWN);
        return end(red, 0, red->n);
    }
    for (int i = 0; i < red->size; i++) {
        if (i > 0)
            send(red, element(red, red->own, first), n_of(red, i), in_tree(red, i),
                 STEP_DOWN);
        first += n_of(red, i);
    }
    return end(red, 0, n_of(red, 0));
}

/* The first of the tree has what its group gives. */
static enum phase at_top(struct crmpi_reduction *red)
{
    const struct crmpi_comm *c = crmpi_comm_of(red->call.comm);
    int kind = red->call.kind, root = red->call.root;

    if (c->remote_size) {
        send(red, red->own, red->n, c->peers[kind == CRMPI_REDUCE ? root : 0], STEP_ACROSS);
        return kind == CRMPI_REDUCE ? DONE : WAIT_ACROSS;
    }
    if (kind != CRMPI_REDUCE)
        return spread(red);
    if (c->rank == root)
        return end(red, 0, red->n);
    send(red, red->own, red->n, c->members[root], STEP_ROOT);
    return DONE;
}

static enum phase at_leaf(const struct crmpi_reduction *red)
{
    const struct crmpi_comm *c = crmpi_comm_of(red->call.comm);

    if (red->call.kind != CRMPI_REDUCE)
        return WAIT_DOWN;
    return !c->remote_size && c->rank == red->call.root ? WAIT_ROOT : DONE;
}

static enum phase wait_down(struct crmpi_reduction *red)
{
    int parent = red->rank & (red->rank - 1);

    if (red->call.kind == CRMPI_ALLREDUCE)
        return take_into(red, in_tree(red, parent), STEP_DOWN, red->own, red->n)
                   ? spread(red)
                   : WAIT_DOWN;
    return take_into(red, in_tree(red, 0), STEP_DOWN, red->call.recvbuf,
                     n_of(red, red->rank))
               ? DONE
               : WAIT_DOWN;
}

static enum phase wait_across(struct crmpi_reduction *red)
{
    const struct crmpi_comm *c = crmpi_comm_of(red->call.comm);

    if (!take_into(red, c->peers[0], STEP_ACROSS, red->own, red->n))
        return WAIT_ACROSS;
    return red->call.kind == CRMPI_REDUCE ? end(red, 0, red->n) : spread(red);
}

static enum phase chain(struct crmpi_reduction *red)
{
    const int *members = crmpi_comm_of(red->call.comm)->members;
    int is_exclusive = red->call.kind == CRMPI_EXSCAN, has_next = red->rank + 1 < red->size;

    if (red->rank > 0) {
        if (!take_into(red, members[red->rank - 1], STEP_CHAIN, red->other, red->n))
            return CHAIN;
        if (is_exclusive)
            copy(red, red->other, red->call.recvbuf, red->n);
        if (!is_exclusive || has_next)
            combine(red, red->other, red->own);
    }
    if (!is_exclusive)
        copy(red, red->own, red->call.recvbuf, red->n);
    if (has_next)
        send(red, red->own, red->n, members[red->rank + 1], STEP_CHAIN);
    return DONE;
}

static enum phase step(struct crmpi_reduction *red)
{
    switch (red->phase) {
    case UP:
        return go_up(red);
    case TOP:
        return at_top(red);
    case LEAF:
        return at_leaf(red);
    case WAIT_ROOT:
        return take_into(red, crmpi_comm_of(red->call.comm)->members[0], STEP_ROOT,
                         red->call.recvbuf, red->n)
                   ? DONE
                   : WAIT_ROOT;
    case WAIT_ACROSS:
        return wait_across(red);
    case WAIT_DOWN:
        return wait_down(red);
    case CHAIN:
        return chain(red);
    default:
        return DONE;
    }
}

static void destroy(struct crmpi_reduction *red)
{
    crmpi_heap_free((void *)(uintptr_t)red->call.counts);
    crmpi_heap_free(red->blocks[0]);
    crmpi_heap_free(red->blocks[1]);
    crmpi_heap_free(red);
}

/* Go on with it as far as it goes; 1: it is over, and gone. */
static int advance(struct crmpi_reduction *red)
{
    struct crmpi_request *r = red->request;
    int before;

    do {
        before = red->phase;
        red->phase = (int32_t)step(red);
    } while (red->phase != before && red->phase != DONE);
    if (red->phase != DONE)
        return 0;
    r->reduction = NULL;
    destroy(red);
    PMPI_Grequest_complete(r->handle.real); /* whoever waits may take the request now */
    return 1;
}

/* With the lock held, in a whole. */
static int advance_all(void)
{
    int n = 0;

    receive();
    for (struct crmpi_reduction **at = &all->active, *red; (red = *at);) {
        struct crmpi_reduction *next = red->next;

        if (advance(red)) {
            *at = next;
            n++;
        } else {
            at = &red->next;
        }
    }
    sent_reap();
    if (!all->active && !all->sent && !all->arriving)
        __atomic_store_n(&crmpi_reductions_active, 0, __ATOMIC_RELEASE);
    return n;
}

int crmpi_reductions_advance(void)
{
    int n;

    if (!crmpi_thread)
        return 0;
    crmpi_upcalls_settle();
    if (crmpi_thread->nest > 0 || pthread_mutex_trylock(&lock) != 0)
        return 0;
    crmpi_whole_begin();
    n = advance_all();
    crmpi_whole_end();
    pthread_mutex_unlock(&lock);
    return n;
}

static int progress(void)
{
    return crmpi_reductions_progress();
}

/*
 * The promise: the application's request stands on a generalized one of the library
 */

static int query(void *state, MPI_Status *status)
{
    (void)state;
    (void)status; /* empty */
    return MPI_SUCCESS;
}

static int free_state(void *state)
{
    (void)state;
    return MPI_SUCCESS;
}

static int cancel(void *state, int complete)
{
    (void)state;
    (void)complete;
    return MPI_SUCCESS;
}

static int promise(struct crmpi_request *r)
{
    static int is_registered;
    MPI_Request real;
    int error = PMPI_Grequest_start(query, free_state, cancel, NULL, &real);

    r->handle.real = real;
    if (error == MPI_SUCCESS && !is_registered)
        is_registered = crmpi_progress_register(progress) == 0;
    return is_registered ? error : MPI_ERR_INTERN;
}

/* What is over has no record any more. */
int crmpi_reduction_rebuild(struct crmpi_request *r)
{
    if (r->reduction)
        return promise(r);
    r->status = crmpi_status_empty;
    r->complete = 1;
    return MPI_SUCCESS;
}

/* Not before: what goes on in a thread of the application is for its own calls. */
void crmpi_mpi_layer_resume(void)
{
    crmpi_errors_return(0);
    __atomic_store_n(&crmpi_reductions_active,
                     all->active || all->sent || all->arriving, __ATOMIC_RELEASE);
}

/*
 * Beginning
 */

static int are_counts(const struct crmpi_reduction_call *call, const struct crmpi_comm *c,
                      int64_t *n_out)
{
    int64_t n = call->count;

    if (call->kind == CRMPI_REDUCE_SCATTER) {
        n = call->counts ? 0 : n * c->size;
        for (int i = 0; call->counts && i < c->size; i++) {
            if (call->counts[i] < 0)
                return 0;
            n += call->counts[i];
        }
    }
    *n_out = n;
    return n >= 0 && (call->counts || call->count >= 0);
}

static int is_root(const struct crmpi_reduction_call *call, const struct crmpi_comm *c)
{
    if (call->kind != CRMPI_REDUCE)
        return !c->remote_size || call->kind < CRMPI_SCAN;
    if (c->remote_size && (call->root == MPI_ROOT || call->root == MPI_PROC_NULL))
        return 1;
    return call->root >= 0 && call->root < (c->remote_size ? c->remote_size : c->size);
}

/* Of those that mean something in this rank. */
static int are_buffers_wrong(const struct crmpi_reduction_call *call,
                             const struct crmpi_comm *c, int64_t n)
{
    int is_rooted = call->kind == CRMPI_REDUCE;
    int gives = !is_rooted || !c->remote_size || call->root >= 0;
    int gets = !is_rooted || (c->remote_size ? call->root == MPI_ROOT
                                             : call->root == c->rank);

    return (gives && call->sendbuf == MPI_IN_PLACE && (c->remote_size || !gets)) ||
           (gets && call->recvbuf == MPI_IN_PLACE) ||
           (gives && gets && n > 0 && call->sendbuf == call->recvbuf);
}

int crmpi_reduction_is_ours(const struct crmpi_reduction_call *call)
{
    const struct crmpi_handle *op = (const void *)call->op,
                              *type = (const void *)call->type;
    const struct crmpi_comm *c = crmpi_comm_of(call->comm);
    MPI_Count bytes = 0;
    int64_t n;

    if (!op || op->magic != CRMPI_HANDLE_MAGIC || op->kind != CRMPI_OP ||
        op->flags & CRMPI_HANDLE_PREDEFINED || !c || !c->members || c->is_dynamic ||
        !type || type->magic != CRMPI_HANDLE_MAGIC || type->kind != CRMPI_TYPE ||
        CRMPI_REAL(MPI_Datatype, call->type) == MPI_DATATYPE_NULL)
        return 0;
    if (!(type->flags & CRMPI_HANDLE_PREDEFINED) &&
        !((const struct crmpi_type *)type->extra)->is_committed)
        return 0;
    if (!is_root(call, c) || !are_counts(call, c, &n) || n > INT_MAX ||
        are_buffers_wrong(call, c, n))
        return 0;
    PMPI_Type_size_x(CRMPI_REAL(MPI_Datatype, call->type), &bytes);
    return bytes * n < INT_MAX - (MPI_Count)sizeof(struct head);
}

static struct crmpi_reduction *create(const struct crmpi_reduction_call *call,
                                      struct crmpi_request *r, uint64_t number)
{
    const struct crmpi_comm *c = crmpi_comm_of(call->comm);
    const struct crmpi_op *op = ((struct crmpi_handle *)(void *)call->op)->extra;
    struct crmpi_reduction *red = must(crmpi_heap_alloc(sizeof *red));
    int64_t n;

    are_counts(call, c, &n);
    red->request = r;
    red->call = *call;
    if (call->counts) {
        size_t bytes = (size_t)c->size * sizeof *call->counts;

        red->call.counts = must(crmpi_upper_dup(call->counts, bytes));
    }
    red->number = number;
    red->n = (int32_t)n;
    red->size = c->size;
    red->rank = c->rank;
    if (call->kind == CRMPI_REDUCE && !c->remote_size && op->commute)
        red->top = call->root;
    if (red->top)
        red->rank = c->rank == red->top ? 0 : c->rank == 0 ? red->top : c->rank;
    red->own = vector_create(red, &red->blocks[0]);
    red->other = vector_create(red, &red->blocks[1]);
    return red;
}

void crmpi_reduction_post(struct crmpi_request *r, const struct crmpi_reduction_call *call,
                          uint64_t number)
{
    const struct crmpi_comm *c = crmpi_comm_of(call->comm);
    int gives = !c->remote_size || call->kind != CRMPI_REDUCE || call->root >= 0;
    struct crmpi_reduction *red = create(call, r, number), **at;

    r->reduction = red;
    if (promise(r) != MPI_SUCCESS)
        must(NULL);
    r->active = 1;
    if (gives)
        copy(red, call->sendbuf == MPI_IN_PLACE ? call->recvbuf : call->sendbuf, red->own,
             red->n);
    red->phase = call->kind >= CRMPI_SCAN ? CHAIN
                 : gives                  ? UP
                 : call->root == MPI_ROOT ? WAIT_ACROSS
                                          : DONE;
    pthread_mutex_lock(&lock);
    at = &all->active;
    while (*at)
        at = &(*at)->next;
    *at = red;
    __atomic_store_n(&crmpi_reductions_active, 1, __ATOMIC_RELEASE);
    advance_all();
    pthread_mutex_unlock(&lock);
}

struct crmpi_request *crmpi_reduction_start(const struct crmpi_reduction_call *call)
{
    const struct crmpi_comm *c = crmpi_comm_of(call->comm);
    struct crmpi_request *r =
        crmpi_request_take(CRMPI_REDUCTION, call->comm, call->type);

    r->op = crmpi_hold(call->op);
    /* persistent ones may be started in another order in each rank */
    crmpi_reduction_post(r, call, c->collective_count - c->n_starts);
    return r;
}
