/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a rank back from its checkpoint.  Lower half.
 *
 * Each rank logs, at level info, what bench/run reads, mapping not included:
 *
 *   memory restored: 104857600 bytes in 51.2 ms
 */
#ifndef CRMPI_RESTART_RESTART_H
#define CRMPI_RESTART_RESTART_H

#include "storage/container.h"

/* Exit status of a rank whose checkpoint cannot be read or is damaged: nothing has been done
 * yet in any rank, so another line can be tried. */
#define CRMPI_EXIT_DAMAGED 86
/* Exit status of a rank that finds that its checkpoint, which is whole, cannot be restored
 * here: no rank has gone on yet, so another line can be tried. */
#define CRMPI_EXIT_UNFIT 87
/* The same, and other lines would not do either: the number of ranks. */
#define CRMPI_EXIT_WRONG 88

/**
 * crmpi-host --restore DIR --at N [--no-truncate]: restore this launcher's rank from the
 * line and go on.  Returns an exit status only on failure, after saying why.
 */
int crmpi_restart_main(int argc, char **argv);

#endif
