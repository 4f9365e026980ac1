/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The upper half's memory (see regions.h).
 *
 * Private memory, whether a file lies behind it or not, is saved as it is and comes back as
 * anonymous memory: a restart does not need the files.  Pages that were never touched, or
 * hold only zeros, are left out.  A shared mapping of a regular file comes back as one, and
 * its pages are written too, so that file and mapping agree with the saved moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "capture/regions.h"
#include "files/bring.h"

#define PAGE 4096ul

/*
 * Reading /proc/self/maps
 */

/* One line, if it belongs to the upper half: 1; else 0. */
static int region_parse(const char *line, struct crmpi_region *region)
{
    unsigned long start, end, offset;
    char r, w, x, shared;
    int name = 0;

    if (sscanf(line, "%lx-%lx %c%c%c%c %lx %*s %*s %n", &start, &end, &r, &w, &x, &shared,
               &offset, &name) < 7)
        return 0;
    if (!crmpi_is_upper(start) || !crmpi_is_upper(end - 1))
        return 0;
    memset(region, 0, sizeof *region);
    region->start = start;
    region->bytes = end - start;
    region->prot = (r == 'r' ? PROT_READ : 0) | (w == 'w' ? PROT_WRITE : 0) |
                   (x == 'x' ? PROT_EXEC : 0);
    region->flags = shared == 's' ? MAP_SHARED : MAP_PRIVATE;
    region->file_offset = offset;
    if (name > 0) {
        strncpy(region->name, line + name, sizeof region->name - 1);
        region->name[strcspn(region->name, "\n")] = 0;
    }
    if (region->name[0] != '/' || strcmp(region->name, "/dev/zero (deleted)") == 0)
        region->flags |= MAP_ANONYMOUS;
    if (crmpi_is_file_part(start)) { /* it is loaded, and then written to the file */
        region->flags = MAP_PRIVATE;
        region->file_offset = 0;
        strcpy(region->name, "[file]");
    }
    return 1;
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
           strcmp(last->name, region->name) == 0;
}

/* Add what of a mapping is no view: the kernel shows neighbours of one kind as one. */
static enum crmpi_status region_add(struct crmpi_memory *memory, size_t *room,
                                    const struct crmpi_region *region,
                                    const struct windows *windows)
{
    uint64_t end = region->start + region->bytes;
    enum crmpi_status status = CRMPI_OK;

    for (uint64_t at = region->start; status == CRMPI_OK && at < end;) {
        const struct crmpi_window_segment *view = view_behind(windows, at);
        uint64_t stop = view && view->view_start < end ? view->view_start : end;
        struct crmpi_region part = *region;

        part.start = at;
        part.bytes = stop - at;
        if (!(region->flags & MAP_ANONYMOUS))
            part.file_offset += at - region->start;
        if (stop > at && region_continues(memory, &part))
            memory->regions[memory->n_regions - 1].bytes += part.bytes;
        else if (stop > at)
            status = region_append(memory, room, &part);
        at = stop < end ? view->view_start + view->view_bytes : end;
    }
    return status;
}

static enum crmpi_status regions_read(struct crmpi_memory *memory,
                                      const struct windows *windows)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    enum crmpi_status status = CRMPI_OK;
    size_t room = 0;
    char line[4096 + 256];
    struct crmpi_region region;

    if (!maps) {
        crmpi_error("cannot read /proc/self/maps: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    while (status == CRMPI_OK && fgets(line, sizeof line, maps)) {
        if (!region_parse(line, &region))
            continue;
        status = region_add(memory, &room, &region, windows);
        if (status == CRMPI_OK && region.flags == (MAP_PRIVATE | MAP_ANONYMOUS))
            status = crmpi_extents_add(&memory->mappings, region.start, region.bytes,
                                       region.start);
    }
    fclose(maps);
    return status;
}

/* A shared mapping can be saved if it is this process's own or a regular file. */
static enum crmpi_status region_check(const struct crmpi_region *region, char *why,
                                      size_t why_bytes)
{
    struct stat about;

    if (!(region->flags & MAP_SHARED) || region->flags & MAP_ANONYMOUS)
        return CRMPI_OK;
    if (strncmp(region->name, "/SYSV", 5) == 0)
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
    enum crmpi_status status = regions_read(&memory, &views);

    for (size_t i = 0; status == CRMPI_OK && i < memory.n_regions; i++) {
        const struct crmpi_region *region = &memory.regions[i];

        status = region_check(region, why, why_bytes);
        if (status == CRMPI_OK && !(region->prot & PROT_READ) &&
            mprotect((void *)region->start, region->bytes, PROT_READ | region->prot) != 0)
            status = CRMPI_ERR_SYSTEM;
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
    *memory = (struct crmpi_memory){0};
}

/*
 * At a restart
 */

/* A shared mapping of a file: the file must be there, and long enough. */
static enum crmpi_status file_map(const struct crmpi_region *region, uint64_t data_end)
{
    int writable = region->prot & PROT_WRITE;
    int fd = crmpi_bring_open_mapped(region->name, writable ? O_RDWR : O_RDONLY);
    struct stat about;
    void *at = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &about) == 0) {
        uint64_t needed = data_end > region->start
                              ? region->file_offset + (data_end - region->start)
                              : 0;

        if (writable && (uint64_t)about.st_size + PAGE <= needed &&
            ftruncate(fd, needed) != 0)
            crmpi_warn("cannot lengthen %s: %s", region->name, strerror(errno));
        at = mmap((void *)region->start, region->bytes, PROT_READ | PROT_WRITE,
                  (writable ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED_NOREPLACE, fd,
                  region->file_offset);
    }
    if (at == MAP_FAILED)
        crmpi_error("cannot map %s again: %s", region->name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? CRMPI_ERR_SYSTEM : CRMPI_OK;
}

enum crmpi_status crmpi_memory_map(const struct crmpi_region *regions, size_t n_regions,
                                   const struct crmpi_extent *extents, size_t n_extents)
{
    for (size_t i = 0, e = 0; i < n_regions; i++) {
        const struct crmpi_region *region = &regions[i];
        uint64_t end = region->start + region->bytes, data_end = 0;

        for (; e < n_extents && extents[e].start < end; e++)
            data_end = extents[e].start + extents[e].bytes;
        if (region->flags & MAP_SHARED && !(region->flags & MAP_ANONYMOUS)) {
            enum crmpi_status status = file_map(region, data_end);

            if (status != CRMPI_OK)
                return status;
            continue;
        }
        int sharing = region->flags & MAP_SHARED ? MAP_SHARED : MAP_PRIVATE;

        if (mmap((void *)region->start, region->bytes, PROT_READ | PROT_WRITE,
                 sharing | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                 0) != (void *)region->start) {
            crmpi_error("cannot map %lu bytes at %#lx: %s", region->bytes, region->start,
                        strerror(errno));
            return CRMPI_ERR_NOMEM;
        }
    }
    return CRMPI_OK;
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
    int fd = open(region->name, O_RDONLY | O_CLOEXEC);
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
        if (region->flags & MAP_SHARED && !(region->flags & MAP_ANONYMOUS))
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
