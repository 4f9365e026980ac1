/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application has said of its memory (crmpi.h): regions that need not be saved,
 * and regions that have a name.  Lower half.
 */
#ifndef CRMPI_CAPTURE_WISHES_H
#define CRMPI_CAPTURE_WISHES_H

#include "storage/container.h"

struct crmpi_wishes {
    struct crmpi_extent *excluded; /* ascending and apart; pages that lie in them wholly
                                      are not saved, and are zero after a restart */
    size_t n_excluded;
    struct crmpi_named *named; /* stored whole, each under its name */
    size_t n_named;
};

/**
 * List them, with all application threads parked; crmpi-host sets it.
 * @param[out] wishes_out  for crmpi_wishes_fini()
 */
extern enum crmpi_status (*crmpi_wishes_list)(struct crmpi_wishes *wishes_out);

void crmpi_wishes_fini(struct crmpi_wishes *wishes);

#endif
