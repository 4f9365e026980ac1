/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All blocking collectives, in place and not, with random roots and sizes, on the world,
 * a half of it, its reverse and a single process, with ranks that come late.
 */
#include "collective.h"

int main(int argc, char **argv)
{
    MPI_Comm comms[4];
    uint64_t state = 5;
    long step, steps;
    int k;

    MPI_Init(&argc, &argv);
    steps = check_begin("coll", argc, argv, 8000);
    comms[0] = MPI_COMM_WORLD;
    MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, check_rank, &comms[1]);
    MPI_Comm_split(MPI_COMM_WORLD, 0, -check_rank, &comms[2]);
    comms[3] = MPI_COMM_SELF;
    for (step = 0; step < steps; step++) {
        struct collective c;
        uint64_t seed = check_random(&state);
        int which = (int)(seed >> 32) % 8;

        k = which < 4 ? 0 : which - 4;
        if ((int)(seed >> 40) % 97 == check_rank)
            check_sleep_ms(2);
        collective_create(&c, (enum collective_kind)(step % COLLECTIVE_KINDS), comms[k],
                          seed);
        collective_start(&c, 0);
        collective_verify(&c);
        check_note((uint64_t)c.receive[0]);
        collective_destroy(&c);
    }
    MPI_Comm_free(&comms[1]);
    MPI_Comm_free(&comms[2]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
