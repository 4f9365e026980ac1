/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random histories of memory, with checkpoints in between: full ones and increments, by
 * tracked writes and by hashes, at once and in the background; each is restored with its
 * chain in another process, and has to be what memory was at the cut.  The memory lies in
 * the upper range, in which nothing else of this process is.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/config.h"
#include "boundary/control.h"
#include "capture/capture.h"
#include "capture/records.h"
#include "files/journal.h"
#include "capture/regions.h"
#include "capture/tracking.h"
#include "capture/wishes.h"
#include "interaction/cut.h"
#include "../main.h"

#define PAGE 4096ul
#define ARENA (CRMPI_MAP_ADDR)
#define PAGES 1600ul /* three huge pages */
#define VIEW (ARENA + PAGES * PAGE)
#define VIEW_PAGES 40ul
#define SEGMENT (VIEW + 700)
#define SEGMENT_BYTES (33 * PAGE + 55)

static char folder[] = "/tmp/crmpi-test-XXXXXX";
static char why[512];
static int prot[PAGES]; /* of the arena's pages; -1: not mapped */
static char is_file[PAGES];
static char *peer;                    /* the window's memory, as another process has it */
static struct crmpi_written *written; /* what both processes note of it */
static int file;                      /* behind private mappings */
static struct crmpi_extent excluded;
static struct crmpi_named named = {
    .name = "field", .type = CRMPI_NAMED_UINT8, .n_dims = 1};

/* What memory was when the last checkpoint was taken. */
static struct {
    char arena[PAGES * PAGE], segment[SEGMENT_BYTES];
    int prot[PAGES];
} truth;

/*
 * What capture.c asks of the rest of crmpi
 */

static enum crmpi_status segments_list(struct crmpi_window_segment **list_out,
                                       size_t *n_out)
{
    struct crmpi_window_segment *window = calloc(1, sizeof *window);

    *window = (struct crmpi_window_segment){.window = 7,
                                            .start = SEGMENT,
                                            .bytes = SEGMENT_BYTES,
                                            .view_start = VIEW,
                                            .view_bytes = VIEW_PAGES * PAGE,
                                            .flavor = MPI_WIN_FLAVOR_SHARED,
                                            .disp_unit = 1,
                                            .n_members = 2,
                                            .rank = 1,
                                            .written = written};
    *list_out = window;
    *n_out = 1;
    return CRMPI_OK;
}

static enum crmpi_status segments_mapped(struct crmpi_mapped_segment **list_out,
                                         size_t *n_out)
{
    *list_out = calloc(1, sizeof **list_out);
    **list_out = (struct crmpi_mapped_segment){(uint64_t)peer + (SEGMENT - VIEW),
                                               SEGMENT_BYTES, written};
    *n_out = 1;
    return CRMPI_OK;
}

struct crmpi_cut crmpi_cut = {.segments_list = segments_list,
                              .segments_mapped = segments_mapped};

static enum crmpi_status wishes_list(struct crmpi_wishes *wishes_out)
{
    *wishes_out = (struct crmpi_wishes){0};
    if (excluded.bytes > 0) {
        wishes_out->excluded = malloc(sizeof excluded);
        *wishes_out->excluded = excluded;
        wishes_out->n_excluded = 1;
    }
    if (named.bytes > 0) {
        wishes_out->named = malloc(sizeof named);
        *wishes_out->named = named;
        wishes_out->n_named = 1;
    }
    return CRMPI_OK;
}

enum crmpi_status (*crmpi_wishes_list)(struct crmpi_wishes *) = wishes_list;

void crmpi_wishes_fini(struct crmpi_wishes *wishes)
{
    free(wishes->excluded);
    free(wishes->named);
}

/* Whether a page lies wholly in what need not be saved. */
static int is_excluded(uint64_t page)
{
    uint64_t start = ARENA + page * PAGE;

    return start >= excluded.start && start + PAGE <= excluded.start + excluded.bytes;
}

