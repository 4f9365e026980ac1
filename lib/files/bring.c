/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See bring.h.  Lower half, at a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/pathmap.h"
#include "files/bring.h"
#include "files/inodes.h"
#include "files/journal.h"
#include "files/undo.h"
#include "net/gather.h"
#include "storage/directory.h"

#define PAGE 4096ul
#define PAGE_UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
#define BLOCK CRMPI_INODE_BLOCK

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* What this restart knows of each file. */
struct state {
    int is_mine;    /* this rank brings it back */
    int is_written; /* by some rank */
    int is_gone;
    int fd;         /* without a name: the file; else -1 */
    uint64_t inode; /* as it was at the checkpoint; the beginning of its name, likewise */
    char name[256];
};

static struct {
    struct crmpi_bring_request request;
    struct crmpi_inodes inodes;
    struct crmpi_undo *undo;
    struct state *states;
} bring;

/* What all ranks know of a file that some have open. */
struct shared {
    uint64_t file; /* a digest of what tells it from others */
    uint64_t bytes;
    int64_t modified_ns;
    uint32_t rank;
    uint16_t is_written, is_whole;
};

static uint64_t digest_of(const struct crmpi_inode *inode)
{
    struct crmpi_checksum_state state;

    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, inode->file_system, sizeof inode->file_system);
    crmpi_checksum_add(&state, &inode->inode, sizeof inode->inode);
    crmpi_checksum_add(&state, inode->path, strlen(inode->path));
    return crmpi_checksum_end(&state);
}

/*
 * Preparing
 */

/* Who has it for writing comes first, then who knows it with the largest length, then as it
 * was last. */
static int is_better(const struct shared *a, const struct shared *b)
{
    if (a->is_written != b->is_written)
        return a->is_written;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes;
    if (a->modified_ns != b->modified_ns)
        return a->modified_ns > b->modified_ns;
    if (a->is_whole != b->is_whole)
        return a->is_whole;
    return a->rank < b->rank;
}

static int shared_compare(const void *a, const void *b)
{
    const struct shared *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return is_better(y, x) - is_better(x, y);
}

static const struct shared *shared_find(const struct shared *all, size_t n, uint64_t file)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (all[middle].file < file)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && all[low].file == file ? &all[low] : NULL;
}

/* Divide the files among the ranks that have them open. */
static enum crmpi_status files_divide(void)
{
    struct crmpi_inodes *inodes = &bring.inodes;
    struct shared *mine = calloc(inodes->n + 1, sizeof *mine), *all;
    size_t n = 0, n_all;
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; mine && i < inodes->n; i++)
        mine[n++] = (struct shared){
            .file = digest_of(&inodes->list[i]),
            .bytes = inodes->list[i].bytes,
            .modified_ns = inodes->list[i].modified_ns,
            .rank = bring.request.world_rank,
            .is_written = (inodes->list[i].flags & CRMPI_INODE_WRITTEN) != 0,
            .is_whole = (inodes->list[i].flags & CRMPI_INODE_WHOLE) != 0};
    all = crmpi_gather(mine, n, sizeof *mine, &n_all);
    free(mine);
    if (!mine || !all)
        return CRMPI_ERR_NOMEM;
    if (n_all > 1)
        qsort(all, n_all, sizeof *all, shared_compare);
    for (size_t i = 0; i < inodes->n; i++) {
        const struct crmpi_inode *inode = &inodes->list[i];
        const struct shared *best = shared_find(all, n_all, digest_of(inode));

        bring.states[i].is_mine = best->rank == bring.request.world_rank;
        bring.states[i].is_written = best->is_written;
        if (inode->kind == CRMPI_INODE_NAMED || best + 1 == all + n_all ||
            best[1].file != best->file)
            continue;
        crmpi_error("%s has no name, and several ranks have it open: they would not have "
                    "the same file after a restart",
                    inode->path);
        status = CRMPI_ERR_UNFIT;
    }
    free(all);
    return status;
}

