/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators: how they are made, and what is kept of them (lower half).
 *
 * Making one is a blocking collective of the parent: a rank parked in it has not made the
 * new communicator yet, and makes the call again.  The job-wide id is computed by each
 * member from what all of them know: the parent's id, how many it has made before, the
 * members.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "wrappers/hand/ledger.h"
#include "wrappers/objects.h"

static uint64_t id_make(const struct crmpi_comm *parent, const struct crmpi_comm *c)
{
    int n_peers = c->remote_size;
    struct crmpi_checksum_state state;
    const uint64_t seed[2] = {parent->id, parent->n_created};
    /* both sides of an intercommunicator have to agree: the lower first rank goes
     * first */
    int swap = n_peers && c->peers[0] < c->members[0];

    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, seed, sizeof seed);
    if (swap)
        crmpi_checksum_add(&state, c->peers, n_peers * sizeof *c->peers);
    crmpi_checksum_add(&state, c->members, c->size * sizeof *c->members);
    if (n_peers && !swap)
        crmpi_checksum_add(&state, c->peers, n_peers * sizeof *c->peers);
    return crmpi_checksum_end(&state);
}

/* Wait here for a lower nonblocking collective of crmpi's own. */
static int wait_for(int error, MPI_Request *request)
{
    return error == MPI_SUCCESS ? crmpi_wait_real(request, MPI_STATUS_IGNORE) : error;
}

/* The processes of a communicator, before it has a handle: a thread may park
 * meanwhile. */
struct processes {
    int32_t size, remote_size, is_dynamic;
    int32_t *members, *peers; /* upper heap; the same if there is no remote group */
};

/* The MPI library compares each with all of the job, one after the other: so beyond this
 * product of sizes the members tell each other instead. */
#define COMPARE_MAX (1l << 22)

static int32_t *ranks_read(MPI_Comm real, int is_remote, int n, int32_t *is_dynamic)
{
    int32_t *ranks = crmpi_upper_alloc(n * sizeof *ranks);
    MPI_Group group;

    if (is_remote)
        PMPI_Comm_remote_group(real, &group);
    else
        PMPI_Comm_group(real, &group);
    *is_dynamic |= crmpi_group_world_ranks(group, n, ranks);
    PMPI_Group_free(&group);
    return ranks;
}

static int32_t *ranks_count(int n)
{
    int32_t *ranks = crmpi_upper_alloc(n * sizeof *ranks);

    for (int i = 0; i < n; i++)
        ranks[i] = i;
    return ranks;
}

/* Ask each member for its world rank. */
static int32_t *ranks_gather(MPI_Comm real, int n, const struct crmpi_comm *parent)
{
    int32_t *ranks = malloc((n + 1) * sizeof *ranks), *kept;
    int world_rank = parent->members[parent->rank];
    MPI_Request request;

    if (!ranks || wait_for(PMPI_Iallgather(&world_rank, 1, MPI_INT, ranks, 1, MPI_INT,
                                           real, &request),
                           &request) != MPI_SUCCESS) {
        crmpi_error("the members of a communicator of %d processes cannot be found", n);
        abort();
    }
    kept = crmpi_upper_dup(ranks, n * sizeof *ranks);
    free(ranks);
    return kept;
}

static struct processes processes_find(MPI_Comm real, const struct crmpi_comm *parent)
{
    struct processes p = {0};
    int is_inter = 0, n_ranks;

    PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    PMPI_Comm_size(real, &p.size);
    PMPI_Comm_test_inter(real, &is_inter);
    if (real == MPI_COMM_WORLD)
        p.members = ranks_count(n_ranks);
    else if (!is_inter && parent && !parent->is_dynamic &&
             (long)p.size * n_ranks > COMPARE_MAX)
        p.members = ranks_gather(real, p.size, parent);
    else
        p.members = ranks_read(real, 0, p.size, &p.is_dynamic);
    p.peers = p.members;
    if (is_inter) {
        PMPI_Comm_remote_size(real, &p.remote_size);
        p.peers = ranks_read(real, 1, p.remote_size, &p.is_dynamic);
    }
    return p;
}

