/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that come and go all the time: written under another name and renamed, appended to
 * and closed again, rotated, removed, cut, linked, overwritten in place while open and while
 * not, folders made and removed.  A model in memory says what all of them have to hold;
 * after a restart they must hold what they held at the checkpoint, whatever the killed run
 * has done to them since.
 */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define N_SLOTS 256
#define LOG_LINE 40
#define STAGE 20 /* steps in which a scratch file lives */
#define ROTATION 16

static char names[8][64];

static const char *path(const char *what, long number)
{
    static int next;
    char *name = names[next++ % 8];

    if (number < 0)
        snprintf(name, sizeof names[0], "%s.%d", what, check_rank);
    else
        snprintf(name, sizeof names[0], "%s.%d.%ld", what, check_rank, number);
    return name;
}

static void line_of(char *line, const char *what, long step)
{
    int n = snprintf(line, LOG_LINE + 1, "%s %d %ld %016" PRIx64, what, check_rank, step,
                     check_hash((uint64_t)step, (uint64_t)check_rank));

    memset(line + n, '.', (size_t)(LOG_LINE - n));
    line[LOG_LINE - 1] = '\n';
}

static long size_of(const char *name)
{
    struct stat st;

    return stat(name, &st) == 0 ? (long)st.st_size : -1;
}

/* A new state takes the place of the old one; the one before is there until then. */
static void state_replace(long step)
{
    char line[LOG_LINE + 1] = "", found[LOG_LINE + 1] = "";
    int fd;

    if (step > 0) {
        line_of(line, "state", step - 1);
        CHECK_SYS(fd = open(path("state", -1), O_RDONLY));
        for (int i = 0; i < 50; i++) {
            CHECK_EQ(read(fd, found, LOG_LINE), LOG_LINE);
            CHECK(memcmp(line, found, LOG_LINE) == 0, "line %d of the state is %s", i,
                  found);
        }
        CHECK_SYS(close(fd));
    }
    CHECK_EQ(size_of(path("state.tmp", -1)), -1);
    CHECK_SYS(fd = open(path("state.tmp", -1), O_WRONLY | O_CREAT | O_TRUNC, 0644));
    line_of(line, "state", step);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(write(fd, line, LOG_LINE), LOG_LINE);
        if (i % 20 == check_rank % 20)
            check_sleep_ms(1);
    }
    CHECK_SYS(close(fd));
    CHECK_SYS(rename(path("state.tmp", -1), path("state", -1)));
}

/* A log that is never open for long, and becomes another file now and then, which some
 * lines are still added to. */
static void log_append(long step)
{
    long in_log = step % ROTATION;
    char line[LOG_LINE + 1], found[LOG_LINE + 1] = "";
    const char *log = path("log", -1), *old = path("log.old", -1);
    int fd;

    if (in_log == 0 && step > 0) {
        CHECK_EQ(size_of(log), ROTATION * LOG_LINE);
        CHECK_SYS(rename(log, old));
    }
    CHECK_EQ(size_of(log), in_log ? in_log * LOG_LINE : -1);
    CHECK_SYS(fd = open(log, O_RDWR | O_CREAT | O_APPEND, 0644));
    if (in_log > 0) {
        line_of(line, "log", step - 1);
        CHECK_EQ(pread(fd, found, LOG_LINE, (in_log - 1) * LOG_LINE), LOG_LINE);
        CHECK(memcmp(line, found, LOG_LINE) == 0, "the log's last line is %s", found);
    }
    line_of(line, "log", step);
    CHECK_EQ(write(fd, line, LOG_LINE), LOG_LINE);
    CHECK_SYS(close(fd));
    if (step >= ROTATION && in_log == ROTATION / 2) {
        CHECK_EQ(size_of(old), ROTATION * LOG_LINE);
        CHECK_SYS(fd = open(old, O_WRONLY | O_APPEND));
        CHECK_EQ(write(fd, line, LOG_LINE), LOG_LINE);
        CHECK_SYS(close(fd));
    }
    if (step >= ROTATION && in_log == ROTATION / 2 + 1) { /* and written in place */
        CHECK_EQ(size_of(old), (ROTATION + 1) * LOG_LINE);
        CHECK_SYS(fd = open(old, O_WRONLY));
        CHECK_EQ(pwrite(fd, line, LOG_LINE, LOG_LINE), LOG_LINE);
        CHECK_SYS(ftruncate(fd, ROTATION * LOG_LINE));
        CHECK_SYS(close(fd));
    }
}