static enum crmpi_status refuse(const struct crmpi_inode *inode, const char *what)
{
    if (bring.request.accept) {
        crmpi_warn("%s %s: going on with it as it is", inode->path, what);
        return CRMPI_OK;
    }
    crmpi_error("%s, which was open at the checkpoint, %s; put it back as it was then, or "
                "say --accept-files to go on with it as it is",
                inode->path, what);
    return CRMPI_ERR_UNFIT;
}

static int times_are_equal(const struct crmpi_inode *inode, const struct stat *now)
{
    return inode->modified_ns == now->st_mtim.tv_sec * 1000000000l + now->st_mtim.tv_nsec &&
           inode->bytes == (uint64_t)now->st_size;
}

/* A block that differs from what was hashed, of those from @p first to before @p end;
 * @p end if there is none.  -1: it cannot be read. */
static int64_t blocks_compare(const struct crmpi_inode *inode,
                              const struct crmpi_hash *hashes, int fd, uint64_t first,
                              uint64_t end)
{
    char *bytes = malloc(BLOCK);
    int64_t found = (int64_t)end;

    for (uint64_t i = first; bytes && i < end && found == (int64_t)end; i++) {
        uint64_t left = inode->bytes - i * BLOCK, n = left < BLOCK ? left : BLOCK;
        ssize_t got = pread(fd, bytes, n, (off_t)(i * BLOCK));

        if (got < 0)
            found = -1;
        else if ((uint64_t)got != n ||
                 !crmpi_hash_is_equal(hashes[i], crmpi_hash(bytes, n)))
            found = (int64_t)i;
    }
    free(bytes);
    return bytes ? found : -1;
}

/* Of a file that is appended to all but its ends has to be what it was. */
static enum crmpi_status large_check(size_t i, const char *where, const struct stat *now)
{
    const struct crmpi_inode *inode = &bring.inodes.list[i];
    char what[160];

    if ((uint64_t)now->st_size < inode->bytes)
        return refuse(inode, "is shorter than it was");
    if (times_are_equal(inode, now))
        return CRMPI_OK;
    if (inode->flags & CRMPI_INODE_IN_PLACE)
        return refuse(inode, "has been written since, and was too large to be saved "
                             "(CRMPI_FILE_LIMIT)");
    if (inode->n_blocks < 3)
        return CRMPI_OK; /* its ends are all of it */
    int fd = open(where, O_RDONLY | O_CLOEXEC);
    int64_t block = fd < 0 ? -1
                           : blocks_compare(inode, bring.inodes.hashes[i], fd, 1,
                                            inode->n_blocks - 1);

    if (fd >= 0)
        close(fd);
    if (block == (int64_t)inode->n_blocks - 1)
        return CRMPI_OK;
    if (block < 0)
        snprintf(what, sizeof what, "cannot be read: %s", strerror(errno));
    else
        snprintf(what, sizeof what,
                 "has other contents %llu MiB from its beginning, and was too large to be "
                 "saved (CRMPI_FILE_LIMIT)",
                 (unsigned long long)block);
    return refuse(inode, what);
}

/* A file that is only read has to be the same, or to have the same contents. */
static enum crmpi_status read_check(size_t i, const char *where, const struct stat *now)
{
    const struct crmpi_inode *inode = &bring.inodes.list[i];

    if (times_are_equal(inode, now) || bring.states[i].is_written)
        return CRMPI_OK;
    if (inode->n_blocks && (uint64_t)now->st_size >= inode->bytes) {
        int fd = open(where, O_RDONLY | O_CLOEXEC);
        int64_t block = fd < 0 ? -1
                               : blocks_compare(inode, bring.inodes.hashes[i], fd, 0,
                                                inode->n_blocks);

        if (fd >= 0)
            close(fd);
        if (block == (int64_t)inode->n_blocks)
            return CRMPI_OK;
    }
    return refuse(inode, "is another file, or has been changed since");
}

/* A folder, or the first above it that exists, into which files can be put. */
static int can_make(const char *path)
{
    char folder[CRMPI_PATH_BYTES], *slash;

    snprintf(folder, sizeof folder, "%s", path);
    while ((slash = strrchr(folder, '/')) && slash != folder) {
        *slash = 0;
        if (access(folder, F_OK) == 0)
            break;
    }
    return access(slash == folder ? "/" : folder, W_OK | X_OK) == 0;
}

