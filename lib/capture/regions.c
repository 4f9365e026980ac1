/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The upper half's memory (see regions.h).
 *
 * Private memory, whether a file lies behind it or not, is saved as it is, so a restart does
 * not need the files.  Pages that were never touched, or hold only zeros, are left out.  If a
 * file proves to be the same at the restart it lies behind its mapping again, and what is as
 * in the file costs no memory; else the mapping becomes anonymous memory.  A shared mapping
 * of a regular file comes back as one; if it can be written its pages are saved and written
 * too, so that file and mapping agree with the saved moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "boundary/raw.h"
#include "capture/attributes.h"
#include "capture/regions.h"
#include "files/bring.h"
#include "files/inodes.h"

#define PAGE 4096ul

/*
 * Reading /proc/self/smaps
 */

/* A mapping as the kernel shows it. */
struct shown {
    struct crmpi_region region;
    char letters[256]; /* VmFlags */
    int key;           /* protection key */
};

/* The first line of a mapping: 1 if it is one. */
static int shown_parse(const char *line, struct shown *shown)
{
    struct crmpi_region *region = &shown->region;
    unsigned long start, end, offset, inode;
    unsigned major, minor;
    char r, w, x, shared;
    int name = 0;

    if (sscanf(line, "%lx-%lx %c%c%c%c %lx %x:%x %lu %n", &start, &end, &r, &w, &x, &shared,
               &offset, &major, &minor, &inode, &name) < 10)
        return 0;
    memset(shown, 0, sizeof *shown);
    region->start = start;
    region->bytes = end - start;
    region->prot = (r == 'r' ? PROT_READ : 0) | (w == 'w' ? PROT_WRITE : 0) |
                   (x == 'x' ? PROT_EXEC : 0);
    region->flags = shared == 's' ? MAP_SHARED : MAP_PRIVATE;
    region->file_offset = offset;
    region->device = inode ? makedev(major, minor) : 0;
    region->inode = inode;
    if (name > 0) {
        strncpy(region->name, line + name, sizeof region->name - 1);
        region->name[strcspn(region->name, "\n")] = 0;
    }
    if (region->name[0] != '/' || strcmp(region->name, "/dev/zero (deleted)") == 0 ||
        strcmp(region->name, "/anon_hugepage (deleted)") == 0)
        region->flags |= MAP_ANONYMOUS;
    if (crmpi_is_file_part(start)) { /* it is loaded, and then written to the file */
        region->flags = MAP_PRIVATE;
        region->file_offset = 0;
        strcpy(region->name, "[file]");
    }
    return 1;
}

/* The next mapping: 1, or 0 at the end. */
static int shown_next(FILE *smaps, struct shown *shown)
{
    char line[4096 + 256];
    int found = 0;

    while (fgets(line, sizeof line, smaps)) {
        if (line[0] < 'A' || line[0] > 'Z')
            found = shown_parse(line, shown);
        else if (strncmp(line, "KernelPageSize:", 15) == 0)
            sscanf(line + 15, "%u", &shown->region.huge_page_kib);
        else if (strncmp(line, "ProtectionKey:", 14) == 0)
            sscanf(line + 14, "%d", &shown->key);
        else if (strncmp(line, "VmFlags:", 8) == 0) {
            snprintf(shown->letters, sizeof shown->letters, "%.255s", line + 8);
            if (found)
                return 1; /* it is the last line */
        }
    }
    return 0;
}

static enum crmpi_status region_append(struct crmpi_memory *memory, size_t *room,
                                       const struct crmpi_region *region)
{
    if (memory->n_regions == *room) {
        size_t doubled = *room ? *room * 2 : 256;
        struct crmpi_region *more = realloc(memory->regions, doubled * sizeof *more);

        if (!more)
            return CRMPI_ERR_NOMEM;
        memory->regions = more;
        *room = doubled;
    }
    memory->regions[memory->n_regions++] = *region;
    return CRMPI_OK;
}

struct windows {
    const struct crmpi_window_segment *list;
    size_t n;
};