/* A duplicate has the same. */
static struct processes processes_copy(const struct crmpi_comm *c)
{
    struct processes p = {c->size, c->remote_size, c->is_dynamic,
                          crmpi_upper_dup(c->members, c->size * sizeof *c->members),
                          NULL};

    p.peers = c->remote_size
                  ? crmpi_upper_dup(c->peers, c->remote_size * sizeof *c->peers)
                  : p.members;
    return p;
}

/* Fill in what is kept of @p handle's communicator, whose rank and topology are those of
 * the lower one @p like: its own or, if it is still to be made, the one it duplicates. */
static void fill(struct crmpi_handle *handle, MPI_Comm like, const struct processes *p,
                 const struct crmpi_comm *parent, uint64_t id)
{
    struct crmpi_comm *c = handle->extra;

    PMPI_Comm_rank(like, &c->rank);
    c->size = p->size;
    c->remote_size = p->remote_size;
    c->is_joined = parent && parent->is_joined;
    c->is_dynamic = p->is_dynamic || c->is_joined;
    if (c->is_dynamic)
        crmpi_dynamic_add();
    c->members = p->members;
    c->peers = p->peers;
    c->id = id ? id : id_make(parent, c);
    c->topology = crmpi_topology_read(like);
    c->errhandler = parent
                        ? parent->errhandler
                        : CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_errors_are_fatal);
    crmpi_handle_hold(c->errhandler);
    if (handle->real)
        crmpi_comm_apply_errhandler(handle);
}

void crmpi_comm_predefine(struct crmpi_handle *handle, uint64_t id)
{
    struct processes p = processes_find(handle->real, NULL);

    handle->extra = crmpi_upper_alloc(sizeof(struct crmpi_comm));
    fill(handle, handle->real, &p, NULL, id);
}

/* real: NULL if it is still to be made */
static MPI_Comm adopt(MPI_Comm real, const struct processes *p, MPI_Comm parent)
{
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_COMM, real, sizeof(struct crmpi_comm));

    fill(handle, real ? real : CRMPI_REAL(MPI_Comm, parent), p, crmpi_comm_of(parent), 0);
    return (void *)handle;
}

MPI_Comm crmpi_comm_adopt(MPI_Comm real, MPI_Comm parent)
{
    struct processes p = processes_find(real, crmpi_comm_of(parent));

    return adopt(real, &p, parent);
}

MPI_Comm crmpi_comm_adopt_own(MPI_Comm real, MPI_Comm comm)
{
    struct crmpi_comm *from = crmpi_comm_of(comm), *c;
    struct processes p = processes_copy(from);
    MPI_Comm own = adopt(real, &p, comm);

    from->n_created++;
    c = crmpi_comm_of(own);
    crmpi_handle_release(c->errhandler);
    c->errhandler = CRMPI_UPPER(void *, ompi_mpi_errors_return);
    crmpi_comm_apply_errhandler((void *)own);
    return own;
}

void crmpi_comm_destroy(struct crmpi_handle *handle)
{
    struct crmpi_comm *c = handle->extra;
    MPI_Comm real = handle->real;

    if (real && real != MPI_COMM_NULL)
        PMPI_Comm_free(&real);
    crmpi_p2p_forget(c);
    crmpi_ledger_depart(c);
    crmpi_streams_fini(&c->streams);
    if (c->peers != c->members)
        crmpi_heap_free(c->peers);
    crmpi_heap_free(c->members);
    crmpi_heap_free(c->name);
    crmpi_topology_free(c->topology);
    crmpi_handle_release(c->errhandler);
    crmpi_handle_release(c->info);
    crmpi_handle_release(c->told);
    while (c->group_calls) {
        struct crmpi_group_calls *next = c->group_calls->next;
        crmpi_heap_free(c->group_calls);
        c->group_calls = next;
    }
    if (c->is_dynamic)
        crmpi_dynamic_remove();
}

void crmpi_meet(MPI_Comm real)
{
    MPI_Request request;

    wait_for(PMPI_Ibarrier(real, &request), &request);
}

void crmpi_make_begin(MPI_Comm comm)
{
    if (!crmpi_comm_of(comm))
        return; /* the MPI library will say what is wrong */
    crmpi_comm_reap();
    crmpi_collective_begin(comm);
    crmpi_call_resumed();
    crmpi_idup_settle(comm);
    if (crmpi_thread_multiple && !crmpi_comm_of(comm)->is_dynamic)
        crmpi_meet(CRMPI_REAL(MPI_Comm, comm)); /* threads that sleep cannot park */
}