/* A large one: the MPI layer cuts it. */
static int is_left_to_mpi(const struct crmpi_inode *inode)
{
    return inode->flags & CRMPI_INODE_BY_MPI && inode->flags & CRMPI_INODE_WRITTEN &&
           !(inode->flags & CRMPI_INODE_WHOLE);
}

static enum crmpi_status file_check(size_t i)
{
    struct crmpi_inode *inode = &bring.inodes.list[i];
    struct state *state = &bring.states[i];
    char where[CRMPI_PATH_BYTES + 64];
    struct stat now;
    int there = crmpi_undo_source(bring.undo, inode->path, where, sizeof where);

    if (inode->kind != CRMPI_INODE_NAMED || is_left_to_mpi(inode))
        return CRMPI_OK;
    if (there == 0)
        snprintf(where, sizeof where, "%s", inode->path);
    if (there != 0 && inode->flags & CRMPI_INODE_WHOLE)
        state->is_written = 1; /* by the job, though it was open for reading only */
    state->is_gone = there < 0 || stat(where, &now) != 0;
    if (!state->is_gone && !S_ISREG(now.st_mode))
        return refuse(inode, "is no longer a file");
    if (inode->flags & CRMPI_INODE_WHOLE && (state->is_mine || state->is_gone) &&
        (state->is_gone || (state->is_written && !times_are_equal(inode, &now))) &&
        !can_make(inode->path) &&
        (state->is_gone || access(inode->path, W_OK) != 0))
        return refuse(inode, "cannot be written");
    if (inode->flags & CRMPI_INODE_WRITTEN) {
        if (inode->flags & CRMPI_INODE_WHOLE || !state->is_mine)
            return CRMPI_OK;
        return state->is_gone ? refuse(inode, "is gone, and was too large to be saved "
                                              "(CRMPI_FILE_LIMIT)")
                              : large_check(i, where, &now);
    }
    if (there > 0)
        return CRMPI_OK; /* what the job has done to it is undone */
    if (state->is_gone)
        return inode->flags & CRMPI_INODE_WHOLE || state->is_written
                   ? CRMPI_OK
                   : refuse(inode, "is gone");
    return read_check(i, where, &now);
}

enum crmpi_status crmpi_bring_prepare(const struct crmpi_bring_request *request)
{
    enum crmpi_status status = CRMPI_OK;

    bring.request = *request;
    if (request->record)
        status = crmpi_inodes_unpack(request->record, request->record_bytes,
                                     &bring.inodes);
    bring.states = calloc(bring.inodes.n + 1, sizeof *bring.states);
    if (status == CRMPI_OK && !bring.states)
        status = CRMPI_ERR_NOMEM;
    for (size_t i = 0; status == CRMPI_OK && i < bring.inodes.n; i++) {
        bring.states[i].fd = -1;
        bring.states[i].inode = bring.inodes.list[i].inode;
        snprintf(bring.states[i].name, sizeof bring.states[i].name, "%.255s",
                 bring.inodes.list[i].path);
        crmpi_path_map(bring.inodes.list[i].path, sizeof bring.inodes.list[i].path);
    }
    status = crmpi_agree(status);
    if (status == CRMPI_OK)
        status = crmpi_agree(files_divide());
    if (status == CRMPI_OK && !request->keep_later)
        status = crmpi_undo_read(request->world_rank, request->sn, request->epoch,
                                 request->accept, &bring.undo);
    if (status != CRMPI_OK || request->keep_later)
        return status;
    for (size_t i = 0; i < bring.inodes.n; i++) {
        enum crmpi_status one = file_check(i); /* all are named */

        if (status == CRMPI_OK)
            status = one;
    }
    return crmpi_agree(status);
}

/*
 * Making files
 */

