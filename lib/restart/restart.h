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

/* Exit status of a rank whose checkpoint cannot be read or is damaged: nothing has been done
 * yet in any rank, so another line can be tried. */
#define CRMPI_EXIT_DAMAGED 86

/**
 * crmpi-host --restore DIR --at N [--no-truncate]: restore this launcher's rank from the
 * line and go on.  Returns an exit status only on failure, after saying why.
 */
int crmpi_restart_main(int argc, char **argv);

#endif
