/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank file by itself, wherever it lies and whatever its parents: for copies of it.
 * Lower half and tools.
 */
#ifndef CRMPI_STORAGE_SINGLE_H
#define CRMPI_STORAGE_SINGLE_H

#include <stdint.h>
#include "base/status.h"

/* What a file's seal says. */
struct crmpi_single {
    uint64_t bytes;
    uint64_t digest;
    uint64_t parent_sn, parent_digest; /* sn 0: it needs no other file */
};

/** Read a file's seal, which is not checked but for its form; logs nothing. */
enum crmpi_status crmpi_single_look(const char *path, struct crmpi_single *single_out);

/** Check every byte of a file against its seal and checksums.  Logs what is wrong. */
enum crmpi_status crmpi_single_check(const char *path);

#endif
