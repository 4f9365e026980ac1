/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of the program that MPI calls while a checkpoint may come: generalized
 * requests that are pending for many steps, waited for together with others, freed early;
 * operations of nonblocking reductions, which may have to run while the program itself
 * stands still, allocate memory and ask MPI for the size of their type; receives that are
 * freed while they are pending.
 */
#include "message.h"

#define DEPTH 5
#define TAG_FREED 40
#define TAG_LATE 42

struct job {
    MPI_Request request;
    long step;
    int queried, freed;
};

static int left, right;
static long n_freed, n_combined;

static int job_query(void *state, MPI_Status *status)
{
    struct job *job = state;

    job->queried++;
    MPI_Status_set_elements(status, MPI_INT, (int)(job->step % 1000));
    MPI_Status_set_cancelled(status, 0);
    status->MPI_SOURCE = (int)(job->step % 7);
    status->MPI_TAG = (int)(job->step % 11);
    return MPI_SUCCESS;
}

static int job_free(void *state)
{
    struct job *job = state;

    job->freed++;
    n_freed++;
    return MPI_SUCCESS;
}

static int job_cancel(void *state, int complete)
{
    (void)state;
    (void)complete;
    return MPI_SUCCESS;
}

/* Begun DEPTH steps before it is waited for; completed in between, or before it is freed. */
static void generalized(long step)
{
    static struct job *jobs[DEPTH];
    int k = (int)(step % DEPTH), n, flag;
    struct job *job = jobs[k];
    MPI_Status status;

    if (job && job->step % 3 == 0) {
        MPI_Request copy = job->request;
        CHECK_MPI(MPI_Request_free(&copy));
        CHECK(copy == MPI_REQUEST_NULL, "not MPI_REQUEST_NULL");
        CHECK_EQ(job->freed, 0);
        CHECK_MPI(MPI_Grequest_complete(job->request));
        CHECK_EQ(job->queried, 0);
    } else if (job) {
        CHECK_MPI(MPI_Test(&job->request, &flag, &status));
        CHECK_EQ(flag, 0);
        CHECK_MPI(MPI_Grequest_complete(job->request));
        if (job->step % 3 == 1)
            CHECK_MPI(MPI_Wait(&job->request, &status));
        else
            CHECK_MPI(MPI_Waitall(1, &job->request, &status));
        CHECK_EQ(status.MPI_SOURCE, job->step % 7);
        CHECK_EQ(status.MPI_TAG, job->step % 11);
        CHECK_MPI(MPI_Get_elements(&status, MPI_INT, &n));
        CHECK_EQ(n, job->step % 1000);
        CHECK_EQ(job->queried, 1);
    }
    if (job) {
        CHECK_EQ(job->freed, 1);
        free(job);
    }
    jobs[k] = job = check_alloc(sizeof *job);
    *job = (struct job){.request = MPI_REQUEST_NULL, .step = step};
    CHECK_MPI(MPI_Grequest_start(job_query, job_free, job_cancel, job, &job->request));
}

static void expect(const struct job *job, int n)
{
    CHECK_EQ(job->queried, n);
    CHECK_EQ(job->freed, n);
}

/* The functions of a generalized request are called by what completes it, and not by calls
 * that find it complete and do not. */
static void together(long step)
{
    struct job jobs[3];
    MPI_Request requests[4];
    MPI_Status statuses[4], status;
    int out = (int)step, in = -1, index, flag, n, indices[4];

    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct job){.step = step};
        CHECK_MPI(
            MPI_Grequest_start(job_query, job_free, job_cancel, &jobs[i], &requests[i]));
    }
    CHECK_MPI(MPI_Testany(3, requests, &index, &flag, &status));
    CHECK_EQ(flag, 0);
    CHECK_EQ(index, MPI_UNDEFINED);
    CHECK_MPI(MPI_Irecv(&in, 1, MPI_INT, left, TAG_LATE, MPI_COMM_WORLD, &requests[3]));
    for (int i = 0; i < 3; i++)
        CHECK_MPI(MPI_Grequest_complete(requests[i]));
    CHECK_MPI(MPI_Testall(4, requests, &flag, statuses));
    CHECK_EQ(flag, 0);
    for (int i = 0; i < 3; i++)
        expect(&jobs[i], 0);
    if (step % 3 == 0) {
        CHECK_MPI(MPI_Waitany(4, requests, &index, &status));
        CHECK_EQ(index, 0);
    } else {
        CHECK_MPI(MPI_Testany(4, requests, &index, &flag, &status));
        CHECK(flag && index == 0, "flag %d, index %d", flag, index);
    }
    CHECK_EQ(status.MPI_TAG, step % 11);
    check_sleep_ms(step % 8 == 0 ? 2 : 0);
    expect(&jobs[0], 1);
    expect(&jobs[1], 0);
    if (step % 5 == 0) {
        CHECK_MPI(MPI_Request_free(&requests[2]));
        CHECK_EQ(jobs[2].freed, 1);
        jobs[2].queried = 1;
    }
    if (step % 2) {
        CHECK_MPI(MPI_Waitsome(4, requests, &n, indices, statuses));
        CHECK_EQ(n, step % 5 == 0 ? 1 : 2);
        CHECK_EQ(indices[0], 1);
    } else {
        CHECK_MPI(MPI_Testall(3, requests, &flag, statuses));
        CHECK_EQ(flag, 1);
    }
    expect(&jobs[1], 1);
    expect(&jobs[2], 1);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Send(&out, 1, MPI_INT, right, TAG_LATE, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Wait(&requests[3], MPI_STATUS_IGNORE));
    CHECK_EQ(in, step);
    n_freed -= 3;
}

