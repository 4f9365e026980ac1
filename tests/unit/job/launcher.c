/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of how a launcher's command line is taken apart and kept, and of
 * DIR/control.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/config.h"
#include "job/contact.h"
#include "job/launcher.h"
#include "../main.h"

static char why[512];

static struct crmpi_words make(const char *const *items)
{
    struct crmpi_words words = {0};
    for (; *items != NULL; items++)
        ck_assert_int_eq(crmpi_words_add(&words, *items), CRMPI_OK);
    return words;
}

static void check_equal(const struct crmpi_words *words, const char *const *items)
{
    for (size_t i = 0; i < words->n; i++) {
        ck_assert_ptr_nonnull(items[i]);
        ck_assert_str_eq(words->items[i], items[i]);
    }
    ck_assert_ptr_null(items[words->n]);
    ck_assert_ptr_null(words->items[words->n]);
}

START_TEST(test_words)
{
    static const char *const items[] = {"mpirun",        "",    "a b",
                                        "%:;,'\"\n\xff", "-np", NULL};
    struct crmpi_words words = make(items), back;
    char *text, *bytes;
    size_t n;

    text = crmpi_words_encode(&words);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-%:"),
                      strlen(text));
    ck_assert_int_eq(crmpi_words_decode(&back, text), CRMPI_OK);
    check_equal(&back, items);
    crmpi_words_fini(&back);
    free(text);
    ck_assert_int_eq(crmpi_words_join(&words, &bytes, &n), CRMPI_OK);
    ck_assert_int_eq(crmpi_words_split(&back, bytes, n), CRMPI_OK);
    check_equal(&back, items);
    crmpi_words_fini(&back);
    ck_assert_int_eq(crmpi_words_split(&back, bytes, n - 1), CRMPI_ERR_CORRUPT);
    free(bytes);
    crmpi_words_fini(&words);
    ck_assert_int_eq(crmpi_words_decode(&back, "a%4:"), CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_words_decode(&back, "a%"), CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_words_decode(&back, "a%00:"), CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_words_decode(&back, "unended"), CRMPI_ERR_CORRUPT);
}
END_TEST

START_TEST(test_launchers)
{
    ck_assert(crmpi_launcher_is_mpirun("mpirun"));
    ck_assert(crmpi_launcher_is_mpirun("/usr/bin/mpiexec.openmpi"));
    ck_assert(crmpi_launcher_is_mpirun("orterun"));
    ck_assert(crmpi_launcher_is_mpirun("/usr/bin/prterun"));
    ck_assert(!crmpi_launcher_is_mpirun("srun"));
    ck_assert(!crmpi_launcher_is_mpirun("mpirun_rsh"));
    ck_assert(!crmpi_launcher_is_mpirun("mpirun/app"));
}
END_TEST

/* What the record of a job launched by `line` is. */
static void check_record(const char *const *line, const char *const *expected)
{
    struct crmpi_words words = make(line), record = {0};
    char *text = crmpi_words_encode(&words), *bytes;
    size_t n;

    setenv("CRMPI_LAUNCHER", text, 1);
    ck_assert_int_eq(crmpi_launcher_record(&bytes, &n), CRMPI_OK);
    unsetenv("CRMPI_LAUNCHER");
    if (expected == NULL) {
        ck_assert_ptr_null(bytes);
    } else {
        ck_assert_ptr_nonnull(bytes);
        ck_assert_int_eq(crmpi_words_split(&record, bytes, n), CRMPI_OK);
        check_equal(&record, expected);
    }
    crmpi_words_fini(&record);
    crmpi_words_fini(&words);
    free(bytes);
    free(text);
}

