/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the calls of crmpi.h do in a process that is not split (upper half): nothing.
 */
#include <string.h>

#include "upper/upper.h"

static int nothing(void)
{
    return -1;
}

void *crmpi_application_without(const char *call)
{
    return strncmp(call, "CRMPI_", strlen("CRMPI_")) == 0 ? (void *)nothing : NULL;
}
