/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions, and communicators that are made from groups, of MPI-4 (lower half).
 *
 * The lower library knows of no session: it is initialised as by MPI_Init, by the first session
 * if the application has not called that, and finalised when both have ended; if there was only
 * ever a session, when the process ends, as another one may come.  A session is what the
 * application has said of it.  Process sets become groups of the ranks of MPI_COMM_WORLD, so the
 * communicators that are made from them are those of MPI_Comm_create_group: to a cut and to a
 * restart nothing of it is new.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "wrappers/objects.h"

#define TAG_BITS 15 /* that every library's tags have */

static struct crmpi_session *session_of(MPI_Session session)
{
    return CRMPI_EXTRA(session, session);
}

static MPI_Comm world(void)
{
    return CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world);
}

void crmpi_session_destroy(struct crmpi_handle *handle)
{
    struct crmpi_session *s = handle->extra;

    crmpi_handle_release(s->errhandler);
    crmpi_handle_release(s->info);
}

static int has_value(MPI_Info info, const char *key, const char *value)
{
    char found[MPI_MAX_INFO_VAL + 1];
    int bytes = sizeof found, has = 0;

    return crmpi_info_is(info) &&
           crmpi_lower_MPI_Info_get_string(info, key, &bytes, found, &has) ==
               MPI_SUCCESS &&
           has && strcmp(found, value) == 0;
}