/* The first view that ends behind an address; NULL if there is none. */
static const struct crmpi_window_segment *view_behind(const struct windows *windows,
                                                      uint64_t address)
{
    const struct crmpi_window_segment *first = NULL;

    for (size_t i = 0; i < windows->n; i++) {
        const struct crmpi_window_segment *window = &windows->list[i];

        if (window->view_bytes && window->view_start + window->view_bytes > address &&
            (!first || window->view_start < first->view_start))
            first = window;
    }
    return first;
}

/* Parts of one mapping that the kernel shows apart, as the tracking of writes
 * (tracking.h) makes it do. */
static int region_continues(const struct crmpi_memory *memory,
                            const struct crmpi_region *region)
{
    const struct crmpi_region *last =
        memory->n_regions ? &memory->regions[memory->n_regions - 1] : NULL;

    return last && last->start + last->bytes == region->start &&
           last->prot == region->prot && last->flags == region->flags &&
           last->flags & MAP_ANONYMOUS && !(last->flags & MAP_SHARED) &&
           last->attributes == region->attributes &&
           !(last->attributes & (CRMPI_REGION_HUGETLB | CRMPI_REGION_GROWSDOWN)) &&
           last->policy == region->policy &&
           memcmp(last->nodes, region->nodes, sizeof last->nodes) == 0 &&
           strcmp(last->name, region->name) == 0;
}

/* What a mapping is beyond its addresses, if a restart can bring it back. */
static enum crmpi_status shown_describe(struct shown *shown, char *why, size_t why_bytes)
{
    struct crmpi_region *region = &shown->region;
    enum crmpi_status status =
        crmpi_attributes_parse(shown->letters, region, why, why_bytes);

    if (status == CRMPI_OK && shown->key > 0) {
        snprintf(why, why_bytes, "the mapping at %#lx has the protection key %d",
                 region->start, shown->key);
        status = CRMPI_ERR_UNSUPPORTED;
    }
    if (status == CRMPI_OK)
        status = crmpi_attributes_policy(region, why, why_bytes);
    if (!(region->attributes & CRMPI_REGION_HUGETLB))
        region->huge_page_kib = 0;
    return status;
}

/* Of a file that a private mapping shows, if it is there under its name still: what to
 * know it by.  It is not found by the device, which some file systems show otherwise. */
static void file_describe(struct crmpi_region *region, const struct crmpi_region *before)
{
    struct stat about;

    if (region->flags & (MAP_SHARED | MAP_ANONYMOUS))
        return;
    if (before && !(before->flags & MAP_SHARED) && before->inode == region->inode &&
        before->device == region->device && strcmp(before->name, region->name) == 0) {
        region->file_bytes = before->file_bytes;
        region->file_mtime_ns = before->file_mtime_ns;
    } else if (stat(region->name, &about) == 0 && S_ISREG(about.st_mode) &&
               about.st_ino == region->inode) {
        region->file_bytes = (uint64_t)about.st_size;
        region->file_mtime_ns =
            about.st_mtim.tv_sec * 1000000000l + about.st_mtim.tv_nsec;
    }
}

/* Add what of a mapping is no view: the kernel shows neighbours of one kind as one. */
static enum crmpi_status shown_add(struct crmpi_memory *memory, size_t *room,
                                   struct shown *shown, const struct windows *windows,
                                   char *why, size_t why_bytes)
{
    struct crmpi_region *region = &shown->region;
    uint64_t end = region->start + region->bytes;
    enum crmpi_status status = CRMPI_OK;
    int is_described = 0;

    for (uint64_t at = region->start; status == CRMPI_OK && at < end;) {
        const struct crmpi_window_segment *view = view_behind(windows, at);
        uint64_t stop = view && view->view_start < end ? view->view_start : end;

        if (stop > at && !is_described) {
            status = shown_describe(shown, why, why_bytes);
            file_describe(region, memory->n_regions
                                      ? &memory->regions[memory->n_regions - 1]
                                      : NULL);
            is_described = 1;
        }
        struct crmpi_region part = *region;

        part.start = at;
        part.bytes = stop - at;
        if (!(region->flags & MAP_ANONYMOUS) || region->flags & MAP_SHARED)
            part.file_offset += at - region->start;
        if (status == CRMPI_OK && stop > at && region_continues(memory, &part))
            memory->regions[memory->n_regions - 1].bytes += part.bytes;
        else if (status == CRMPI_OK && stop > at)
            status = region_append(memory, room, &part);
        at = stop < end ? view->view_start + view->view_bytes : end;
    }
    return status;
}