/* As a message about it names it. */
static void maker_note(MPI_Comm comm, const char *function)
{
    if (crmpi_comm_of(comm)->is_dynamic)
        crmpi_comm_of(comm)->maker = function;
}

int crmpi_make_end(MPI_Comm comm, int error, MPI_Comm real, MPI_Comm *newcomm,
                   const char *function)
{
    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_COMM, real, newcomm);
        return crmpi_comm_error(comm, error, function);
    }
    if (real == MPI_COMM_NULL)
        *newcomm = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null);
    else
        *newcomm = crmpi_comm_adopt(real, comm);
    if (real != MPI_COMM_NULL)
        maker_note(*newcomm, function);
    crmpi_comm_of(comm)->n_created++;
    crmpi_collective_end(comm);
    return MPI_SUCCESS;
}

void crmpi_meet_enter(MPI_Comm comm)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);

    if (c->size + c->remote_size == 1)
        crmpi_thread->nest++; /* it waits for nobody: no checkpoint sees it under way */
    __atomic_store_n(&c->under_way, 1, __ATOMIC_RELEASE);
}

void crmpi_meet_begin(MPI_Comm comm)
{
    if (!crmpi_comm_of(comm))
        return;
    crmpi_make_begin(comm); /* windows and files have one each */
    if (!crmpi_thread_multiple && !crmpi_comm_of(comm)->is_dynamic)
        crmpi_meet(CRMPI_REAL(MPI_Comm, comm)); /* else the others may run without crmpi */
    crmpi_meet_enter(comm);
}

void crmpi_meet_end(MPI_Comm comm)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c)
        return;
    __atomic_store_n(&c->under_way, 0, __ATOMIC_RELEASE);
    if (c->size + c->remote_size == 1)
        crmpi_thread->nest--;
    crmpi_collective_end(comm);
}

/*
 * Duplicates
 */

/* Give the duplicate @p real a handle, and what MPI_Comm_dup copies beside the group; if
 * that fails it is freed. */
static int dup_end(MPI_Comm comm, int error, MPI_Comm real, MPI_Comm *newcomm,
                   MPI_Info info, const char *function)
{
    struct crmpi_comm *from = crmpi_comm_of(comm), *to;

    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_COMM, real, newcomm);
        return crmpi_comm_error(comm, error, function);
    }
    struct processes p = processes_copy(from);
    MPI_Comm copy = adopt(real, &p, comm);
    from->n_created++;
    crmpi_collective_end(comm);
    to = crmpi_comm_of(copy);
    to->inherits = from->inherits;
    maker_note(copy, function);
    if (info)
        crmpi_comm_hint(copy, info);
    error =
        crmpi_settings_copy(CRMPI_COMM, comm, from->attributes, copy, &to->attributes);
    if (error != MPI_SUCCESS) { /* what has been copied is deleted with it */
        if (crmpi_settings_delete(CRMPI_COMM, copy, &to->attributes) != MPI_SUCCESS)
            crmpi_settings_drop(CRMPI_COMM, &to->attributes);
        crmpi_handle_release((void *)copy);
        *newcomm = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null);
        return crmpi_comm_error(comm, error, function);
    }
    *newcomm = copy;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_dup(MPI_Comm comm, MPI_Comm *newcomm)
{
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    crmpi_make_begin(comm);
    int error = PMPI_Comm_dup(CRMPI_REAL(MPI_Comm, comm), newcomm ? &real : NULL);
    return dup_end(comm, error, real, newcomm, NULL, "MPI_Comm_dup");
}

int crmpi_lower_MPI_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm)
{
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    crmpi_make_begin(comm);
    MPI_Info info_real = crmpi_info_make(info);
    int error = PMPI_Comm_dup_with_info(CRMPI_REAL(MPI_Comm, comm), info_real,
                                        newcomm ? &real : NULL);
    crmpi_info_drop(info_real);
    return dup_end(comm, error, real, newcomm, info, "MPI_Comm_dup_with_info");
}