START_TEST(test_record)
{
    static const char *const line[] = {"/usr/bin/mpirun",
                                       "-x",
                                       "LD_PRELOAD=/x/libcrmpi.so",
                                       "-x",
                                       "CRMPI_DIR=/d",
                                       "-np",
                                       "4",
                                       "--hostfile",
                                       "/etc/hosts",
                                       "--mca",
                                       "btl",
                                       "^tcp",
                                       "-x",
                                       "OMP_NUM_THREADS=2",
                                       "--oversubscribe",
                                       "./app",
                                       "-np",
                                       "7",
                                       NULL};
    static const char *const expected[] = {
        "/usr/bin/mpirun", "-x",  "CRMPI_KEEP=5", "--hostfile", "/etc/hosts",
        "--mca",           "btl", "^tcp",         "-x",         "OMP_NUM_THREADS=2",
        "--oversubscribe", NULL};

    setenv("CRMPI_KEEP", "5", 1);
    setenv("CRMPI_DIR", "/d", 1);
    check_record(line, expected);
    unsetenv("CRMPI_KEEP");
    unsetenv("CRMPI_DIR");
}
END_TEST

/* A restart starts all ranks by one line. */
START_TEST(test_record_several)
{
    static const char *const plain[] = {"mpirun", "-np", "1",   "./a", ":",
                                        "-np",    "2",   "./b", NULL};
    static const char *const plain_record[] = {"mpirun", NULL};
    static const char *const line[] = {
        "mpirun", "--hostfile", "/h",  "-np",  "1",      "--mca", "btl", "^tcp",
        "./a",    "--mca",      ":",   "-np",  "2",      "-wdir", "/w",  "-x",
        "B=1",    "--mca",      "btl", "^tcp", "--mca",  "pml",   "ob1", "--hostfile",
        "/other", "./b",        "-v",  ":",    "--host", "n3",    "./c", NULL};
    static const char *const expected[] = {"mpirun", "--hostfile", "/h",    "--mca",
                                           "btl",    "^tcp",       "--mca", "pml",
                                           "ob1",    "--host",     "n3",    NULL};

    check_record(plain, plain_record);
    check_record(line, expected);
}
END_TEST

/* Options of Open MPI 5.0's. */
START_TEST(test_record_of_prrte)
{
    static const char *const line[] = {"mpirun",    "--map-by", ":oversubscribe",
                                       "--prtemca", "a",        "b",
                                       "--pmixmca", "c",        "d",
                                       "--output",  "tag",      "--with-ft",
                                       "0",         "--dvm",    "here",
                                       "-n",        "4",        "./app",
                                       "--display", "map",      NULL};
    static const char *const expected[] = {"mpirun",    "--map-by", ":oversubscribe",
                                           "--prtemca", "a",        "b",
                                           "--pmixmca", "c",        "d",
                                           "--output",  "tag",      "--with-ft",
                                           "0",         "--dvm",    "here",
                                           NULL};

    check_record(line, expected);
}
END_TEST

START_TEST(test_absolute)
{
    static const char *const line[] = {
        "mpirun", "--hostfile", "hosts", "-wdir", "sub",        "--rankfile=ranks",
        "--mca",  "btl",        "self",  "./a",   "--hostfile", "its own",
        ":",      "--app",      "/abs",  "-wd",   "../up",      "./b",
        "-wd",    "x",          NULL};
    static const char *const expected[] = {
        "mpirun", "--hostfile", "/d/hosts", "-wdir", "/d/sub",     "--rankfile=/d/ranks",
        "--mca",  "btl",        "self",     "./a",   "--hostfile", "its own",
        ":",      "--app",      "/abs",     "-wd",   "/d/../up",   "./b",
        "-wd",    "x",          NULL};
    struct crmpi_words words = make(line);

    ck_assert_int_eq(crmpi_launcher_absolute(&words, "/d"), CRMPI_OK);
    check_equal(&words, expected);
    crmpi_words_fini(&words);
}
END_TEST