static enum crmpi_status cannot(const struct crmpi_inode *inode, const char *what)
{
    crmpi_error("cannot bring %s back: %s: %s", inode->path, what, strerror(errno));
    return CRMPI_ERR_SYSTEM;
}

/* Where a file without a name can be: where it was, else where temporary files go. */
static int unnamed_make(const struct crmpi_inode *inode)
{
    const char *fallback = getenv("TMPDIR");
    char folder[CRMPI_PATH_BYTES], path[CRMPI_PATH_BYTES + 32], *slash;
    int fd = -1;

    snprintf(folder, sizeof folder, "%s", inode->path);
    if ((slash = strrchr(folder, '/')))
        *slash = 0;
    for (int i = 0; i < 2 && fd < 0; i++) {
        if (i)
            snprintf(folder, sizeof folder, "%s", fallback ? fallback : "/tmp");
        snprintf(path, sizeof path, "%s/.crmpi-XXXXXX", folder);
        fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 && (fd = mkstemp(path)) >= 0)
            unlink(path);
    }
    return fd;
}

/* "/memfd:NAME (deleted)" */
static int memfd_make(const struct crmpi_inode *inode)
{
    char name[256];
    const char *start = inode->path + strlen("/memfd:");
    size_t length = strlen(start), end = strlen(" (deleted)");
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

    if (length > end && strcmp(start + length - end, " (deleted)") == 0)
        length -= end;
    snprintf(name, sizeof name, "%.*s", (int)length, start);
    int fd = -1;

    errno = crmpi_fault("kernel.noexec");
    if (errno == 0)
        fd = memfd_create(name, flags | (inode->mode & 0111 ? 0 : MFD_NOEXEC_SEAL));
    return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd; /* Linux 6.3 */
}

/* It gets its length, and its contents take their place: they are loaded into the file. */
static enum crmpi_status unnamed_bring(size_t i)
{
    struct crmpi_inode *inode = &bring.inodes.list[i];
    int fd = inode->kind == CRMPI_INODE_MEMFD ? memfd_make(inode) : unnamed_make(inode);

    if (fd < 0)
        return cannot(inode, "a new file");
    bring.states[i].fd = fd;
    if (ftruncate(fd, (off_t)inode->bytes) != 0)
        return cannot(inode, "its length");
    fchmod(fd, inode->mode);
    return CRMPI_OK;
}

static void parents_make(const char *path)
{
    char folder[CRMPI_PATH_BYTES];

    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = folder; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(folder, 0777); /* less the mask; one that is there stays */
        *slash = '/';
    }
}

/* Whether this rank is to bring the contents of a named file back. */
static int is_brought(size_t i)
{
    const struct crmpi_inode *inode = &bring.inodes.list[i];
    const struct state *state = &bring.states[i];

    if (is_left_to_mpi(inode))
        return 0;
    if (bring.request.keep_later)
        return state->is_mine && inode->flags & CRMPI_INODE_WHOLE &&
               access(inode->path, F_OK) != 0;
    return state->is_mine && (state->is_written || state->is_gone);
}

/*
 * Contents
 */

/* Write what differs; 0 if it is all there.  A damaged checkpoint may lack the memory. */
static int part_write(int fd, uint64_t offset, uint64_t bytes, const char *from,
                      int *changed)
{
    static char now[BLOCK];

    if (msync((void *)(uintptr_t)from, PAGE_UP(bytes), MS_ASYNC) != 0)
        return -1;
    for (uint64_t at = 0, n; at < bytes; at += n) {
        n = bytes - at < BLOCK ? bytes - at : BLOCK;
        if (pread(fd, now, n, (off_t)(offset + at)) == (ssize_t)n &&
            memcmp(now, from + at, n) == 0)
            continue;
        *changed = 1;
        for (uint64_t done = 0; done < n;) {
            ssize_t written =
                pwrite(fd, from + at + done, n - done, (off_t)(offset + at + done));

            if (written <= 0)
                return -1;
            done += (uint64_t)written;
        }
    }
    return 0;
}

/* The file itself; or, where another one has its name, or it may not be written, a new one
 * beside it, which takes the name when it is whole. */
