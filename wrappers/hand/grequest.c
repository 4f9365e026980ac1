/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generalized requests (lower half).  The lower request calls functions here, which call
 * the application's on its TLS base.  A restart makes the lower request again.
 */
#include "wrappers/hand/p2p.h"

static int query(void *state, MPI_Status *status)
{
    struct crmpi_generalized *g = state;

    if (!g->query)
        return MPI_SUCCESS;
    return (int)crmpi_upcall(g->query, (uint64_t)g->state, (uint64_t)status, 0, 0, 0, 0);
}

/* The last the library does with the request. */
static int free_state(void *state)
{
    struct crmpi_generalized *g = state;
    int error = MPI_SUCCESS;

    if (g->free)
        error = (int)crmpi_upcall(g->free, (uint64_t)g->state, 0, 0, 0, 0, 0);
    crmpi_heap_free(g);
    return error;
}

static int cancel(void *state, int complete)
{
    struct crmpi_generalized *g = state;

    if (!g->cancel)
        return MPI_SUCCESS;
    return (int)crmpi_upcall(g->cancel, (uint64_t)g->state, complete, 0, 0, 0, 0);
}

int crmpi_generalized_create(struct crmpi_request *r)
{
    struct crmpi_generalized *g = r->generalized;
    MPI_Request real, copy;
    int error = PMPI_Grequest_start(query, free_state, cancel, g, &real);

    if (error != MPI_SUCCESS)
        return error;
    r->handle.real = copy = real;
    if (r->freed)
        error = PMPI_Request_free(&copy);
    if (g->completed && error == MPI_SUCCESS)
        error = PMPI_Grequest_complete(real);
    return error;
}

int crmpi_lower_MPI_Grequest_start(MPI_Grequest_query_function *query_fn,
                                   MPI_Grequest_free_function *free_fn,
                                   MPI_Grequest_cancel_function *cancel_fn,
                                   void *extra_state, MPI_Request *request)
{
    struct crmpi_generalized *g = crmpi_heap_alloc(sizeof *g);
    struct crmpi_request *r;
    int error;

    if (!g || !request) {
        crmpi_heap_free(g);
        return crmpi_comm_error(NULL, request ? MPI_ERR_NO_MEM : MPI_ERR_REQUEST,
                                "MPI_Grequest_start");
    }
    *g = (struct crmpi_generalized){query_fn, free_fn, cancel_fn, extra_state, 0};
    r = crmpi_request_take(CRMPI_GENERALIZED, NULL, NULL);
    r->generalized = g;
    error = crmpi_generalized_create(r);
    if (error != MPI_SUCCESS) {
        crmpi_request_drop(r);
        crmpi_heap_free(g);
        return crmpi_comm_error(NULL, error, "MPI_Grequest_start");
    }
    r->active = 1;
    *request = crmpi_request_handle(r);
    return MPI_SUCCESS;
}

/*
 * Nothing here waits, so no checkpoint falls between.  The library may free the state in
 * this call, and a thread that waits may give the request back: nothing of either is
 * touched after it, but for a request that was freed, which nobody waits for.
 */
int crmpi_lower_MPI_Grequest_complete(MPI_Request request)
{
    struct crmpi_request *r = crmpi_request_of(request);
    int freed, error;

    if (!crmpi_request_is_valid(request) || r->handle.flags & CRMPI_HANDLE_PREDEFINED ||
        r->operation != CRMPI_GENERALIZED || !r->active || r->generalized->completed)
        return crmpi_comm_error(NULL, MPI_ERR_REQUEST, "MPI_Grequest_complete");
    freed = r->freed;
    __atomic_store_n(&r->generalized->completed, 1, __ATOMIC_RELEASE);
    error = PMPI_Grequest_complete(r->handle.real);
    if (freed)
        crmpi_request_drop(r);
    return error == MPI_SUCCESS ? error
                                : crmpi_comm_error(NULL, error, "MPI_Grequest_complete");
}
