/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the parts of crmpi are, as seen from one of them.  Both halves and tools.
 */
#ifndef CRMPI_BASE_OWN_H
#define CRMPI_BASE_OWN_H

#include <stddef.h>

#define CRMPI_HOST_NAME "crmpi-host"
#define CRMPI_LIBRARY_NAME "libcrmpi.so.0"

/**
 * Find crmpi-host or libcrmpi.so.0: where the environment variable says; else beside the file that
 * asks (a build tree); else in the folder where it was installed, of the tree in which the file that
 * asks is now; else in that folder itself.
 * @param self           the file that asks
 * @param own_dir        where that was installed
 * @param installed_dir  where the other was
 * @param[out] path_out  the file, or the last place where it is not
 * @return 0, or -1 with errno
 */
int crmpi_own_find(const char *variable, const char *name, const char *self,
                   const char *own_dir, const char *installed_dir, char *path_out,
                   size_t path_bytes);

/** Why a library cannot be preloaded that has this path; NULL: it can. */
const char *crmpi_own_preload_refusal(const char *path);

#endif
