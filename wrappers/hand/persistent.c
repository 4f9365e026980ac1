/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistent collectives (lower half).
 *
 * Making such a request counts as a collective of its communicator, and so does each start,
 * like the initiation of a nonblocking one: all members do both before a cut, and the drain
 * completes what is active.  Its arguments are kept, and a restart makes the lower request
 * again.
 *
 * Open MPI gives each request a tag of its own when it is made, in order of the nonblocking
 * collectives on the communicator; the members have to agree on it.  So requests have numbers
 * on their communicator, and every member of it makes all of them again in their order,
 * except the oldest that no member has any more.  For those that only this rank has freed a
 * place is taken by a request that is freed at once.  Reductions of nothing get no tag, nor
 * do MPI_Alltoallv and _alltoallw of nothing in place: they have no number.
 *
 * Reductions by functions of the application are done in reduction.c, and have no lower
 * request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/hand/persistent.h"

#if OMPI_MAJOR_VERSION < 5
#define PMPI_Barrier_init PMPIX_Barrier_init
#endif

/* The recipe, in the upper heap. */
struct crmpi_persistent {
    int32_t call, n;
    uint32_t flow;
    int32_t root;
    uint64_t number; /* of those with a tag on the communicator; UINT64_MAX: it has none */
    struct crmpi_handle *info; /* hints given; NULL: none */
    void *lower; /* arrays of lower types, which the library may look at; not renewed */
    int32_t is_ours, runs_op; /* a reduction by the application's function: done here; done
                                 by the library */
    struct crmpi_reduction_call reduction;
    uint64_t ordinal, n_starts; /* of those of the communicator, in all members; of this */
    struct crmpi_persistent_argument arguments[CRMPI_PERSISTENT_ARGUMENTS];
};

/* For reductions done here; others on the communicator have small numbers. */
#define NUMBER_OF_START(p) (1ul << 63 | (p)->ordinal << 32 | (uint32_t)(p)->n_starts)

int crmpi_comm_n_local(MPI_Comm comm)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    return c ? c->size : 0;
}

int crmpi_comm_n_rooted(MPI_Comm comm, int root)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c || root != (c->remote_size ? MPI_ROOT : c->rank))
        return 0;
    return crmpi_comm_n_peers(comm);
}

int crmpi_counts_are_zero(const int *counts, int n)
{
    for (int i = 0; counts && i < n; i++)
        if (counts[i])
            return 0;
    return 1;
}

/*
 * Arguments
 */

static void argument_keep(struct crmpi_persistent_argument *a)
{
    static const size_t bytes[] = {
        [CRMPI_ARGUMENT_INTS] = sizeof(int),
        [CRMPI_ARGUMENT_AINTS] = sizeof(MPI_Aint),
        [CRMPI_ARGUMENT_TYPES] = sizeof(MPI_Datatype),
    };
    void **types;

    if (a->kind == CRMPI_ARGUMENT_HANDLE && !crmpi_hold((void *)a->value))
        a->kind = CRMPI_ARGUMENT_VALUE; /* the library will say what it is not */
    if (a->kind <= CRMPI_ARGUMENT_HANDLE)
        return;
    if (a->n <= 0 || a->value == 0) {
        a->kind = CRMPI_ARGUMENT_VALUE;
        a->value = 0;
        return;
    }
    types = crmpi_upper_dup((void *)a->value, (size_t)a->n * bytes[a->kind]);
    a->value = (uintptr_t)types;
    for (int i = 0; a->kind == CRMPI_ARGUMENT_TYPES && i < a->n; i++)
        crmpi_hold(types[i]);
}

static void argument_drop(struct crmpi_persistent_argument *a)
{
    void **types = (void **)a->value;

    if (a->kind == CRMPI_ARGUMENT_HANDLE)
        crmpi_drop((void *)a->value);
    for (int i = 0; a->kind == CRMPI_ARGUMENT_TYPES && i < a->n; i++)
        if (types[i] && ((struct crmpi_handle *)types[i])->magic == CRMPI_HANDLE_MAGIC)
            crmpi_drop(types[i]);
    if (a->kind > CRMPI_ARGUMENT_HANDLE)
        crmpi_heap_free(types);
}

/* The recipe's values for the lower call. */
static int values_make(struct crmpi_persistent *p, uint64_t *values)
{
    size_t n = 0;
    void **types;

    for (int i = 0; i < p->n; i++)
        n += p->arguments[i].kind == CRMPI_ARGUMENT_TYPES ? (size_t)p->arguments[i].n : 0;
    p->lower = types = n ? malloc(n * sizeof *types) : NULL;
    if (n && !types)
        return MPI_ERR_NO_MEM;
    for (int i = 0; i < p->n; i++) {
        const struct crmpi_persistent_argument *a = &p->arguments[i];
        void *const *from = (void *const *)a->value;

        values[i] = a->value;
        if (a->kind != CRMPI_ARGUMENT_TYPES)
            continue;
        values[i] = (uintptr_t)types;
        for (int k = 0; k < a->n; k++)
            *types++ = crmpi_handle_real(from[k]);
    }
    return MPI_SUCCESS;
}

