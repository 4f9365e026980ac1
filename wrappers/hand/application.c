/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of crmpi.h (lower half).
 */
#include <crmpi.h>

#include "application/anew.h"
#include "application/hooks.h"
#include "base/config.h"
#include "engine/engine.h"
#include "engine/statistics.h"
#include "wrappers/layer.h"

/* What these calls return; the message has been written. */
static int result_of(enum crmpi_status status)
{
    switch (status) {
    case CRMPI_OK:
        return MPI_SUCCESS;
    case CRMPI_ERR_USAGE:
    case CRMPI_ERR_NOTFOUND:
        return MPI_ERR_ARG;
    case CRMPI_ERR_NOMEM:
        return MPI_ERR_NO_MEM;
    default:
        return MPI_ERR_OTHER;
    }
}

/*
 * Checkpoints
 */

/* A barrier in which threads may park. */
static int meet(void)
{
    MPI_Request request;
    int error = PMPI_Ibarrier(crmpi_private_world, &request);

    return error == MPI_SUCCESS ? crmpi_wait_real(&request, MPI_STATUS_IGNORE) : error;
}

int crmpi_lower_CRMPI_Checkpoint(void)
{
    if (crmpi_config.save != CRMPI_SAVE_NAMED)
        return crmpi_engine_checkpoint();
    if (crmpi_anew_waits()) {
        crmpi_warn("CRMPI_Checkpoint(): what the last checkpoint has would be lost: call "
                   "CRMPI_Restore() first");
        return MPI_ERR_OTHER;
    }
    return crmpi_engine_checkpoint_together(meet);
}

/* All ranks do what one has to, or none. */
static int agree(enum crmpi_status status)
{
    int mine = result_of(status), all, error;

    error = PMPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MAX, crmpi_private_world);
    if (error == MPI_SUCCESS && status == CRMPI_OK && all != MPI_SUCCESS)
        crmpi_info("CRMPI_Restore(): another rank cannot restore its regions");
    return error == MPI_SUCCESS ? all : error;
}

int crmpi_lower_CRMPI_Restore(void)
{
    int error;

    if (!crmpi_anew_is()) {
        crmpi_warn("CRMPI_Restore(): the program was not started anew from a checkpoint");
        return MPI_ERR_OTHER;
    }
    error = agree(crmpi_anew_check());
    return error == MPI_SUCCESS ? agree(crmpi_anew_restore()) : error;
}

int crmpi_lower_CRMPI_Restarted(int *restarted)
{
    *restarted = crmpi_anew_is();
    return MPI_SUCCESS;
}

/*
 * Questions
 */

/* What rank 0 says.  Only there all that is asked for is known, and all have to do
 * alike. */
static int ask_first(int value, int *value_out)
{
    MPI_Comm world = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world);
    int error;

    *value_out = 0;
    if (!crmpi_comm_of(world))
        return MPI_ERR_OTHER; /* not initialised */
    error = crmpi_lower_MPI_Bcast(&value, 1, CRMPI_UPPER(MPI_Datatype, ompi_mpi_int), 0,
                                  world);
    if (error == MPI_SUCCESS)
        *value_out = value;
    return error;
}

int crmpi_lower_CRMPI_Checkpoint_due(int *due)
{
    return ask_first(crmpi_statistics_is_due(), due);
}

int crmpi_lower_CRMPI_Should_stop(int *stop)
{
    return ask_first(crmpi_engine_should_stop(), stop);
}

int crmpi_lower_CRMPI_Get_statistics(void *statistics)
{
    struct crmpi_statistics numbers = crmpi_statistics_read();
    struct CRMPI_statistics *out = statistics;

    *out = (struct CRMPI_statistics){
        .checkpoints = numbers.checkpoints,
        .failures = numbers.failures,
        .restarts = numbers.restarts,
        .line = numbers.line,
        .bytes = numbers.bytes,
        .last_bytes = numbers.last_bytes,
        .blocked = numbers.blocked,
        .last_blocked = numbers.last_blocked,
        .last_time = numbers.last_time,
    };
    return MPI_SUCCESS;
}

/*
 * Memory
 */

int crmpi_lower_CRMPI_Exclude(void *start, size_t bytes)
{
    return result_of(crmpi_memory_exclude(start, bytes));
}

int crmpi_lower_CRMPI_Include(void *start)
{
    return result_of(crmpi_memory_include(start));
}

int crmpi_lower_CRMPI_Name(const char *name, void *start, int type, int n_dims,
                           const size_t *dims)
{
    return result_of(crmpi_memory_name(name, start, type, n_dims, dims));
}

int crmpi_lower_CRMPI_Unname(const char *name)
{
    return result_of(crmpi_memory_unname(name));
}

_Static_assert(CRMPI_INT8 == CRMPI_NAMED_INT8 && CRMPI_UINT8 == CRMPI_NAMED_UINT8 &&
                   CRMPI_INT16 == CRMPI_NAMED_INT16 &&
                   CRMPI_UINT16 == CRMPI_NAMED_UINT16 &&
                   CRMPI_INT32 == CRMPI_NAMED_INT32 &&
                   CRMPI_UINT32 == CRMPI_NAMED_UINT32 &&
                   CRMPI_INT64 == CRMPI_NAMED_INT64 &&
                   CRMPI_UINT64 == CRMPI_NAMED_UINT64 &&
                   CRMPI_FLOAT == CRMPI_NAMED_FLOAT && CRMPI_DOUBLE == CRMPI_NAMED_DOUBLE,
               "crmpi.h and storage/container.h agree");

/*
 * Functions of the application
 */

_Static_assert(CRMPI_BEFORE == CRMPI_HOOK_BEFORE &&
                   CRMPI_COMMITTED == CRMPI_HOOK_COMMITTED &&
                   CRMPI_GIVEN_UP == CRMPI_HOOK_GIVEN_UP &&
                   CRMPI_RESTART == CRMPI_HOOK_RESTART,
               "crmpi.h and application/hooks.h agree");

int crmpi_lower_CRMPI_Hook_add(int events, void *hook, void *extra_state)
{
    return result_of(crmpi_hook_add(events, (int (*)(int, void *))hook, extra_state));
}

int crmpi_lower_CRMPI_Hook_remove(void *hook, void *extra_state)
{
    return result_of(crmpi_hook_remove((int (*)(int, void *))hook, extra_state));
}

int crmpi_lower_CRMPI_Refill(void *start, void *refill, void *extra_state)
{
    return result_of(
        crmpi_hook_refill(start, (int (*)(void *, size_t, void *))refill, extra_state));
}

/*
 * Critical sections.  Threads that go through one after the other could always be in one
 * when they are looked at: so they park before it, and after it.
 */

int crmpi_lower_CRMPI_Critical_begin(void)
{
    crmpi_park_point();
    crmpi_call_resumed();
    crmpi_thread->critical++;
    return MPI_SUCCESS;
}

int crmpi_lower_CRMPI_Critical_end(void)
{
    if (crmpi_call_resumed())
        return MPI_SUCCESS; /* it had ended */
    if (crmpi_thread->critical == 0) {
        crmpi_warn("CRMPI_Critical_end() without CRMPI_Critical_begin() in this thread");
        return MPI_ERR_ARG;
    }
    crmpi_thread->critical--;
    crmpi_park_point();
    return MPI_SUCCESS;
}