START_TEST(test_replace)
{
    /* clang-format off */
    static const char *const was[] = {
        "mpirun", "-x", "A=1", "-x", "B", "--mca", "btl", "self", "--mca", "pml", "ob1",
        "--hostfile", "f", "--map-by=:oversubscribe", "--allow-run-as-root", "-H", "a",
        "-np", "4", NULL};
    static const char *const options[] = {
        "-map-by", "node", "--mca", "pml", "ucx", "--host=c,d", "-x", "A", "-n", "2",
        "--allow-run-as-root", "-np", NULL};
    static const char *const expected[] = {
        "mpirun", "-x", "B", "--mca", "btl", "self", NULL};
    static const char *const unlike[] = {
        "-x", "AA=3", "--mca", "btl_tcp", "1", "--oversubscribe", "-x=B", "-np", NULL};
    /* clang-format on */
    struct crmpi_words words = make(was), given = make(options), others = make(unlike);

    crmpi_launcher_replace(&words, others.items);
    check_equal(&words, was);
    crmpi_launcher_replace(&words, given.items);
    check_equal(&words, expected);
    crmpi_words_fini(&words);
    crmpi_words_fini(&given);
    crmpi_words_fini(&others);
}
END_TEST

START_TEST(test_record_unclear)
{
    static const char *const no_program[] = {"mpirun", "-np", "1", NULL};
    static const char *const other[] = {"srun", "-n", "4", "./somebody-else", NULL};

    check_record(no_program, NULL);
    check_record(other, NULL);
}
END_TEST

/* ---- DIR/control ---- */

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/crmpi-control-%d", getpid());
    ck_assert_int_eq(mkdir(dir, 0700), 0);
}

static void remove_dir(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/control", dir);
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing else is left */
}

static const struct crmpi_contact contact = {.job_id = "0123abcd",
                                             .pid = 77,
                                             .host = "node1",
                                             .addresses = {0x0100007f},
                                             .n_addresses = 1,
                                             .port = 1,
                                             .key = {1, 2, 255}};

START_TEST(test_control)
{
    struct crmpi_contact back;
    struct stat about;
    char path[128];
    int lock;

    ck_assert_int_eq(crmpi_contact_read(dir, &back, why, sizeof why), CRMPI_ERR_NOTFOUND);
    ck_assert_int_eq(crmpi_contact_publish(dir, &contact, &lock, why, sizeof why),
                     CRMPI_OK);
    snprintf(path, sizeof path, "%s/control", dir);
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_mode & 0777, 0600);
    ck_assert_int_eq(crmpi_contact_read(dir, &back, why, sizeof why), CRMPI_OK);
    ck_assert_str_eq(back.job_id, contact.job_id);
    ck_assert_str_eq(back.host, contact.host);
    ck_assert_int_eq(back.pid, contact.pid);
    ck_assert_uint_eq(back.port, contact.port);
    ck_assert_uint_eq(back.n_addresses, 1);
    ck_assert_uint_eq(back.addresses[0], contact.addresses[0]);
    ck_assert_mem_eq(back.key, contact.key, sizeof back.key);
    crmpi_contact_withdraw(dir, lock);
    ck_assert_int_ne(stat(path, &about), 0);
}
END_TEST

/* A process of its own, because locks are a process's. */
static enum crmpi_status publish_elsewhere(pid_t *stays_out)
{
    int result[2], status = -1;
    pid_t pid;

    ck_assert_int_eq(pipe(result), 0);
    pid = fork();
    if (pid == 0) {
        int lock;
        status = crmpi_contact_publish(dir, &contact, &lock, why, sizeof why);
        if (write(result[1], &status, sizeof status) != sizeof status)
            _exit(1);
        if (stays_out != NULL)
            pause();
        _exit(0);
    }
    ck_assert_int_eq(read(result[0], &status, sizeof status), sizeof status);
    if (stays_out == NULL)
        waitpid(pid, NULL, 0);
    else
        *stays_out = pid;
    close(result[0]);
    close(result[1]);
    return (enum crmpi_status)status;
}