/* The new communicator is known at once, its request is a nonblocking collective. */
static int idup(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm, MPI_Request *request,
                const char *function)
{
    int error = !crmpi_comm_of(comm) ? MPI_ERR_COMM : MPI_SUCCESS;

    if (!newcomm || !request)
        error = MPI_ERR_ARG;
    if (error == MPI_SUCCESS) {
        crmpi_collective_begin(comm);
        crmpi_call_resumed();
    }
    error = dup_end(comm, error, error == MPI_SUCCESS ? NULL : CRMPI_NOTHING(MPI_Comm),
                    newcomm, NULL, function);
    if (error != MPI_SUCCESS)
        return error;
    struct crmpi_comm *new = crmpi_comm_of(*newcomm);
    new->making = 1;
    if (info)
        crmpi_info_merge(&new->info, info);
    *request = crmpi_request_wrap(crmpi_idup_begin(comm, info, *newcomm), CRMPI_WRAP_IDUP,
                                  *newcomm);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_idup(MPI_Comm comm, MPI_Comm *newcomm, MPI_Request *request)
{
    return idup(comm, NULL, newcomm, request, "MPI_Comm_idup");
}

#if OMPI_MAJOR_VERSION >= 5
int crmpi_lower_MPI_Comm_idup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm,
                                        MPI_Request *request)
{
    return idup(comm, info, newcomm, request, "MPI_Comm_idup_with_info");
}
#endif

/*
 * Communicators whose members are not all of a parent's.  No collective of an existing
 * communicator tells a checkpoint whether all members have the new one: so it is listed
 * as unborn before, and its making is its first collective.
 */

static int is_unborn(struct crmpi_handle *handle, void *id)
{
    struct crmpi_comm *c = handle->extra;

    return c->unborn && c->id == *(uint64_t *)id;
}

static struct crmpi_handle *unborn(uint64_t id)
{
    struct crmpi_handle *handle = crmpi_handle_find(CRMPI_COMM, is_unborn, &id);

    if (!handle) {
        handle = crmpi_handle_create(CRMPI_COMM, NULL, sizeof(struct crmpi_comm));
        struct crmpi_comm *c = handle->extra;
        c->id = id;
        c->unborn = 1;
    }
    return handle;
}

static int born(struct crmpi_handle *handle, MPI_Comm parent, int error, MPI_Comm real,
                MPI_Comm *newcomm, const char *function)
{
    struct crmpi_comm *c = handle->extra;

    if (error != MPI_SUCCESS) {
        crmpi_handle_release(handle);
        crmpi_left_give(CRMPI_COMM, real, newcomm);
        return crmpi_comm_error(parent, error, function);
    }
    struct processes p = processes_find(real, crmpi_comm_of(parent));
    handle->real = real;
    fill(handle, real, &p, crmpi_comm_of(parent), c->id);
    c->unborn = 0;
    *newcomm = (void *)handle;
    crmpi_collective_end(*newcomm);
    return MPI_SUCCESS;
}

/* As above where processes outside of the job take part: such a communicator forbids
 * checkpoints, so the MPI library's own call will do. */
static int made_natively(MPI_Comm parent, int error, MPI_Comm real, MPI_Comm *newcomm,
                         const char *function)
{
    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_COMM, real, newcomm);
        return crmpi_comm_error(parent, error, function);
    }
    *newcomm = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null);
    if (real != MPI_COMM_NULL) {
        *newcomm = crmpi_comm_adopt(real, parent);
        maker_note(*newcomm, function);
    }
    return MPI_SUCCESS;
}

static pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER; /* of group_calls */

/* The count of calls of MPI_Comm_create_group with these members and tag. */
static struct crmpi_group_calls *group_calls(struct crmpi_comm *c,
                                             const struct crmpi_group *group, int tag)
{
    struct crmpi_checksum_state state;
    struct crmpi_group_calls *calls;

    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, &tag, sizeof tag);
    crmpi_checksum_add(&state, group->world_ranks, group->n * sizeof *group->world_ranks);
    uint64_t key = crmpi_checksum_end(&state);
    pthread_mutex_lock(&calls_lock);
    calls = c->group_calls;
    while (calls && calls->key != key)
        calls = calls->next;
    if (!calls) {
        calls = crmpi_upper_alloc(sizeof *calls);
        calls->key = key;
        calls->next = c->group_calls;
        c->group_calls = calls;
    }
    pthread_mutex_unlock(&calls_lock);
    return calls;
}

