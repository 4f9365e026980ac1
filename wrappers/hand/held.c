/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that a drain takes out of the MPI library (lower half; see drain.h and
 * interaction/saved.h).
 *
 * A message is matched first, by MPI_Improbe, which its sender does not see, whatever kind
 * of send it was; and received only when its sender has told that it is not synchronous.
 * A synchronous one stays as it is: its send completes, in the library, when the application
 * receives it.
 *
 * Which message the sender means goes by its stream, whose messages are matched in the order
 * of sending.  So the last of a stream are those that are held, in their order; but a probe
 * of the application may have matched one before later ones were received, which count
 * therefore.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/hand/drain.h"

#define ARRIVING_MAX 256 /* messages that are received at a time */

static struct crmpi_saved_message *arriving[ARRIVING_MAX];
static int n_arriving;

/*
 * Visiting: those of the queue, in order, and those that probes have matched
 */

static void visit(void (*call)(struct crmpi_saved_message *, void *), void *context)
{
    for (struct crmpi_saved_message *m = crmpi_p2p->saved.first; m; m = m->next)
        call(m, context);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_MESSAGE); h; h = h->next)
        if (((struct crmpi_matched *)h->extra)->message)
            call(((struct crmpi_matched *)h->extra)->message, context);
}

/* Nobody knows yet whether it is synchronous. */
static int is_open(const struct crmpi_saved_message *m)
{
    return crmpi_saved_is_held(m) && m->serial == 0;
}

struct matched {
    uint64_t comm, order;
    int source, tag;
};

static void count_later(struct crmpi_handle *handle, void *context)
{
    const struct matched *by = context;
    struct crmpi_saved_message *m = ((struct crmpi_matched *)handle->extra)->message;

    if (m && is_open(m) && m->comm_id == by->comm && m->source == by->source &&
        m->tag == by->tag && m->order < by->order)
        m->later++;
}

void crmpi_matched_count(MPI_Comm comm, int source, int tag, uint64_t order)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);
    struct matched by = {.order = order, .source = source, .tag = tag};

    if (!c)
        return;
    by.comm = c->id;
    crmpi_whole_begin();
    crmpi_lock(&crmpi_p2p->matching);
    crmpi_handle_visit(CRMPI_MESSAGE, count_later, &by);
    crmpi_unlock(&crmpi_p2p->matching);
    crmpi_whole_end();
}

void crmpi_held_matched(struct crmpi_saved_message *m)
{
    m->order = crmpi_add(&crmpi_p2p->order, 1);
    m->later = is_open(m) ? crmpi_saved_count(&crmpi_p2p->saved, m, is_open) : 0;
}

/*
 * Taking
 */

static int take_one(const struct crmpi_handle *comm, const MPI_Status *found)
{
    struct crmpi_saved_message *m = crmpi_saved_describe(found, comm->extra);
    MPI_Comm handle = (MPI_Comm)(void *)comm;
    MPI_Message real;
    int flag = 0, error;

    if (!m)
        return 0;
    error = PMPI_Improbe(found->MPI_SOURCE, found->MPI_TAG, comm->real, &flag, &real,
                         MPI_STATUS_IGNORE);
    if (error != MPI_SUCCESS || !flag) {
        crmpi_error("cannot take a message that is in flight");
        crmpi_saved_destroy(m);
        return 0;
    }
    m->real = real;
    crmpi_saved_append(&crmpi_p2p->saved, m);
    crmpi_count(handle, m->source, m->tag, 0, 1, 0);
    crmpi_matched_count(handle, m->source, m->tag, UINT64_MAX);
    return 1;
}

/* From a rank of the communicator, or from any. */
static int take_from(const struct crmpi_handle *comm, int source, int *n)
{
    MPI_Status found;
    int flag = 1;

    while (flag) {
        flag = 0;
        if (PMPI_Iprobe(source, MPI_ANY_TAG, comm->real, &flag, &found) != MPI_SUCCESS ||
            (flag && !take_one(comm, &found)))
            return 0;
        *n += flag;
    }
    return 1;
}

static int take_comm(const struct crmpi_handle *comm, int (*is_wanted)(int), int *n)
{
    const struct crmpi_comm *c = comm->extra;
    int size, fine = 1;

    if (!c || !comm->real || comm->real == MPI_COMM_NULL || c->making || c->is_dynamic)
        return 1; /* it is being made; no cut comes */
    if (!is_wanted)
        return take_from(comm, MPI_ANY_SOURCE, n);
    size = c->remote_size ? c->remote_size : c->size;
    for (int i = 0; i < size && fine; i++)
        if (c->peers[i] >= 0 && is_wanted(c->peers[i]))
            fine = take_from(comm, i, n);
    return fine;
}