/* Is called when all of memory can be read, and nothing writes to it. */
enum crmpi_status crmpi_records_save(struct crmpi_writer *writer,
                                     const struct crmpi_records *records,
                                     const struct crmpi_memory *memory)
{
    (void)records;
    (void)memory;
    memset(&truth, 0, sizeof truth);
    memcpy(truth.prot, prot, sizeof prot);
    for (uint64_t i = 0; i < PAGES; i++)
        if (prot[i] >= 0 && !is_excluded(i))
            memcpy(truth.arena + i * PAGE, (char *)ARENA + i * PAGE, PAGE);
    memcpy(truth.segment, (char *)SEGMENT, SEGMENT_BYTES);
    return crmpi_writer_record(writer, "/task/files", "x", 1);
}

/* There are no files. */
enum crmpi_status crmpi_records_take(struct crmpi_records *records, char *text,
                                     size_t text_bytes)
{
    (void)records;
    (void)text;
    (void)text_bytes;
    return CRMPI_OK;
}

void crmpi_records_fini(struct crmpi_records *records)
{
    (void)records;
}

void crmpi_journal_begin(const char *home, uint32_t world_rank, uint64_t sn,
                         const struct crmpi_inodes *inodes)
{
    (void)home;
    (void)world_rank;
    (void)sn;
    (void)inodes;
}

/*
 * Random histories
 */

static uint64_t below(uint64_t n)
{
    return (uint64_t)random() % n;
}

static uint64_t some_pages(uint64_t *first_out)
{
    uint64_t n = below(8) ? 1 + below(6) : below(6) ? 1 + below(100) : 1 + below(1100);

    *first_out = below(PAGES - n);
    return n;
}

static void *address_of(uint64_t page)
{
    return (char *)ARENA + page * PAGE;
}

static int writable(uint64_t page)
{
    return prot[page] > 0 && prot[page] & PROT_WRITE;
}

static void note(uint64_t first, uint64_t n, int as, int from_file)
{
    for (uint64_t i = first; i < first + n; i++) {
        prot[i] = as;
        is_file[i] = (char)from_file;
    }
}

static void map_some(void)
{
    uint64_t first, n = some_pages(&first);
    int kind = n > 100 ? 2 : (int)below(8),
        flags = MAP_FIXED | (kind == 0 ? MAP_SHARED : MAP_PRIVATE);

    ck_assert_ptr_ne(mmap(address_of(first), n * PAGE, PROT_READ | PROT_WRITE,
                          flags | (kind == 1 ? 0 : MAP_ANONYMOUS), kind == 1 ? file : -1,
                          0),
                     MAP_FAILED);
    note(first, n, PROT_READ | PROT_WRITE, kind <= 1);
}

static void unmap_some(void)
{
    uint64_t first, n = some_pages(&first);

    munmap(address_of(first), n * PAGE);
    note(first, n, -1, 0);
}

static void move_some(void)
{
    uint64_t from, n = some_pages(&from), to = below(PAGES - n);

    if (from < to + n && to < from + n)
        return;
    for (uint64_t i = from; i < from + n; i++)
        if (prot[i] < 0)
            return;
    /* can fail at the border of two mappings, having unmapped the target */
    if (mremap(address_of(from), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
               address_of(to)) == MAP_FAILED) {
        munmap(address_of(to), n * PAGE);
        munmap(address_of(from), n * PAGE);
        note(to, n, -1, 0);
    } else {
        memcpy(prot + to, prot + from, n * sizeof *prot);
        memcpy(is_file + to, is_file + from, n);
    }
    note(from, n, -1, 0);
}

static void protect_some(void)
{
    const int choices[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
                           PROT_READ | PROT_WRITE};
    uint64_t first, n = some_pages(&first);
    int as = choices[below(4)];

    for (uint64_t i = first; i < first + n; i++)
        if (prot[i] >= 0 && mprotect(address_of(i), PAGE, as) == 0)
            prot[i] = as;
}

