/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dynamic processes (lower half): the MPI library does it all.  While a communicator or a
 * group with processes of another job lives, and while such a call runs, no checkpoint is
 * taken.  So all that happens on such a communicator lies between two checkpoints of each
 * rank that has it; nothing of it is counted, and when it is gone all is as before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "wrappers/hand/cut.h"
#include "wrappers/hand/ledger.h"
#include "wrappers/objects.h"

/* A call that may wait for another job.  No thread parks in it, so not even what it waits
 * for before that may be cut. */
static void begin(MPI_Comm comm, const char *function)
{
    crmpi_once_begin(function);
    crmpi_meet_begin(comm);
}

/* The communicator that such a call made.  Ranks of this job may be on the other side, for
 * whom it comes of another communicator, and has another id. */
static MPI_Comm adopt(MPI_Comm real, MPI_Comm comm, const char *function)
{
    MPI_Comm made = crmpi_comm_adopt(real, comm);
    struct crmpi_comm *c = crmpi_comm_of(made);

    for (int i = 0; i < c->remote_size; i++)
        c->is_joined |= c->peers[i] >= 0;
    if (!c->is_dynamic)
        crmpi_dynamic_add();
    c->is_dynamic = 1;
    c->maker = function;
    crmpi_ledger_meet(c);
    return made;
}

static int connected(MPI_Comm comm, int error, MPI_Comm real, MPI_Comm *out,
                     const char *function)
{
    if (error == MPI_SUCCESS) {
        *out = real == MPI_COMM_NULL ? CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null)
                                     : adopt(real, comm, function);
        crmpi_comm_of(comm)->n_created++;
    }
    crmpi_meet_end(comm);
    crmpi_once_end();
    if (error == MPI_SUCCESS)
        return error;
    crmpi_left_give(CRMPI_COMM, real, out);
    return crmpi_comm_error(comm, error, function);
}

static int is_root(MPI_Comm comm, int root)
{
    return crmpi_comm_of(comm) && crmpi_comm_of(comm)->rank == root;
}

int crmpi_lower_MPI_Comm_spawn(const char *command, char *argv[], int maxprocs,
                               MPI_Info info, int root, MPI_Comm comm,
                               MPI_Comm *intercomm, int array_of_errcodes[])
{
    MPI_Info info_real = is_root(comm, root) ? crmpi_info_make(info) : MPI_INFO_NULL;
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    begin(comm, "MPI_Comm_spawn");
    int error = PMPI_Comm_spawn(command, argv, maxprocs, info_real, root,
                                CRMPI_REAL(MPI_Comm, comm), intercomm ? &real : NULL,
                                array_of_errcodes);
    crmpi_info_drop(info_real);
    return connected(comm, error, real, intercomm, "MPI_Comm_spawn");
}

int crmpi_lower_MPI_Comm_spawn_multiple(int count, char *array_of_commands[],
                                        char **array_of_argv[],
                                        const int array_of_maxprocs[],
                                        const MPI_Info array_of_info[], int root,
                                        MPI_Comm comm, MPI_Comm *intercomm,
                                        int array_of_errcodes[])
{
    int n = is_root(comm, root) && array_of_info ? count : 0;
    MPI_Info *infos = malloc((n + 1) * sizeof *infos);
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    if (!infos)
        return crmpi_comm_error(comm, MPI_ERR_NO_MEM, "MPI_Comm_spawn_multiple");
    for (int i = 0; i < n; i++)
        infos[i] = crmpi_info_make(array_of_info[i]);
    begin(comm, "MPI_Comm_spawn_multiple");
    int error = PMPI_Comm_spawn_multiple(
        count, array_of_commands, array_of_argv, array_of_maxprocs, infos, root,
        CRMPI_REAL(MPI_Comm, comm), intercomm ? &real : NULL, array_of_errcodes);
    for (int i = 0; i < n; i++)
        crmpi_info_drop(infos[i]);
    free(infos);
    return connected(comm, error, real, intercomm, "MPI_Comm_spawn_multiple");
}

int crmpi_lower_MPI_Comm_accept(const char *port_name, MPI_Info info, int root,
                                MPI_Comm comm, MPI_Comm *newcomm)
{
    MPI_Info info_real = is_root(comm, root) ? crmpi_info_make(info) : MPI_INFO_NULL;
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    begin(comm, "MPI_Comm_accept");
    int error = PMPI_Comm_accept(port_name, info_real, root, CRMPI_REAL(MPI_Comm, comm),
                                 newcomm ? &real : NULL);
    crmpi_info_drop(info_real);
    return connected(comm, error, real, newcomm, "MPI_Comm_accept");
}

int crmpi_lower_MPI_Comm_connect(const char *port_name, MPI_Info info, int root,
                                 MPI_Comm comm, MPI_Comm *newcomm)
{
    MPI_Info info_real = is_root(comm, root) ? crmpi_info_make(info) : MPI_INFO_NULL;
    MPI_Comm real = CRMPI_NOTHING(MPI_Comm);

    begin(comm, "MPI_Comm_connect");
    int error = PMPI_Comm_connect(port_name, info_real, root, CRMPI_REAL(MPI_Comm, comm),
                                  newcomm ? &real : NULL);
    crmpi_info_drop(info_real);
    return connected(comm, error, real, newcomm, "MPI_Comm_connect");
}

int crmpi_lower_MPI_Comm_join(int fd, MPI_Comm *intercomm)
{
    MPI_Comm self = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_self),
             real = CRMPI_NOTHING(MPI_Comm);

    begin(self, "MPI_Comm_join");
    int error = PMPI_Comm_join(fd, intercomm ? &real : NULL);
    return connected(self, error, real, intercomm, "MPI_Comm_join");
}

int crmpi_lower_MPI_Comm_get_parent(MPI_Comm *parent)
{
    struct crmpi_objects *o = crmpi_objects_root;
    MPI_Comm real;
    int error = PMPI_Comm_get_parent(parent ? &real : NULL);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Comm_get_parent");
    if (real == MPI_COMM_NULL) {
        *parent = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null);
        return MPI_SUCCESS;
    }
    if (!o->parent)
        o->parent =
            (void *)crmpi_comm_adopt(real, CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world));
    *parent = (void *)o->parent;
    return MPI_SUCCESS;
}
