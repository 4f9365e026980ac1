/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drain (lower half; run by the protocol thread of every rank at once, while all
 * application threads are parked): the ranks tell each other how many messages they have
 * sent, and each receives until it has as many.
 *
 * Receives that were posted before the cut go on taking their messages, in the library,
 * by MPI's own rules.  What they leave is taken by probing for any source and any tag,
 * and saved in order of arrival.
 */
#include <stdlib.h>

#include "interaction/cut.h"
#include "wrappers/hand/window.h"

/* What each rank tells each other. */
struct bookmark {
    uint64_t drain; /* how many drains the rank has begun in this process */
    uint64_t sent;
};

static MPI_Comm world = MPI_COMM_NULL; /* for the bookmarks alone */
static int n_ranks;
static struct bookmark *to_others, *to_me;
static MPI_Request exchange = MPI_REQUEST_NULL;
static uint64_t n_drains;
static int failed; /* this drain cannot end */
static int drained;
static int n_pending; /* requests that have to complete before the cut */

enum crmpi_status crmpi_drain_start(void)
{
    if (PMPI_Comm_dup(MPI_COMM_WORLD, &world) != MPI_SUCCESS ||
        PMPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        PMPI_Comm_size(world, &n_ranks) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    to_others = calloc(n_ranks, sizeof *to_others);
    to_me = calloc(n_ranks, sizeof *to_me);
    return to_others && to_me ? CRMPI_OK : CRMPI_ERR_NOMEM;
}

static enum crmpi_status exchange_begin(void)
{
    /* of a drain that was given up: every rank has begun it */
    if (crmpi_wait_real(&exchange, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    n_drains++;
    failed = drained = 0;
    for (int i = 0; i < n_ranks; i++)
        to_others[i] = (struct bookmark){n_drains, crmpi_p2p->sent[i]};
    if (PMPI_Ialltoall(to_others, 2, MPI_UINT64_T, to_me, 2, MPI_UINT64_T, world,
                       &exchange) == MPI_SUCCESS)
        return CRMPI_OK;
    crmpi_error("cannot exchange message counts");
    return CRMPI_ERR_MPI;
}

/*
 * The application's functions in operations of nonblocking collectives may be called by
 * this thread's progress.  They need an upper TLS base: that of a thread which is parked,
 * best in an MPI call, where libc is at rest.
 */
static struct {
    struct crmpi_thread self; /* this thread, as crmpi_upcall() sees it */
    struct crmpi_thread *lender;
    struct crmpi_frame frame; /* the lender's, which calls of such a function overwrite */
} stand_in;

static void stand_in_begin(void)
{
    struct crmpi_thread *lender = NULL;

    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        if (t->lower_fs && (!lender || t->state == CRMPI_THREAD_PARKED_BELOW))
            lender = t;
    stand_in.lender = lender;
    if (!lender)
        return;
    stand_in.frame = lender->frame;
    lender->nest++;
    __asm__("mov %%fs:0, %0" : "=r"(stand_in.self.lower_fs));
    stand_in.self.upper_fs = lender->upper_fs;
    stand_in.self.nest = 1;
    crmpi_thread = &stand_in.self;
}

static void stand_in_end(void)
{
    if (!stand_in.lender)
        return;
    crmpi_thread = NULL;
    stand_in.lender->nest--;
    stand_in.lender->frame = stand_in.frame;
}

/*
 * Messages
 */

/* Room is made before the message is taken, so that without memory it is not lost. */
static int save_one(const struct crmpi_handle *comm, const MPI_Status *found)
{
    const struct crmpi_comm *c = comm->extra;
    struct crmpi_saved_message *saved = crmpi_saved_room(found, c->id);
    MPI_Message real;
    int flag = 0, error;

    if (!saved)
        return 0;
    error = PMPI_Improbe(found->MPI_SOURCE, found->MPI_TAG, comm->real, &flag, &real,
                         MPI_STATUS_IGNORE);
    if (error == MPI_SUCCESS && flag)
        error = crmpi_saved_receive(&real, saved);
    if (error != MPI_SUCCESS || !flag) {
        crmpi_error("cannot receive a message that is in flight");
        crmpi_saved_destroy(saved);
        return 0;
    }
    crmpi_saved_append(&crmpi_p2p->saved, saved);
    crmpi_count(crmpi_counter(crmpi_p2p->received, (MPI_Comm)(void *)comm, saved->source),
                1);
    return 1;
}

static void save_comm(const struct crmpi_handle *comm)
{
    const struct crmpi_comm *c = comm->extra;
    MPI_Status found;
    int flag = 1;

    if (!c || !comm->real || comm->real == MPI_COMM_NULL || c->making)
        return; /* it is being made */
    while (flag && !failed) {
        flag = 0;
        if (PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm->real, &flag, &found) !=
            MPI_SUCCESS)
            failed = 1;
        else if (flag && !save_one(comm, &found))
            failed = 1;
    }
}

static void save_all(void)
{
    save_comm((void *)CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world));
    save_comm((void *)CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_self));
    for (struct crmpi_handle *comm = crmpi_handle_first(CRMPI_COMM); comm;
         comm = comm->next)
        save_comm(comm);
}