int crmpi_lower_MPI_Session_init(MPI_Info info, MPI_Errhandler errhandler,
                                 MPI_Session *session)
{
    int level = has_value(info, "thread_level", "MPI_THREAD_MULTIPLE")
                    ? MPI_THREAD_MULTIPLE
                    : MPI_THREAD_SINGLE;
    int error;

    if (!session || !crmpi_handle_real(errhandler))
        return crmpi_comm_error(NULL, MPI_ERR_ARG, "MPI_Session_init");
    if (info != CRMPI_UPPER(MPI_Info, ompi_mpi_info_null) && !crmpi_info_is(info))
        return crmpi_comm_error(NULL, MPI_ERR_INFO, "MPI_Session_init");
    if ((error = crmpi_world_begin(level)) != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Session_init");
    struct crmpi_handle *handle = crmpi_handle_create(CRMPI_SESSION, NULL,
                                                      sizeof(struct crmpi_session));
    struct crmpi_session *s = handle->extra;
    s->errhandler = CRMPI_UPPER(void *, ompi_mpi_errors_are_fatal);
    error = crmpi_session_set_errhandler((void *)handle, errhandler);
    if (error != MPI_SUCCESS) {
        crmpi_handle_release(handle);
        return crmpi_comm_error(NULL, error, "MPI_Session_init");
    }
    if (crmpi_info_is(info))
        s->info = (void *)crmpi_info_copy(info);
    __atomic_add_fetch(&crmpi_objects_root->n_sessions, 1, __ATOMIC_ACQ_REL);
    *session = (void *)handle;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Session_finalize(MPI_Session *session)
{
    struct crmpi_objects *o = crmpi_objects_root;

    if (!session || !session_of(*session))
        return crmpi_comm_error(NULL, MPI_ERR_ARG, "MPI_Session_finalize");
    struct crmpi_session *s = session_of(*session);
    if (!s->is_ending) { /* the call may be made again */
        s->is_last = __atomic_sub_fetch(&o->n_sessions, 1, __ATOMIC_ACQ_REL) == 0;
        s->is_ending = 1;
    }
    if (s->is_last && o->world_ended)
        crmpi_world_end();
    crmpi_handle_release((void *)*session);
    *session = CRMPI_UPPER(MPI_Session, ompi_mpi_instance_null);
    return MPI_SUCCESS;
}

/*
 * What only the library knows, it is asked by a session of its own.
 */

static int ask_begin(MPI_Session session, MPI_Session *real_out)
{
    MPI_Info info = crmpi_info_make((void *)session_of(session)->info);
    int error =
        PMPI_Session_init(info ? info : MPI_INFO_NULL, MPI_ERRORS_RETURN, real_out);

    crmpi_info_drop(info);
    return error;
}

int crmpi_lower_MPI_Session_get_info(MPI_Session session, MPI_Info *info_used)
{
    MPI_Info info = MPI_INFO_NULL;
    MPI_Session real;
    int error;

    if (!session_of(session) || !info_used)
        return crmpi_session_error(session,
                                   session_of(session) ? MPI_ERR_INFO : MPI_ERR_SESSION,
                                   "MPI_Session_get_info");
    if ((error = ask_begin(session, &real)) == MPI_SUCCESS) {
        error = PMPI_Session_get_info(real, &info);
        PMPI_Session_finalize(&real);
    }
    if (error != MPI_SUCCESS)
        return crmpi_session_error(session, error, "MPI_Session_get_info");
    *info_used = crmpi_info_adopt(info);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Session_set_info(MPI_Session session, MPI_Info info)
{
    if (!session_of(session) || !crmpi_info_is(info))
        return crmpi_session_error(session,
                                   session_of(session) ? MPI_ERR_INFO : MPI_ERR_SESSION,
                                   "MPI_Session_set_info");
    crmpi_info_merge(&session_of(session)->info, info);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Session_get_num_psets(MPI_Session session, MPI_Info info,
                                          int *npset_names)
{
    MPI_Session real;
    int error = MPI_ERR_SESSION;

    (void)info;
    if (session_of(session) && (error = ask_begin(session, &real)) == MPI_SUCCESS) {
        error = PMPI_Session_get_num_psets(real, MPI_INFO_NULL, npset_names);
        PMPI_Session_finalize(&real);
    }
    return error == MPI_SUCCESS
               ? error
               : crmpi_session_error(session, error, "MPI_Session_get_num_psets");
}

int crmpi_lower_MPI_Session_get_nth_pset(MPI_Session session, MPI_Info info, int n,
                                         int *len, char *pset_name)
{
    MPI_Session real;
    int error = MPI_ERR_SESSION;

    (void)info;
    if (session_of(session) && (error = ask_begin(session, &real)) == MPI_SUCCESS) {
        error = PMPI_Session_get_nth_pset(real, MPI_INFO_NULL, n, len, pset_name);
        PMPI_Session_finalize(&real);
    }
    return error == MPI_SUCCESS
               ? error
               : crmpi_session_error(session, error, "MPI_Session_get_nth_pset");
}

int crmpi_lower_MPI_Session_get_pset_info(MPI_Session session, const char *pset_name,
                                          MPI_Info *info_used)
{
    MPI_Info info = MPI_INFO_NULL;
    MPI_Session real;
    int error = MPI_ERR_SESSION;

    if (session_of(session) && (error = ask_begin(session, &real)) == MPI_SUCCESS) {
        error = PMPI_Session_get_pset_info(real, pset_name, info_used ? &info : NULL);
        PMPI_Session_finalize(&real);
    }
    if (error != MPI_SUCCESS)
        return crmpi_session_error(session, error, "MPI_Session_get_pset_info");
    *info_used = crmpi_info_adopt(info);
    return MPI_SUCCESS;
}

/* The same processes as a group of MPI_COMM_WORLD's, which does not hang on a session. */
static int group_rebase(MPI_Group real, MPI_Group *out)
{
    MPI_Group of_world;
    int n = 0, error = PMPI_Group_size(real, &n);
    int *ranks = malloc((n + 1) * sizeof *ranks);

    if (!ranks)
        return MPI_ERR_NO_MEM;
    if (error == MPI_SUCCESS && crmpi_group_world_ranks(real, n, ranks) != 0)
        error = MPI_ERR_GROUP; /* processes of another job */
    if (error == MPI_SUCCESS)
        error = PMPI_Comm_group(MPI_COMM_WORLD, &of_world);
    if (error == MPI_SUCCESS) {
        error = PMPI_Group_incl(of_world, n, ranks, out);
        PMPI_Group_free(&of_world);
    }
    free(ranks);
    return error;
}

int crmpi_lower_MPI_Group_from_session_pset(MPI_Session session, const char *pset_name,
                                            MPI_Group *newgroup)
{
    MPI_Group of_session, real = MPI_GROUP_NULL;
    MPI_Session asked;
    int error = MPI_ERR_SESSION;

    if (session_of(session) && !newgroup)
        error = MPI_ERR_ARG;
    else if (session_of(session) && (error = ask_begin(session, &asked)) == MPI_SUCCESS) {
        error = PMPI_Group_from_session_pset(asked, pset_name, &of_session);
        if (error == MPI_SUCCESS) {
            error = group_rebase(of_session, &real);
            PMPI_Group_free(&of_session);
        }
        PMPI_Session_finalize(&asked);
    }
    if (error != MPI_SUCCESS)
        return crmpi_session_error(session, error, "MPI_Group_from_session_pset");
    *newgroup = crmpi_group_adopt(real);
    return MPI_SUCCESS;
}

/*
 * Communicators from groups
 */

static int tag_of(const char *text)
{
    struct crmpi_checksum_state state;

    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, text, strlen(text));
    return (int)(crmpi_checksum_end(&state) & ((1u << TAG_BITS) - 1));
}

/* Give it the hints and the error handler that were asked for. */
static int made(MPI_Comm comm, MPI_Info info, MPI_Errhandler errhandler)
{
    int error = MPI_SUCCESS;

    if (comm == CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null))
        return error;
    if (crmpi_info_is(info))
        error = crmpi_lower_MPI_Comm_set_info(comm, info);
    return error == MPI_SUCCESS ? crmpi_lower_MPI_Comm_set_errhandler(comm, errhandler)
                                : error;
}

static int arguments_check(MPI_Group group, const char *tag, MPI_Errhandler errhandler,
                           const MPI_Comm *out, const char *function)
{
    int error = !CRMPI_EXTRA(group, group)                    ? MPI_ERR_GROUP
                : !tag || strlen(tag) > MPI_MAX_STRINGTAG_LEN ? MPI_ERR_TAG
                : !out || !crmpi_handle_real(errhandler)      ? MPI_ERR_ARG
                                                              : MPI_SUCCESS;

    return error == MPI_SUCCESS ? error : crmpi_comm_error(NULL, error, function);
}

int crmpi_lower_MPI_Comm_create_from_group(MPI_Group group, const char *tag,
                                           MPI_Info info, MPI_Errhandler errhandler,
                                           MPI_Comm *newcomm)
{
    int error;

    if (newcomm && group == CRMPI_UPPER(MPI_Group, ompi_mpi_group_empty)) {
        *newcomm = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null);
        return MPI_SUCCESS;
    }
    error =
        arguments_check(group, tag, errhandler, newcomm, "MPI_Comm_create_from_group");
    if (error == MPI_SUCCESS)
        error = crmpi_lower_MPI_Comm_create_group(world(), group, tag_of(tag), newcomm);
    return error == MPI_SUCCESS ? made(*newcomm, info, errhandler) : error;
}

/* It is made of two, and cannot be made again from between them. */
int crmpi_lower_MPI_Intercomm_create_from_groups(MPI_Group local_group, int local_leader,
                                                 MPI_Group remote_group,
                                                 int remote_leader, const char *tag,
                                                 MPI_Info info, MPI_Errhandler errhandler,
                                                 MPI_Comm *newintercomm)
{
    static const char name[] = "MPI_Intercomm_create_from_groups",
                      under_way[] = "a call of MPI_Intercomm_create_from_groups is under way";
    const struct crmpi_group *remote = CRMPI_EXTRA(group, remote_group);
    MPI_Comm local;
    int error = arguments_check(local_group, tag, errhandler, newintercomm, name);

    if (error != MPI_SUCCESS)
        return error;
    if (!remote || remote_leader < 0 || remote_leader >= remote->n)
        return crmpi_comm_error(NULL, remote ? MPI_ERR_ARG : MPI_ERR_GROUP, name);
    crmpi_unsaved_begin(under_way);
    error = crmpi_lower_MPI_Comm_create_group(world(), local_group, tag_of(tag), &local);
    if (error == MPI_SUCCESS) {
        error = crmpi_lower_MPI_Intercomm_create(local, local_leader, world(),
                                                 remote->world_ranks[remote_leader],
                                                 tag_of(tag), newintercomm);
        crmpi_lower_MPI_Comm_free(&local);
    }
    crmpi_unsaved_end(under_way);
    return error == MPI_SUCCESS ? made(*newintercomm, info, errhandler) : error;
}
