/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open MPI's progress engine (see progress.h).
 */
#include <dlfcn.h>

#include "base/log.h"
#include "lower/progress.h"

int (*crmpi_progress_register)(int (*callback)(void));
void (*crmpi_progress)(void);

enum crmpi_status crmpi_progress_start(void)
{
    *(void **)&crmpi_progress_register = dlsym(RTLD_DEFAULT, "opal_progress_register");
    *(void **)&crmpi_progress = dlsym(RTLD_DEFAULT, "opal_progress");
    if (crmpi_progress_register && crmpi_progress)
        return CRMPI_OK;
    crmpi_error(
        "the MPI library has no opal_progress_register(): crmpi needs Open MPI 4.1 "
        "or 5.0, with its symbols visible");
    return CRMPI_ERR_UNSUPPORTED;
}
