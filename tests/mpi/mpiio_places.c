/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI files that are overwritten in place: one that stays open, one that is opened for each
 * step, and ones that are made anew and deleted.  All ranks know what their parts hold.
 */
#include "check.h"

#define N_SLOTS 200
#define BYTES (N_SLOTS * (MPI_Offset)sizeof(uint64_t))

struct part {
    const char *name;
    uint64_t slots[N_SLOTS]; /* of this rank */
    MPI_File file;
};
static struct part parts[] = {{.name = "open"}, {.name = "closed"}};

static MPI_File file_open(const char *name, int mode)
{
    MPI_File file;

    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, name, mode, MPI_INFO_NULL, &file));
    return file;
}

static void part_begin(struct part *part)
{
    part->file = file_open(part->name, MPI_MODE_RDWR | MPI_MODE_CREATE);
    CHECK_MPI(MPI_File_set_size(part->file, check_size * BYTES));
    CHECK_MPI(MPI_File_write_at(part->file, check_rank * BYTES, part->slots, N_SLOTS,
                                MPI_UINT64_T, MPI_STATUS_IGNORE));
}

/* Some slots change, then all are looked at. */
static void part_use(struct part *part, long step)
{
    uint64_t state = check_hash4((uint64_t)step, (uint64_t)check_rank, (uint64_t)part->name[0], 3);
    uint64_t found[N_SLOTS];

    for (int i = 0; i < 5; i++) {
        int slot = check_below(&state, N_SLOTS);

        part->slots[slot] = state;
        CHECK_MPI(MPI_File_write_at(part->file, check_rank * BYTES + 8 * slot, &state, 1,
                                    MPI_UINT64_T, MPI_STATUS_IGNORE));
    }
    CHECK_MPI(MPI_File_read_at(part->file, check_rank * BYTES, found, N_SLOTS,
                               MPI_UINT64_T, MPI_STATUS_IGNORE));
    for (int i = 0; i < N_SLOTS; i++)
        CHECK(found[i] == part->slots[i],
              "slot %d of %s holds %016" PRIx64 ", not %016" PRIx64, i, part->name, found[i],
              part->slots[i]);
}

/* It is made where there is none, and deleted some steps later. */
static void short_lived(long step)
{
    uint64_t value = check_hash((uint64_t)step / 4, 9), found = 0;
    MPI_File file;

    if (step % 4 == 3) {
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        if (check_rank == 0)
            CHECK_MPI(MPI_File_delete("short", MPI_INFO_NULL));
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        return;
    }
    file = file_open("short", MPI_MODE_RDWR |
                                  (step % 4 == 0 ? MPI_MODE_CREATE | MPI_MODE_EXCL : 0));
    if (step % 4 == 0)
        CHECK_MPI(MPI_File_write_at(file, 8 * check_rank, &value, 1, MPI_UINT64_T,
                                    MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_File_read_at(file, 8 * check_rank, &found, 1, MPI_UINT64_T,
                               MPI_STATUS_IGNORE));
    CHECK(found == value, "the short file holds %016" PRIx64, found);
    CHECK_MPI(MPI_File_close(&file));
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("mpiio_places", argc, argv, 400);
    part_begin(&parts[0]);
    part_begin(&parts[1]);
    CHECK_MPI(MPI_File_close(&parts[1].file));
    for (step = 0; step < steps; step++) {
        part_use(&parts[0], step);
        parts[1].file = file_open(parts[1].name, MPI_MODE_RDWR);
        part_use(&parts[1], step);
        CHECK_MPI(MPI_File_close(&parts[1].file));
        short_lived(step);
        if (step % 4 == check_rank % 4)
            check_sleep_ms(3);
        check_note(parts[0].slots[step % N_SLOTS] ^ parts[1].slots[step % N_SLOTS]);
    }
    CHECK_MPI(MPI_File_close(&parts[0].file));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
