/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of what is sent, for checkpoints of ranks alone (lower half).
 */
#include "engine/engine.h"
#include "wrappers/hand/cut.h"
#include "wrappers/hand/p2p.h"
#include "wrappers/hand/window.h"

void crmpi_log_enable(int enable, uint64_t limit_bytes)
{
    crmpi_ledger->log_limit = limit_bytes;
    crmpi_ledger->logging = enable;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            ((struct crmpi_win *)h->extra)->logging = enable;
}

uint64_t crmpi_log_bytes(void)
{
    return __atomic_load_n(&crmpi_ledger->log.bytes, __ATOMIC_RELAXED);
}

static void log_failed(void)
{
    __atomic_store_n(&crmpi_ledger->log_failed, CRMPI_LOG_NO_MEMORY, __ATOMIC_RELAXED);
}

struct crmpi_logged *crmpi_log_packed(const void *buf, int count, MPI_Datatype type)
{
    MPI_Count element_bytes = 0;
    MPI_Datatype bytes_type = MPI_BYTE;
    struct crmpi_logged *logged;
    uint64_t bytes;
    int n, error;

    if (count < 0 || crmpi_no_type(type) ||
        PMPI_Type_size_x(type, &element_bytes) != MPI_SUCCESS)
        return NULL; /* the MPI library will say what is wrong */
    bytes = (uint64_t)element_bytes * (uint64_t)count;
    logged = crmpi_logged_create(bytes);
    error = logged ? crmpi_bytes_type(bytes, &n, &bytes_type) : MPI_ERR_NO_MEM;
    if (error == MPI_SUCCESS && bytes > 0)
        error = crmpi_typed_copy(buf, count, type, logged->data, n, bytes_type, NULL);
    if (bytes_type != MPI_BYTE)
        crmpi_bytes_type_free(&bytes_type);
    if (error == MPI_SUCCESS)
        return logged;
    crmpi_logged_destroy(logged);
    log_failed();
    return NULL;
}

struct crmpi_logged *crmpi_log_copy(const void *buf, int count, MPI_Datatype type,
                                    int dest, MPI_Comm comm)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_logged *logged;

    if (!c || dest < 0 || dest >= (c->remote_size ? c->remote_size : c->size) ||
        c->is_dynamic)
        return NULL;
    logged = crmpi_log_packed(buf, count, type);
    if (logged) {
        logged->comm = c->id;
        logged->dest = dest;
        logged->peer = c->peers[dest];
    }
    return logged;
}

void crmpi_log_count(struct crmpi_logged *logged, MPI_Comm comm, int dest, int tag, int n)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_stream_slot *slot;

    crmpi_lock(&crmpi_p2p->counting);
    slot = crmpi_stream_of(c, dest, tag);
    slot->sent += (uint64_t)(int64_t)n;
    if (n > 0) {
        logged->tag = tag;
        logged->number = slot->sent;
        crmpi_log_append(&crmpi_ledger->log, logged);
    } else {
        crmpi_log_remove(&crmpi_ledger->log, logged);
    }
    crmpi_unlock(&crmpi_p2p->counting);
    if (n > 0 && crmpi_log_bytes() > crmpi_ledger->log_limit)
        crmpi_engine_request(); /* a checkpoint makes it short again */
}