/* What is mapped from now on is locked, too, if a mapping made now is (mlockall). */
static int lock_future_of(const struct shown *shown, uint64_t probe)
{
    struct crmpi_region region = shown->region;
    char why[256];

    if (probe < region.start || probe - region.start >= region.bytes ||
        crmpi_attributes_parse(shown->letters, &region, why, sizeof why) != CRMPI_OK ||
        !(region.attributes & CRMPI_REGION_LOCKED))
        return 0;
    return MCL_FUTURE |
           (region.attributes & CRMPI_REGION_LOCKED_ON_FAULT ? MCL_ONFAULT : 0);
}

/* What of the application the kernel has put where it liked, among the lower half's. */
static enum crmpi_status placed_by_kernel(const struct crmpi_region *region, char *why,
                                          size_t why_bytes)
{
    if (strncmp(region->name, "/[aio]", 6) == 0)
        snprintf(why, why_bytes, "a context of asynchronous I/O exists (io_setup)");
    else if (strcmp(region->name, "anon_inode:[io_uring]") == 0)
        snprintf(why, why_bytes, "rings of io_uring are mapped at %#lx", region->start);
    else
        return CRMPI_OK;
    return CRMPI_ERR_UNSUPPORTED;
}

static enum crmpi_status regions_read(struct crmpi_memory *memory,
                                      const struct windows *windows, char *why,
                                      size_t why_bytes)
{
    enum crmpi_status status = CRMPI_OK;
    size_t room = 0;
    struct shown shown;
    uint64_t probe =
        (uint64_t)crmpi_map(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *smaps = fopen("/proc/self/smaps", "re");

    if (!smaps) {
        crmpi_error("cannot read /proc/self/smaps: %s", strerror(errno));
        status = CRMPI_ERR_SYSTEM;
    }
    while (status == CRMPI_OK && shown_next(smaps, &shown)) {
        const struct crmpi_region *region = &shown.region;

        memory->lock_future |= lock_future_of(&shown, probe);
        status = placed_by_kernel(region, why, why_bytes);
        if (status != CRMPI_OK)
            break;
        if (!crmpi_is_application(region->start) ||
            !crmpi_is_application(region->start + region->bytes - 1))
            continue;
        status = shown_add(memory, &room, &shown, windows, why, why_bytes);
        if (status == CRMPI_OK && region->flags == (MAP_PRIVATE | MAP_ANONYMOUS))
            status = crmpi_extents_add(&memory->mappings, region->start, region->bytes,
                                       region->start);
    }
    if (smaps)
        fclose(smaps);
    if (probe != (uint64_t)MAP_FAILED)
        munmap((void *)probe, PAGE);
    return status;
}

/* A shared mapping can be saved if it is this process's own or a regular file. */
static enum crmpi_status region_check(const struct crmpi_region *region, char *why,
                                      size_t why_bytes)
{
    struct stat about;

    if (!(region->flags & MAP_SHARED))
        return CRMPI_OK;
    if (region->flags & MAP_ANONYMOUS && region->name[0] != '/' &&
        strncmp(region->name, "[anon_shmem", 11) != 0)
        snprintf(why, why_bytes, "%s is mapped at %#lx", region->name, region->start);
    else if (region->flags & MAP_ANONYMOUS)
        return CRMPI_OK;
    else if (strncmp(region->name, "/SYSV", 5) == 0)
        snprintf(why, why_bytes, "a System V shared memory segment is attached at %#lx",
                 region->start);
    else if (strncmp(region->name, "/dev/shm/", 9) == 0)
        snprintf(why, why_bytes, "the shared memory object %s is mapped", region->name);
    else if (strstr(region->name, " (deleted)"))
        return CRMPI_OK; /* lib/files has it, or has refused it */
    else if (stat(region->name, &about) != 0)
        snprintf(why, why_bytes, "%s is mapped shared and cannot be opened again: %s",
                 region->name, strerror(errno));
    else if (!S_ISREG(about.st_mode))
        snprintf(why, why_bytes, "the device %s is mapped", region->name);
    else
        return CRMPI_OK;
    return CRMPI_ERR_UNSUPPORTED;
}

int crmpi_region_is_only_read(const struct crmpi_region *region)
{
    return region->flags & MAP_SHARED && !(region->flags & MAP_ANONYMOUS) &&
           !(region->attributes & CRMPI_REGION_MAY_WRITE);
}

int crmpi_region_has_data(const struct crmpi_region *region)
{
    return !crmpi_region_is_only_read(region) &&
           !(region->attributes & CRMPI_REGION_IN_FILE);
}

uint64_t crmpi_region_readable(const struct crmpi_region *region)
{
    uint64_t low = 0, high = region->bytes / PAGE;
    char byte;

    if (region->flags & MAP_ANONYMOUS)
        return region->bytes;
    while (low < high) { /* the first page that cannot be read */
        uint64_t middle = (low + high) / 2;
        struct iovec here = {&byte, 1}, there = {(void *)(region->start + middle * PAGE), 1};

        if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1)
            low = middle + 1;
        else
            high = middle;
    }
    return low * PAGE;
}

