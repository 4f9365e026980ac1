/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A setting of UCX that crmpi-host has to begin with.  Both halves and tools.
 *
 * UCX would keep registrations of memory that the application, whose munmap() goes unseen below,
 * has given back; and it would look out for that, at a cost, in each half before main().
 */
#ifndef CRMPI_BASE_UCX_H
#define CRMPI_BASE_UCX_H

#define CRMPI_UCX_VARIABLE "UCX_MEM_EVENTS"
#define CRMPI_UCX_VALUE "n"
#define CRMPI_UCX_SETTING CRMPI_UCX_VARIABLE "=" CRMPI_UCX_VALUE

#endif
