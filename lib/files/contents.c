/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contents of the application's files, see inodes.h.  Lower half, with all threads
 * parked.
 *
 *   CRMPI_FILES_ADDR | file | file      |  | head       tail |            CRMPI_U1
 *
 * A file keeps its place as long as it fits into it: so increments find unchanged pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "boundary/control.h"
#include "files/inodes.h"
#include "lower/apart.h"
#include "lower/raw.h"

#define PAGE 4096ul
#define PAGE_UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
#define BLOCK CRMPI_INODE_BLOCK
#define PLACE_BYTES ((uint64_t)1 << 20)       /* places are multiples of this */
#define UNNAMED_LIMIT ((uint64_t)4 << 30)     /* of files without a name, in all */
#define CLOCK_SLACK_NS (60 * 1000000000l)     /* between this machine and a file server */
#define N_SAMPLES 64 /* blocks of a large file that are looked at again */

/* What is known of a file from earlier checkpoints. */
struct known {
    uint64_t device, inode;
    uint64_t address, room; /* its place; 0, 0: none */
    uint64_t bytes;         /* that have been hashed */
    struct crmpi_hash *hashes;
    int in_place; /* it has been seen to change before its end */
    int was_told;
};
static struct known *known;
static size_t n_known;
static uint64_t next_place = CRMPI_FILES_ADDR;

static const struct crmpi_inodes *current; /* those whose parts are mapped */

static struct known *known_find(const struct crmpi_inode *inode)
{
    for (size_t i = 0; i < n_known; i++)
        if (known[i].device == inode->device && known[i].inode == inode->inode)
            return &known[i];
    struct known *more = reallocarray(known, n_known + 1, sizeof *known);

    if (!more)
        return NULL;
    known = more;
    known[n_known] = (struct known){.device = inode->device, .inode = inode->inode};
    return &known[n_known++];
}

/* Files that are gone need no place any more.  Before places run out all files move, which
 * costs one full increment. */
static void known_keep(const struct crmpi_inodes *inodes)
{
    size_t kept = 0;
    int all_move = next_place - CRMPI_FILES_ADDR > (CRMPI_U1 - CRMPI_FILES_ADDR) / 2;

    for (size_t i = 0; i < n_known; i++) {
        size_t k = 0;

        while (k < inodes->n && (inodes->sources[k].device != known[i].device ||
                                 inodes->sources[k].inode != known[i].inode))
            k++;
        if (all_move)
            known[i].room = 0;
        if (k < inodes->n)
            known[kept++] = known[i];
        else
            free(known[i].hashes);
    }
    n_known = kept;
    if (all_move)
        next_place = CRMPI_FILES_ADDR;
}

/* A part of the range for a file; 0 if there is none left. */
static uint64_t place_find(struct known *file, uint64_t bytes)
{
    uint64_t room = (2 * bytes + PLACE_BYTES - 1) / PLACE_BYTES * PLACE_BYTES;

    if (file->room >= bytes)
        return file->address;
    if (room > CRMPI_U1 - next_place)
        return 0;
    file->address = next_place;
    file->room = room;
    next_place += room;
    return file->address;
}

/*
 * Mapping
 */

struct mapping {
    const char *path;
    uint64_t bytes, offset, address; /* address 0: anywhere */
};

static long mapped_at(const struct mapping *mapping, int fd)
{
    return crmpi_raw(SYS_mmap, (long)mapping->address, (long)mapping->bytes, PROT_READ,
                     MAP_SHARED | (mapping->address ? MAP_FIXED_NOREPLACE : 0), fd,
                     (long)mapping->offset);
}