enum crmpi_status crmpi_memory_survey(const struct crmpi_window_segment *windows,
                                      size_t n_windows, struct crmpi_memory *memory_out,
                                      char *why, size_t why_bytes)
{
    const struct windows views = {windows, n_windows};
    struct crmpi_memory memory = {0};
    enum crmpi_status status = regions_read(&memory, &views, why, why_bytes);

    for (size_t i = 0; status == CRMPI_OK && i < memory.n_regions; i++) {
        struct crmpi_region *region = &memory.regions[i];

        status = region_check(region, why, why_bytes);
        if (region->flags & MAP_SHARED && !(region->flags & MAP_ANONYMOUS) &&
            crmpi_inodes_has(region->inode, region->name))
            region->attributes |= CRMPI_REGION_IN_FILE;
        if (status != CRMPI_OK || region->prot & PROT_READ ||
            mprotect((void *)region->start, region->bytes, PROT_READ | region->prot) == 0)
            continue;
        status = CRMPI_ERR_SYSTEM;
        if (region->attributes & CRMPI_REGION_SEALED) {
            snprintf(why, why_bytes, "the mapping at %#lx is sealed and cannot be read",
                     region->start);
            status = CRMPI_ERR_UNSUPPORTED;
        }
    }
    if (status == CRMPI_OK) {
        *memory_out = memory;
        return status;
    }
    if (status != CRMPI_ERR_UNSUPPORTED)
        snprintf(why, why_bytes, "cannot survey the memory: %s", strerror(errno));
    crmpi_memory_release(&memory);
    crmpi_memory_fini(&memory);
    return status;
}

void crmpi_memory_release(const struct crmpi_memory *memory)
{
    for (size_t i = 0; i < memory->n_regions; i++)
        if (!(memory->regions[i].prot & PROT_READ))
            mprotect((void *)memory->regions[i].start, memory->regions[i].bytes,
                     memory->regions[i].prot);
}

void crmpi_memory_fini(struct crmpi_memory *memory)
{
    free(memory->regions);
    free(memory->mappings.list);
    free(memory->guards.list);
    *memory = (struct crmpi_memory){0};
}

/*
 * At a restart
 */

/* Open what a shared mapping shows. */
static int shared_file_open(const struct crmpi_region *region)
{
    int access = crmpi_region_is_only_read(region) ? O_RDONLY : O_RDWR;

    return crmpi_bring_open_mapped(region->name, region->inode, access);
}

