/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a rank back from its checkpoint.  Lower half.
 */
#ifndef CRMPI_RESTART_RESTART_H
#define CRMPI_RESTART_RESTART_H

/**
 * crmpi-host --restore DIR --at N [--no-truncate]: restore this launcher's rank from the
 * line and go on.  Returns an exit status only on failure, after saying why.
 */
int crmpi_restart_main(int argc, char **argv);

#endif