static int named_open(const struct crmpi_inode *inode, char *fresh, size_t fresh_bytes)
{
    struct stat now;
    int fd = open(inode->path, O_RDWR | O_CLOEXEC);

    fresh[0] = 0;
    if (fd >= 0 && fstat(fd, &now) == 0 &&
        (now.st_ino == inode->inode || !(inode->flags & CRMPI_INODE_WHOLE)))
        return fd;
    if (fd >= 0)
        close(fd);
    if (!(inode->flags & CRMPI_INODE_WHOLE))
        return -1;
    parents_make(inode->path);
    fd = crmpi_fresh_open(inode->path, fresh, fresh_bytes);
    if (fd >= 0 && geteuid() == 0 && fchown(fd, inode->user, inode->group) != 0)
        crmpi_debug("%s stays root's: %s", fresh, strerror(errno));
    if (fd >= 0)
        fchmod(fd, inode->mode);
    return fd;
}

/* A file that is mapped has to be there, and stay the same one, before memory is. */
static enum crmpi_status mapped_bring(struct crmpi_inode *inode)
{
    char fresh[CRMPI_PATH_BYTES + 64];
    int fd = named_open(inode, fresh, sizeof fresh);
    struct stat now;

    if (fd < 0 || fstat(fd, &now) != 0 ||
        (fresh[0] && (ftruncate(fd, (off_t)inode->bytes) != 0 ||
                      rename(fresh, inode->path) != 0))) {
        if (fd >= 0)
            close(fd);
        return cannot(inode, "making it");
    }
    inode->inode = now.st_ino;
    close(fd);
    return CRMPI_OK;
}

enum crmpi_status crmpi_bring_begin(void)
{
    enum crmpi_status status = CRMPI_OK;

    if (bring.undo)
        status = crmpi_undo_apply(bring.undo);
    for (size_t i = 0; status == CRMPI_OK && i < bring.inodes.n; i++) {
        struct crmpi_inode *inode = &bring.inodes.list[i];
        int mapped = inode->flags & CRMPI_INODE_MAPPED && is_brought(i);

        if (inode->kind != CRMPI_INODE_NAMED)
            status = unnamed_bring(i);
        else if (mapped && inode->flags & CRMPI_INODE_WHOLE)
            status = mapped_bring(inode);
    }
    return crmpi_agree(status);
}

static enum crmpi_status named_bring(const struct crmpi_inode *inode)
{
    char fresh[CRMPI_PATH_BYTES + 64];
    int changed = 0, fd = named_open(inode, fresh, sizeof fresh);
    enum crmpi_status status = CRMPI_OK;
    struct stat now;

    if (fd < 0)
        return cannot(inode, "opening it");
    for (uint32_t i = 0; status == CRMPI_OK && i < inode->n_parts; i++)
        if (part_write(fd, inode->parts[i].offset, inode->parts[i].bytes,
                       (const char *)inode->parts[i].address, &changed) != 0)
            status = cannot(inode, "writing it");
    if (status == CRMPI_OK && (fstat(fd, &now) != 0 ||
                               ((uint64_t)now.st_size > inode->bytes &&
                                ftruncate(fd, (off_t)inode->bytes) != 0)))
        status = cannot(inode, "cutting it");
    if (status == CRMPI_OK && (changed || (uint64_t)now.st_size > inode->bytes)) {
        struct timespec times[] = {{.tv_nsec = UTIME_OMIT},
                                   {inode->modified_ns / 1000000000,
                                    inode->modified_ns % 1000000000}};

        futimens(fd, times);
    }
    if (status == CRMPI_OK && fresh[0] && rename(fresh, inode->path) != 0)
        status = cannot(inode, "giving it its name");
    if (status != CRMPI_OK && fresh[0])
        unlink(fresh);
    close(fd);
    return status;
}

/* Of a file without a name: the new file was empty. */
static enum crmpi_status unnamed_fill(const struct crmpi_inode *inode, int fd)
{
    int changed;