/* A shared mapping of a file: the file must be there, and long enough to be written. */
static enum crmpi_status file_map(const struct crmpi_region *region, uint64_t data_end)
{
    int only_read = crmpi_region_is_only_read(region), fd = shared_file_open(region);
    struct stat about;
    void *at = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &about) == 0) {
        uint64_t needed = data_end > region->start
                              ? region->file_offset + (data_end - region->start)
                              : 0;

        if (!only_read && (uint64_t)about.st_size + PAGE <= needed &&
            ftruncate(fd, (off_t)needed) != 0)
            crmpi_warn("cannot lengthen %s: %s", region->name, strerror(errno));
        at = crmpi_map((void *)region->start, region->bytes,
                       only_read ? PROT_READ : PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)region->file_offset);
    }
    if (at == MAP_FAILED)
        crmpi_error("cannot map %s again: %s", region->name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? CRMPI_ERR_SYSTEM : CRMPI_OK;
}

/* Say what is where a region should be. */
static enum crmpi_status in_the_way(const struct crmpi_region *region, int error)
{
    FILE *maps = error == EEXIST ? fopen("/proc/self/maps", "re") : NULL;
    unsigned long start, end, found = 0;
    char line[4400], name[4200] = "";

    while (maps && !found && fgets(line, sizeof line, maps)) {
        name[0] = '\0';
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %4199[^\n]", &start, &end, name) >= 2 &&
            start < region->start + region->bytes && end > region->start)
            found = start;
    }
    if (maps)
        fclose(maps);
    if (found)
        crmpi_error("cannot map %lu bytes at %#lx: crmpi-host has %s there, at %#lx: "
                    "try again, or with setarch -R",
                    region->bytes, region->start, name[0] ? name : "memory", found);
    else
        crmpi_error("cannot map %lu bytes at %#lx: %s", region->bytes, region->start,
                    strerror(error));
    return CRMPI_ERR_NOMEM;
}

static int map_at(const struct crmpi_region *region, int flags)
{
    return crmpi_map((void *)region->start, region->bytes, PROT_READ | PROT_WRITE,
                     flags | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                     0) == (void *)region->start
               ? 0
               : errno;
}

static enum crmpi_status private_map(const struct crmpi_region *region)
{
    int flags = crmpi_attributes_mmap_flags(region);
    int droppable = region->attributes & CRMPI_REGION_DROPPABLE;
    int error = map_at(region, flags | (droppable ? CRMPI_MAP_DROPPABLE : MAP_PRIVATE));

    if (error && error != EEXIST && flags & MAP_HUGETLB) {
        crmpi_warn("memory at %#lx was in huge pages (MAP_HUGETLB), of which there are too "
                   "few here: it has ordinary ones",
                   region->start);
        flags = 0;
    }
    if (error && error != EEXIST) /* another kernel, or one that counts otherwise */
        error = map_at(region, flags | MAP_PRIVATE | MAP_NORESERVE);
    return error ? in_the_way(region, error) : CRMPI_OK;
}

