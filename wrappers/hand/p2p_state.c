/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all of point-to-point communication shares (lower half; see p2p.h).
 */
#include <stdlib.h>

#include "wrappers/hand/p2p.h"
#include "wrappers/objects.h"

struct crmpi_p2p *crmpi_p2p;
MPI_Status crmpi_status_empty;
MPI_Comm crmpi_private_self = MPI_COMM_NULL;
int crmpi_reductions_active;
struct crmpi_request_kinds crmpi_request_kinds;

struct crmpi_call *crmpi_call_create(void)
{
    struct crmpi_call *call = crmpi_heap_alloc(sizeof *call);

    if (!call) {
        crmpi_error("no memory for a thread's MPI calls");
        abort();
    }
    crmpi_thread->mpi = call;
    return call;
}

/* Communicators that this rank has freed, and needs for messages that it has to send again. */
struct kept {
    struct kept *next;
    uint64_t id;
    MPI_Comm real;
};
static struct kept *all_kept;

int crmpi_comm_keep(uint64_t id, MPI_Comm real)
{
    struct kept *kept = malloc(sizeof *kept);

    if (!kept)
        return MPI_ERR_NO_MEM;
    *kept = (struct kept){all_kept, id, real};
    all_kept = kept;
    return MPI_SUCCESS;
}

static MPI_Comm kept_find(uint64_t id)
{
    for (const struct kept *kept = all_kept; kept; kept = kept->next)
        if (kept->id == id)
            return kept->real;
    return MPI_COMM_NULL;
}

static int is_comm(struct crmpi_handle *handle, void *id)
{
    const struct crmpi_comm *c = handle->extra;

    return c && c->id == *(uint64_t *)id;
}

struct crmpi_handle *crmpi_comm_find(uint64_t id)
{
    struct crmpi_handle *h = CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world);

    if (!is_comm(h, &id))
        h = CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self);
    return is_comm(h, &id) ? h : crmpi_handle_find(CRMPI_COMM, is_comm, &id);
}

MPI_Comm crmpi_comm_lower(uint64_t id)
{
    const struct crmpi_handle *h = crmpi_comm_find(id);

    return h && h->real ? h->real : kept_find(id);
}

void crmpi_p2p_forget(const struct crmpi_comm *comm)
{
    if (crmpi_p2p)
        crmpi_saved_drop(&crmpi_p2p->saved, comm->id);
}

/*
 * The end of a blocking call
 */

int crmpi_blocking_end(struct crmpi_request *r, const char *function)
{
    int error = r->status.MPI_ERROR;
    MPI_Comm comm = r->comm;

    r->active = 0; /* an error handler may use it again */
    crmpi_drop(r->type);
    if (__builtin_expect(error != MPI_SUCCESS, 0))
        error = crmpi_comm_error(comm, error, function);
    crmpi_drop(comm);
    return error;
}

int crmpi_receive_end(struct crmpi_request *r, MPI_Status *status, const char *function)
{
    crmpi_status_give(status, &r->status);
    return crmpi_blocking_end(r, function);
}
