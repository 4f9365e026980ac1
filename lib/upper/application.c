/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the calls of crmpi.h do in a process that is not split (upper half): nothing;
 * there are no checkpoints.
 */
#include <crmpi.h>
#include <string.h>

#include "upper/upper.h"

static int nothing(void)
{
    return -1;
}

/* Who asks is told no. */
static int no(int *flag)
{
    *flag = 0;
    return -1;
}

static int no_statistics(struct CRMPI_statistics *statistics)
{
    *statistics = (struct CRMPI_statistics){0};
    return -1;
}

void *crmpi_application_without(const char *call)
{
    if (strcmp(call, "CRMPI_Checkpoint_due") == 0 ||
        strcmp(call, "CRMPI_Restarted") == 0 || strcmp(call, "CRMPI_Should_stop") == 0)
        return (void *)no;
    if (strcmp(call, "CRMPI_Get_statistics") == 0)
        return (void *)no_statistics;
    return strncmp(call, "CRMPI_", strlen("CRMPI_")) == 0 ? (void *)nothing : NULL;
}