/* x * y + 1 on pairs (product, count). */
static void combine(void *in, void *inout, int *n, MPI_Datatype *type)
{
    int size;
    uint64_t *a = in, *b = inout, *copy;

    CHECK_MPI(MPI_Type_size(*type, &size));
    CHECK_EQ(size, 16);
    copy = check_alloc((size_t)*n * 16);
    memcpy(copy, a, (size_t)*n * 16);
    for (int i = 0; i < *n; i++) {
        b[2 * i] = copy[2 * i] * b[2 * i] + 1;
        b[2 * i + 1] += copy[2 * i + 1];
    }
    free(copy);
    n_combined++;
}

/* What counts is the sum of the second of each pair; the first depends on the order. */
static void reduction(long step, MPI_Op op, MPI_Datatype pair)
{
    enum { N = 100 };
    static uint64_t mine[2 * N], all[2 * N];
    MPI_Request request;

    for (int i = 0; i < N; i++) {
        mine[2 * i] = (uint64_t)step + (uint64_t)i;
        mine[2 * i + 1] = 1;
    }
    CHECK_MPI(MPI_Iallreduce(mine, all, N, pair, op, MPI_COMM_WORLD, &request));
    check_sleep_ms(step % 4 == 0 ? 3 : 0);
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    for (int i = 0; i < N; i++)
        CHECK_EQ(all[2 * i + 1], check_size);
    if (check_size == 2)
        CHECK_EQ(all[2], ((uint64_t)step + 1) * ((uint64_t)step + 1) + 1);
}

/* The receive is freed at once; that its message has come shows in the buffer alone. */
static void freed_receive(long step)
{
    static volatile char in[64];
    char out[64];
    MPI_Request request;

    CHECK_MPI(
        MPI_Irecv((char *)in, 64, MPI_CHAR, left, TAG_FREED, MPI_COMM_WORLD, &request));
    CHECK_MPI(MPI_Request_free(&request));
    memset(out, (int)(step % 100) + 1, sizeof out);
    CHECK_MPI(MPI_Send(out, 64, MPI_CHAR, right, TAG_FREED, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    while (in[63] != (int)(step % 100) + 1) {
        int flag;
        CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, TAG_FREED + 1, MPI_COMM_WORLD, &flag,
                             MPI_STATUS_IGNORE));
    }
    CHECK_BYTES((char *)in, 64, (int)(step % 100) + 1);
}

int main(int argc, char **argv)
{
    MPI_Op op;
    MPI_Datatype pair;
    long steps, n_all;

    MPI_Init(&argc, &argv);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    steps = check_begin("callbacks", argc, argv, 2000);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    CHECK_MPI(MPI_Type_contiguous(2, MPI_UINT64_T, &pair));
    CHECK_MPI(MPI_Type_commit(&pair));
    for (long step = 0; step < steps; step++) {
        CHECK_MPI(MPI_Op_create(combine, 1, &op));
        generalized(step);
        together(step);
        reduction(step, op, pair);
        freed_receive(step);
        CHECK_MPI(MPI_Op_free(&op));
        check_note((uint64_t)n_freed);
    }
    CHECK_EQ(n_freed, steps > DEPTH ? steps - DEPTH : 0);
    CHECK_MPI(MPI_Allreduce(&n_combined, &n_all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
    if (check_size > 1)
        CHECK(n_all >= steps, "the operation was called %ld times", n_all);
    CHECK_MPI(MPI_Type_free(&pair));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
