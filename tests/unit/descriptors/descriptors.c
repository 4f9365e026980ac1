/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the list of descriptors: one that is forged is refused, or harms nothing but
 * itself.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>
#include "boundary/control.h"
#include "descriptors/descriptors.h"
#include "descriptors/kind.h"
#include "descriptors/locks.h"
#include "files/bring.h"
#include "files/journal.h"
#include "interaction/cut.h"
#include "lower/descriptors.h"
#include "../main.h"
#include "../storage/storage-fixture.h"

#define FIRST 700 /* numbers that nothing else has */

/* What these tests have nothing to do with. */
static void no_files(void (*call)(void *context, const char *path, int is_written),
                     void *context)
{
    (void)call;
    (void)context;
}

static enum crmpi_status no_segments(struct crmpi_window_segment **list_out,
                                     size_t *n_out)
{
    *list_out = NULL;
    *n_out = 0;
    return CRMPI_OK;
}
struct crmpi_cut crmpi_cut = {.files = no_files, .segments_list = no_segments};

int crmpi_bring_open(size_t index, int flags)
{
    (void)index;
    (void)flags;
    errno = EINVAL;
    return -1;
}

void crmpi_journal_with_name(const char *path,
                             void (*call)(const struct stat *about, const char *name,
                                          size_t bytes))
{
    (void)path;
    (void)call;
}

int crmpi_descriptor_is_lower(int fd)
{
    return fd < FIRST;
}

void crmpi_descriptor_take(int fd)
{
    (void)fd;
}

void crmpi_descriptor_give(int fd)
{
    (void)fd;
}

/* A record of descriptors, each with some data behind all. */
static struct {
    uint64_t n;
    struct crmpi_descriptor list[3];
    char data[16384];
} record;
static size_t record_bytes;

static struct crmpi_descriptor *add(int number, size_t data_bytes)
{
    struct crmpi_descriptor *added = &record.list[record.n];

    *added = (struct crmpi_descriptor){.fd = FIRST + (int)record.n,
                                       .number = number,
                                       .flags = O_RDWR,
                                       .other = -1,
                                       .identity = {1, 100 + record.n},
                                       .data_bytes = data_bytes,
                                       .path = "/dev/null"};
    record.n++;
    return added;
}

/* Data lies behind the last descriptor. */
static enum crmpi_status asked(enum crmpi_status (*ask)(void *, size_t))
{
    size_t data = 0, list = 8 + record.n * sizeof *record.list;

    for (uint64_t i = 0; i < record.n; i++)
        data += record.list[i].data_bytes;
    char *exact = malloc(list + data);

    memcpy(exact, &record, list);
    memcpy(exact + list, record.data, data);
    enum crmpi_status status = ask(exact, list + data);

    free(exact);
    return status;
}

static enum crmpi_status reserve(void *data, size_t bytes)
{
    return crmpi_descriptors_reserve(data, bytes);
}

static enum crmpi_status restore(void *data, size_t bytes)
{
    return crmpi_descriptors_restore(data, bytes);
}

