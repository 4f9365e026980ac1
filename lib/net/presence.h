/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether all ranks of the job are under crmpi.  Lower half.
 */
#ifndef CRMPI_NET_PRESENCE_H
#define CRMPI_NET_PRESENCE_H

/**
 * After MPI_Init, before any communication of crmpi's own: end the job, saying which ranks
 * run without crmpi, if there are any.  Local unless there are.
 */
void crmpi_presence_check(void);

#endif
