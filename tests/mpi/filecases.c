/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filecases CASE: what becomes of files at a restart; filecases.sh says what should happen.
 * The program makes its files and says "ready"; when there is a file "go" it looks whether
 * they are what they were, does something to them and says "acted"; when there is a file
 * "end" it looks again, and ends.  A checkpoint is taken before "go", so a restarted program
 * does it all once more.  What is not as it was is an error, or said, if "lenient" is there.
 *
 * filecases hold FILE: not an MPI program; locks the file and waits.
 */
#include "check.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LARGE (5l << 20)
#define SMALL 3000
#define N_MANY 12

static int fd = -1, other = -1, saved_out = -1, acts;
static long written;

static int exists(const char *name)
{
    return access(name, F_OK) == 0;
}

static void differs(const char *name, const char *how)
{
    CHECK(exists("lenient"), "%s %s", name, how);
    printf("%s differs: %s\n", name, how);
    fflush(stdout);
}

static void put(const char *name, size_t bytes, uint64_t seed, int flags)
{
    char *contents = check_alloc(bytes);
    int to = open(name, O_WRONLY | O_CREAT | flags, 0640);

    check_fill(contents, bytes, seed);
    CHECK(to >= 0 && write(to, contents, bytes) == (ssize_t)bytes, "%s: %s", name,
          strerror(errno));
    CHECK_SYS(close(to));
    free(contents);
}

/* Compare a file with what put() wrote. */
static void look(const char *name, size_t bytes, uint64_t seed)
{
    char *expected = check_alloc(bytes), *found = check_alloc(bytes + 1);
    int from = open(name, O_RDONLY);
    ssize_t n = from < 0 ? -1 : read(from, found, bytes + 1);

    check_fill(expected, bytes, seed);
    if (n < 0)
        differs(name, "is not there");
    else if ((size_t)n != bytes)
        differs(name, (size_t)n < bytes ? "is shorter" : "is longer");
    else if (memcmp(found, expected, bytes) != 0)
        differs(name, "has other contents");
    if (from >= 0)
        CHECK_SYS(close(from));
    free(expected);
    free(found);
}

static void gone(const char *name)
{
    if (exists(name))
        differs(name, "is there");
}

/* ---- open for reading: made by the script before, or old ---- */

static struct stat input;
static uint64_t input_sum;

