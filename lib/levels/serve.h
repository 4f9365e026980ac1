/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that takes in what other ranks send of their files.  Lower half.
 */
#ifndef CRMPI_LEVELS_SERVE_H
#define CRMPI_LEVELS_SERVE_H

#include "levels/keep.h"

/* What a server has to know. */
struct crmpi_serve_setup {
    int listener; /* the server's afterwards */
    const unsigned char *key;
    uint32_t self, n_ranks;
    const char *home;                /* where copies go */
    struct crmpi_assembly *assembly; /* NULL: this rank has no share; the server's own */
    /* Begin to copy file @p sn to the global directory; crmpi_serve_flushed() tells the
     * end.  Returns 0 if it cannot. */
    int (*flush)(uint64_t sn);
};

enum crmpi_status crmpi_serve_start(const struct crmpi_serve_setup *setup);
void crmpi_serve_stop(void);

/** The copying of file @p sn is over; from another thread. */
void crmpi_serve_flushed(uint64_t sn, enum crmpi_status status);

#endif
