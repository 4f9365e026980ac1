/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way from main() to the end: work before MPI_Init and after MPI_Finalize, exit
 * handlers, a callback at MPI_Finalize, and the exit status: the second argument, which
 * the last rank returns.
 */
#include "check.h"

static int n_deleted, n_exited, expected_deleted;

/* Of a component of Open MPI, or what the environment says without it. */
static int priority(void)
{
    int provided, index, n, value = 77;
    MPI_T_cvar_handle handle;

    CHECK_MPI(MPI_T_init_thread(MPI_THREAD_SINGLE, &provided));
    if (MPI_T_cvar_get_index("coll_tuned_priority", &index) == MPI_SUCCESS) {
        CHECK_MPI(MPI_T_cvar_handle_alloc(index, NULL, &handle, &n));
        CHECK_MPI(MPI_T_cvar_read(handle, &value));
        CHECK_MPI(MPI_T_cvar_handle_free(&handle));
    }
    CHECK_MPI(MPI_T_finalize());
    return value;
}

static int delete (MPI_Comm comm, int key, void *value, void *extra)
{
    (void)comm;
    (void)key;
    CHECK(value == &n_deleted && extra == &n_exited, "wrong arguments");
    n_deleted++;
    return MPI_SUCCESS;
}

static void at_exit(void)
{
    if (n_deleted != expected_deleted || n_exited++ != 0) {
        fprintf(stderr, "lifecycle: at exit: %d deleted, %d exits\n", n_deleted,
                n_exited);
        _exit(99);
    }
}

int main(int argc, char **argv)
{
    int flag, version, subversion, length, key, status = argc > 2 ? atoi(argv[2]) : 0;
    char name[MPI_MAX_PROCESSOR_NAME], library[MPI_MAX_LIBRARY_VERSION_STRING];
    long step, steps, sum;

    check_compute(100, 3);
    CHECK_MPI(MPI_Initialized(&flag));
    CHECK_EQ(flag, 0);
    CHECK_MPI(MPI_Get_version(&version, &subversion));
    CHECK_EQ(version, 3);
    CHECK_EQ(atexit(at_exit), 0);
    /* Open MPI looks at the environment that the program has now */
    CHECK_SYS(setenv("OMPI_MPI_THREAD_LEVEL", "2", 1));
    CHECK_SYS(setenv("OMPI_MCA_coll_tuned_priority", "77", 1));
    CHECK_MPI(MPI_Init(NULL, NULL));
    steps = check_begin("lifecycle", argc, argv, 200);
    CHECK_MPI(MPI_Query_thread(&flag));
    CHECK_EQ(flag, MPI_THREAD_SERIALIZED);
    CHECK_EQ(priority(), 77);
    CHECK_MPI(MPI_Get_processor_name(name, &length));
    CHECK_EQ(length, strlen(name));
    CHECK_MPI(MPI_Get_library_version(library, &length));
    CHECK(strstr(library, "Open MPI") != NULL, "library '%s'", library);
    CHECK_MPI(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, delete, &key, &n_exited));
    CHECK_MPI(MPI_Comm_set_attr(MPI_COMM_SELF, key, &n_deleted));
    for (step = 0; step < steps; step++) {
        CHECK_MPI(MPI_Initialized(&flag));
        CHECK_EQ(flag, 1);
        CHECK_MPI(MPI_Finalized(&flag));
        CHECK_EQ(flag, 0);
        check_compute(1, (uint64_t)step);
        CHECK_MPI(MPI_Allreduce(&step, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, step * check_size);
        check_sleep_ms(4);
        check_note((uint64_t)sum);
    }
    check_end(steps);
    CHECK_EQ(n_deleted, 0);
    CHECK_MPI(MPI_Finalize());
    expected_deleted = 1;
    CHECK_EQ(n_deleted, 1);
    CHECK_MPI(MPI_Finalized(&flag));
    CHECK_EQ(flag, 1);
    check_compute(100, 4);
    return check_rank == check_size - 1 ? status : 0;
}