static int group_has_rank(const struct crmpi_group *group, int32_t world_rank)
{
    for (int i = 0; i < group->n; i++)
        if (group->world_ranks[i] == world_rank)
            return 1;
    return 0;
}

int crmpi_lower_MPI_Comm_create_group(MPI_Comm comm, MPI_Group group, int tag,
                                      MPI_Comm *newcomm)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_group *g = CRMPI_EXTRA(group, group);
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    if (!c || !g || !newcomm || c->remote_size || c->is_dynamic || g->is_dynamic ||
        tag < 0 || !group_has_rank(g, c->members[c->rank])) {
        int error = PMPI_Comm_create_group(CRMPI_REAL(MPI_Comm, comm),
                                           CRMPI_REAL(MPI_Group, group), tag,
                                           newcomm ? &real : NULL);
        return made_natively(comm, error, real, newcomm, "MPI_Comm_create_group");
    }
    struct crmpi_group_calls *calls = group_calls(c, g, tag);
    const uint64_t seed[3] = {c->id, calls->key, calls->n};
    struct crmpi_handle *handle = unborn(crmpi_checksum(seed, sizeof seed));
    struct crmpi_comm *new = handle->extra;
    crmpi_collective_begin((void *)handle);
    crmpi_call_resumed();
    /* over crmpi's own communicator, where no drain takes the library's messages away */
    int error = PMPI_Comm_create_group(crmpi_private_world, CRMPI_REAL(MPI_Group, group),
                                       crmpi_private_tag(CRMPI_TAG_MAKE, new->id), &real);
    error = born(handle, comm, error, real, newcomm, "MPI_Comm_create_group");
    if (error == MPI_SUCCESS)
        calls->n++;
    return error;
}

/* What the leaders of the two sides of a new intercommunicator tell each other. */
struct side {
    uint64_t comm_id, n_created;
    int32_t n, unused; /* no padding: it is sent.  n -1: the leader cannot tell */
};

/* Exchange @p mine and the leaders' lists, and tell all of the local communicator. */
static int sides_exchange(struct crmpi_comm *c, MPI_Comm local, int leader,
                          int remote_leader, int tag, const struct side *mine,
                          struct side *theirs, int32_t **ranks_out)
{
    MPI_Request request[2];
    int error = MPI_SUCCESS, bytes = sizeof *mine;
    const void *out = mine;
    void *in = theirs;

    *theirs = (struct side){.n = -1};
    for (int step = 0; step < 2 && error == MPI_SUCCESS; step++) {
        if (c->rank == leader && remote_leader >= 0) {
            error = PMPI_Irecv(in, step ? theirs->n : bytes, step ? MPI_INT : MPI_BYTE,
                               remote_leader, tag, crmpi_private_world, &request[0]);
            if (error == MPI_SUCCESS)
                error = PMPI_Isend(out, step ? mine->n : bytes, step ? MPI_INT : MPI_BYTE,
                                   remote_leader, tag, crmpi_private_world, &request[1]);
            for (int i = 0; i < 2; i++)
                error = wait_for(error, &request[i]);
        }
        if (error == MPI_SUCCESS)
            error = wait_for(PMPI_Ibcast(in, step ? theirs->n : bytes,
                                         step ? MPI_INT : MPI_BYTE, leader, local,
                                         &request[0]),
                             &request[0]);
        if (step == 0 && error == MPI_SUCCESS && theirs->n < 0)
            return MPI_SUCCESS;
        if (step == 0 && error == MPI_SUCCESS) {
            out = c->members;
            in = *ranks_out = malloc((theirs->n + 1) * sizeof **ranks_out);
            error = in ? MPI_SUCCESS : MPI_ERR_NO_MEM;
        }
    }
    return error;
}

