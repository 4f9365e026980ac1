/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sessions STEPS [world]: MPI sessions: process sets, communicators and intercommunicators from
 * groups, error handlers, hints; sessions that come and go.  Without MPI_Init, or with it.
 * Not many: each communicator from a group costs Open MPI 5.0 more than the one before.
 */
#include "check.h"

static int n_told;

static void handler(MPI_Session *session, int *code, ...)
{
    (void)session;
    (void)code;
    n_told++;
}

static MPI_Session session_begin(void)
{
    MPI_Session session;
    MPI_Info info, used;
    char value[64];
    int bytes = sizeof value, flag;

    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "thread_level", "MPI_THREAD_SINGLE"));
    CHECK_MPI(MPI_Session_init(info, MPI_ERRORS_RETURN, &session));
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_Session_get_info(session, &used));
    CHECK_MPI(MPI_Info_get_string(used, "thread_level", &bytes, value, &flag));
    CHECK_MPI(MPI_Info_free(&used));
    return session;
}

static MPI_Group group_of(MPI_Session session, const char *name)
{
    MPI_Group group;

    CHECK_MPI(MPI_Group_from_session_pset(session, name, &group));
    return group;
}

static MPI_Comm comm_of(MPI_Group group, const char *tag)
{
    MPI_Comm comm;

    CHECK_MPI(
        MPI_Comm_create_from_group(group, tag, MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm));
    return comm;
}

static void sets_check(MPI_Session session)
{
    char name[MPI_MAX_PSET_NAME_LEN];
    int n, has_world = 0, has_self = 0;
    MPI_Info info;

    CHECK_MPI(MPI_Session_get_num_psets(session, MPI_INFO_NULL, &n));
    for (int i = 0; i < n; i++) {
        int bytes = sizeof name;
        CHECK_MPI(MPI_Session_get_nth_pset(session, MPI_INFO_NULL, i, &bytes, name));
        has_world |= strcasecmp(name, "mpi://WORLD") == 0;
        has_self |= strcasecmp(name, "mpi://SELF") == 0;
    }
    CHECK(has_world && has_self, "of the %d process sets", n);
    CHECK_MPI(MPI_Session_get_pset_info(session, "mpi://WORLD", &info));
    CHECK_MPI(MPI_Info_free(&info));
}

static void errors_check(MPI_Session session)
{
    MPI_Errhandler mine, old;
    MPI_Group group;

    CHECK_MPI(MPI_Session_create_errhandler(handler, &mine));
    CHECK_MPI(MPI_Session_get_errhandler(session, &old));
    CHECK(old == MPI_ERRORS_RETURN, "another handler than was given");
    CHECK_MPI(MPI_Errhandler_free(&old));
    CHECK_MPI(MPI_Session_set_errhandler(session, mine));
    CHECK_MPI(MPI_Errhandler_free(&mine));
    n_told = 0;
    CHECK(MPI_Group_from_session_pset(session, "mpi://NOWHERE", &group) != MPI_SUCCESS,
          "no such set");
    CHECK_EQ(n_told, 1);
    CHECK_MPI(MPI_Session_call_errhandler(session, MPI_ERR_OTHER));
    CHECK_EQ(n_told, 2);
    CHECK_MPI(MPI_Session_set_errhandler(session, MPI_ERRORS_RETURN));
}

static void use(MPI_Comm comm, long step)
{
    int rank, size, in = 0, out, sum;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    out = (int)step + rank;
    CHECK_MPI(MPI_Sendrecv(&out, 1, MPI_INT, (rank + 1) % size, 5, &in, 1, MPI_INT,
                           (rank + size - 1) % size, 5, comm, MPI_STATUS_IGNORE));
    CHECK_EQ(in, (int)step + (rank + size - 1) % size);
    CHECK_MPI(MPI_Allreduce(&out, &sum, 1, MPI_INT, MPI_SUM, comm));
    CHECK_EQ(sum, size * (int)step + size * (size - 1) / 2);
    check_note((uint64_t)sum);
}

/* Communicators of some of the ranks, and one between the two halves. */
static void parts(MPI_Group all, long step)
{
    char tag[64];
    int odd[64], n = 0, sum = 0, mine = check_rank;
    MPI_Group some, low, high;
    MPI_Comm comm;

    for (int i = 0; i < check_size; i++)
        if (i % 2 == check_rank % 2)
            odd[n++] = i;
    CHECK_MPI(MPI_Group_incl(all, n, odd, &some));
    snprintf(tag, sizeof tag, "parts of %ld", step % 3);
    comm = comm_of(some, tag);
    use(comm, step);
    CHECK_MPI(MPI_Comm_free(&comm));
    CHECK_MPI(MPI_Group_free(&some));
    if (check_size < 2)
        return;
    n = check_size / 2;
    CHECK_MPI(MPI_Group_range_incl(all, 1, (int[][3]){{0, n - 1, 1}}, &low));
    CHECK_MPI(MPI_Group_range_incl(all, 1, (int[][3]){{n, check_size - 1, 1}}, &high));
    if (check_rank < n)
        CHECK_MPI(MPI_Intercomm_create_from_groups(
            low, 0, high, 0, "halves", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm));
    else
        CHECK_MPI(MPI_Intercomm_create_from_groups(
            high, 0, low, 0, "halves", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm));
    CHECK_MPI(MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, comm));
    CHECK_EQ(sum, check_rank < n ? check_size * (check_size - 1) / 2 - n * (n - 1) / 2
                                 : n * (n - 1) / 2);
    CHECK_MPI(MPI_Comm_free(&comm));
    CHECK_MPI(MPI_Group_free(&low));
    CHECK_MPI(MPI_Group_free(&high));
}

/* A session of its own, as a library has. */
static void library(long step)
{
    MPI_Session session = session_begin();
    MPI_Group group = group_of(session, step % 2 ? "mpi://SELF" : "mpi://WORLD");
    MPI_Comm comm = comm_of(group, "of a library");

    use(comm, step);
    CHECK_MPI(MPI_Comm_free(&comm));
    CHECK_MPI(MPI_Group_free(&group));
    CHECK_MPI(MPI_Session_finalize(&session));
    CHECK(session == MPI_SESSION_NULL, "a session that has ended");
}

int main(int argc, char **argv)
{
    int has_world = argc > 2 && strcmp(argv[2], "world") == 0, is;
    long step, steps;

    if (has_world)
        MPI_Init(&argc, &argv);
    MPI_Session session = session_begin();
    MPI_Group group = group_of(session, "mpi://WORLD");
    MPI_Comm comm = comm_of(group, "all");

    CHECK_MPI(MPI_Initialized(&is));
    CHECK_EQ(is, has_world);
    CHECK(MPI_Session_f2c(MPI_Session_c2f(session)) == session, "by its Fortran number");
    steps = check_begin_on(comm, "sessions", argc, argv, 300);
    for (step = 0; step < steps; step++) {
        use(comm, step);
        check_sleep_ms(5);
        if (step % 16 == 0)
            sets_check(session);
        if (step % 16 == 1)
            errors_check(session);
        if (step % 8 == 2)
            parts(group, step);
        if (step % 8 == 5)
            library(step);
        if (has_world && step % 4 == 0)
            use(MPI_COMM_WORLD, step);
    }
    check_end_on(comm, steps);
    CHECK_MPI(MPI_Comm_free(&comm));
    CHECK_MPI(MPI_Group_free(&group));
    if (has_world)
        MPI_Finalize();
    CHECK_MPI(MPI_Session_finalize(&session));
    return 0;
}
