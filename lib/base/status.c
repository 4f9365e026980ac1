/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Texts of the status codes.  Both halves and the tools.
 */
#include "base/status.h"

const char *crmpi_status_text(enum crmpi_status status)
{
    switch (status) {
    case CRMPI_OK: return "success";
    case CRMPI_ERR_NOMEM: return "out of memory";
    case CRMPI_ERR_SYSTEM: return "a system call failed";
    case CRMPI_ERR_IO: return "reading or writing a file failed";
    case CRMPI_ERR_NOSPACE: return "disk full";
    case CRMPI_ERR_CORRUPT: return "the file is damaged";
    case CRMPI_ERR_FORMAT: return "not a file of crmpi, or of another version";
    case CRMPI_ERR_PERMISSION: return "not permitted";
    case CRMPI_ERR_NOTFOUND: return "not found";
    case CRMPI_ERR_MISMATCH: return "does not match what was saved";
    case CRMPI_ERR_UNSUPPORTED: return "not supported";
    case CRMPI_ERR_TIMEOUT: return "not done within its time limit";
    case CRMPI_ERR_USAGE: return "wrong argument";
    case CRMPI_ERR_MPI: return "a call of the MPI library failed";
    case CRMPI_ERR_UNFIT: return "cannot be restored here";
    case CRMPI_ERR_INTERNAL: return "internal error of crmpi";
    }
    return "unknown status";
}