/* The same on both sides. */
static uint64_t sides_id(const struct side *mine, const int32_t *members,
                         const struct side *theirs, const int32_t *ranks)
{
    struct crmpi_checksum_state state;
    int swap = mine->n && theirs->n && ranks[0] < members[0];

    crmpi_checksum_begin(&state);
    for (int i = 0; i < 2; i++) {
        const struct side *side = i == swap ? mine : theirs;
        uint64_t seed[2] = {side->comm_id, side->n_created};
        crmpi_checksum_add(&state, seed, sizeof seed);
        crmpi_checksum_add(&state, side == mine ? members : ranks,
                           side->n * sizeof *members);
    }
    return crmpi_checksum_end(&state);
}

/* Whether crmpi can do it, as far as all members know; otherwise the MPI library will find
 * the error, or the communicator has processes outside of the job. */
static int intercomm_is_plain(const struct crmpi_comm *c, int leader, int tag,
                              const MPI_Comm *out)
{
    return c && out && !c->remote_size && !c->is_dynamic && leader >= 0 &&
           leader < c->size && tag >= 0;
}

/* The other leader's world rank, which only this side's leader knows; -1: it has none. */
static int leader_find(const struct crmpi_comm *peer, int remote_leader)
{
    return peer && !peer->remote_size && remote_leader >= 0 && remote_leader < peer->size
               ? peer->peers[remote_leader]
               : -1;
}

/* With processes of another job: nobody could make the call again, and what it makes forbids
 * checkpoints. */
static int intercomm_natively(MPI_Comm local, int local_leader, MPI_Comm bridge_comm,
                              int remote_leader, int tag, MPI_Comm *newintercomm)
{
    static const char name[] = "MPI_Intercomm_create";
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    crmpi_meet_begin(local);
    crmpi_once_begin(name);
    int error = PMPI_Intercomm_create(
        CRMPI_REAL(MPI_Comm, local), local_leader, CRMPI_REAL(MPI_Comm, bridge_comm),
        remote_leader, tag, newintercomm ? &real : NULL);
    crmpi_meet_end(local);
    error = made_natively(local, error, real, newintercomm, name);
    crmpi_once_end();
    return error;
}

int crmpi_lower_MPI_Intercomm_create(MPI_Comm local, int local_leader,
                                     MPI_Comm bridge_comm, int remote_leader, int tag,
                                     MPI_Comm *newintercomm)
{
    static const char name[] = "MPI_Intercomm_create";
    struct crmpi_comm *c = crmpi_comm_of(local), *p = crmpi_comm_of(bridge_comm);
    MPI_Comm local_real = CRMPI_REAL(MPI_Comm, local), real = CRMPI_NOTHING(MPI_Comm);
    struct side theirs;
    int32_t *ranks = NULL;
    int world_leader = 0, own_tag = 0;

    if (c)
        crmpi_idup_settle(local);
    if (!intercomm_is_plain(c, local_leader, tag, newintercomm))
        return intercomm_natively(local, local_leader, bridge_comm, remote_leader, tag,
                                  newintercomm);
    struct side mine = {c->id, c->n_created, c->size, 0};
    if (c->rank == local_leader)
        world_leader = leader_find(p, remote_leader);
    if (c->rank == local_leader && world_leader >= 0) {
        const uint64_t seed[2] = {p->id, (uint64_t)tag};
        own_tag = crmpi_private_tag(CRMPI_TAG_SIDES, crmpi_checksum(seed, sizeof seed));
    }
    crmpi_call_resumed();
    int error = sides_exchange(c, local_real, local_leader, world_leader, own_tag, &mine,
                               &theirs, &ranks);
    if (error != MPI_SUCCESS) {
        free(ranks);
        return crmpi_comm_error(local, error, name);
    }
    if (theirs.n < 0)
        return intercomm_natively(local, local_leader, bridge_comm, remote_leader, tag,
                                  newintercomm);
    struct crmpi_handle *handle = unborn(sides_id(&mine, c->members, &theirs, ranks));
    struct crmpi_comm *new = handle->extra;
    free(ranks);
    crmpi_collective_begin((void *)handle);
    error =
        PMPI_Intercomm_create(local_real, local_leader, crmpi_private_world, world_leader,
                              crmpi_private_tag(CRMPI_TAG_MAKE, new->id), &real);
    error = born(handle, local, error, real, newintercomm, name);
    if (error == MPI_SUCCESS)
        c->n_created++;
    return error;
}
