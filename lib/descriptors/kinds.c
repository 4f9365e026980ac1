/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kinds of descriptors (see kinds.h).  What is in none of them is refused.  Lower half.
 */
#include "descriptors/kind.h"

const struct crmpi_descriptor_kind *const crmpi_descriptor_kinds[] = {
#define CRMPI_DESCRIPTOR_ROW(name, NAME, number) &crmpi_kind_##name,
    CRMPI_DESCRIPTOR_KINDS(CRMPI_DESCRIPTOR_ROW) NULL,
#undef CRMPI_DESCRIPTOR_ROW
};

void crmpi_descriptors_start(void)
{
    crmpi_standard_start();
    crmpi_inherited_start();
}

const struct crmpi_descriptor_kind *crmpi_descriptor_kind(int number)
{
    size_t i = 0;

    while (crmpi_descriptor_kinds[i] && crmpi_descriptor_kinds[i]->number != number)
        i++;
    return crmpi_descriptor_kinds[i];
}
