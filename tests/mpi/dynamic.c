/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes of other jobs that come and go: spawned by all ranks or by one, several
 * programs, merged with and without duplicates, grandchildren, children without crmpi;
 * connections between the two halves of the job, and by MPI_Comm_join.  All are disconnected
 * again, and what was made of ranks of this job alone is used on.
 *
 * Few of them: about one in a hundred times Open MPI 4.1 itself hangs in MPI_Comm_spawn, the
 * child in PMIx_Init.
 *
 *   dynamic [STEPS]           the job
 *   dynamic held [NAME]       one that waits for files (dynamic.sh)
 *   dynamic child KIND        what they spawn
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"

enum kind { PLAIN, SELF, MERGED, MULTIPLE, GRAND, WITHOUT, HALVES, JOINED, KINDS, HELD };

static char *program;
static MPI_Comm family = MPI_COMM_NULL; /* of the parents, by a merged communicator */
static MPI_Request pending = MPI_REQUEST_NULL;

static int value(int from, int to, long step)
{
    return (int)(check_hash4((uint64_t)from, (uint64_t)to, (uint64_t)step, 7) & 0xffffff);
}

/* Messages in both directions between all of both sides, then collectives. */
static void talk(MPI_Comm inter, int is_child, long step)
{
    int n_remote, rank, size, sum, one = 1, root_value = -1;
    MPI_Request request;

    CHECK_MPI(MPI_Comm_remote_size(inter, &n_remote));
    CHECK_MPI(MPI_Comm_rank(inter, &rank));
    CHECK_MPI(MPI_Comm_size(inter, &size));
    for (int i = 0; i < n_remote; i++) {
        int out = value(rank, i, step) + is_child, in = -1;
        CHECK_MPI(MPI_Isend(&out, 1, MPI_INT, i, 3, inter, &request));
        CHECK_MPI(MPI_Recv(&in, 1, MPI_INT, i, MPI_ANY_TAG, inter, MPI_STATUS_IGNORE));
        CHECK_EQ(in, value(i, rank, step) + !is_child);
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    CHECK_MPI(MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, inter));
    CHECK_EQ(sum, n_remote);
    if (!is_child)
        root_value = (int)step + 100;
    CHECK_MPI(MPI_Bcast(&root_value, 1, MPI_INT,
                        is_child    ? 0
                        : rank == 0 ? MPI_ROOT
                                    : MPI_PROC_NULL,
                        inter));
    CHECK_EQ(root_value, (int)step + 100);
}

/* All of both sides are in it, the parents first; a duplicate is freed before it. */
static void merge(MPI_Comm inter, int is_child, long step)
{
    MPI_Comm merged, copy, part;
    int n_local, n_remote, size, sum, one = 1, rank, from = -1;

    CHECK_MPI(MPI_Comm_size(inter, &n_local));
    CHECK_MPI(MPI_Comm_remote_size(inter, &n_remote));
    CHECK_MPI(MPI_Intercomm_merge(inter, is_child, &merged));
    CHECK_MPI(MPI_Comm_size(merged, &size));
    CHECK_EQ(size, n_local + n_remote);
    CHECK_MPI(MPI_Comm_dup(merged, &copy));
    CHECK_MPI(MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, copy));
    CHECK_EQ(sum, size);
    CHECK_MPI(MPI_Comm_rank(copy, &rank));
    CHECK_MPI(MPI_Sendrecv(&rank, 1, MPI_INT, (rank + 1) % size, 1, &from, 1, MPI_INT,
                           (rank + size - 1) % size, 1, copy, MPI_STATUS_IGNORE));
    CHECK_EQ(from, (rank + size - 1) % size);
    CHECK_MPI(MPI_Comm_split(merged, is_child, 0, &part));
    CHECK_MPI(MPI_Comm_free(&copy));
    if (step % 2)
        CHECK_MPI(MPI_Comm_disconnect(&merged));
    else
        CHECK_MPI(MPI_Comm_free(&merged));
    if (is_child)
        CHECK_MPI(MPI_Comm_free(&part));
    else
        family = part;
}

static void spawn(MPI_Comm comm, const char *kind, int n, MPI_Comm *inter)
{
    char *argv[] = {"child", (char *)kind, NULL};
    char *bare[] = {"-u", "LD_PRELOAD", program, "child", "0", NULL};

    if (atoi(kind) == WITHOUT)
        CHECK_MPI(MPI_Comm_spawn("/usr/bin/env", bare, n, MPI_INFO_NULL, 0, comm, inter,
                                 MPI_ERRCODES_IGNORE));
    else
        CHECK_MPI(MPI_Comm_spawn(program, argv, n, MPI_INFO_NULL, 0, comm, inter,
                                 MPI_ERRCODES_IGNORE));
}

static void spawn_two(MPI_Comm comm, const char *kind, MPI_Comm *inter)
{
    char *argv[] = {"child", (char *)kind, NULL};
    char *commands[] = {program, program}, **argvs[] = {argv, argv};
    int counts[] = {1, 1};
    MPI_Info infos[] = {MPI_INFO_NULL, MPI_INFO_NULL};

    CHECK_MPI(MPI_Comm_spawn_multiple(2, commands, argvs, counts, infos, 0, comm, inter,
                                      MPI_ERRCODES_IGNORE));
}

