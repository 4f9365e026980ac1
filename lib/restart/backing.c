/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files behind private mappings, see backing.h.  Lower half.
 *
 * A mapping was filled from the checkpoint, as anonymous memory.  If its file is proved to
 * be what it was, it takes the place of that piece by piece, and pages that differ from it
 * are written again, into copies of the mapping's own:
 *
 *   filled      | A | B | C | D |
 *   file        | A | x | C | D | end
 *   afterwards  | A | B'| C | D | beyond the end, as before |
 *
 * So MADV_DONTNEED gives the file's contents, and pages like those of the file cost nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/raw.h"
#include "capture/attributes.h"
#include "restart/backing.h"

#define PAGE 4096ul
#define PIECE_PAGES 512ul
#define PIECE_BYTES (PIECE_PAGES * PAGE)

static char kept[PIECE_BYTES]; /* pages that differ */

/* Open the file of a private mapping if it is the same: under the same name, the same
 * inode, with its size and the time of its last change.  -1 if it is not. */
static int same_file_open(const struct crmpi_region *region)
{
    struct stat about;
    int fd = -1;

    if (region->flags & (MAP_ANONYMOUS | MAP_SHARED) || region->file_mtime_ns == 0)
        return -1;
    fd = open(region->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
        about.st_ino == region->inode && (uint64_t)about.st_size == region->file_bytes &&
        about.st_mtim.tv_sec * 1000000000l + about.st_mtim.tv_nsec ==
            region->file_mtime_ns)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Bytes of a mapping that the file has pages for. */
static uint64_t file_part(const struct crmpi_region *region)
{
    uint64_t pages_end = (region->file_bytes + PAGE - 1) / PAGE * PAGE;
    uint64_t bytes =
        pages_end > region->file_offset ? pages_end - region->file_offset : 0;

    return bytes < region->bytes ? bytes : region->bytes;
}

static int file_place(const struct crmpi_region *region, int fd, uint64_t at,
                      uint64_t bytes)
{
    int flags = MAP_PRIVATE | MAP_FIXED;

    if (region->attributes & CRMPI_REGION_NORESERVE || !(region->prot & PROT_WRITE))
        flags |= MAP_NORESERVE;
    return crmpi_map((void *)(region->start + at), bytes, PROT_READ | PROT_WRITE, flags,
                     fd, (off_t)(region->file_offset + at)) == MAP_FAILED
               ? errno
               : 0;
}

/* Put the file in the place of some pages, and write those that differ. */
static int piece_place(const struct crmpi_region *region, int fd, const char *file,
                       uint64_t at, uint64_t bytes)
{
    char *memory = (char *)region->start + at;
    unsigned char differs[PIECE_PAGES] = {0};
    int error;

    for (uint64_t page = 0; page < bytes; page += PAGE) {
        differs[page / PAGE] = memcmp(memory + page, file + page, PAGE) != 0;
        if (differs[page / PAGE])
            memcpy(kept + page, memory + page, PAGE);
    }
    error = file_place(region, fd, at, bytes);
    for (uint64_t page = 0; !error && page < bytes; page += PAGE)
        if (differs[page / PAGE])
            memcpy(memory + page, kept + page, PAGE);
    return error;
}

static enum crmpi_status region_back(const struct crmpi_region *region, int fd)
{
    uint64_t bytes = file_part(region), piece;
    int prot = PROT_READ | (region->prot & PROT_EXEC), error = 0;
    const char *file = NULL;

    if (bytes > 0)
        file = crmpi_map(NULL, bytes, prot, MAP_PRIVATE, fd, (off_t)region->file_offset);
    if (file == MAP_FAILED)
        return CRMPI_OK; /* such as on a file system without programs: as it is */
    for (uint64_t at = 0; !error && at < bytes; at += piece) {
        piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        error = piece_place(region, fd, file + at, at, piece);
    }
    if (!error && bytes < region->bytes)
        error = file_place(region, fd, bytes, region->bytes - bytes);
    if (file)
        munmap((void *)file, bytes);
    if (!error)
        return crmpi_attributes_advise(region); /* the mapping is a new one */
    crmpi_error("cannot map %s again: %s", region->name, strerror(error));
    return CRMPI_ERR_SYSTEM;
}

enum crmpi_status crmpi_backing_restore(const struct crmpi_region *regions, size_t n_regions)
{
    enum crmpi_status status = CRMPI_OK;
    size_t n = 0, n_same = 0;

    for (size_t i = 0; status == CRMPI_OK && i < n_regions; i++) {
        int fd = same_file_open(&regions[i]);

        n += regions[i].file_mtime_ns != 0;
        if (fd < 0)
            continue;
        status = region_back(&regions[i], fd);
        n_same++;
        close(fd);
    }
    crmpi_info("%zu of %zu private mappings of files show their files again", n_same, n);
    return status;
}
