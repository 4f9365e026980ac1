/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application says to the MPI library by its environment (lower half).
 */
#include <stdlib.h>
#include <string.h>

#include "wrappers/objects.h"

/* What crmpi-host has to have as it is. */
static int is_fixed(const char *name)
{
    static const char *const fixed[] = {"OMPI_MCA_opal_signal", "OMPI_MCA_mpi_leave_pinned"};

    return strcmp(name, fixed[0]) == 0 || strcmp(name, fixed[1]) == 0;
}

static int is_for_mpi(const char *entry)
{
    return strncmp(entry, "OMPI_", 5) == 0 || strncmp(entry, "PMIX_MCA_", 9) == 0;
}

void crmpi_environment_take(void)
{
    for (char **at = *crmpi_control->environ; at && *at; at++) {
        const char *value = strchr(*at, '=');
        char *name = value && is_for_mpi(*at) ? strndup(*at, value - *at) : NULL;
        const char *now = name ? getenv(name) : NULL;

        if (name && !is_fixed(name) && !(now && strcmp(now, value + 1) == 0))
            setenv(name, value + 1, 1);
        free(name);
    }
}