static long open_and_map(const struct mapping *mapping)
{
    long fd = crmpi_raw(SYS_open, (long)mapping->path, O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
    long at = fd < 0 ? fd : mapped_at(mapping, (int)fd);

    if (fd >= 0)
        crmpi_raw(SYS_close, fd, 0, 0, 0, 0, 0);
    return at;
}

/* Map some of a file; the address, or -errno.  Not through the application's open file, which
 * the mapping would keep: it may close it to drop a lock.  But a lease would be broken. */
static long file_map(const struct crmpi_inode *inode,
                     const struct crmpi_inode_source *source, uint64_t offset,
                     uint64_t bytes, uint64_t address)
{
    struct mapping mapping = {inode->path, PAGE_UP(bytes), offset, address};
    int can_be_read = source->fd >= 0 && source->is_readable;
    char link[64];

    if (can_be_read && fcntl(source->fd, F_GETLEASE) == F_WRLCK)
        return mapped_at(&mapping, source->fd);
    if (source->fd >= 0)
        snprintf(link, sizeof link, "/proc/self/fd/%d", source->fd);
    else if (inode->kind != CRMPI_INODE_NAMED)
        snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", source->start,
                 source->end);
    if (source->fd >= 0 || inode->kind != CRMPI_INODE_NAMED)
        mapping.path = link;
    long at = open_and_map(&mapping);

    return at < 0 && can_be_read ? mapped_at(&mapping, source->fd) : at;
}

/* Have a part of a file saved; 0, or an errno. */
static int part_add(struct crmpi_inode *inode, const struct crmpi_inode_source *source,
                    uint64_t offset, uint64_t bytes, uint64_t address)
{
    long at = file_map(inode, source, offset, bytes, address);

    if (at < 0)
        return (int)-at;
    inode->parts[inode->n_parts].offset = offset;
    inode->parts[inode->n_parts].bytes = bytes;
    inode->parts[inode->n_parts++].address = address;
    return 0;
}

static struct crmpi_hash block_hash(const char *bytes, uint64_t n_bytes, uint64_t block)
{
    uint64_t left = n_bytes - block * BLOCK;

    return crmpi_hash(bytes + block * BLOCK, left < BLOCK ? left : BLOCK);
}

/*
 * Whole files
 */

/* A restart looks whether a file that is only read has the same contents. */
static void hashes_make(struct crmpi_inodes *inodes, size_t i)
{
    struct crmpi_inode *inode = &inodes->list[i];
    uint64_t n = (inode->bytes + BLOCK - 1) / BLOCK;
    struct crmpi_hash *hashes = n ? malloc(n * sizeof *hashes) : NULL;

    for (uint64_t block = 0; hashes && block < n; block++)
        hashes[block] =
            block_hash((const char *)inode->parts[0].address, inode->bytes, block);
    inodes->hashes[i] = hashes;
    inode->n_blocks = hashes ? n : 0;
}

/* Take a file as a whole, if it is within @p limit; 1 if it was. */
static int whole_take(struct crmpi_inodes *inodes, size_t i, uint64_t *left, int *error_out)
{
    struct crmpi_inode *inode = &inodes->list[i];
    struct known *file = known_find(inode);

    *error_out = 0;
    if (inode->bytes > *left)
        return 0;
    if (inode->bytes > 0) {
        uint64_t address = file ? place_find(file, inode->bytes) : 0;

        *error_out = address ? part_add(inode, &inodes->sources[i], 0, inode->bytes,
                                        address)
                             : ENOMEM;
    }
    if (*error_out)
        return 0;
    *left -= inode->bytes;
    inode->flags |= CRMPI_INODE_WHOLE;
    if (!(inode->flags & CRMPI_INODE_WRITTEN))
        hashes_make(inodes, i);
    return 1;
}

/* Files without a name are saved, or nothing is. */
static enum crmpi_status unnamed_take(struct crmpi_inodes *inodes, char *why,
                                      size_t why_bytes)
{
    uint64_t left = UNNAMED_LIMIT;
    int error;

    for (size_t i = 0; i < inodes->n; i++) {
        struct crmpi_inode *inode = &inodes->list[i];

        if (inode->kind == CRMPI_INODE_NAMED || whole_take(inodes, i, &left, &error))
            continue;
        if (error)
            snprintf(why, why_bytes, "%s, which is open, cannot be read: %s", inode->path,
                     strerror(error));
        else
            snprintf(why, why_bytes,
                     "%s, which is open, makes more than 4 GiB of files without a name",
                     inode->path);
        return CRMPI_ERR_UNSUPPORTED;
    }
    return CRMPI_OK;
}

static const struct crmpi_inodes *sorted_by; /* of order_compare() */

