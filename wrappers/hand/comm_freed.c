/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a communicator has been freed by all its members (lower half).
 *
 * A barrier of each would tell, but the library looks at all that are under way whenever it
 * makes progress, and programs free many.  So the members of a communicator are a binary
 * tree: who has freed it, and whose children have told the same, tells its parent; the root
 * tells all that it is gone.  What there is to tell is gathered, and sent when there is
 * much of it, on crmpi's own communicator.
 *
 * None of that belongs to a checkpoint: it is taken before any member has freed a
 * communicator or after all have, so a restart drops what has been freed.
 */
#include <pthread.h>
#include <stdlib.h>

#include "wrappers/objects.h"

#define BATCH 64 /* so much is told at once */

struct freed {
    struct freed *next;          /* in its bucket, then among those gone */
    struct crmpi_handle *handle; /* NULL: this rank has not freed it yet */
    uint64_t id;
    int n_told; /* children that have */
};

/* What is to be sent to a rank, or on its way. */
struct letter {
    struct letter *next;
    MPI_Request request;
    int dest, n;
    enum crmpi_private_tag what;
    uint64_t ids[BATCH];
};

/* Guards all below.  A thread does not park with it: nothing here waits. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct freed **buckets, *gone;
static size_t n_buckets, n_freed;
static struct letter *written, *sent;
static int n_to_tell, n_calls;

static void *room(size_t n, size_t bytes)
{
    void *block = calloc(n, bytes);

    if (!block) {
        crmpi_error("no memory to free a communicator");
        abort();
    }
    return block;
}

/*
 * The table
 */

static struct freed **place(uint64_t id)
{
    struct freed **at = &buckets[id % n_buckets];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void table_grow(void)
{
    struct freed **old = buckets, *f;
    size_t n_old = n_buckets;