static uint64_t sum_of(int from)
{
    unsigned char bytes[4096];
    uint64_t sum = 7;
    off_t at = 0;

    for (ssize_t n; (n = pread(from, bytes, sizeof bytes, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++)
            sum = check_mix(sum ^ bytes[i]);
    return sum;
}

static void input_begin(void)
{
    CHECK_SYS(fd = open("input", O_RDONLY));
    CHECK_SYS(fstat(fd, &input));
    CHECK_SYS(lseek(fd, 100, SEEK_SET));
    input_sum = sum_of(fd);
}

static void input_act(void)
{
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
    if (sum_of(fd) != input_sum)
        differs("input", "has other contents");
}

/* ---- open for writing ---- */

static void output_begin(void)
{
    put("output", SMALL, 1, O_TRUNC);
    CHECK_SYS(fd = open("output", O_RDWR));
    CHECK_SYS(other = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
    CHECK_EQ(write(other, "first\n", 6), 6);
    CHECK_SYS(lseek(fd, 10, SEEK_SET));
}

static void output_act(void)
{
    struct stat named, open_file;

    look("output", SMALL, 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
    CHECK_SYS(fstat(fd, &open_file));
    CHECK_SYS(stat("output", &named));
    CHECK_EQ(named.st_ino, open_file.st_ino);
    CHECK_EQ(named.st_mode & 0777, 0640);
    CHECK_SYS(fstat(other, &named));
    if (named.st_size != 6)
        differs("log", "is longer");
    CHECK_EQ(write(fd, "changed", 7), 7);
    CHECK_EQ(pwrite(fd, "more", 4, SMALL), 4);
    CHECK_EQ(write(other, "second\n", 7), 7);
}

static void output_end(void)
{
    char bytes[8] = "";
    struct stat st;

    CHECK_EQ(pread(fd, bytes, 7, 10), 7);
    CHECK(strcmp(bytes, "changed") == 0, "output has %s", bytes);
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, SMALL + 4);
    CHECK_SYS(fstat(other, &st));
    printf("the log has %ld bytes\n", (long)st.st_size);
}

/* ---- larger than CRMPI_FILE_LIMIT, with a header that counts ---- */

static void large_begin(void)
{
    put("large", LARGE, 2, O_TRUNC);
    CHECK_SYS(fd = open("large", O_RDWR));
    put("beside", SMALL, 3, O_TRUNC);
    CHECK_SYS(other = open("beside", O_RDWR));
    CHECK_EQ(pwrite(fd, &written, 8, 0), 8);
}

static void large_look(void)
{
    char *found = check_alloc(LARGE), *expected = check_alloc(LARGE);
    struct stat st;
    long count;

    check_fill(expected, LARGE, 2);
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, LARGE + 8 * written);
    CHECK_EQ(pread(fd, &count, 8, 0), 8);
    CHECK_EQ(count, written);
    CHECK_EQ(pread(fd, found, LARGE, 0), LARGE);
    if (memcmp(found + 8, expected + 8, LARGE - 8) != 0)
        differs("large", "has other contents");
    for (long i = 0; i < written; i++) {
        CHECK_EQ(pread(fd, &count, 8, LARGE + 8 * i), 8);
        CHECK_EQ(count, i + 1);
    }
    free(found);
    free(expected);
}

static void large_append(void)
{
    for (int i = 0; i < 100; i++) {
        written++;
        CHECK_EQ(pwrite(fd, &written, 8, LARGE + 8 * (written - 1)), 8);
        CHECK_EQ(pwrite(fd, &written, 8, 0), 8);
    }
}

static void large_act(void)
{
    large_look();
    look("beside", SMALL, 3);
    large_append();
    CHECK_EQ(pwrite(other, "x", 1, 50), 1);
}

/* Opened once more, and removed while it is open. */
static void removed_act(void)
{
    struct stat st;
    int again;

    large_look();
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 1);
    CHECK_SYS(again = open("large", O_RDWR));
    CHECK_SYS(close(again));
    CHECK_SYS(unlink("large"));
    large_append();
}

/* ---- larger, and not open ---- */

static void closed_begin(void)
{
    put("large", LARGE, 2, O_TRUNC);
    put("beside", SMALL, 3, O_TRUNC);
}

static void closed_act(void)
{
    look("large", LARGE, 2);
    look("beside", SMALL, 3);
    put("large", 100, 4, 0);
    put("beside", 100, 4, 0);
}

/* ---- many that are not open: of each rank, and some that both touch ---- */

static const char *of(const char *what, int i)
{
    static char names[4][64];
    static int next;

    next = (next + 1) % 4;
    snprintf(names[next], sizeof *names, "%s.%d.%d", what, check_rank, i);
    return names[next];
}

static void many_begin(void)
{
    for (int i = 0; i < N_MANY; i++) {
        uint64_t seed = (uint64_t)(100 * check_rank + i);

        put(of("replaced", i), SMALL, seed + 1, O_TRUNC);
        put(of("removed", i), SMALL, seed + 2, O_TRUNC);
        put(of("appended", i), SMALL, seed + 3, O_TRUNC);
        put(of("written", i), SMALL, seed + 4, O_TRUNC);
        put(of("renamed", i), SMALL, seed + 5, O_TRUNC);
        put(of("linked", i), SMALL, seed + 6, O_TRUNC);
        put(of("cut", i), SMALL, seed + 7, O_TRUNC);
        put(of("short", i), SMALL, seed + 8, O_TRUNC);
        CHECK_SYS(symlink(of("written", i), of("soft", i)));
        CHECK_SYS(mkdir(of("folder", i), 0750));
    }
    if (check_rank == 0) {
        put("handed", SMALL, 50, O_TRUNC);
        put("taken", SMALL, 51, O_TRUNC);
    }
}

static void one_look(int i)
{
    uint64_t seed = (uint64_t)(100 * check_rank + i);
    char target[64] = "";
    struct stat st;

    look(of("replaced", i), SMALL, seed + 1);
    look(of("removed", i), SMALL, seed + 2);
    look(of("appended", i), SMALL, seed + 3);
    look(of("written", i), SMALL, seed + 4);
    look(of("renamed", i), SMALL, seed + 5);
    look(of("linked", i), SMALL, seed + 6);
    look(of("cut", i), SMALL, seed + 7);
    look(of("short", i), SMALL, seed + 8);
    gone(of("new", i));
    gone(of("moved", i));
    gone(of("second", i));
    gone(of("subfolder", i));
    CHECK_SYS(stat(of("replaced", i), &st));
    CHECK_EQ(st.st_mode & 07777, 0640);
    CHECK_SYS(stat(of("folder", i), &st));
    CHECK_EQ(st.st_mode & 07777, 0750);
    CHECK_SYS(readlink(of("soft", i), target, sizeof target - 1));
    CHECK(strcmp(target, of("written", i)) == 0, "the link leads to %s", target);
}

static void one_change(int i)
{
    char inside[128];
    int to;

    put(of("new", i), 10, 1, O_EXCL);
    CHECK_SYS(rename(of("new", i), of("replaced", i)));
    CHECK_SYS(unlink(of("removed", i)));
    put(of("removed", i), 20, 1, O_EXCL);
    put(of("appended", i), 500, 1, O_APPEND);
    CHECK_SYS(rename(of("appended", i), of("moved", i)));
    put(of("moved", i), 500, 1, 0);
    put(of("soft", i), 30, 1, 0); /* through the symbolic link */
    CHECK_SYS(rename(of("renamed", i), of("new", i)));
    CHECK_SYS(link(of("linked", i), of("second", i)));
    put(of("second", i), 30, 1, O_TRUNC);
    CHECK_SYS(truncate(of("cut", i), 7));
    CHECK_SYS(to = open(of("short", i), O_RDWR | O_APPEND)); /* and yet it is cut */
    CHECK_EQ(write(to, "x", 1), 1);
    CHECK_SYS(ftruncate(to, SMALL));
    CHECK_SYS(ftruncate(to, i));
    CHECK_EQ(write(to, "more", 4), 4);
    CHECK_SYS(close(to));
    CHECK_SYS(unlink(of("soft", i)));
    CHECK_SYS(symlink("nowhere", of("soft", i)));
    CHECK_SYS(rmdir(of("folder", i)));
    CHECK_SYS(mkdir(of("subfolder", i), 0700));
    snprintf(inside, sizeof inside, "%s/file", of("subfolder", i));
    CHECK_SYS(to = open(inside, O_CREAT | O_WRONLY, 0600));
    CHECK_SYS(close(to));
}

static void many_act(void)
{
    for (int i = 0; i < N_MANY; i++)
        one_look(i);
    if (check_rank == 0) {
        look("handed", SMALL, 50);
        look("taken", SMALL, 51);
        gone("given");
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0) { /* what the others touch second */
        put("handed", 100, 1, O_APPEND);
        put("given", 100, 1, O_EXCL);
        CHECK_SYS(unlink("taken"));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == check_size - 1) {
        put("handed", 10, 1, O_TRUNC);
        CHECK_SYS(rename("handed", "given"));
        put("taken", 10, 1, O_EXCL);
    }
    for (int i = 0; i < N_MANY; i++)
        one_change(i);
}

/* ---- several ranks have one file open ---- */

static void append_begin(void)
{
    if (check_rank == 0)
        put("shared", SMALL, 60, O_TRUNC);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_SYS(fd = open("shared", O_WRONLY | O_APPEND));
}

static void append_act(void)
{
    look("shared", SMALL, 60);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_EQ(write(fd, "12345678", 8), 8);
}

static void append_end(void)
{
    struct stat st;

    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, SMALL + 8 * check_size);
}