static int order_compare(const void *a, const void *b)
{
    const struct crmpi_inode *x = &sorted_by->list[*(const size_t *)a];
    const struct crmpi_inode *y = &sorted_by->list[*(const size_t *)b];
    int written = (y->flags & CRMPI_INODE_WRITTEN) - (x->flags & CRMPI_INODE_WRITTEN);

    if (written)
        return written;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* A file that is only read has been there for all time, or was made by the job, which may
 * remove it. */
static int is_of_the_job(const struct crmpi_inode *inode)
{
    int64_t begin = crmpi_control->files_since_ns - CLOCK_SLACK_NS;

    return inode->modified_ns > begin || inode->changed_ns > begin;
}

/*
 * Large files
 */

static void tell(const struct crmpi_inode *inode, struct known *file, const char *what)
{
    if (file && !file->was_told)
        crmpi_warn("%s has %.1f MiB, more than CRMPI_FILE_LIMIT leaves room for, and %s: "
                   "a restart can go on with it only as long as it stays as it was at the "
                   "checkpoint",
                   inode->path, (double)inode->bytes / 1048576.0, what);
    if (file)
        file->was_told = 1;
}

/* Hash what is new of a file; the first block and the last are saved, so they may change. */
static void blocks_hash(const struct crmpi_inode *inode, struct known *file,
                        const char *bytes, struct crmpi_hash *hashes)
{
    uint64_t n = (inode->bytes + BLOCK - 1) / BLOCK;
    uint64_t old = (file->bytes < inode->bytes ? file->bytes : inode->bytes) / BLOCK;

    old -= old > 0; /* what was its end may have been a footer */
    uint64_t state = inode->bytes ^ inode->inode;

    if (old)
        memcpy(hashes, file->hashes, old * sizeof *hashes);
    for (uint64_t i = 0; old > 1 && i < N_SAMPLES && !file->in_place; i++) {
        uint64_t block;

        state = state * 6364136223846793005ul + 1442695040888963407ul;
        block = 1 + (state >> 33) % (old - 1);
        file->in_place = !crmpi_hash_is_equal(
            hashes[block], block_hash(bytes, inode->bytes, block));
    }
    hashes[0] = block_hash(bytes, inode->bytes, 0);
    for (uint64_t block = old; block < n && !file->in_place; block++)
        hashes[block] = block_hash(bytes, inode->bytes, block);
}

/* Note of a file that is appended to what tells at a restart whether that was all. */
static void large_take(struct crmpi_inodes *inodes, size_t i)
{
    struct crmpi_inode *inode = &inodes->list[i];
    struct known *file = known_find(inode);
    uint64_t n = (inode->bytes + BLOCK - 1) / BLOCK, tail = (n - 1) * BLOCK;
    struct crmpi_hash *hashes = file ? malloc(n * sizeof *hashes) : NULL;
    uint64_t place = hashes ? place_find(file, 2 * BLOCK) : 0;
    long at = place ? file_map(inode, &inodes->sources[i], 0, inode->bytes, 0) : -ENOMEM;

    if (at < 0) {
        free(hashes);
        inode->flags |= CRMPI_INODE_IN_PLACE;
        tell(inode, file, "cannot be read");
        return;
    }
    blocks_hash(inode, file, (const char *)at, hashes);
    munmap((void *)at, inode->bytes);
    free(file->hashes);
    file->hashes = NULL;
    file->bytes = 0;
    if (!file->in_place && (file->hashes = malloc(n * sizeof *hashes))) {
        memcpy(file->hashes, hashes, n * sizeof *hashes);
        file->bytes = inode->bytes;
    }
    if (!file->in_place &&
        part_add(inode, &inodes->sources[i], 0, n > 1 ? BLOCK : inode->bytes, place) ==
            0 &&
        (n == 1 || part_add(inode, &inodes->sources[i], tail, inode->bytes - tail,
                            place + BLOCK) == 0)) {
        inodes->hashes[i] = hashes;
        inode->n_blocks = n;
        return;
    }
    free(hashes);
    inode->flags |= CRMPI_INODE_IN_PLACE;
    tell(inode, file, "is changed in place");
}

/*
 * Files that a checkpoint refers to
 */

static int path_sync(const char *path, int flags)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

/* Not all folders may be read, or can be synced. */
static int folder_sync(const char *path)
{
    int error = path_sync(path, O_DIRECTORY);

    return error == EACCES || error == EINVAL || error == ENOSYS || error == EROFS ? 0
                                                                                   : error;
}

/* A restart goes on with what is on the disk of a file that is not saved as a whole: that, and
 * its name, have to be there when the power fails. */
static int file_sync(const struct crmpi_inode *inode, const struct crmpi_inode_source *source)
{
    char folder[sizeof inode->path];
    int error = crmpi_fault("files.fsync");

    snprintf(folder, sizeof folder, "%s", inode->path);
    if (!error)
        error = source->fd < 0          ? path_sync(inode->path, 0)
                : fsync(source->fd) != 0 ? errno
                                         : 0;
    if (!error)
        error = folder_sync(dirname(folder));
    return error;
}

static enum crmpi_status all_sync(const struct crmpi_inodes *inodes, char *why,
                                  size_t why_bytes)
{
    for (size_t i = 0; i < inodes->n; i++) {
        const struct crmpi_inode *inode = &inodes->list[i];
        int error;

        if (inode->kind != CRMPI_INODE_NAMED || inode->flags & CRMPI_INODE_WHOLE ||
            (!(inode->flags & CRMPI_INODE_WRITTEN) && !is_of_the_job(inode)))
            continue;
        error = file_sync(inode, &inodes->sources[i]);
        if (error) {
            snprintf(why, why_bytes, "%s, which is open, cannot be synced: %s", inode->path,
                     strerror(error));
            return CRMPI_ERR_IO;
        }
    }
    return CRMPI_OK;
}

struct taking {
    struct crmpi_inodes *inodes;
    size_t *order;
    char *why;
    size_t why_bytes;
};

/* Apart, once for all files: to copy many descriptors takes its time. */
static long all_take(void *data)
{
    const struct taking *taking = data;
    struct crmpi_inodes *inodes = taking->inodes;
    uint64_t left = (uint64_t)crmpi_config.file_limit_mib << 20;
    enum crmpi_status status = unnamed_take(inodes, taking->why, taking->why_bytes);
    int error;

    for (size_t k = 0; status == CRMPI_OK && k < inodes->n; k++) {
        size_t i = taking->order[k];
        struct crmpi_inode *inode = &inodes->list[i];
        int written = (inode->flags & CRMPI_INODE_WRITTEN) != 0;

        if (inode->kind != CRMPI_INODE_NAMED || (!written && !is_of_the_job(inode)) ||
            whole_take(inodes, i, &left, &error))
            continue;
        if (written && !(inode->flags & CRMPI_INODE_BY_MPI))
            large_take(inodes, i);
    }
    if (status == CRMPI_OK && crmpi_config.sync)
        status = all_sync(inodes, taking->why, taking->why_bytes);
    return (long)status;
}

enum crmpi_status crmpi_inodes_contents(struct crmpi_inodes *inodes, char *why,
                                        size_t why_bytes)
{
    size_t *order = malloc((inodes->n + 1) * sizeof *order);
    struct taking taking = {inodes, order, why, why_bytes};
    long result = 0;

    if (!order)
        return CRMPI_ERR_NOMEM;
    crmpi_inodes_release();
    known_keep(inodes);
    current = inodes;
    for (size_t i = 0; i < inodes->n; i++)
        order[i] = i;
    sorted_by = inodes;
    qsort(order, inodes->n, sizeof *order, order_compare);
    if (inodes->n)
        result = crmpi_apart(all_take, &taking);
    free(order);
    if (result != 0)
        crmpi_inodes_release();
    if (result < 0) {
        snprintf(why, why_bytes, "no process can be made to look at files: %s",
                 strerror((int)-result));
        return CRMPI_ERR_SYSTEM;
    }
    return (enum crmpi_status)result;
}

void crmpi_inodes_release(void)
{
    for (size_t i = 0; current && i < current->n; i++)
        for (uint32_t k = 0; k < current->list[i].n_parts; k++)
            munmap((void *)current->list[i].parts[k].address,
                   PAGE_UP(current->list[i].parts[k].bytes));
    current = NULL;
}

int crmpi_inodes_has(uint64_t inode, const char *name)
{
    size_t length = strlen(name); /* of a long name the region has the beginning */

    for (size_t i = 0; current && i < current->n; i++)
        if (current->list[i].inode == inode && current->list[i].flags & CRMPI_INODE_WHOLE &&
            strncmp(current->list[i].path, name, length) == 0)
            return 1;
    return 0;
}