static void setup(void)
{
    void *control =
        mmap((void *)CRMPI_U0, sizeof(struct crmpi_control_page), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    require(control == (void *)CRMPI_U0);
    memset(&record, 0, sizeof record);
    log_reset();
}

/* Straight to all three, with a length of its own. */
static void corrupt(size_t bytes)
{
    char *exact = malloc(bytes + !bytes);

    memcpy(exact, &record, bytes);
    ck_assert_int_eq(crmpi_descriptors_check(exact, bytes), CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_descriptors_reserve(exact, bytes), CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_descriptors_restore(exact, bytes), CRMPI_ERR_CORRUPT);
    free(exact);
}

static void two_devices(void)
{
    add(CRMPI_DESCRIPTOR_DEVICE, 0);
    add(CRMPI_DESCRIPTOR_DEVICE, 0);
    record_bytes = 8 + 2 * sizeof *record.list;
}

START_TEST(sound)
{
    two_devices();
    ck_assert_int_eq(asked(crmpi_descriptors_check), CRMPI_OK);
    ck_assert_int_eq(asked(reserve), CRMPI_OK);
    ck_assert_int_ge(fcntl(FIRST + 1, F_GETFD), 0);
    ck_assert_int_eq(asked(restore), CRMPI_OK);
    ck_assert_int_eq(write(FIRST, "x", 1), 1);
    ck_assert_int_eq(fcntl(FIRST, F_GETFD), 0);
    close(FIRST);
    close(FIRST + 1);
}
END_TEST

START_TEST(lengths)
{
    two_devices();
    for (size_t bytes = 0; bytes < record_bytes + 20; bytes += bytes < 32 ? 1 : 13)
        if (bytes != record_bytes)
            corrupt(bytes);
    record.n = 1;
    corrupt(record_bytes);
    record.n = 3;
    corrupt(record_bytes);
    record.n = UINT64_MAX / sizeof *record.list + 3;
    corrupt(record_bytes);
    record.n = UINT64_MAX;
    corrupt(record_bytes);
}
END_TEST

START_TEST(fields)
{
    static const struct {
        size_t offset, size;
        uint64_t value;
    } wrong[] = {
#define WRONG(field, value)                                                              \
    {offsetof(struct crmpi_descriptor, field),                                           \
     sizeof(((struct crmpi_descriptor *)NULL)->field), value}
        WRONG(fd, (uint32_t)-1),
        WRONG(fd, (1 << 20) + 1),
        WRONG(fd, INT32_MAX),
        WRONG(number, 0),
        WRONG(number, (uint32_t)-1),
        WRONG(number, 17),
        WRONG(data_bytes, 1),
        WRONG(data_bytes, UINT64_MAX),
        WRONG(data_bytes, (uint64_t)1 << 63),
    };

    two_devices();
    memcpy((char *)&record.list[1] + wrong[_i].offset, &wrong[_i].value, wrong[_i].size);
    corrupt(record_bytes);
}
END_TEST

/* Two lengths that make up for each other. */
START_TEST(sums)
{
    two_devices();
    record.list[0].data_bytes = (uint64_t)1 << 63;
    record.list[1].data_bytes = (uint64_t)1 << 63;
    corrupt(record_bytes);
    record.list[0].data_bytes = UINT64_MAX;
    record.list[1].data_bytes = 1;
    corrupt(record_bytes);
}
END_TEST

START_TEST(names)
{
    two_devices();
    memset(record.list[0].path, '/', sizeof record.list[0].path);
    corrupt(record_bytes);
}
END_TEST

/* Kinds whose data, or whose other ends, are not what they have to be: each says so. */
static void cannot(void)
{
    log_reset();
    ck_assert_int_ne(asked(restore), CRMPI_OK);
    ck_assert_uint_eq(log_lines, 1);
    for (int fd = FIRST; fd < FIRST + 3; fd++)
        close(fd);
}

START_TEST(data_of_a_wrong_length)
{
    static const int with_data[] = {CRMPI_DESCRIPTOR_SOCKET, CRMPI_DESCRIPTOR_TIMERFD};

    for (size_t i = 0; i < 2; i++)
        for (size_t bytes = 0; bytes < 400; bytes += 1 + bytes / 8) {
            record.n = 0;
            add(with_data[i], bytes);
            memset(record.data, (int)bytes * 37, bytes);
            if (with_data[i] == CRMPI_DESCRIPTOR_TIMERFD && bytes == 32)
                continue; /* it is right, though its numbers are not */
            cannot();
        }
}
END_TEST

START_TEST(other_ends)
{
    static const int paired[] = {CRMPI_DESCRIPTOR_PIPE, CRMPI_DESCRIPTOR_PTY,
                                 CRMPI_DESCRIPTOR_DUPLICATE};
    static const int others[] = {-1, FIRST + 2, 0, INT32_MIN, INT32_MAX};

    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 5; k++) {
            record.n = 0;
            add(paired[i], 0)->other = others[k];
            if (paired[i] != CRMPI_DESCRIPTOR_PIPE || others[k] != -1) /* it is closed */
                cannot();
        }
    record.n = 0; /* an end that is none */
    add(CRMPI_DESCRIPTOR_PIPE, 0)->other = FIRST + 1;
    add(CRMPI_DESCRIPTOR_DEVICE, 0);
    cannot();
    record.n = 0;
    add(CRMPI_DESCRIPTOR_STANDARD, 0)->other = 3;
    cannot();
}
END_TEST

/* What is in a pipe is told by lengths. */
START_TEST(contents_of_a_pipe)
{
    static const uint64_t lengths[] = {1, 9, 1000, UINT64_MAX, UINT64_MAX - 7};

    for (size_t i = 0; i < 5; i++) {
        record.n = 0;
        struct crmpi_descriptor *reader = add(CRMPI_DESCRIPTOR_PIPE, 16);
        struct crmpi_descriptor *writer = add(CRMPI_DESCRIPTOR_PIPE, 0);

        reader->flags = O_RDONLY;
        writer->flags = O_WRONLY;
        reader->other = writer->fd;
        writer->other = reader->fd;
        reader->identity[1] = writer->identity[1] = 5;
        memcpy(record.data, &lengths[i], 8);
        cannot();
        record.n = 0; /* the same without a writer */
        reader = add(CRMPI_DESCRIPTOR_PIPE, 16);
        reader->flags = O_RDONLY;
        reader->other = -1;
        memcpy(record.data, &lengths[i], 8);
        cannot();
    }
}
END_TEST

