/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which lines of a directory belong to the execution that the newest one is of, and which
 * were given up by a restart from an older one.  Lower half and tools.
 *
 *   incarnation 0   1 -- 2 -- 3      restarted from 2: line 3 was given up
 *                         \
 *   incarnation 1          4 -- 5
 */
#ifndef CRMPI_STORAGE_LINEAGE_H
#define CRMPI_STORAGE_LINEAGE_H

#include "storage/container.h"

enum crmpi_life {
    CRMPI_LIFE_UNREADABLE, /* a line that cannot be read: without ranks */
    CRMPI_LIFE_FOREIGN,    /* another job's */
    CRMPI_LIFE_OTHER,      /* given up, or not known */
    CRMPI_LIFE_PARTLY,     /* some of its checkpoints were given up by a later line */
    CRMPI_LIFE_ALIVE,
};

/* All lines of a directory, ascending. */
struct crmpi_lineage {
    struct crmpi_line *lines;
    uint64_t *numbers;
    enum crmpi_life *lives;
    size_t n;
    size_t newest; /* that can be read; n: there is none */
};

enum crmpi_status crmpi_lineage_read(const char *dir, struct crmpi_lineage *lineage_out);
void crmpi_lineage_fini(struct crmpi_lineage *lineage);

/** Whether a checkpoint of a line of the newest one's job was given up by a later
 * line. */
int crmpi_lineage_is_given_up(const struct crmpi_lineage *lineage, size_t line,
                              uint32_t world_rank);

#endif