/* Messages that the application has matched but not received: counted before. */
static void save_matched(void)
{
    for (struct crmpi_handle *handle = crmpi_handle_first(CRMPI_MESSAGE);
         handle && !failed; handle = handle->next) {
        struct crmpi_matched *matched = handle->extra;
        MPI_Message real = handle->real;

        if (matched->saved)
            continue;
        matched->saved = crmpi_saved_room(&matched->status, matched->comm_id);
        if (!matched->saved) {
            failed = 1;
        } else if (crmpi_saved_receive(&real, matched->saved) != MPI_SUCCESS) {
            crmpi_error("cannot receive a message that was matched by a probe");
            failed = 1;
        }
        handle->real = real;
    }
}

/*
 * Requests
 */

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

/* Note what is complete; count what has to complete still.  Sends have been done. */
static void note(struct crmpi_request *r, void *context)
{
    int flag = 0;

    (void)context;
    if (!r->active || r->complete || r->noted)
        return;
    if (r->operation == CRMPI_ACCESS) {
        n_pending += !crmpi_request_poll(r);
        return;
    }
    if (r->operation != CRMPI_RECEIVE && r->operation != CRMPI_RECEIVE_MATCHED &&
        r->operation != CRMPI_COLLECTIVE)
        return;
    if (PMPI_Request_get_status(r->handle.real, &flag, &r->status) != MPI_SUCCESS)
        failed = 1;
    if (flag) {
        note_error(r);
        r->noted = 1;
        crmpi_request_count(r);
    } else {
        n_pending += r->operation != CRMPI_RECEIVE;
    }
}

static void note_all(void)
{
    n_pending = 0;
    crmpi_request_visit(note, NULL);
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        struct crmpi_call *call = t->mpi;

        if (call)
            note(&call->receive, NULL);
    }
}

/* Compare what has come with the bookmarks. */
static int is_balanced(void)
{
    int balanced = 1;

    for (int i = 0; i < n_ranks; i++) {
        if (crmpi_p2p->received[i] > to_me[i].sent || to_me[i].drain != n_drains) {
            crmpi_error(
                "message counts are wrong: %llu received from rank %d, which sent %llu",
                (unsigned long long)crmpi_p2p->received[i], i,
                (unsigned long long)to_me[i].sent);
            failed = 1;
            return 0;
        }
        if (crmpi_p2p->received[i] < to_me[i].sent)
            balanced = 0;
    }
    return balanced;
}

void crmpi_cut_progress(void)
{
    int flag;

    if (crmpi_finalize_begun)
        return;
    stand_in_begin();
    PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                MPI_STATUS_IGNORE);
    stand_in_end();
}

static int step(void)
{
    int flag = 0;

    if (failed) {
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
        return 0;
    }
    if (exchange != MPI_REQUEST_NULL &&
        (PMPI_Test(&exchange, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || !flag))
        return 0;
    save_matched();
    note_all();
    if (!failed && !is_balanced())
        save_all();
    if (!failed && n_pending == 0 && is_balanced())
        drained = 1;
    return drained;
}

enum crmpi_status crmpi_drain_begin(void)
{
    enum crmpi_status status;

    stand_in_begin();
    status = exchange_begin(); /* all do, also if a flush fails */
    if (status == CRMPI_OK)
        status = crmpi_windows_flush();
    stand_in_end();
    return status;
}

int crmpi_drain_progress(void)
{
    int done;

    stand_in_begin();
    done = step();
    stand_in_end();
    return done;
}

enum crmpi_status crmpi_drain_end(void)
{
    if (!drained)
        return CRMPI_ERR_INTERNAL;
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        if (t->mpi)
            crmpi_input_trim(t->mpi);
    return crmpi_file_note();
}
