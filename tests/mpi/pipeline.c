/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pipeline in which every rank may be many messages behind the one before it: of several
 * tags, received in another order than sent, persistent, large ones that are sent by
 * rendezvous; to the last rank from all, received from any; and, the other way, messages
 * whose receives were posted at the beginning.
 */
#include "hold.h"
#include "message.h"

#define STEPS_MAX 400
#define LARGE 150000
#define LARGE_EVERY 5
#define LAG 35 /* a message from behind is waited for so many steps later */
enum { TAG_PERSISTENT = 10, TAG_LARGE = 11, TAG_ANY = 20, TAG_BACK = 30 };

static MPI_Request large[STEPS_MAX], back[STEPS_MAX];
static char *large_out[STEPS_MAX], back_in[STEPS_MAX][64];
static MPI_Request persistent_out = MPI_REQUEST_NULL, persistent_in = MPI_REQUEST_NULL;
static char out[300], in[300], kept_out[300], kept_in[300], large_in[LARGE];
static int before, behind, last;
static long steps;

static void push(long step)
{
    uint64_t seq = (uint64_t)step;

    for (int tag = 0; tag < 3; tag++) {
        message_make(out, 100 + tag, check_rank, behind, tag, seq);
        CHECK_MPI(MPI_Send(out, 100 + tag, MPI_BYTE, behind, tag, MPI_COMM_WORLD));
    }
    message_make(kept_out, 300, check_rank, behind, TAG_PERSISTENT, seq);
    CHECK_MPI(MPI_Start(&persistent_out));
    CHECK_MPI(MPI_Wait(&persistent_out, MPI_STATUS_IGNORE));
    if (step % LARGE_EVERY)
        return;
    large_out[step] = check_alloc(LARGE);
    message_make(large_out[step], LARGE, check_rank, behind, TAG_LARGE, seq);
    CHECK_MPI(MPI_Isend(large_out[step], LARGE, MPI_BYTE, behind, TAG_LARGE,
                        MPI_COMM_WORLD, &large[step]));
}

static void pull(long step)
{
    uint64_t seq = (uint64_t)step;

    for (int tag = 2; tag >= 0; tag--) {
        CHECK_MPI(MPI_Recv(in, 300, MPI_BYTE, before, tag, MPI_COMM_WORLD,
                           MPI_STATUS_IGNORE));
        MESSAGE_CHECK(in, 100 + tag, before, check_rank, tag, seq);
    }
    CHECK_MPI(MPI_Start(&persistent_in));
    CHECK_MPI(MPI_Wait(&persistent_in, MPI_STATUS_IGNORE));
    MESSAGE_CHECK(kept_in, 300, before, check_rank, TAG_PERSISTENT, seq);
    if (step % LARGE_EVERY == 0) {
        CHECK_MPI(MPI_Recv(large_in, LARGE, MPI_BYTE, before, TAG_LARGE, MPI_COMM_WORLD,
                           MPI_STATUS_IGNORE));
        MESSAGE_CHECK(large_in, LARGE, before, check_rank, TAG_LARGE, seq);
    }
    check_note(seq);
}

/* The last one takes a message of each, whoever is first; those of one rank in order. */
static void pull_any(void)
{
    static uint64_t n_from[64];
    MPI_Status status;

    for (int i = 0; i < last; i++) {
        CHECK_MPI(MPI_Recv(in, 64, MPI_BYTE, MPI_ANY_SOURCE, TAG_ANY, MPI_COMM_WORLD,
                           &status));
        CHECK(status.MPI_SOURCE < 64, "rank %d", status.MPI_SOURCE);
        MESSAGE_CHECK(in, 64, status.MPI_SOURCE, check_rank, TAG_ANY,
                      n_from[status.MPI_SOURCE]);
        n_from[status.MPI_SOURCE]++;
    }
}

static void answer(long step)
{
    message_make(out, 64, check_rank, before, TAG_BACK, (uint64_t)step);
    CHECK_MPI(MPI_Send(out, 64, MPI_BYTE, before, TAG_BACK, MPI_COMM_WORLD));
}

static void take_answer(long step)
{
    CHECK_MPI(MPI_Wait(&back[step], MPI_STATUS_IGNORE));
    MESSAGE_CHECK(back_in[step], 64, behind, check_rank, TAG_BACK, (uint64_t)step);
}

static void prepare(void)
{
    for (long step = 0; step < steps; step++) {
        large[step] = back[step] = MPI_REQUEST_NULL;
        if (behind >= 0)
            CHECK_MPI(MPI_Irecv(back_in[step], 64, MPI_BYTE, behind, TAG_BACK,
                                MPI_COMM_WORLD, &back[step]));
    }
    if (behind >= 0)
        CHECK_MPI(MPI_Send_init(kept_out, 300, MPI_BYTE, behind, TAG_PERSISTENT,
                                MPI_COMM_WORLD, &persistent_out));
    if (before >= 0)
        CHECK_MPI(MPI_Recv_init(kept_in, 300, MPI_BYTE, before, TAG_PERSISTENT,
                                MPI_COMM_WORLD, &persistent_in));
}

static void work(long step)
{
    hold_in_progress(step);
    if (before >= 0) {
        pull(step);
        answer(step);
    }
    if (behind >= 0) {
        push(step);
        message_make(out, 64, check_rank, last, TAG_ANY, (uint64_t)step);
        CHECK_MPI(MPI_Send(out, 64, MPI_BYTE, last, TAG_ANY, MPI_COMM_WORLD));
        if (step >= LAG)
            take_answer(step - LAG);
    } else {
        pull_any();
    }
    check_sleep_ms(1);
}

int main(int argc, char **argv)
{
    CHECK_MPI(MPI_Init(&argc, &argv));
    steps = check_begin("pipeline", argc, argv, 80);
    CHECK(steps <= STEPS_MAX && check_size <= 64, "too many steps or ranks");
    last = check_size - 1;
    before = check_rank - 1;
    behind = check_rank < last ? check_rank + 1 : -1;
    prepare();
    for (long step = 0; step < steps; step++)
        work(step);
    for (long step = steps > LAG ? steps - LAG : 0; behind >= 0 && step < steps; step++)
        take_answer(step);
    CHECK_MPI(MPI_Waitall((int)steps, large, MPI_STATUSES_IGNORE));
    for (long step = 0; step < steps; step++)
        free(large_out[step]);
    if (behind >= 0)
        CHECK_MPI(MPI_Request_free(&persistent_out));
    if (before >= 0)
        CHECK_MPI(MPI_Request_free(&persistent_in));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
