/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ranks tell each other while a job is restarted.  Lower half; collective over all
 * ranks.
 */
#ifndef CRMPI_NET_GATHER_H
#define CRMPI_NET_GATHER_H

#include <stddef.h>
#include "base/status.h"

/** The elements of all ranks, in the order of the ranks, from malloc(); NULL, after a
 * message, if there is no memory, or more than 2 GiB. */
void *crmpi_gather(const void *mine, size_t n, size_t element_bytes, size_t *n_out);

/** CRMPI_OK in all ranks if it is in all; else in those that have none CRMPI_ERR_UNFIT:
 * they know that another rank has said why. */
enum crmpi_status crmpi_agree(enum crmpi_status mine);

#endif