static void advise_some(void)
{
    const int advice[] = {MADV_DONTNEED,   MADV_DONTNEED, MADV_FREE,
                          MADV_WIPEONFORK, MADV_DONTFORK, MADV_KEEPONFORK,
                          MADV_NOHUGEPAGE, MADV_DOFORK};
    uint64_t first, n = some_pages(&first);
    int which = advice[below(8)];

    if ((which == MADV_WIPEONFORK || which == MADV_DONTFORK) && below(8) > 0)
        return; /* the first checkpoint that finds some is not in the background */
    if (which == MADV_HUGEPAGE) /* all that is one mapping becomes so at its next write */
        madvise((void *)ARENA, PAGES * PAGE, which);
    else
        for (uint64_t i = first; i < first + n; i++)
            if (prot[i] >= 0)
                madvise(address_of(i), PAGE, which);
}

static void store_some(void)
{
    uint64_t first, n = some_pages(&first), how = below(4);

    for (uint64_t i = first; i < first + n; i++)
        if (writable(i) && how == 0)
            memset(address_of(i), 0, PAGE);
        else if (writable(i) && how == 1)
            memset(address_of(i), (int)below(255) + 1, PAGE);
        else if (writable(i))
            ((char *)address_of(i))[below(PAGE)] = (char)random();
}

static void *store_in_thread(void *unused)
{
    store_some();
    return unused;
}

static void thread_stores(void)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, store_in_thread, NULL), 0);
    pthread_join(thread, NULL);
}

/* By the kernel, on this process's behalf and on another's. */
static void call_writes(void)
{
    uint64_t page = below(PAGES);
    char bytes[100];
    struct iovec here = {bytes, sizeof bytes};
    struct iovec there = {(char *)address_of(page) + below(PAGE - 100), sizeof bytes};

    memset(bytes, (int)random(), sizeof bytes);
    if (writable(page) && below(2))
        ck_assert_int_eq(pread(file, there.iov_base, 100, (off_t)below(5000)), 100);
    else if (writable(page))
        process_vm_writev(getpid(), &here, 1, &there, 1, 0);
}

static void child_writes(void)
{
    int pid = fork();

    if (pid == 0) {
        for (uint64_t i = 0; i < PAGES; i++) {
            char byte = 1;
            struct iovec here = {&byte, 1}, there = {address_of(i), 1};
            if (!is_file[i])
                process_vm_writev(getpid(), &here, 1, &there, 1, 0);
        }
        _exit(0);
    }
    store_some();
    waitpid(pid, NULL, 0);
}

static void file_changes(void)
{
    char bytes[300];

    memset(bytes, (int)random(), sizeof bytes);
    ck_assert_int_eq(pwrite(file, bytes, sizeof bytes, (off_t)below(100 * PAGE)), 300);
}

static void window_changes(void)
{
    char *base = below(2) ? peer : (char *)VIEW, bytes[500];

    for (uint64_t i = below(4); i > 0; i--) {
        char *at = base + below(VIEW_PAGES * PAGE - 500);
        struct iovec here = {bytes, 1 + below(499)}, there = {at, here.iov_len};

        memset(bytes, below(3) ? (int)random() : 0, sizeof bytes);
        switch (below(4)) {
        case 0:
            ck_assert_int_eq(pread(file, at, 100, (off_t)below(5000)), 100);
            break;
        case 1:
            ck_assert_int_eq(process_vm_writev(getpid(), &here, 1, &there, 1, 0),
                             here.iov_len);
            break;
        default:
            memcpy(at, bytes, here.iov_len);
        }
    }
}

/* Pages that one process has dropped from its page table, and mappings made anew. */
static void window_drops(void)
{
    uint64_t first = below(VIEW_PAGES), n = 1 + below(VIEW_PAGES - first);
    char *base = below(2) ? peer : (char *)VIEW;
    void *other;

    if (below(4)) {
        ck_assert_int_eq(madvise(base + first * PAGE, n * PAGE, MADV_DONTNEED), 0);
        return;
    }
    other = mremap(peer, 0, n * PAGE, MREMAP_MAYMOVE);
    ck_assert_ptr_ne(other, MAP_FAILED);
    ck_assert_ptr_eq(
        mremap(other, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base), base);
}