int crmpi_held_take(int (*is_wanted)(int))
{
    int n = 0;
    int fine =
        take_comm(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world), is_wanted, &n) &&
        take_comm(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self), is_wanted, &n);

    for (struct crmpi_handle *comm = crmpi_handle_first(CRMPI_COMM); comm && fine;
         comm = comm->next)
        fine = take_comm(comm, is_wanted, &n);
    return fine ? n : -1;
}

/*
 * Which of them are synchronous
 */

static int is_of_stream(const struct crmpi_saved_message *m,
                        const struct crmpi_announced *a)
{
    return m->comm_id == a->comm && m->source == a->source && m->tag == a->tag;
}

/* Told before. */
static struct crmpi_saved_message *find_known(const struct crmpi_announced *a)
{
    for (struct crmpi_saved_message *m = crmpi_p2p->saved.first; m; m = m->next)
        if (m->serial == a->serial && is_of_stream(m, a))
            return m;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_MESSAGE); h; h = h->next) {
        struct crmpi_saved_message *m = ((struct crmpi_matched *)h->extra)->message;

        if (m && m->serial == a->serial && is_of_stream(m, a))
            return m;
    }
    return NULL;
}

static struct crmpi_saved_message *find_by_place(const struct crmpi_announced *a)
{
    uint64_t n = 0;

    for (struct crmpi_saved_message *m = crmpi_p2p->saved.last; m; m = m->prev)
        if (is_open(m) && is_of_stream(m, a) && n++ == a->later)
            return m;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_MESSAGE); h; h = h->next) {
        struct crmpi_saved_message *m = ((struct crmpi_matched *)h->extra)->message;

        if (m && is_open(m) && is_of_stream(m, a) && m->later == a->later)
            return m;
    }
    return NULL;
}

void crmpi_held_resolve(const struct crmpi_announced *announced, size_t n,
                        uint8_t *is_held_out)
{
    struct crmpi_saved_message **found = calloc(n + 1, sizeof *found);

    if (!found) {
        crmpi_error("no memory for synchronous messages");
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        found[i] = find_known(&announced[i]);
        if (!found[i])
            found[i] = find_by_place(&announced[i]);
    }
    for (size_t i = 0; i < n; i++) { /* not before: places go by those that are open */
        is_held_out[i] = found[i] != NULL;
        if (found[i]) {
            found[i]->serial = announced[i].serial;
            crmpi_p2p->holds = 1;
        }
    }
    free(found);
}

/*
 * Receiving the others
 */

static int receive_begin(struct crmpi_saved_message *m)
{
    MPI_Message real = m->real;
    MPI_Request request;
    MPI_Datatype type;
    int n, error = crmpi_bytes_type(m->bytes, &n, &type);

    if (error != MPI_SUCCESS || !crmpi_saved_make_room(m)) {
        crmpi_error("no memory to keep a message of %llu bytes that is in flight",
                    (unsigned long long)m->bytes);
        return 0;
    }
    error = PMPI_Imrecv(m->data, n, type, &real, &request);
    crmpi_bytes_type_free(&type);
    m->request = request;
    arriving[n_arriving++] = m;
    if (error != MPI_SUCCESS)
        crmpi_error("cannot receive a message that is in flight");
    return error == MPI_SUCCESS;
}