static int lower_make(struct crmpi_request *r)
{
    struct crmpi_persistent *p = r->recipe;
    MPI_Info info = p->info ? crmpi_info_make((void *)p->info) : MPI_INFO_NULL;
    uint64_t values[CRMPI_PERSISTENT_ARGUMENTS];
    MPI_Request real = MPI_REQUEST_NULL;
    int error = values_make(p, values);

    if (error == MPI_SUCCESS)
        error = crmpi_persistent_makers[p->call](values, info, &real);
    if (p->info)
        crmpi_info_drop(info);
    r->handle.real = error == MPI_SUCCESS ? real : MPI_REQUEST_NULL;
    return error;
}

/*
 * For the wrappers
 */

void crmpi_persistent_drop(struct crmpi_request *r)
{
    struct crmpi_persistent *p = r->recipe;

    for (int i = 0; i < p->n; i++)
        argument_drop(&p->arguments[i]);
    crmpi_handle_release(p->info);
    free(p->lower);
    crmpi_heap_free(p);
    r->recipe = NULL;
}

static void reduction_keep(struct crmpi_persistent *p,
                           const struct crmpi_reduction_call *reduction)
{
    if (!reduction || !crmpi_op_is_user_defined(reduction->op))
        return;
    p->is_ours = crmpi_reduction_is_ours(reduction);
    p->runs_op = !p->is_ours;
    p->reduction = *reduction;
    for (int i = 0; i < p->n && reduction->counts; i++)
        if (p->arguments[i].kind == CRMPI_ARGUMENT_INTS)
            p->reduction.counts = (const int *)p->arguments[i].value; /* the copy */
}

int crmpi_persistent_create(int call, const struct crmpi_persistent_argument *arguments,
                            int n, const struct crmpi_reduction_call *reduction,
                            int is_empty, MPI_Comm comm, MPI_Info info, uint32_t flow,
                            int root, MPI_Request *request, const char *function)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_persistent *p;
    struct crmpi_request *r;
    int error;

    if (!request)
        return crmpi_comm_error(comm, MPI_ERR_ARG, function);
    crmpi_call_resumed();
    crmpi_collective_begin(comm);
    crmpi_idup_settle(comm);
    crmpi_whole_begin();
    p = crmpi_upper_alloc(sizeof *p);
    *p = (struct crmpi_persistent){.call = call, .n = n, .flow = flow, .root = root};
    memcpy(p->arguments, arguments, (size_t)n * sizeof *arguments);
    for (int i = 0; i < n; i++)
        argument_keep(&p->arguments[i]);
    crmpi_info_merge(&p->info, info);
    reduction_keep(p, reduction);
    r = crmpi_request_take(p->is_ours ? CRMPI_REDUCTION : CRMPI_COLLECTIVE, comm,
                           p->is_ours ? reduction->type : NULL);
    r->persistent = 1;
    r->op = NULL;
    r->lower = NULL;
    r->recipe = p;
    error = p->is_ours ? MPI_SUCCESS : lower_make(r);
    if (error == MPI_SUCCESS) {
        p->ordinal = c->n_persistent++;
        p->number = is_empty || p->is_ours ? UINT64_MAX : c->n_places++;
        *request = crmpi_request_handle(r);
        crmpi_collective_end(comm);
    } else {
        crmpi_request_drop(r);
    }
    crmpi_whole_end();
    return crmpi_comm_result(comm, error, function);
}

int crmpi_persistent_start(struct crmpi_request *r)
{
    struct crmpi_persistent *p = r->recipe;
    MPI_Request real;
    int error;

    crmpi_call_resumed();
    crmpi_collective_begin(r->comm);
    if (p->is_ours)
        crmpi_order_exactly(); /* its messages are matched by probes, in a whole */
    crmpi_whole_begin();
    r->noted = r->complete = r->cancelled = 0;
    if (p->is_ours) {
        crmpi_reduction_post(r, &p->reduction, NUMBER_OF_START(p));
        p->n_starts++;
        crmpi_comm_of(r->comm)->n_starts++;
        crmpi_collective_end_flow(r->comm, 0, 0);
        crmpi_whole_end();
        return MPI_SUCCESS;
    }
    real = r->handle.real;
    error = PMPI_Start(&real);
    r->handle.real = real;
    r->active = error == MPI_SUCCESS;
    if (r->active && p->runs_op) {
        r->runs_op = 1;
        crmpi_reduction_count_lower(1);
    }
    if (r->active) {
        crmpi_comm_of(r->comm)->n_starts++;
        crmpi_collective_end_flow(r->comm, p->flow, p->root);
    }
    crmpi_whole_end();
    return error;
}

/*
 * Restart
 */

struct list {
    void **items;
    size_t n, room;
    int failed;
};