static void live(unsigned n)
{
    static void (*const events[])(void) = {
        map_some,     unmap_some,     move_some,      protect_some,
        advise_some,  store_some,     store_some,     store_some,
        store_some,   thread_stores,  call_writes,    child_writes,
        file_changes, window_changes, window_changes, window_drops};

    for (unsigned i = 0; i < n; i++)
        events[below(sizeof events / sizeof *events)]();
}

/*
 * Checkpoints
 */

/* In a process of its own: put the checkpoint where it belongs and compare. */
static int restored_is_true(const char *path)
{
    const struct crmpi_region *regions;
    const struct crmpi_extent *extents;
    struct crmpi_reader *reader;
    size_t n_regions, n_extents;
    const struct crmpi_region view = {.start = VIEW,
                                      .bytes = VIEW_PAGES * PAGE,
                                      .prot = PROT_READ | PROT_WRITE,
                                      .flags = MAP_PRIVATE | MAP_ANONYMOUS};
    int is[PAGES];

    memset(is, 0xff, sizeof is);
    munmap((void *)ARENA, (PAGES + VIEW_PAGES) * PAGE);
    if (crmpi_reader_open(path, &reader) != CRMPI_OK ||
        crmpi_reader_memory(reader, &regions, &n_regions, &extents, &n_extents) !=
            CRMPI_OK ||
        crmpi_memory_map(regions, n_regions, extents, n_extents) != CRMPI_OK ||
        crmpi_memory_map(&view, 1, NULL, 0) != CRMPI_OK ||
        crmpi_reader_load(reader, NULL, NULL) != CRMPI_OK)
        return 0;
    for (size_t i = 0; i < n_regions; i++)
        for (uint64_t a = regions[i].start; a < regions[i].start + regions[i].bytes;
             a += PAGE)
            is[(a - ARENA) / PAGE] = (int)regions[i].prot;
    for (uint64_t i = 0; i < PAGES; i++)
        if (is[i] != truth.prot[i] ||
            (is[i] >= 0 && memcmp(address_of(i), truth.arena + i * PAGE, PAGE) != 0)) {
            dprintf(2, "page %lu, protection %d, was not that, or protected %d\n", i,
                    is[i], truth.prot[i]);
            return 0;
        }
    return memcmp((char *)SEGMENT, truth.segment, SEGMENT_BYTES) == 0;
}

