/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate in front of collectives, and the collective counts (lower half).  The targets
 * are of this process only: a restart begins in phase RUN.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "interaction/targets.h"
#include "wrappers/hand/cut.h"
#include "wrappers/hand/p2p.h"
#include "wrappers/objects.h"

/* Never held where a thread may park. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct crmpi_targets targets;
static int n_waiting; /* threads at the gate */
static int n_tickets; /* so many of them may pass */
static int n_more;    /* how many more when the gate is opened the next time */
#define MORE_MAX (1 << 20)

/*
 * For the engine
 */

struct list {
    struct crmpi_collective_count *items;
    size_t n, room;
    const struct crmpi_group_list *group;
    int failed;
};

static int is_in(const struct crmpi_group_list *group, uint32_t rank)
{
    size_t low = 0, high = group->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (group->ranks[middle] < rank)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->n && group->ranks[low] == rank;
}

/* How many members of a communicator are in the group. */
static uint32_t members_in(const struct crmpi_group_list *group,
                           const struct crmpi_comm *comm)
{
    uint32_t n = 0;

    if (group->n == 0)
        return (uint32_t)(comm->size + comm->remote_size);
    for (int i = 0; i < comm->size; i++)
        n += is_in(group, (uint32_t)comm->members[i]);
    for (int i = 0; i < comm->remote_size; i++)
        n += is_in(group, (uint32_t)comm->peers[i]);
    return n;
}

/* Of a freed one, some members may know already that all have freed it, and no longer
 * report. */
static void list_add(struct list *list, const struct crmpi_handle *handle)
{
    const struct crmpi_comm *comm = handle->extra;

    if (!comm)
        return;
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct crmpi_collective_count *items = realloc(list->items, room * sizeof *items);

        if (!items) {
            list->failed = 1;
            return;
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = (struct crmpi_collective_count){
        .comm_id = comm->id,
        .count = __atomic_load_n(&comm->collective_count, __ATOMIC_ACQUIRE),
        .members =
            handle->flags & CRMPI_HANDLE_FREED ? 0 : members_in(list->group, comm),
        .under_way = __atomic_load_n(&comm->under_way, __ATOMIC_ACQUIRE),
    };
}

/* A reduction that a jump has left counts, as it does in ranks that have not left it: they need
 * nothing of this one any more. */
static void left_count(struct crmpi_call *call)
{
    MPI_Comm comm = call->reducing;

    call->reducing = NULL;
    crmpi_collective_end(comm);
}

/* Of threads that are parked: they are in that call no longer. */
static void all_left_count(void)
{
    if (__atomic_load_n(&crmpi_control->phase, __ATOMIC_ACQUIRE) != CRMPI_PHASE_STOP)
        return;
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        struct crmpi_call *call = t->mpi;

        if (call && call->reducing &&
            (t->state != CRMPI_THREAD_PARKED_BELOW ||
             t->frame.call != call->reducing_call))
            left_count(call);
    }
}

static void visit_comm(struct crmpi_handle *handle, void *context)
{
    list_add(context, handle);
}

static int by_id(const void *a, const void *b)
{
    const struct crmpi_collective_count *x = a, *y = b;

    return (x->comm_id > y->comm_id) - (x->comm_id < y->comm_id);
}

enum crmpi_status crmpi_cut_group_counts(const struct crmpi_group_list *group,
                                         struct crmpi_collective_count **counts_out,
                                         size_t *n_out)
{
    struct list list = {.group = group};

    all_left_count();
    list_add(&list, CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world));
    list_add(&list, CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self));
    crmpi_handle_visit(CRMPI_COMM, visit_comm, &list);
    if (list.failed || !list.items) {
        free(list.items);
        return CRMPI_ERR_NOMEM;
    }
    qsort(list.items, list.n, sizeof *list.items, by_id);
    *counts_out = list.items;
    *n_out = list.n;
    return CRMPI_OK;
}

enum crmpi_status crmpi_cut_counts(struct crmpi_collective_count **counts_out,
                                   size_t *n_out)
{
    const struct crmpi_group_list all = {0};

    return crmpi_cut_group_counts(&all, counts_out, n_out);
}

