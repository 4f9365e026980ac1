/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests at a cut (lower half; see drain.h).
 */
#include "wrappers/hand/drain.h"

/* MPI_Request_get_status gives no error; the only one a receive can have is that the
 * message was longer than its room. */
static void note_error(struct crmpi_request *r)
{
    MPI_Count element_bytes = 0, bytes = 0;

    r->status.MPI_ERROR = MPI_SUCCESS;
    if (r->operation == CRMPI_COLLECTIVE)
        return;
    PMPI_Type_size_x(CRMPI_REAL(MPI_Datatype, r->type), &element_bytes);
    PMPI_Get_elements_x(&r->status, MPI_BYTE, &bytes);
    if (bytes > r->count * element_bytes)
        r->status.MPI_ERROR = MPI_ERR_TRUNCATE;
}

struct noting {
    int n_pending, n_counted, failed;
};

/* Sends have been done, but for synchronous ones: of these the receiver tells. */
static void note(struct crmpi_request *r, void *context)
{
    struct noting *noting = context;
    int flag = 0;

    if (!r->active || r->complete || r->noted)
        return;
    if (r->operation == CRMPI_ACCESS || r->arriving) {
        noting->n_pending += !crmpi_request_poll(r);
        return;
    }
    if (r->operation != CRMPI_RECEIVE && r->operation != CRMPI_RECEIVE_MATCHED &&
        r->operation != CRMPI_COLLECTIVE)
        return;
    if (PMPI_Request_get_status(r->handle.real, &flag, &r->status) != MPI_SUCCESS)
        noting->failed = 1;
    if (flag) {
        note_error(r);
        r->noted = 1;
        crmpi_request_count(r);
        noting->n_counted++;
    } else {
        noting->n_pending += r->operation != CRMPI_RECEIVE;
    }
}

int crmpi_pending_note(int *n_pending_out, int *n_counted_out)
{
    struct noting noting = {0};

    crmpi_request_visit(note, &noting);
    *n_pending_out = noting.n_pending;
    *n_counted_out = noting.n_counted;
    return !noting.failed;
}

/*
 * Synchronous sends
 */

static int is_waiting(const struct crmpi_request *r)
{
    return r->operation == CRMPI_SEND_SYNCHRONOUS && r->active && !r->complete &&
           !r->noted;
}

struct sends {
    int (*call)(struct crmpi_request *, int);
    int failed;
};

static void look_at_send(struct crmpi_request *r, void *context)
{
    struct sends *sends = context;
    const struct crmpi_comm *c = crmpi_comm_of(r->comm);

    if (!sends->failed && is_waiting(r) && c && r->peer >= 0)
        sends->failed = !sends->call(r, c->peers[r->peer]);
}

int crmpi_pending_sends(int (*call)(struct crmpi_request *, int))
{
    struct sends sends = {call, 0};

    crmpi_request_visit(look_at_send, &sends);
    return !sends.failed;
}

int crmpi_pending_describe(const struct crmpi_request *r, struct crmpi_announced *out)
{
    struct crmpi_comm *c = crmpi_comm_of(r->comm);

    *out = (struct crmpi_announced){
        .comm = c->id, .serial = r->order, .source = c->rank, .tag = r->tag};
    if (r->held) {
        out->later = UINT64_MAX; /* the receiver knows it by its number, if it has it still */
        return 1;
    }
    if (r->number == 0)
        return 0;
    out->later = crmpi_stream_of(c, r->peer, r->tag)->sent - r->number;
    return 1;
}

struct shift {
    uint64_t comm;
    uint64_t (*n_before)(void *, int, int);
    void *context;
};

static void shift(struct crmpi_request *r, void *context)
{
    const struct shift *s = context;
    const struct crmpi_comm *c = crmpi_comm_of(r->comm);

    if (is_waiting(r) && !r->held && r->number && c && c->id == s->comm)
        r->number += s->n_before(s->context, r->peer, r->tag);
}

void crmpi_pending_shift(uint64_t comm, uint64_t (*n_before)(void *, int, int),
                         void *context)
{
    struct shift s = {comm, n_before, context};

    crmpi_request_visit(shift, &s);
}