static void check_restored(const char *path, const struct crmpi_capture_result *result)
{
    int how, pid;

    fflush(stdout);
    if ((pid = fork()) == 0)
        _exit(restored_is_true(path) ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_msg(how == 0, "%s (%#x) is not restored", path, result->figures.how);
}

/* Give a name to memory that is one mapping, if there is any there. */
static void name_some(void)
{
    uint64_t first = below(PAGES - 90), n = 1;

    while (n < 80 && prot[first] >= 0 && prot[first + n] == prot[first] &&
           !is_file[first] && is_file[first + n] == is_file[first])
        n++;
    named.bytes = prot[first] >= 0 && !is_file[first] ? n * PAGE - 1000 : 0;
    named.start = ARENA + first * PAGE + 700;
    named.dims[0] = named.bytes;
    if (named.bytes && n > 2 && below(4) == 0) /* wholly within; as RDMA libraries do */
        madvise(address_of(first + 1), (n - 2) * PAGE,
                below(2) ? MADV_DONTFORK : MADV_WIPEONFORK);
}

static unsigned n_increments, n_background, n_spared;

static void checkpoint(uint64_t sn)
{
    struct crmpi_job job = {.job_id = "test", .n_ranks = 1, .sn = sn};
    char path[64];
    struct crmpi_capture_request request = {.path = path, .job = &job, .background = 1};
    struct crmpi_capture_result result;
    int pending, committed = below(8) != 0;

    if (below(10) == 0) {
        request.alone = 1;
    } else if (below(10)) {
        ck_assert_int_eq(crmpi_capture_quiet(), CRMPI_OK);
        for (uint64_t i = 0; i < crmpi_written_pages(SEGMENT, SEGMENT_BYTES); i++)
            n_spared += !written->is_unknown && !(written->pages[0] >> i & 1);
    }
    snprintf(path, sizeof path, "%s/%06lu.h5", folder, sn);
    ck_assert_msg(crmpi_capture_begin(&request, &pending, &result, why, sizeof why) ==
                      CRMPI_OK,
                  "%s", why);
    if (pending) {
        live(20);
        ck_assert_msg(crmpi_capture_complete(&result, why, sizeof why) == CRMPI_OK, "%s",
                      why);
    }
    n_background += (unsigned)pending;
    n_increments += result.figures.how & CRMPI_HOW_INCREMENT;
    check_restored(path, &result);
    crmpi_capture_over(committed, sn, result.digest);
}

static void begin(void)
{
    char name[] = "/dev/shm/crmpi-test-XXXXXX";
    int fd = mkstemp(name);

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(ftruncate(fd, VIEW_PAGES * PAGE), 0);
    unlink(name);
    peer = mmap(NULL, VIEW_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_eq(mmap((void *)VIEW, VIEW_PAGES * PAGE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
                     (void *)VIEW);
    close(fd);
    written = calloc(1, crmpi_written_bytes(SEGMENT_BYTES));
    written->is_whole = 1;
    snprintf(why, sizeof why, "%s/mapped", folder);
    file = open(why, O_RDWR | O_CREAT, 0600);
    for (unsigned i = 0; i < 101 * PAGE / 4; i++)
        ck_assert_int_eq(pwrite(file, &i, 4, i * 4), 4);
    note(0, PAGES, -1, 0);
}

static void end(void)
{
    char command[100];

    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void history(enum crmpi_changes changes, int async)
{
    begin();
    crmpi_config.changes = changes;
    crmpi_config.async = async;
    for (uint64_t sn = 1; sn <= 40; sn++) {
        crmpi_config.incremental = sn % 20 ? 5 : 0;
        crmpi_config.async_memory_mib = sn % 3 ? 1024 : 1;
        excluded =
            (struct crmpi_extent){ARENA + 100 * PAGE + 5, sn % 4 == 3 ? 10 * PAGE : 0};
        crmpi_config.compress = CRMPI_HAVE_LZ4 && CRMPI_HAVE_ZSTD
                                    ? (enum crmpi_compress)below(4)
                                    : CRMPI_COMPRESS_AUTO;
        named.bytes = 0;
        live(sn == 1 ? 300 : below(4) ? (unsigned)below(15) : (unsigned)below(150));
        if (below(3) == 0)
            name_some();
        checkpoint(sn);
    }
    ck_assert_uint_gt(n_increments, 10);
    if (async)
        ck_assert_uint_gt(n_background, 5);
    end();
}

START_TEST(increments_by_hash_are_what_memory_was)
{
    srandom(41u + (unsigned)_i);
    history(CRMPI_CHANGES_HASH, _i % 2);
}
END_TEST

/* Where the kernel does not track writes these are by hash, too. */
START_TEST(increments_by_tracked_writes_are_what_memory_was)
{
    srandom(71u + (unsigned)_i);
    history(CRMPI_CHANGES_AUTO, _i % 2);
    if (crmpi_tracking_is_possible(why, sizeof why))
        ck_assert_uint_gt(n_spared, 0);
}
END_TEST

UNIT_TESTS("changes")
{
    CASE("all", .seconds = 120);
    LOOP(increments_by_hash_are_what_memory_was, 0, 4);
    LOOP(increments_by_tracked_writes_are_what_memory_was, 0, 4);
}
