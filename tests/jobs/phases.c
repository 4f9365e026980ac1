/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that has a file open, in each phase another one: FOLDER/input.1, .2, ...  A phase
 * has begun when FOLDER/phase.N is there, and ends when FOLDER/next.N is.  Behind the last one
 * rank 0 prints "done".  Test.
 *
 *   phases N FOLDER [STATUS]    with a status the program ends with it, after phase N, until
 *                               FOLDER/mended is there
 *
 * PHASES_DO in the environment: a thing that no restart can do again, done first: uts, root,
 * filter, uid, groups, capabilities.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int is_there(const char *folder, const char *name, int number)
{
    char path[512];

    snprintf(path, sizeof path, number ? "%s/%s.%d" : "%s/%s", folder, name, number);
    return access(path, F_OK) == 0;
}

/* All ranks go through it together. */
static void phase(const char *folder, int rank, int number)
{
    char path[512];
    int over = 0, fd;

    snprintf(path, sizeof path, "%s/input.%d", folder, number);
    fd = open(path, O_RDONLY);
    snprintf(path, sizeof path, "%s/phase.%d", folder, number);
    close(open(path, O_RDWR | O_CREAT, 0600));
    while (!over) {
        usleep(10000);
        over = rank == 0 && is_there(folder, "next", number);
        MPI_Bcast(&over, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
    close(fd);
}

/* 0: it may not do that here. */
static int set_apart(const char *what, const char *folder)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    gid_t group = 4711;

    if (strcmp(what, "uts") == 0)
        return unshare(CLONE_NEWUTS) == 0;
    if (strcmp(what, "root") == 0)
        return chroot(folder) == 0;
    if (strcmp(what, "filter") == 0)
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
    if (strcmp(what, "uid") == 0)
        return seteuid(getuid() == 0 ? 4711 : getuid()) == 0;
    if (strcmp(what, "groups") == 0)
        return setgroups(1, &group) == 0;
    return prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0) == 0;
}

int main(int argc, char **argv)
{
    int rank, n = argc > 2 ? atoi(argv[1]) : 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (getenv("PHASES_DO") && !set_apart(getenv("PHASES_DO"), argv[2]))
        MPI_Abort(MPI_COMM_WORLD, 77);
    if (getenv("PHASES_DO") && strcmp(getenv("PHASES_DO"), "root") == 0)
        argv[2] = strdup("/.");
    for (int i = 1; i <= n; i++)
        phase(argv[2], rank, i);
    if (argc > 3 && !is_there(argv[2], "mended", 0))
        _exit(atoi(argv[3]));
    if (rank == 0)
        puts("done");
    MPI_Finalize();
    return 0;
}