/* What was written before the other end was closed, and then nothing more. */
START_TEST(half_of_a_pipe)
{
    const uint64_t length = 8;
    char got[16];
    struct crmpi_descriptor *reader = add(CRMPI_DESCRIPTOR_PIPE, 16);

    reader->flags = O_RDONLY;
    reader->other = -1;
    memcpy(record.data, &length, 8);
    memcpy((char *)record.data + 8, "the last", 8);
    ck_assert_int_eq(asked(restore), CRMPI_OK);
    ck_assert_int_eq(read(FIRST, got, sizeof got), 8);
    ck_assert(memcmp(got, "the last", 8) == 0);
    ck_assert_int_eq(read(FIRST, got, sizeof got), 0);
    close(FIRST);
}
END_TEST

START_TEST(watches)
{
    struct {
        int32_t number;
        uint32_t mask;
        char path[4096];
    } watch = {.number = 1, .mask = IN_CREATE, .path = "/tmp"};

    add(CRMPI_DESCRIPTOR_INOTIFY, sizeof watch);
    memcpy(record.data, &watch, sizeof watch);
    ck_assert_int_eq(asked(crmpi_descriptors_check), CRMPI_OK);
    ck_assert_int_eq(asked(restore), CRMPI_OK);
    close(FIRST);
    watch.number = INT32_MAX; /* it would take for ever */
    memcpy(record.data, &watch, sizeof watch);
    ck_assert_int_eq(asked(crmpi_descriptors_check), CRMPI_ERR_UNFIT);
    watch.number = 1;
    memset(watch.path, 'x', sizeof watch.path);
    memcpy(record.data, &watch, sizeof watch);
    ck_assert_int_eq(asked(crmpi_descriptors_check), CRMPI_ERR_UNFIT);
}
END_TEST

START_TEST(gone)
{
    static const int named[] = {CRMPI_DESCRIPTOR_DEVICE, CRMPI_DESCRIPTOR_DIRECTORY,
                                CRMPI_DESCRIPTOR_PATH, CRMPI_DESCRIPTOR_SYSTEM};

    for (size_t i = 0; i < 4; i++) {
        record.n = 0;
        log_reset();
        strcpy(add(named[i], 0)->path, "/nowhere");
        ck_assert_int_eq(asked(crmpi_descriptors_check), CRMPI_ERR_UNFIT);
        ck_assert_ptr_nonnull(strstr(log_last, "file descriptor 700, /nowhere, cannot be "
                                               "restored: No such file or directory"));
    }
}
END_TEST

START_TEST(locks)
{
    char data[1000] = "";

    ck_assert_int_eq(crmpi_locks_restore(data, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_locks_restore(data, 7), CRMPI_ERR_CORRUPT);
    memset(data, 'x',
           sizeof data); /* no such descriptor, no such kind, a name without end */
    ck_assert_int_eq(crmpi_locks_restore(data, 288), CRMPI_ERR_UNFIT);
    ck_assert_uint_eq(log_lines, 2);
}
END_TEST

/* Whatever is in a record, restoring it ends. */
START_TEST(mutated)
{
    uint64_t state = 88172645463325252u + (uint64_t)_i;

    for (int round = 0; round < 2000; round++) {
        record.n = 0;
        for (int i = 0; i < 3; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            struct crmpi_descriptor *one =
                add(1 + (int)(state % 16), (state >> 8) % 3 ? 0 : (state >> 12) % 500);

            if (one->number == CRMPI_DESCRIPTOR_STANDARD)
                one->number = CRMPI_DESCRIPTOR_DEVICE;
            one->other = (int)((state >> 24) % 8) - 2 + FIRST;
            one->value = (state >> 30) % 4 ? (state >> 32) % 100 : state;
            one->offset = state >> 62;
            one->flags = (int)((state >> 34) % 3);
            one->identity[1] = (state >> 40) % 2;
        }
        for (size_t i = 0; i < 1500; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            record.data[i] = (char)(i % 3 ? 0 : state);
        }
        asked(restore);
        for (int fd = FIRST; fd < FIRST + 3; fd++)
            close(fd);
    }
}
END_TEST

UNIT_TESTS("descriptors")
{
    CASE("all", .seconds = 60, .setup = setup);
    TEST(sound);
    TEST(lengths);
    LOOP(fields, 0, 9);
    TEST(sums);
    TEST(names);
    TEST(data_of_a_wrong_length);
    TEST(other_ends);
    TEST(contents_of_a_pipe);
    TEST(half_of_a_pipe);
    TEST(watches);
    TEST(gone);
    TEST(locks);
    LOOP(mutated, 0, 3);
}
