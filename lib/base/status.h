/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The outcomes that functions of crmpi return.  Used in both halves and in the tools;
 * MPI, HDF5 and errno codes are converted to these where they occur.
 */
#ifndef CRMPI_BASE_STATUS_H
#define CRMPI_BASE_STATUS_H

enum crmpi_status {
    CRMPI_OK = 0,
    CRMPI_ERR_NOMEM,       /* no memory, or no address range left */
    CRMPI_ERR_SYSTEM,      /* a system call failed; errno was logged */
    CRMPI_ERR_IO,          /* reading or writing a file failed */
    CRMPI_ERR_NOSPACE,     /* the disk or the quota is full */
    CRMPI_ERR_CORRUPT,     /* a checksum, size or offset in a file is wrong */
    CRMPI_ERR_FORMAT,      /* not a container of ours, or of another format version */
    CRMPI_ERR_PERMISSION,  /* not allowed, or a file we must not trust */
    CRMPI_ERR_NOTFOUND,    /* no such file, line, rank or object */
    CRMPI_ERR_MISMATCH,    /* another program, machine or rank count than was saved */
    CRMPI_ERR_UNSUPPORTED, /* a thing that cannot be saved, or restored here; it was named */
    CRMPI_ERR_TIMEOUT,     /* not done within its limit */
    CRMPI_ERR_USAGE,       /* a wrong argument or option */
    CRMPI_ERR_MPI,         /* a call of the MPI library failed */
    CRMPI_ERR_UNFIT,       /* this line cannot be restored here; nothing was changed */
    CRMPI_ERR_INTERNAL,    /* an invariant of crmpi is broken */
};

/** Return a short text for @p status, such as "disk full"; a constant string. */
const char *crmpi_status_text(enum crmpi_status status);

#endif