START_TEST(test_control_of_a_dead_job)
{
    int lock;

    ck_assert_int_eq(publish_elsewhere(NULL),
                     CRMPI_OK); /* and died without removing it */
    ck_assert_int_eq(crmpi_contact_alive(dir, why, sizeof why), 0);
    ck_assert_int_eq(crmpi_contact_publish(dir, &contact, &lock, why, sizeof why),
                     CRMPI_OK);
    crmpi_contact_withdraw(dir, lock);
}
END_TEST

START_TEST(test_control_of_a_living_job)
{
    int lock;
    pid_t pid;

    ck_assert_int_eq(publish_elsewhere(&pid), CRMPI_OK);
    ck_assert_int_eq(crmpi_contact_publish(dir, &contact, &lock, why, sizeof why),
                     CRMPI_ERR_PERMISSION);
    ck_assert_ptr_nonnull(strstr(why, "another running job"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(test_control_that_is_damaged)
{
    static const char *const texts[] = {
        "", "crmpi control 2\nport 5\nkey 00112233445566778899aabbccddeeff\n",
        "crmpi control 1\nport 5\nkey 00112233\n", "crmpi control 1\nport 70\n",
        "crmpi control 1\nkey 00112233445566778899aabbccddeeff\n"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct crmpi_contact back;
        char path[128];
        FILE *file;
        snprintf(path, sizeof path, "%s/control", dir);
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(texts[i], file);
        fclose(file);
        ck_assert_int_eq(crmpi_contact_read(dir, &back, why, sizeof why),
                         CRMPI_ERR_FORMAT);
    }
}
END_TEST

/* What is there is not waited for, followed, or read, if it is no file of this user. */
START_TEST(test_control_that_is_no_file)
{
    struct crmpi_contact back;
    char path[128];
    int fd, lock;
    const struct crmpi_demand demand = {.magic = CRMPI_DEMAND_MAGIC};

    snprintf(path, sizeof path, "%s/control", dir);
    if (_i == 0)
        ck_assert_int_eq(mkfifo(path, 0600), 0);
    else if (_i == 1)
        ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    else if (_i == 2)
        ck_assert_int_eq(mkdir(path, 0700), 0);
    else if (mknod(path, S_IFCHR | 0600, makedev(1, 5)) != 0)
        return; /* /dev/zero; not as a plain user */
    ck_assert_int_eq(crmpi_contact_read(dir, &back, why, sizeof why),
                     CRMPI_ERR_PERMISSION);
    ck_assert_ptr_nonnull(strstr(why, "not a regular file of this user"));
    ck_assert_int_eq(crmpi_contact_alive(dir, why, sizeof why), 0);
    ck_assert_int_eq(crmpi_contact_call(dir, &demand, 1000, &fd, why, sizeof why),
                     CRMPI_ERR_PERMISSION);
    ck_assert_int_eq(crmpi_contact_publish(dir, &contact, &lock, why, sizeof why),
                     CRMPI_ERR_PERMISSION);
    ck_assert_ptr_nonnull(strstr(why, "not a regular file of this user"));
    ck_assert_int_eq(_i == 2 ? rmdir(path) : unlink(path), 0);
}
END_TEST

UNIT_TESTS("launcher")
{
    for (size_t i = 0; i < crmpi_n_variables; i++)
        unsetenv(crmpi_variables[i].name);

    CASE("words");
    TEST(test_words);
    TEST(test_launchers);
    TEST(test_record);
    TEST(test_record_several);
    TEST(test_record_of_prrte);
    TEST(test_absolute);
    TEST(test_replace);
    TEST(test_record_unclear);
    CASE("control", .setup = make_dir, .teardown = remove_dir);
    TEST(test_control);
    TEST(test_control_of_a_dead_job);
    TEST(test_control_of_a_living_job);
    TEST(test_control_that_is_damaged);
    LOOP(test_control_that_is_no_file, 0, 4);
}
