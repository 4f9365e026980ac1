/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application has said of its memory (see wishes.h): nothing, as there is no call
 * for it.  Lower half.
 */
#include <stdlib.h>

#include "capture/wishes.h"

enum crmpi_status crmpi_wishes_list(struct crmpi_wishes *wishes_out)
{
    *wishes_out = (struct crmpi_wishes){0};
    return CRMPI_OK;
}

void crmpi_wishes_fini(struct crmpi_wishes *wishes)
{
    free(wishes->excluded);
    free(wishes->named);
    *wishes = (struct crmpi_wishes){0};
}