/* A file that is open as long as a stage lasts, and then removed. */
static void scratch_use(long step)
{
    static int fd = -1;
    const char *name = path("scratch", step / STAGE);
    uint64_t value = check_hash((uint64_t)step, 5), found;

    if (step % STAGE == 0) {
        if (step > 0) {
            CHECK_EQ(size_of(path("scratch", step / STAGE - 1)), STAGE * 8);
            CHECK_SYS(close(fd));
            CHECK_SYS(unlink(path("scratch", step / STAGE - 1)));
        }
        CHECK_SYS(fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    }
    CHECK_EQ(pwrite(fd, &value, 8, 8 * (step % STAGE)), 8);
    for (long i = step - step % STAGE; i <= step; i++) {
        CHECK_EQ(pread(fd, &found, 8, 8 * (i % STAGE)), 8);
        CHECK(found == check_hash((uint64_t)i, 5), "value %ld of the scratch file", i);
    }
    CHECK_EQ(size_of(name), 8 * (step % STAGE + 1));
}

/* Slots that are overwritten at random: of a file that stays open, of one that is opened
 * each time, and of one that is mapped and shared. */
struct base {
    const char *what;
    uint64_t slots[N_SLOTS];
    int fd;
    uint64_t *mapped;
};
static struct base bases[] = {{.what = "open"}, {.what = "closed"}, {.what = "mapped"}};

static void bases_begin(void)
{
    for (int i = 0; i < 3; i++) {
        struct base *base = &bases[i];
        int fd = open(path(base->what, -1), O_RDWR | O_CREAT | O_TRUNC, 0644);

        CHECK_SYS(fd);
        CHECK_EQ(write(fd, base->slots, sizeof base->slots), sizeof base->slots);
        base->fd = i == 0 ? fd : -1;
        if (i == 2) {
            base->mapped = mmap(NULL, sizeof base->slots, PROT_READ | PROT_WRITE,
                                MAP_SHARED, fd, 0);
            CHECK(base->mapped != MAP_FAILED, "mmap: %s", strerror(errno));
        }
        if (i > 0)
            CHECK_SYS(close(fd));
    }
}

static void base_use(struct base *base, long step)
{
    uint64_t state = check_hash((uint64_t)step, (uint64_t)(base - bases)), all[N_SLOTS];
    int slot = check_below(&state, N_SLOTS), fd = base->fd;

    if (fd < 0)
        CHECK_SYS(fd = open(path(base->what, -1), O_RDWR));
    base->slots[slot] = state;
    if (base->mapped)
        base->mapped[slot] = state;
    else
        CHECK_EQ(pwrite(fd, &state, 8, 8L * slot), 8);
    CHECK_EQ(pread(fd, all, sizeof all, 0), sizeof all);
    for (int i = 0; i < N_SLOTS; i++)
        CHECK(all[i] == base->slots[i],
              "slot %d of %s holds %016" PRIx64 ", not %016" PRIx64, i, base->what, all[i],
              base->slots[i]);
    if (base->fd < 0)
        CHECK_SYS(close(fd));
}

/* Folders, links, and files that are cut. */
static void names_use(long step)
{
    const char *folder = path("folder", -1), *link_name = path("link", -1);
    const char *second = path("second", -1), *cut = path("cut", -1);
    char target[64] = "", expected[64];
    int fd;

    snprintf(expected, sizeof expected, "target %ld", step);
    switch (step % 6) {
    case 0:
        CHECK_EQ(size_of(folder), -1);
        CHECK_SYS(mkdir(folder, 0700));
        CHECK_EQ(readlink(link_name, target, sizeof target), -1);
        CHECK_SYS(symlink(expected, link_name));
        break;
    case 1:
        snprintf(target, sizeof target, "%s/inside", folder);
        CHECK_SYS(fd = open(target, O_WRONLY | O_CREAT | O_EXCL, 0600));
        CHECK_EQ(write(fd, expected, 8), 8);
        CHECK_SYS(close(fd));
        break;
    case 2:
        CHECK_SYS(readlink(link_name, target, sizeof target - 1));
        snprintf(expected, sizeof expected, "target %ld", step - 2);
        CHECK(strcmp(target, expected) == 0, "the link leads to %s", target);
        CHECK_SYS(unlink(link_name));
        break;
    case 3:
        snprintf(target, sizeof target, "%s/inside", folder);
        CHECK_EQ(size_of(target), 8);
        CHECK_SYS(unlink(target));
        CHECK_SYS(rmdir(folder));
        break;
    case 4:
        CHECK_EQ(size_of(second), -1);
        CHECK_SYS(link(path("closed", -1), second));
        CHECK_SYS(fd = open(cut, O_WRONLY | O_CREAT, 0644));
        CHECK_EQ(write(fd, expected, 9), 9);
        CHECK_SYS(close(fd));
        break;
    default:
        CHECK_EQ(size_of(second), N_SLOTS * 8);
        CHECK_SYS(unlink(second));
        CHECK_EQ(size_of(cut), 9);
        CHECK_SYS(truncate(cut, 3));
        CHECK_EQ(size_of(cut), 3);
    }
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("churn", argc, argv, 600);
    bases_begin();
    for (step = 0; step < steps; step++) {
        state_replace(step);
        log_append(step);
        scratch_use(step);
        for (int i = 0; i < 3; i++)
            base_use(&bases[i], step);
        names_use(step);
        if (step % 5 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        if (step % 4 == check_rank % 4)
            check_sleep_ms(3);
        check_note(bases[0].slots[step % N_SLOTS] ^ bases[2].slots[step % N_SLOTS]);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
