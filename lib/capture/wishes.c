/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See wishes.h.
 */
#include <stdlib.h>

#include "capture/wishes.h"

enum crmpi_status (*crmpi_wishes_list)(struct crmpi_wishes *wishes_out);

void crmpi_wishes_fini(struct crmpi_wishes *wishes)
{
    free(wishes->excluded);
    free(wishes->named);
    *wishes = (struct crmpi_wishes){0};
}