/* The first writes in place, the others read. */
static void follow_begin(void)
{
    if (check_rank == 0)
        put("shared", SMALL, 60, O_TRUNC);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_SYS(fd = open("shared", check_rank ? O_RDONLY : O_RDWR));
}

static void follow_act(void)
{
    char found[8] = "", expected[8];

    look("shared", SMALL, 60);
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0)
        CHECK_EQ(pwrite(fd, "changed", 8, 100), 8);
    MPI_Barrier(MPI_COMM_WORLD);
    memcpy(expected, "changed", 8);
    CHECK_EQ(pread(fd, found, 8, 100), 8);
    CHECK(memcmp(found, expected, 8) == 0, "the file has %.8s", found);
}

/* ---- locks ---- */

static void locks_begin(void)
{
    struct flock range = {.l_type = F_WRLCK, .l_len = 10};

    CHECK_SYS(fd = open("flocked", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(flock(fd, LOCK_EX));
    CHECK_SYS(other = open("locked", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(fcntl(other, F_SETLK, &range));
}

static int hold(const char *name)
{
    struct flock range = {.l_type = F_WRLCK, .l_len = 10};
    int file = open(name, O_RDWR);

    if (file < 0 || flock(file, LOCK_EX) != 0 || fcntl(file, F_SETLKW, &range) != 0 ||
        close(open("held", O_CREAT | O_WRONLY, 0600)) != 0)
        return 1;
    for (;;)
        pause();
}

/* ---- the launcher's ---- */

static void standard_begin(void)
{
    CHECK_SYS(saved_out = dup(1));
    CHECK_SYS(fd = open("stdout", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
    fflush(stdout);
    CHECK_SYS(dup2(fd, 1));
    CHECK_SYS(close(0));
}

static void standard_act(void)
{
    struct stat st;
    int lowest;

    /* what is opened below has the lowest free number for some microseconds */
    for (int looks = 0; fcntl(0, F_GETFD) != -1; looks++) {
        CHECK(looks < 100, "stdin has come back");
        usleep(1000);
    }
    CHECK_SYS(fstat(1, &st));
    CHECK_EQ(st.st_size, 0);
    CHECK_EQ(write(1, "to the file\n", 12), 12);
    CHECK_EQ(write(fd, "to the file\n", 12), 12);
    CHECK_EQ(write(saved_out, "to the launcher\n", 16), 16);
    CHECK_SYS(fstat(fd, &st));
    CHECK_EQ(st.st_size, 24);
    for (int looks = 0; (lowest = open("/dev/null", O_RDONLY)) != 0; looks++) {
        CHECK(lowest > 0 && looks < 100, "the lowest number is %d", lowest);
        CHECK_SYS(close(lowest));
        usleep(1000);
    }
    CHECK_SYS(close(0));
}

static void standard_end(void)
{
    CHECK_SYS(dup2(saved_out, 1));
}

static void nothing(void)
{
}

static const struct {
    const char *name;
    void (*begin)(void), (*act)(void), (*end)(void);
} cases[] = {
    {"input", input_begin, input_act, input_act},
    {"output", output_begin, output_act, output_end},
    {"large", large_begin, large_act, large_look},
    {"removed", large_begin, removed_act, large_look},
    {"closed", closed_begin, closed_act, nothing},
    {"many", many_begin, many_act, nothing},
    {"append", append_begin, append_act, append_end},
    {"follow", follow_begin, follow_act, nothing},
    {"locks", locks_begin, nothing, nothing},
    {"standard", standard_begin, standard_act, standard_end},
};

/* Until the script has made a file, which all ranks see at once. */
static void wait_for(const char *name)
{
    int there = 0;

    while (!there) {
        check_sleep_ms(5);
        there = check_rank == 0 && exists(name);
        MPI_Bcast(&there, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
}

static void say(const char *what)
{
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0)
        CHECK_SYS(close(open(what, O_CREAT | O_WRONLY, 0600)));
}

int main(int argc, char **argv)
{
    size_t k = 0, n = sizeof cases / sizeof *cases;

    if (argc > 2 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    MPI_Init(&argc, &argv);
    check_begin("filecases", 1, argv, 1);
    while (k < n && (argc < 2 || strcmp(cases[k].name, argv[1]) != 0))
        k++;
    CHECK(k < n, "there is no such case");
    cases[k].begin();
    say("ready");
    wait_for("go");
    cases[k].act();
    acts++;
    say("acted");
    wait_for("end");
    cases[k].end();
    check_note((uint64_t)acts);
    check_end(1);
    MPI_Finalize();
    return 0;
}
