/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the parts of crmpi are, see own.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/own.h"

/* How many bytes of two folders' names are the folders that both are in. */
static size_t common_bytes(const char *a, const char *b)
{
    size_t common = 0;

    for (size_t i = 0;; i++) {
        int a_ends = a[i] == '/' || a[i] == '\0', b_ends = b[i] == '/' || b[i] == '\0';

        if (a_ends && b_ends)
            common = i;
        if (a[i] != b[i] || a[i] == '\0')
            return common;
    }
}

/* The folder that is to @p self what @p installed_dir is to @p own_dir. */
static int moved_dir(const char *self, const char *own_dir, const char *installed_dir,
                     char dir_out[PATH_MAX])
{
    size_t common = common_bytes(own_dir, installed_dir);
    size_t tail = strlen(own_dir + common), n = strlen(self);

    if (n < tail || strcmp(self + n - tail, own_dir + common) != 0)
        return 0;
    return snprintf(dir_out, PATH_MAX, "%.*s%s", (int)(n - tail), self,
                    installed_dir + common) < PATH_MAX;
}

static int is_file(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0 || access(path, R_OK) != 0)
        return 0;
    errno = EISDIR;
    return S_ISREG(found.st_mode);
}

static int is_there(const char *dir, const char *name, char *path_out, size_t path_bytes)
{
    if (snprintf(path_out, path_bytes, "%s/%s", dir, name) < (int)path_bytes)
        return is_file(path_out);
    errno = ENAMETOOLONG;
    return 0;
}

int crmpi_own_find(const char *variable, const char *name, const char *self,
                   const char *own_dir, const char *installed_dir, char *path_out,
                   size_t path_bytes)
{
    const char *given = getenv(variable);
    const char *slash = strrchr(self, '/');
    char here[PATH_MAX], moved[PATH_MAX];

    if (given != NULL) {
        snprintf(path_out, path_bytes, "%s", given);
        return is_file(path_out) ? 0 : -1;
    }
    snprintf(here, sizeof here, "%.*s", slash ? (int)(slash - self) : 0, self);
    if (is_there(here, name, path_out, path_bytes) ||
        (moved_dir(here, own_dir, installed_dir, moved) &&
         is_there(moved, name, path_out, path_bytes)))
        return 0;
    return is_there(installed_dir, name, path_out, path_bytes) ? 0 : -1;
}

const char *crmpi_own_preload_refusal(const char *path)
{
    return strpbrk(path, " :")
               ? "the dynamic linker takes spaces and colons for ends of names, "
                 "and would leave it out: move crmpi, or set CRMPI_LIB to a link "
                 "elsewhere"
               : NULL;
}