/* The step is told by a message, which a child that runs without crmpi gets as well. */
static void tell_step(MPI_Comm inter, long *step)
{
    int rank, n;

    CHECK_MPI(MPI_Comm_rank(inter, &rank));
    CHECK_MPI(MPI_Comm_remote_size(inter, &n));
    for (int i = 0; rank == 0 && i < n; i++)
        CHECK_MPI(MPI_Send(step, 1, MPI_LONG, i, 9, inter));
}

static void family_check(long step)
{
    int rank, size, sum = 0, from = -1;

    if (family == MPI_COMM_NULL)
        return;
    CHECK_MPI(MPI_Comm_rank(family, &rank));
    CHECK_MPI(MPI_Comm_size(family, &size));
    CHECK_EQ(size, check_size);
    CHECK_MPI(MPI_Sendrecv(&rank, 1, MPI_INT, (rank + 1) % size, (int)step, &from, 1,
                           MPI_INT, (rank + size - 1) % size, (int)step, family,
                           MPI_STATUS_IGNORE));
    CHECK_EQ(from, (rank + size - 1) % size);
    CHECK_MPI(MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, family));
    CHECK_EQ(sum, size * (size - 1) / 2);
    if (step % KINDS == KINDS - 1)
        CHECK_MPI(MPI_Comm_free(&family));
}

static void children(enum kind kind, long step)
{
    MPI_Comm inter;
    char text[8];
    int n = 1 + (int)(step % 2);

    snprintf(text, sizeof text, "%d", kind);
    if (kind == SELF && check_rank != step % check_size)
        return;
    if (kind == MULTIPLE && OMPI_MAJOR_VERSION < 5) /* prterun 3.0 crashes at it */
        spawn_two(MPI_COMM_WORLD, text, &inter);
    else
        spawn(kind == SELF ? MPI_COMM_SELF : MPI_COMM_WORLD, text, n, &inter);
    tell_step(inter, &step);
    talk(inter, 0, step);
    if (kind == MERGED) {
        if (family != MPI_COMM_NULL)
            CHECK_MPI(MPI_Comm_free(&family));
        merge(inter, 0, step);
    }
    check_sleep_ms((int)(step % 5) * 10);
    CHECK_MPI(MPI_Comm_disconnect(&inter));
    CHECK(inter == MPI_COMM_NULL, "it is not null");
}

/* The halves of the job connect to each other as if they were two. */
static void halves(long step)
{
    char port[MPI_MAX_PORT_NAME] = "";
    int is_upper = check_rank >= check_size / 2, rank;
    MPI_Comm half, inter;

    if (check_size == 1)
        return;
    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, is_upper, check_rank, &half));
    CHECK_MPI(MPI_Comm_rank(half, &rank));
    if (check_rank == 0)
        CHECK_MPI(MPI_Open_port(MPI_INFO_NULL, port));
    CHECK_MPI(MPI_Bcast(port, MPI_MAX_PORT_NAME, MPI_CHAR, 0, MPI_COMM_WORLD));
    CHECK_MPI((is_upper ? MPI_Comm_connect : MPI_Comm_accept)(port, MPI_INFO_NULL, 0, half,
                                                              &inter));
    talk(inter, is_upper, step);
    CHECK_MPI(MPI_Comm_disconnect(&inter));
    if (check_rank == 0)
        CHECK_MPI(MPI_Close_port(port));
    CHECK_MPI(MPI_Comm_free(&half));
}

