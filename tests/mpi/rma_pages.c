/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes to windows by all ways there are: puts, accumulates, stores by the owner and, in a
 * shared window, by others, messages that are received in a window, and what the kernel
 * and MPI-IO read into it.  Few bytes are written at a time, so that a checkpoint that
 * misses a write to a page shows.  Every rank knows what all memory has to be, and compares
 * all of its own after each step.
 */
#include "check.h"

#include <fcntl.h>
#include <sys/uio.h>

#define SLOT 7000u /* bytes of each segment that one rank writes to: not whole pages */
#define MOST 600u

enum { ALLOCATED, SHARED, N_WINDOWS };

static struct {
    MPI_Win win;
    unsigned char *base;  /* this rank's segment */
    unsigned char *model; /* of all segments */
} windows[N_WINDOWS];

static MPI_File file;
static int fd;
static size_t segment; /* bytes of one */

/* What a rank writes in a step. */
struct write {
    int window, how, target;
    size_t at, bytes; /* in the target's segment */
    unsigned char data[MOST];
};

static void write_choose(int rank, long step, struct write *w)
{
    uint64_t state = check_hash((uint64_t)rank + 1, (uint64_t)step);

    w->window = check_below(&state, N_WINDOWS);
    w->how = check_below(&state, 8);
    w->target = check_below(&state, check_size);
    w->bytes = 1 + (size_t)check_below(&state, (int)MOST);
    w->at = (size_t)rank * SLOT + (size_t)check_below(&state, (int)(SLOT - w->bytes));
    if (w->how >= 3 && w->window == ALLOCATED)
        w->target = rank;
    if (w->how == 7) /* the file's bytes */
        check_fill(w->data, w->bytes, 5);
    else if (check_below(&state, 6) == 0)
        memset(w->data, 0, w->bytes);
    else
        check_fill(w->data, w->bytes, check_random(&state));
}

/* Where this rank can write to a segment itself. */
static unsigned char *reach(const struct write *w)
{
    unsigned char *base = windows[w->window].base;
    MPI_Aint bytes;
    int unit;

    if (w->target != check_rank)
        CHECK_MPI(
            MPI_Win_shared_query(windows[SHARED].win, w->target, &bytes, &unit, &base));
    return base + w->at;
}

static void by_message(struct write *w, unsigned char *to)
{
    MPI_Request request;

    CHECK_MPI(
        MPI_Irecv(to, (int)w->bytes, MPI_BYTE, check_rank, 3, MPI_COMM_WORLD, &request));
    CHECK_MPI(MPI_Send(w->data, (int)w->bytes, MPI_BYTE, check_rank, 3, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
}

static void write_do(struct write *w)
{
    MPI_Win win = windows[w->window].win;
    int n = (int)w->bytes;
    struct iovec here = {w->data, w->bytes}, there = {NULL, w->bytes};

    switch (w->how) {
    case 0:
    case 1:
        CHECK_MPI(
            MPI_Put(w->data, n, MPI_BYTE, w->target, (MPI_Aint)w->at, n, MPI_BYTE, win));
        break;
    case 2:
        CHECK_MPI(MPI_Accumulate(w->data, n, MPI_BYTE, w->target, (MPI_Aint)w->at, n,
                                 MPI_BYTE, MPI_REPLACE, win));
        break;
    case 3:
    case 4:
        memcpy(reach(w), w->data, w->bytes);
        break;
    case 5:
        there.iov_base = reach(w);
        if (process_vm_writev(getpid(), &here, 1, &there, 1, 0) != n)
            memcpy(there.iov_base, w->data, w->bytes); /* it may be forbidden */
        break;
    case 6:
        by_message(w, reach(w));
        break;
    default:
        if (w->at % 2)
            CHECK_EQ(pread(fd, reach(w), w->bytes, 0), n);
        else
            CHECK_MPI(
                MPI_File_read_at(file, 0, reach(w), n, MPI_BYTE, MPI_STATUS_IGNORE));
    }
}

static void step_do(long step)
{
    struct write w;

    for (int i = 0; i < N_WINDOWS; i++)
        CHECK_MPI(MPI_Win_fence(0, windows[i].win));
    write_choose(check_rank, step, &w);
    write_do(&w);
    for (int i = 0; i < N_WINDOWS; i++)
        CHECK_MPI(MPI_Win_fence(0, windows[i].win));
    for (int rank = 0; rank < check_size; rank++) {
        write_choose(rank, step, &w);
        memcpy(windows[w.window].model + (size_t)w.target * segment + w.at, w.data,
               w.bytes);
    }
    for (int i = 0; i < N_WINDOWS; i++) {
        const unsigned char *model = windows[i].model + (size_t)check_rank * segment;

        for (size_t at = 0; memcmp(windows[i].base, model, segment) && at < segment; at++)
            CHECK(windows[i].base[at] == model[at],
                  "step %ld, window %d, byte %zu: found %d, expected %d", step, i, at,
                  windows[i].base[at], model[at]);
    }
}

static void file_make(void)
{
    char bytes[MOST];

    check_fill(bytes, sizeof bytes, 5);
    if (check_rank == 0) {
        CHECK_SYS(fd = open("rma_pages.data", O_CREAT | O_TRUNC | O_WRONLY, 0600));
        CHECK_EQ(write(fd, bytes, sizeof bytes), MOST);
        CHECK_SYS(close(fd));
    }
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_SYS(fd = open("rma_pages.data", O_RDONLY));
    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, "rma_pages.data", MPI_MODE_RDONLY,
                            MPI_INFO_NULL, &file));
}

static void windows_make(void)
{
    segment = (size_t)check_size * SLOT;
    for (int i = 0; i < N_WINDOWS; i++) {
        windows[i].model = calloc((size_t)check_size, segment);
        CHECK(windows[i].model != NULL, "no memory");
    }
    CHECK_MPI(MPI_Win_allocate((MPI_Aint)segment, 1, MPI_INFO_NULL, MPI_COMM_WORLD,
                               &windows[ALLOCATED].base, &windows[ALLOCATED].win));
    CHECK_MPI(MPI_Win_allocate_shared((MPI_Aint)segment, 1, MPI_INFO_NULL, MPI_COMM_WORLD,
                                      &windows[SHARED].base, &windows[SHARED].win));
    for (int i = 0; i < N_WINDOWS; i++) {
        CHECK_MPI(MPI_Win_fence(0, windows[i].win));
        memset(windows[i].base, 0, segment);
    }
}

int main(int argc, char **argv)
{
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_pages", argc, argv, 12000);
    file_make();
    windows_make();
    for (long step = 0; step < steps; step++) {
        step_do(step);
        if (step % 40 == 0)
            check_sleep_ms(10);
    }
    for (int i = 0; i < N_WINDOWS; i++) {
        for (size_t at = 0; at < segment; at++)
            check_note(windows[i].base[at]);
        CHECK_MPI(MPI_Win_free(&windows[i].win));
    }
    CHECK_MPI(MPI_File_close(&file));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