static void list_add(struct list *list, void *item)
{
    if (list->n == list->room) {
        size_t room = 2 * list->room + 64;
        void **items = realloc(list->items, room * sizeof *items);

        if (!items) {
            list->failed = 1;
            return;
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = item;
}

static void comm_look(struct crmpi_handle *handle, void *comms)
{
    const struct crmpi_comm *c = handle->extra;

    if (c && c->n_persistent && handle->real && handle->real != MPI_COMM_NULL)
        list_add(comms, handle);
}

static void request_look(struct crmpi_request *r, void *requests)
{
    if (r->persistent && r->operation == CRMPI_COLLECTIVE)
        list_add(requests, r);
}

static int by_id(const void *a, const void *b)
{
    const struct crmpi_comm *x = (*(struct crmpi_handle *const *)a)->extra;
    const struct crmpi_comm *y = (*(struct crmpi_handle *const *)b)->extra;

    return (x->id > y->id) - (x->id < y->id);
}

static int by_number(const void *a, const void *b)
{
    const struct crmpi_request *x = *(struct crmpi_request *const *)a;
    const struct crmpi_request *y = *(struct crmpi_request *const *)b;
    uint64_t id_x = crmpi_comm_of(x->comm)->id, id_y = crmpi_comm_of(y->comm)->id;

    if (id_x != id_y)
        return (id_x > id_y) - (id_x < id_y);
    return (x->recipe->number > y->recipe->number) -
           (x->recipe->number < y->recipe->number);
}

/* The lowest number that any member has still.  Of an intercommunicator each group gets the
 * other's first, and tells it what it got. */
static int oldest_find(const struct crmpi_handle *comm, uint64_t mine, uint64_t *oldest_out)
{
    const struct crmpi_comm *c = comm->extra;
    uint64_t told = mine, back = mine;
    int error =
        PMPI_Allreduce(&mine, &told, 1, MPI_UINT64_T, MPI_MIN, (MPI_Comm)comm->real);

    if (error == MPI_SUCCESS && c->remote_size)
        error =
            PMPI_Allreduce(&told, &back, 1, MPI_UINT64_T, MPI_MIN, (MPI_Comm)comm->real);
    else
        back = told;
    *oldest_out = told < back ? told : back;
    return error;
}

static int place_take(MPI_Comm real)
{
    MPI_Request request;
    int error = PMPI_Barrier_init(real, MPI_INFO_NULL, &request);

    return error == MPI_SUCCESS ? PMPI_Request_free(&request) : error;
}

/* Make the first @p n requests, all that this rank has on the communicator.  Who has freed
 * that has no collectives on it any more but these, and other members may not even know it. */
static int comm_rebuild(struct crmpi_handle *comm, struct crmpi_request **requests,
                        size_t n)
{
    struct crmpi_comm *c = comm->extra;
    uint64_t oldest = n ? requests[0]->recipe->number : c->n_places;
    int error = MPI_SUCCESS;
    size_t i = 0;

    if (comm->flags & CRMPI_HANDLE_FREED)
        oldest = c->oldest_place;
    else
        error = oldest_find(comm, oldest < c->n_places ? oldest : c->n_places, &oldest);
    for (uint64_t k = oldest; k < c->n_places && error == MPI_SUCCESS; k++) {
        if (i < n && requests[i]->recipe->number == k)
            error = lower_make(requests[i++]);
        else
            error = place_take(comm->real);
    }
    for (; i < n && error == MPI_SUCCESS; i++)
        error = lower_make(requests[i]);
    c->oldest_place = oldest;
    return error;
}

enum crmpi_status crmpi_persistent_rebuild(char *why, size_t why_bytes)
{
    struct list comms = {0}, requests = {0};
    int error = MPI_SUCCESS, length;
    size_t at = 0;

    comm_look(CRMPI_UPPER(void *, ompi_mpi_comm_world), &comms);
    comm_look(CRMPI_UPPER(void *, ompi_mpi_comm_self), &comms);
    crmpi_handle_visit(CRMPI_COMM, comm_look, &comms);
    crmpi_request_visit(request_look, &requests);
    if (comms.failed || requests.failed)
        error = MPI_ERR_NO_MEM;
    if (comms.n)
        qsort(comms.items, comms.n, sizeof *comms.items, by_id);
    if (requests.n)
        qsort(requests.items, requests.n, sizeof *requests.items, by_number);
    for (size_t i = 0; i < comms.n && error == MPI_SUCCESS; i++) {
        struct crmpi_request **first = (struct crmpi_request **)&requests.items[at];
        size_t n = 0;

        while (at + n < requests.n && (void *)first[n]->comm == comms.items[i])
            n++;
        error = comm_rebuild(comms.items[i], first, n);
        at += n;
    }
    if (error == MPI_SUCCESS && at < requests.n)
        error = MPI_ERR_COMM;
    free(comms.items);
    free(requests.items);
    if (error != MPI_SUCCESS) {
        char text[MPI_MAX_ERROR_STRING] = "";

        PMPI_Error_string(error, text, &length);
        snprintf(why, why_bytes, "persistent collectives cannot be made again: %s", text);
        return CRMPI_ERR_MPI;
    }
    return CRMPI_OK;
}
