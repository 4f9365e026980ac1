/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files: appended to, overwritten in place, read along, held open twice by dup, by
 * stdio and by descriptor, and mapped.  After a restart the files must be as
 * in an uninterrupted run, also where the killed run had written more.
 */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define N_INPUT 200000
#define N_SLOTS 512

static char name[64];
static int log_fd, dup_fd, slots_fd, shared_fd, scratch_fd;
static FILE *text, *input;
static uint64_t *mapped;

static const char *path(const char *what)
{
    snprintf(name, sizeof name, "%s.%d", what, check_rank);
    return name;
}

static unsigned char input_byte(long i)
{
    return (unsigned char)check_hash((uint64_t)i, 99);
}

static void open_all(void)
{
    unsigned char byte;
    FILE *make = fopen(path("input"), "w");

    CHECK(make != NULL, "%s: %s", name, strerror(errno));
    for (long i = 0; i < N_INPUT; i++) {
        byte = input_byte(i);
        CHECK_EQ(fwrite(&byte, 1, 1, make), 1);
    }
    CHECK_EQ(fclose(make), 0);
    input = fopen(path("input"), "r");
    text = fopen(path("text"), "w");
    CHECK(input && text, "%s", strerror(errno));
    CHECK_SYS(log_fd = open(path("log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644));
    CHECK_SYS(slots_fd = open(path("slots"), O_RDWR | O_CREAT | O_TRUNC, 0600));
    CHECK_SYS(shared_fd = open(path("plain"), O_WRONLY | O_CREAT | O_TRUNC, 0644));
    CHECK_SYS(dup_fd = dup(shared_fd)); /* one offset for both */
    CHECK_SYS(scratch_fd = open(path("mapped"), O_RDWR | O_CREAT | O_TRUNC, 0644));
    CHECK_SYS(ftruncate(scratch_fd, N_SLOTS * 8));
    mapped = mmap(NULL, N_SLOTS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, scratch_fd, 0);
    CHECK(mapped != MAP_FAILED, "mmap: %s", strerror(errno));
}

static void append(long step)
{
    char line[100];
    int n = snprintf(line, sizeof line, "rank %d step %ld %016" PRIx64 "\n", check_rank,
                     step, check_hash((uint64_t)step, (uint64_t)check_rank));

    CHECK_EQ(write(log_fd, line, (size_t)n), n);
    CHECK_EQ(fprintf(text, "%s", line), n); /* stays in the buffer for long */
    CHECK_EQ(write(step % 2 ? shared_fd : dup_fd, line, (size_t)n), n);
    CHECK_EQ(lseek(shared_fd, 0, SEEK_CUR), lseek(dup_fd, 0, SEEK_CUR));
}

/* Random slots are overwritten: the file's end is that of the last run, but what a killed
 * run has overwritten does not come back, so only what is written now is read. */
static void overwrite(long step)
{
    uint64_t state = check_hash((uint64_t)step, (uint64_t)check_rank), got;
    int i = check_below(&state, N_SLOTS), j = check_below(&state, N_SLOTS);

    CHECK_EQ(pwrite(slots_fd, &state, 8, 8L * i), 8);
    CHECK_SYS(lseek(slots_fd, 8L * i, SEEK_SET));
    CHECK_EQ(read(slots_fd, &got, 8), 8);
    CHECK(got == state, "slot %d holds %016" PRIx64 ", not %016" PRIx64, i, got, state);
    mapped[j] = state; /* private: the file does not see it */
    CHECK_EQ(pread(scratch_fd, &got, 8, 8L * j), 8);
    CHECK(got == 0, "a private mapping was written to its file");
}

static void read_along(long step)
{
    unsigned char bytes[64];
    long place = ftell(input), n = 1 + step % 60, i;

    if (place + n > N_INPUT) {
        CHECK_EQ(fseek(input, 0, SEEK_SET), 0);
        place = 0;
    }
    CHECK_EQ(fread(bytes, 1, (size_t)n, input), n);
    for (i = 0; i < n; i++)
        CHECK(bytes[i] == input_byte(place + i), "byte %ld of the input is %d", place + i,
              bytes[i]);
    check_note((uint64_t)bytes[0]);
}

/* Flags, sizes and descriptor numbers are what they were. */
static void attributes(long step)
{
    struct stat st;
    long size = 0, i;
    char line[100];

    CHECK_EQ(fcntl(log_fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
    CHECK_EQ(fcntl(slots_fd, F_GETFL) & O_ACCMODE, O_RDWR);
    CHECK_EQ(fcntl(scratch_fd, F_GETFD), step ? FD_CLOEXEC : 0);
    CHECK_SYS(fcntl(scratch_fd, F_SETFD, FD_CLOEXEC));
    for (i = 0; i < step; i++)
        size += snprintf(line, sizeof line, "rank %d step %ld %016d\n", check_rank, i, 0);
    CHECK_SYS(fstat(log_fd, &st));
    CHECK_EQ(st.st_size, size);
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("files", argc, argv, 2500);
    open_all();
    for (step = 0; step < steps; step++) {
        if (step % 50 == 0)
            attributes(step);
        append(step);
        overwrite(step);
        read_along(step);
        if (step % 5 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        if (step % 10 == check_rank % 10)
            check_sleep_ms(3);
    }
    for (int i = 0; i < N_SLOTS; i++)
        check_note(mapped[i]);
    CHECK_EQ(fclose(text), 0);
    CHECK_EQ(fclose(input), 0);
    CHECK_SYS(munmap(mapped, N_SLOTS * 8));
    CHECK_SYS(close(log_fd));
    CHECK_SYS(close(slots_fd));
    CHECK_SYS(close(shared_fd));
    CHECK_SYS(close(dup_fd));
    CHECK_SYS(close(scratch_fd));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