/* Shared anonymous memory, with all its mappings: these are of the same inode. */
static enum crmpi_status shared_map(const struct crmpi_region *regions, size_t n_regions,
                                    size_t first)
{
    const struct crmpi_region *region = &regions[first];
    uint64_t bytes = 0;
    int error = 0;

    for (size_t i = first; i < n_regions; i++)
        if (regions[i].flags == region->flags && regions[i].inode == region->inode &&
            regions[i].file_offset + regions[i].bytes > bytes)
            bytes = regions[i].file_offset + regions[i].bytes;
    char *whole = crmpi_map(NULL, bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (whole == MAP_FAILED)
        return in_the_way(region, errno);
    for (size_t i = first; !error && i < n_regions; i++) {
        if (regions[i].flags != region->flags || regions[i].inode != region->inode)
            continue;
        region = &regions[i];
        error = map_at(region, MAP_PRIVATE | MAP_NORESERVE);
        if (!error && crmpi_remap(whole + region->file_offset, 0, region->bytes,
                                  (void *)region->start) == MAP_FAILED)
            error = errno;
    }
    munmap(whole, bytes);
    return error ? in_the_way(region, error) : CRMPI_OK;
}

static int is_mapped_already(const struct crmpi_region *regions, size_t i)
{
    size_t before = 0;

    while (before < i && (regions[before].flags != regions[i].flags ||
                          regions[before].inode != regions[i].inode))
        before++;
    return before < i;
}

enum crmpi_status crmpi_memory_map(const struct crmpi_region *regions, size_t n_regions,
                                   const struct crmpi_extent *extents, size_t n_extents)
{
    enum crmpi_status status = crmpi_attributes_check(regions, n_regions);

    for (size_t i = 0, e = 0; status == CRMPI_OK && i < n_regions; i++) {
        const struct crmpi_region *region = &regions[i];
        uint64_t end = region->start + region->bytes, data_end = 0;

        for (; e < n_extents && extents[e].start < end; e++)
            data_end = extents[e].start + extents[e].bytes;
        if (!(region->flags & MAP_SHARED))
            status = private_map(region);
        else if (!(region->flags & MAP_ANONYMOUS))
            status = file_map(region, data_end);
        else if (!is_mapped_already(regions, i))
            status = shared_map(regions, n_regions, i);
    }
    for (size_t i = 0; status == CRMPI_OK && i < n_regions; i++)
        status = crmpi_attributes_advise(&regions[i]);
    return status;
}

/* Clear the pages of a part of a file's mapping; holes of the file are zero. */
static enum crmpi_status gap_clear(int fd, const struct crmpi_region *region,
                                   uint64_t start, uint64_t end,
                                   crmpi_pages_spared_fn is_spared)
{
    const uint64_t base = region->start - region->file_offset; /* address of offset 0 */
    off_t at = (off_t)(start - base), stop = (off_t)(end - base);

    while (at < stop && (at = lseek(fd, at, SEEK_DATA)) >= 0 && at < stop) {
        off_t hole = lseek(fd, at, SEEK_HOLE);

        if (hole < 0)
            return CRMPI_ERR_SYSTEM;
        for (at -= at % (off_t)PAGE; at < hole && at < stop; at += (off_t)PAGE) {
            uint64_t page = base + (uint64_t)at;

            if (!crmpi_bytes_are_zero((void *)page, PAGE) && !is_spared(page, PAGE))
                memset((void *)page, 0, PAGE);
        }
    }
    return at < 0 && errno != ENXIO ? CRMPI_ERR_SYSTEM : CRMPI_OK; /* no more data */
}

static enum crmpi_status gaps_clear(const struct crmpi_region *region,
                                    const struct crmpi_extent *data, size_t n,
                                    crmpi_pages_spared_fn is_spared)
{
    int fd = shared_file_open(region);
    uint64_t at = region->start, end = region->start + region->bytes;
    enum crmpi_status status = fd < 0 ? CRMPI_ERR_SYSTEM : CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < n; i++) {
        status = gap_clear(fd, region, at, data[i].start, is_spared);
        at = data[i].start + data[i].bytes;
    }
    if (status == CRMPI_OK)
        status = gap_clear(fd, region, at, end, is_spared);
    if (status != CRMPI_OK)
        crmpi_error("cannot clear %s where it was zero: %s", region->name,
                    strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

enum crmpi_status crmpi_memory_clear(const struct crmpi_region *regions, size_t n_regions,
                                     const struct crmpi_extent *extents,
                                     size_t n_extents, crmpi_pages_spared_fn is_spared)
{
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0, e = 0; status == CRMPI_OK && i < n_regions; i++) {
        const struct crmpi_region *region = &regions[i];
        size_t first = e;

        while (e < n_extents && extents[e].start < region->start + region->bytes)
            e++;
        if (region->flags & MAP_SHARED && !(region->flags & MAP_ANONYMOUS) &&
            crmpi_region_has_data(region))
            status = gaps_clear(region, &extents[first], e - first, is_spared);
    }
    return status;
}

enum crmpi_status crmpi_memory_protect(const struct crmpi_region *regions, size_t n_regions)
{
    for (size_t i = 0; i < n_regions; i++)
        if (regions[i].prot != (PROT_READ | PROT_WRITE) &&
            mprotect((void *)regions[i].start, regions[i].bytes, regions[i].prot) != 0) {
            crmpi_error("cannot protect memory at %#lx: %s", regions[i].start,
                        strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
    return CRMPI_OK;
}
