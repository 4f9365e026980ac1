/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the parts of crmpi are, as seen from one of its programs.
 */
#ifndef CRMPI_BASE_OWN_H
#define CRMPI_BASE_OWN_H

#include <stddef.h>

#define CRMPI_HOST_NAME "crmpi-host"
#define CRMPI_LIBRARY_NAME "libcrmpi.so.0"

/**
 * Find crmpi-host or libcrmpi.so.0: where the environment variable says; else beside this
 * program (a build tree); else in the folder that was its when all was installed, in the tree
 * that this program is in, which may have been moved since; else in that folder itself.
 * @param own_dir        where this program was to be installed
 * @param installed_dir  where the file was
 * @param[out] path_out  the file, or the last place where it is not
 * @return 0, or -1 with errno
 */
int crmpi_own_find(const char *variable, const char *name, const char *own_dir,
                   const char *installed_dir, char *path_out, size_t path_bytes);

#endif