    n_buckets = n_old ? 2 * n_old : 64;
    buckets = room(n_buckets, sizeof *buckets);
    for (size_t i = 0; i < n_old; i++)
        while ((f = old[i])) {
            struct freed **at = &buckets[f->id % n_buckets];
            old[i] = f->next;
            f->next = *at;
            *at = f;
        }
    free(old);
}

static struct freed *entry_of(uint64_t id)
{
    if (n_freed >= n_buckets)
        table_grow();
    struct freed **at = place(id);
    if (!*at) {
        *at = room(1, sizeof **at);
        (*at)->id = id;
        n_freed++;
    }
    return *at;
}

/*
 * Telling
 */

static void tell(int dest, enum crmpi_private_tag what, uint64_t id)
{
    struct letter *letter = written;

    while (letter && (letter->dest != dest || letter->what != what || letter->n == BATCH))
        letter = letter->next;
    if (!letter) {
        letter = room(1, sizeof *letter);
        letter->dest = dest;
        letter->what = what;
        letter->next = written;
        written = letter;
    }
    letter->ids[letter->n++] = id;
    n_to_tell++;
}

static void letters_send(void)
{
    struct letter *letter;
    int done;

    for (struct letter **at = &sent; (letter = *at);) {
        done = 0;
        PMPI_Test(&letter->request, &done, MPI_STATUS_IGNORE);
        if (done) {
            *at = letter->next;
            free(letter);
        } else {
            at = &letter->next;
        }
    }
    while ((letter = written)) {
        written = letter->next;
        PMPI_Isend(letter->ids, letter->n, MPI_UINT64_T, letter->dest,
                   crmpi_private_tag(letter->what, 0), crmpi_private_world,
                   &letter->request);
        letter->next = sent;
        sent = letter;
    }
    n_to_tell = 0;
}

/*
 * The tree: members in an order that all know, of an intercommunicator those of the side with
 * the lower first rank first
 */

static int n_members(const struct crmpi_comm *c)
{
    return c->size + c->remote_size;
}

static int is_second(const struct crmpi_comm *c)
{
    return c->remote_size && c->peers[0] < c->members[0];
}

static int place_of_this(const struct crmpi_comm *c)
{
    return (is_second(c) ? c->remote_size : 0) + c->rank;
}

static int world_rank(const struct crmpi_comm *c, int place)
{
    int second = is_second(c), n_first = second ? c->remote_size : c->size;
    const int32_t *first = second ? c->peers : c->members,
                  *others = second ? c->members : c->peers;

    return place < n_first ? first[place] : others[place - n_first];
}

/* All have freed it. */
static void end(struct freed *f)
{
    const struct crmpi_comm *c = f->handle->extra;
    int at = place_of_this(c);

    for (int child = 2 * at + 1; child <= 2 * at + 2 && child < n_members(c); child++)
        tell(world_rank(c, child), CRMPI_TAG_GONE, f->id);
    *place(f->id) = f->next;
    n_freed--;
    f->next = gone;
    gone = f;
}

/* Tell the parent, if this rank and all below it have freed it. */
static void step(struct freed *f)
{
    const struct crmpi_comm *c = f->handle ? f->handle->extra : NULL;
    int at, n_children;

    if (!c)
        return;
    at = place_of_this(c);
    n_children = n_members(c) - (2 * at + 1);
    if (f->n_told < (n_children > 2 ? 2 : n_children))
        return;
    if (at > 0)
        tell(world_rank(c, (at - 1) / 2), CRMPI_TAG_FREED, f->id);
    else
        end(f);
}

/* The next letter of a kind: how many ids are in it; 0: there is none. */
static int letter_read(enum crmpi_private_tag what, uint64_t ids[BATCH])
{
    MPI_Message message;
    MPI_Status status;
    int flag = 0, n = 0;

    if (PMPI_Improbe(MPI_ANY_SOURCE, crmpi_private_tag(what, 0), crmpi_private_world,
                     &flag, &message, &status) != MPI_SUCCESS ||
        !flag)
        return 0;
    PMPI_Get_count(&status, MPI_UINT64_T, &n);
    PMPI_Mrecv(ids, n, MPI_UINT64_T, &message, MPI_STATUS_IGNORE);
    return n;
}

static void letters_read(void)
{
    uint64_t ids[BATCH];
    int n;

    while ((n = letter_read(CRMPI_TAG_FREED, ids)) > 0)
        for (int i = 0; i < n; i++) {
            struct freed *f = entry_of(ids[i]);
            f->n_told++;
            step(f);
        }
    while ((n = letter_read(CRMPI_TAG_GONE, ids)) > 0)
        for (int i = 0; i < n; i++)
            end(entry_of(ids[i]));
}

/*
 * For the wrappers
 */

static void gone_release(struct freed *list)
{
    while (list) {
        struct freed *f = list;

        list = f->next;
        ((struct crmpi_comm *)f->handle->extra)->reaped = 1;
        crmpi_handle_release(f->handle);
        free(f);
    }
}

void crmpi_comm_reap(void)
{
    if (__atomic_load_n(&n_freed, __ATOMIC_RELAXED) == 0)
        return;
    crmpi_thread->nest++;
    if (pthread_mutex_trylock(&lock) == 0) {
        struct freed *list;

        if (++n_calls >= BATCH) {
            n_calls = 0;
            letters_read();
            letters_send();
        }
        list = gone;
        gone = NULL;
        pthread_mutex_unlock(&lock);
        gone_release(list);
    }
    crmpi_thread->nest--;
}

/* The collective is counted: no thread may park before MPI_Comm_free has returned. */
void crmpi_comm_leave(struct crmpi_handle *handle)
{
    struct crmpi_comm *c = handle->extra;

    handle->flags |= CRMPI_HANDLE_FREED;
    if (n_members(c) == 1) {
        c->reaped = 1;
        crmpi_handle_release(handle);
        return;
    }
    crmpi_thread->nest++;
    pthread_mutex_lock(&lock);
    struct freed *f = entry_of(c->id);
    f->handle = handle;
    step(f);
    if (n_to_tell >= BATCH)
        letters_send();
    pthread_mutex_unlock(&lock);
    crmpi_thread->nest--;
}