/* The last two ranks, by a socket. */
static void joined(long step)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int first = check_rank == check_size - 2, second = check_rank == check_size - 1, fd;
    MPI_Comm inter;

    if (check_size == 1 || !(first || second))
        return;
    CHECK_SYS(fd = socket(AF_INET, SOCK_STREAM, 0));
    if (first) {
        int listener = fd;
        CHECK_SYS(bind(listener, (void *)&address, bytes));
        CHECK_SYS(listen(listener, 1));
        CHECK_SYS(getsockname(listener, (void *)&address, &bytes));
        CHECK_MPI(MPI_Send(&address, sizeof address, MPI_BYTE, check_rank + 1, 77,
                           MPI_COMM_WORLD));
        CHECK_SYS(fd = accept(listener, NULL, NULL));
        CHECK_SYS(close(listener));
    } else {
        CHECK_MPI(MPI_Recv(&address, sizeof address, MPI_BYTE, check_rank - 1, 77,
                           MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        CHECK_SYS(connect(fd, (void *)&address, bytes));
    }
    CHECK_MPI(MPI_Comm_join(fd, &inter));
    talk(inter, second, step);
    CHECK_MPI(MPI_Comm_disconnect(&inter));
    CHECK_SYS(close(fd));
}

/* Messages and collectives of the job alone, some of them in flight at its end. */
static void alone(long step)
{
    static int in, out;
    int sum, left = (check_rank + check_size - 1) % check_size;

    CHECK_MPI(MPI_Wait(&pending, MPI_STATUS_IGNORE));
    if (step > 0)
        CHECK_EQ(in, value(left, check_rank, step - 1));
    out = value(check_rank, (check_rank + 1) % check_size, step);
    CHECK_MPI(MPI_Irecv(&in, 1, MPI_INT, left, 5, MPI_COMM_WORLD, &pending));
    CHECK_MPI(MPI_Send(&out, 1, MPI_INT, (check_rank + 1) % check_size, 5, MPI_COMM_WORLD));
    for (int i = 0; i < 5; i++) {
        CHECK_MPI(MPI_Allreduce(&out, &sum, 1, MPI_INT, MPI_BXOR, MPI_COMM_WORLD));
        check_note((uint64_t)sum);
        check_sleep_ms(30);
    }
}

/* Rank 0 sees a file in the working directory; the others hear of it. */
static int sees(const char *name)
{
    int there = check_rank == 0 && access(name, F_OK) == 0;

    CHECK_MPI(MPI_Bcast(&there, 1, MPI_INT, 0, MPI_COMM_WORLD));
    return there;
}

/* Spawn when it is said, keep the child until it is said, and spawn again at the end. */
static void held(const char *name)
{
    MPI_Comm inter, copy;
    long step = 0;
    int aborts;

    while (!sees("spawn"))
        alone(step++);
    spawn(MPI_COMM_WORLD, "9", 1, &inter);
    CHECK_EQ(HELD, 9);
    CHECK_MPI(MPI_Comm_dup(inter, &copy));
    if (name)
        CHECK_MPI(MPI_Comm_set_name(inter, name));
    if (check_rank == 0) {
        puts("connected");
        fflush(stdout);
    }
    while (!sees("go"))
        check_sleep_ms(20);
    aborts = sees("abort");
    if (check_rank == 0)
        CHECK_MPI(MPI_Send(&aborts, 1, MPI_INT, 0, 9, inter));
    CHECK_MPI(MPI_Comm_disconnect(&inter)); /* the duplicate is a connection, too */
    check_sleep_ms(500);
    CHECK_MPI(MPI_Comm_disconnect(&copy));
    while (!sees("end"))
        alone(step++);
    children(GRAND, step);
    CHECK_MPI(MPI_Wait(&pending, MPI_STATUS_IGNORE));
    check_end(1);
}

static void held_child(MPI_Comm parent)
{
    MPI_Comm copy;
    int aborts = -1;

    CHECK_MPI(MPI_Comm_dup(parent, &copy));
    CHECK_MPI(MPI_Recv(&aborts, 1, MPI_INT, 0, 9, parent, MPI_STATUS_IGNORE));
    if (aborts)
        MPI_Abort(MPI_COMM_WORLD, 3);
    CHECK_MPI(MPI_Comm_disconnect(&parent));
    CHECK_MPI(MPI_Comm_disconnect(&copy));
}

static int child(int kind)
{
    MPI_Comm parent, inter;
    long step = -1;

    check_name = "dynamic child";
    MPI_Comm_rank(MPI_COMM_WORLD, &check_rank);
    CHECK_MPI(MPI_Comm_get_parent(&parent));
    CHECK(parent != MPI_COMM_NULL, "there is no parent");
    if (kind == HELD) {
        held_child(parent);
        MPI_Finalize();
        return 0;
    }
    CHECK_MPI(MPI_Recv(&step, 1, MPI_LONG, 0, 9, parent, MPI_STATUS_IGNORE));
    talk(parent, 1, step);
    if (kind == MERGED)
        merge(parent, 1, step);
    if (kind == GRAND) {
        spawn(MPI_COMM_WORLD, "0", 1, &inter);
        tell_step(inter, &step);
        talk(inter, 0, step);
        CHECK_MPI(MPI_Comm_disconnect(&inter));
    }
    CHECK_MPI(MPI_Comm_disconnect(&parent));
    MPI_Finalize();
    return 0;
}

int main(int argc, char **argv)
{
    long step, steps;

    program = argv[0];
    MPI_Init(&argc, &argv);
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return child(atoi(argv[2]));
    if (argc > 1 && strcmp(argv[1], "held") == 0) {
        check_begin("dynamic", 1, argv, 1);
        held(argc > 2 ? argv[2] : NULL);
        MPI_Finalize();
        return 0;
    }
    steps = check_begin("dynamic", argc, argv, KINDS);
    for (step = 0; step < steps; step++) {
        enum kind kind = (enum kind)(step % KINDS);

        alone(step);
        if (kind == HALVES)
            halves(step);
        else if (kind == JOINED)
            joined(step);
        else
            children(kind, step);
        family_check(step);
    }
    alone(step);
    CHECK_MPI(MPI_Wait(&pending, MPI_STATUS_IGNORE));
    if (family != MPI_COMM_NULL)
        CHECK_MPI(MPI_Comm_free(&family));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