    for (uint32_t i = 0; i < inode->n_parts; i++)
        if (part_write(fd, inode->parts[i].offset, inode->parts[i].bytes,
                       (const char *)inode->parts[i].address, &changed) != 0)
            return cannot(inode, "writing it");
    return CRMPI_OK;
}

enum crmpi_status crmpi_bring_contents(void)
{
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < bring.inodes.n; i++) {
        const struct crmpi_inode *inode = &bring.inodes.list[i];
        const struct state *state = &bring.states[i];

        if (inode->kind != CRMPI_INODE_NAMED)
            status = unnamed_fill(inode, state->fd);
        else if (is_brought(i))
            status = named_bring(inode);
        for (uint32_t k = 0; k < inode->n_parts; k++)
            munmap((void *)inode->parts[k].address, PAGE_UP(inode->parts[k].bytes));
    }
    return crmpi_agree(status);
}

/*
 * Opening
 */

/* A file that was made for writing may forbid that by its mode. */
static int named_open_as(const char *path, int flags)
{
    int fd = open(path, flags);
    struct stat about;

    if (fd >= 0 || errno != EACCES || stat(path, &about) != 0 ||
        about.st_uid != geteuid() || chmod(path, about.st_mode | S_IRUSR | S_IWUSR) != 0)
        return fd;
    fd = open(path, flags);
    int error = errno;

    chmod(path, about.st_mode & 07777);
    errno = error;
    return fd;
}

int crmpi_bring_open(size_t index, int flags)
{
    char link[64];

    if (index >= bring.inodes.n) {
        errno = EINVAL;
        return -1;
    }
    const struct crmpi_inode *inode = &bring.inodes.list[index];

    flags &= ~(O_CREAT | O_EXCL | O_TRUNC | __O_TMPFILE | O_NOFOLLOW);
    if (inode->kind == CRMPI_INODE_NAMED)
        return named_open_as(inode->path, flags | O_CLOEXEC);
    snprintf(link, sizeof link, "/proc/self/fd/%d", bring.states[index].fd);
    return open(link, flags | O_CLOEXEC);
}

int crmpi_bring_open_mapped(const char *name, uint64_t inode, int flags)
{
    char path[CRMPI_PATH_BYTES];

    for (size_t i = 0; i < bring.inodes.n; i++)
        if (bring.inodes.list[i].flags & CRMPI_INODE_MAPPED &&
            bring.states[i].inode == inode &&
            strncmp(bring.states[i].name, name, sizeof bring.states[i].name - 1) == 0)
            return crmpi_bring_open(i, flags);
    snprintf(path, sizeof path, "%s", name);
    crmpi_path_map(path, sizeof path);
    return open(path, flags | O_CLOEXEC);
}

void crmpi_bring_seal(void)
{
    for (size_t i = 0; i < bring.inodes.n; i++) {
        const struct crmpi_inode *inode = &bring.inodes.list[i];

        if (inode->kind == CRMPI_INODE_MEMFD && inode->seals &&
            fcntl(bring.states[i].fd, F_ADD_SEALS, inode->seals) != 0)
            crmpi_warn("%s cannot be sealed again: %s", inode->path, strerror(errno));
    }
}

enum crmpi_status crmpi_bring_end(void)
{
    enum crmpi_status status = CRMPI_OK;
    struct stat now;

    for (size_t i = 0; i < bring.inodes.n; i++) {
        struct crmpi_inode *inode = &bring.inodes.list[i];

        if (bring.states[i].fd >= 0)
            close(bring.states[i].fd);
        if (inode->kind == CRMPI_INODE_NAMED && stat(inode->path, &now) == 0) {
            inode->device = now.st_dev; /* as they are known from now on */
            inode->inode = now.st_ino;
        }
    }
    if (bring.undo)
        status = crmpi_undo_end(bring.undo);
    if (status == CRMPI_OK)
        crmpi_journal_begin(NULL, bring.request.world_rank, bring.request.sn,
                            &bring.inodes);
    crmpi_undo_destroy(bring.undo);
    crmpi_inodes_fini(&bring.inodes);
    free(bring.states);
    bring.undo = NULL;
    bring.states = NULL;
    return status;
}