void crmpi_cut_set_targets(const struct crmpi_collective_count *wanted, size_t n)
{
    struct crmpi_collective_count *counts = NULL;
    size_t n_counts = 0;

    crmpi_errors_return(0); /* crmpi's own calls are made */
    /* Without memory the gate stays open, and the counts will disagree again. */
    if (crmpi_cut_counts(&counts, &n_counts) != CRMPI_OK)
        n = 0;
    pthread_mutex_lock(&lock);
    n_tickets = 0;
    n_more = 1;
    if (crmpi_targets_set(&targets, wanted, n, counts, n_counts) != CRMPI_OK)
        targets.n = targets.n_below = targets.n_freed = 0;
    pthread_mutex_unlock(&lock);
    free(counts);
}

int crmpi_cut_at_targets(void)
{
    pthread_mutex_lock(&lock);
    int at_targets = targets.n_below == 0;
    pthread_mutex_unlock(&lock);
    return at_targets;
}

/*
 * One at a time passes, so that who waits here does not run away from those that have to
 * come as far.  But freeing a communicator waits for nobody, so one that has may have any
 * number of collectives before it in which the others, who have not, wait for this rank.
 */
void crmpi_cut_open_gate(void)
{
    pthread_mutex_lock(&lock);
    if (n_tickets < n_waiting) {
        n_tickets += n_more;
        if (targets.n_freed > 0 && n_more < MORE_MAX)
            n_more *= 2;
    }
    pthread_mutex_unlock(&lock);
}

/*
 * For the wrappers
 */

static int may_pass(const struct crmpi_comm *comm)
{
    int pass;

    pthread_mutex_lock(&lock);
    pass = crmpi_targets_allow(&targets, comm->id, comm->collective_count);
    if (!pass && n_tickets > 0) {
        n_tickets--;
        pass = 1;
    }
    pthread_mutex_unlock(&lock);
    return pass;
}

static void count_waiting(int n)
{
    pthread_mutex_lock(&lock);
    n_waiting += n;
    pthread_mutex_unlock(&lock);
}

/* The others may need this rank's progress to reach their targets. */
static void gate_wait(const struct crmpi_comm *comm)
{
    int flag;

    count_waiting(1);
    while (__atomic_load_n(&crmpi_control->phase, __ATOMIC_ACQUIRE) ==
               CRMPI_PHASE_RUNON &&
           !may_pass(comm)) {
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
        sched_yield();
        crmpi_poll_point();
    }
    count_waiting(-1);
}

void crmpi_collective_begin(MPI_Comm comm)
{
    struct crmpi_call *call = crmpi_thread->mpi;
    const struct crmpi_comm *c;

    if (__builtin_expect(call && call->reducing, 0))
        left_count(call);
    if (__builtin_expect(!crmpi_checkpoint_under_way(), 1) || !(c = crmpi_comm_of(comm)))
        return;
    gate_wait(c);
}

/* The root and the others have to do with each other; the root, with all. */
static void flow_rooted(struct crmpi_comm *c, MPI_Comm comm, uint32_t flow, int root)
{
    if (c->remote_size)
        c->flow |= CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL;
    else if (c->rank == root)
        c->flow |= flow == CRMPI_FLOW_FROM_ROOT ? CRMPI_FLOW_TO_ALL : CRMPI_FLOW_FROM_ALL;
    else
        crmpi_count(comm, root, CRMPI_TAG_ROOTED, flow == CRMPI_FLOW_TO_ROOT,
                    flow == CRMPI_FLOW_FROM_ROOT, 0);
}

void crmpi_collective_end_flow(MPI_Comm comm, uint32_t flow, int root)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c)
        return;
    if (flow == CRMPI_FLOW_FROM_ROOT || flow == CRMPI_FLOW_TO_ROOT)
        flow_rooted(c, comm, flow, root);
    else
        c->flow |= flow;
    __atomic_store_n(&c->collective_count, c->collective_count + 1, __ATOMIC_RELEASE);
    if (__builtin_expect(!crmpi_checkpoint_under_way(), 1))
        return;
    pthread_mutex_lock(&lock);
    crmpi_targets_note(&targets, c->id, c->collective_count);
    pthread_mutex_unlock(&lock);
}

void crmpi_collective_end(MPI_Comm comm)
{
    crmpi_collective_end_flow(comm, CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL, 0);
}
