/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding what a name leads to (see lookup.h).  Lower half; no libc.
 */
#include <errno.h>
#include <fcntl.h>

#include "files/lookup.h"
#include "lower/raw.h"
#include "lower/text.h"

#define PAGE 4096ul
#define MAX_LINKS 8

int crmpi_lookup_given(struct crmpi_lookup *lookup, const char *path)
{
    size_t n = 0;

    while (n < sizeof lookup->given) {
        size_t piece = PAGE - ((uintptr_t)path + n) % PAGE;

        if (piece > sizeof lookup->given - n)
            piece = sizeof lookup->given - n;
        if (crmpi_raw_read(lookup->given + n, path + n, piece) != 0)
            return -1;
        for (size_t i = 0; i < piece; i++)
            if (!lookup->given[n + i])
                return 0;
        n += piece;
    }
    return -1;
}

/* The canonical name of an open file; 0 if it has one. */
static int name_of(long fd, char *name_out)
{
    char link[40] = "/proc/self/fd/";
    long n;

    crmpi_text_add_number(link, sizeof link, (uint64_t)fd, 1);
    n = crmpi_raw(SYS_readlink, (long)link, (long)name_out, CRMPI_NAME_BYTES - 1, 0, 0,
                  0);
    if (n <= 0 || n >= CRMPI_NAME_BYTES - 1 || name_out[0] != '/')
        return -1;
    name_out[n] = 0;
    return 0;
}

static void fd_close(long fd)
{
    crmpi_raw(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Open something for looking at it only. */
static long look_open(struct crmpi_lookup *lookup, long dir, const char *path, long flags)
{
    long fd = crmpi_raw(SYS_openat, dir, (long)path, O_PATH | O_CLOEXEC | flags, 0, 0, 0);

    if (fd < 0)
        lookup->error = fd;
    return fd;
}

/* Divide what was given into the folder, which is opened, and the last word. */
static long parent_open(struct crmpi_lookup *lookup, long dir, const char **last_out)
{
    size_t n = crmpi_text_length(lookup->given), slash;
    long fd;

    while (n > 1 && lookup->given[n - 1] == '/')
        lookup->given[--n] = 0;
    for (slash = n; slash > 0 && lookup->given[slash - 1] != '/'; slash--)
        ;
    *last_out = lookup->given + slash;
    if ((lookup->given[slash] == '.' && !lookup->given[slash + 1]) ||
        !lookup->given[slash] ||
        (lookup->given[slash] == '.' && lookup->given[slash + 1] == '.' &&
         !lookup->given[slash + 2]))
        return -EINVAL;
    if (slash == 0)
        return look_open(lookup, dir, ".", 0);
    char kept = lookup->given[slash];

    lookup->given[slash] = 0;
    fd = look_open(lookup, dir, lookup->given, O_DIRECTORY);
    lookup->given[slash] = kept;
    return fd;
}

/* The name in a folder; 0 if it fits. */
static int name_join(struct crmpi_lookup *lookup, long folder, const char *last)
{
    if (name_of(folder, lookup->name) != 0)
        return -1;
    if (lookup->name[1] && crmpi_text_add(lookup->name, sizeof lookup->name, "/") != 0)
        return -1;
    return crmpi_text_add(lookup->name, sizeof lookup->name, last);
}

int crmpi_lookup_entry(struct crmpi_lookup *lookup, long dir, struct stat *about)
{
    const char *last;
    long folder = parent_open(lookup, dir, &last), result;

    if (folder < 0)
        return -1;
    result = crmpi_raw(SYS_newfstatat, folder, (long)last, (long)about,
                       AT_SYMLINK_NOFOLLOW, 0, 0);
    int found = name_join(lookup, folder, last) != 0 ? -1
                : result == 0                        ? 1
                : result == -ENOENT                  ? 0
                                                     : -1;

    fd_close(folder);
    return found;
}

int crmpi_lookup_file(struct crmpi_lookup *lookup, long dir, int makes,
                      struct stat *about)
{
    long at = dir, folder = -1;
    int found = -1;

    for (int i = 0; i < MAX_LINKS; i++) {
        long fd = look_open(lookup, at, lookup->given, 0);
        const char *last;

        if (fd >= 0) {
            int is_there =
                name_of(fd, lookup->name) == 0; /* before it is known not to be removed */

            if (is_there && crmpi_raw(SYS_fstat, fd, (long)about, 0, 0, 0, 0) == 0 &&
                about->st_nlink > 0)
                found = 1;
            fd_close(fd);
            if (found == 1)
                break;
            continue;
        }
        if (fd != -ENOENT || !makes || (fd = parent_open(lookup, at, &last)) < 0)
            break;
        if (folder >= 0)
            fd_close(folder);
        at = folder = fd;
        long n = crmpi_raw(SYS_readlinkat, folder, (long)last, (long)lookup->target,
                           sizeof lookup->target - 1, 0, 0);

        if (n <= 0) {
            found = name_join(lookup, folder, last) == 0 ? 0 : -1;
            break;
        }
        lookup->target[n] = 0;
        lookup->given[0] = 0;
        crmpi_text_add(lookup->given, sizeof lookup->given, lookup->target);
    }
    if (folder >= 0)
        fd_close(folder);
    return found;
}