/* Returns 0 on failure. */
static int arriving_poll(void)
{
    int left = 0, fine = 1;

    for (int i = 0; i < n_arriving; i++) {
        struct crmpi_saved_message *m = arriving[i];
        MPI_Request request = m->request;
        int done = 0;

        if (PMPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            fine = 0;
        if (done)
            m->request = NULL;
        else
            arriving[left++] = m;
    }
    n_arriving = left;
    return fine;
}

static uint8_t *is_told; /* by world rank: which of its messages are synchronous is known */

static void receive(struct crmpi_saved_message *m, void *fine)
{
    int is_listed = 0;

    if (!*(int *)fine || n_arriving == ARRIVING_MAX || m->peer < 0 || !is_told[m->peer])
        return;
    for (int i = 0; i < n_arriving && m->request; i++)
        is_listed |= arriving[i] == m; /* of a drain that was given up it is not */
    if (m->request && !is_listed)
        arriving[n_arriving++] = m;
    else if (is_open(m))
        *(int *)fine = receive_begin(m);
}

int crmpi_held_receive(int world_rank)
{
    if (!is_told) {
        int n;

        PMPI_Comm_size(MPI_COMM_WORLD, &n);
        is_told = calloc((size_t)n, 1);
    }
    if (!is_told)
        return 0;
    is_told[world_rank] = 1;
    return 1;
}

int crmpi_held_progress(void)
{
    int fine;

    if (!is_told)
        return 0;
    fine = arriving_poll();
    if (fine && n_arriving < ARRIVING_MAX)
        visit(receive, &fine);
    return fine ? n_arriving : -1;
}

void crmpi_held_forget(void)
{
    free(is_told);
    is_told = NULL;
    n_arriving = 0;
}

static void judge(struct crmpi_saved_message *m, void *context)
{
    int *n_unsettled = context;

    *n_unsettled += m->request || is_open(m);
    if (m->serial && crmpi_saved_is_held(m))
        crmpi_p2p->holds = 1;
}

int crmpi_held_is_settled(void)
{
    int n_unsettled = 0;

    visit(judge, &n_unsettled);
    return n_unsettled == 0;
}

static void poll_arriving(struct crmpi_saved_message *m, void *fine)
{
    MPI_Request request = m->request;
    int done = 0;

    if (!request)
        return;
    if (PMPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        *(int *)fine = 0;
    if (done)
        m->request = NULL;
}

int crmpi_held_poll(void)
{
    int fine = 1;

    visit(poll_arriving, &fine);
    return fine;
}

int crmpi_held_is_matched(void)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_MESSAGE); h; h = h->next) {
        const struct crmpi_saved_message *m = ((struct crmpi_matched *)h->extra)->message;

        if (m && (crmpi_saved_is_held(m) || m->request))
            return 1;
    }
    return 0;
}

/*
 * After a restart
 */

struct list {
    struct crmpi_saved_message **items;
    size_t n;
};

static void count(struct crmpi_saved_message *m, void *list)
{
    ((struct list *)list)->n += crmpi_saved_is_held(m);
}

static void add(struct crmpi_saved_message *m, void *list)
{
    struct list *l = list;

    if (crmpi_saved_is_held(m))
        l->items[l->n++] = m;
}

/* In the order in which each sender sends them again. */
static int by_serial(const void *a, const void *b)
{
    const struct crmpi_saved_message *x = *(struct crmpi_saved_message *const *)a;
    const struct crmpi_saved_message *y = *(struct crmpi_saved_message *const *)b;

    if (x->peer != y->peer)
        return x->peer < y->peer ? -1 : 1;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

static int take_again(struct crmpi_saved_message *m)
{
    MPI_Comm comm = crmpi_comm_lower(m->comm_id);
    MPI_Message real = MPI_MESSAGE_NULL;
    MPI_Status status = crmpi_status_empty;
    MPI_Count bytes = 0;
    int flag = 0, error = comm == MPI_COMM_NULL ? MPI_ERR_COMM : MPI_SUCCESS;

    while (error == MPI_SUCCESS && !flag)
        error = PMPI_Improbe(m->source, m->tag, comm, &flag, &real, &status);
    if (error != MPI_SUCCESS)
        return error;
    PMPI_Get_elements_x(&status, MPI_BYTE, &bytes);
    if ((uint64_t)bytes != m->bytes) {
        crmpi_error("rank %d has sent another synchronous message again than was held: "
                    "%lld bytes instead of %llu",
                    m->peer, (long long)bytes, (unsigned long long)m->bytes);
        return MPI_ERR_INTERN;
    }
    m->real = real;
    return error;
}

int crmpi_held_again(void)
{
    struct list list = {0};
    int error = MPI_SUCCESS;

    visit(count, &list);
    list.items = malloc((list.n + 1) * sizeof *list.items);
    if (!list.items)
        return MPI_ERR_NO_MEM;
    list.n = 0;
    visit(add, &list);
    if (list.n > 1)
        qsort(list.items, list.n, sizeof *list.items, by_serial);
    for (size_t i = 0; i < list.n && error == MPI_SUCCESS; i++)
        error = take_again(list.items[i]);
    free(list.items);
    return error;
}
