/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Figures of a checkpoint of one rank, as reports and files have them.
 */
#ifndef CRMPI_BASE_FIGURES_H
#define CRMPI_BASE_FIGURES_H

#include <stdint.h>

/* What saving a rank's checkpoint was like. */
enum {
    CRMPI_HOW_INCREMENT = 1,
    CRMPI_HOW_BACKGROUND = 2,
    CRMPI_HOW_LZ4 = 4,
    CRMPI_HOW_ZSTD = 8,
    CRMPI_HOW_PAGEMAP = 16,
    CRMPI_HOW_HASH = 32,
};
struct crmpi_figures {
    uint64_t memory_bytes;  /* data in memory and segments */
    uint64_t changed_bytes; /* of these, what was looked at or known to have changed */
    uint64_t raw_bytes;     /* of these, what is stored; before compression */
    uint32_t blocked_us;    /* that the threads could not run */
    uint32_t save_us;       /* until the file was in its place */
    uint32_t how;           /* CRMPI_HOW_* */
    uint32_t level;
};

#endif
