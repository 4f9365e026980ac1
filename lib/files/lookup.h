/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding what a name of the application leads to, and its canonical name.  Lower half; in the
 * handler of SIGSYS, on any TLS base and perhaps on a small stack: no libc, and names lie in
 * the caller's memory.
 */
#ifndef CRMPI_FILES_LOOKUP_H
#define CRMPI_FILES_LOOKUP_H

#include <stddef.h>
#include <sys/stat.h>

#define CRMPI_NAME_BYTES 4096

struct crmpi_lookup {
    char given[CRMPI_NAME_BYTES];  /* by the application; changed by a search */
    char name[CRMPI_NAME_BYTES];   /* the canonical one */
    char target[CRMPI_NAME_BYTES]; /* of a symbolic link */
    long error;                    /* of the search: -errno */
};

/** Copy the application's text, which may not be there; 0 if it is whole. */
int crmpi_lookup_given(struct crmpi_lookup *lookup, const char *path);

/** Find the name itself: 1 with what is there, 0 if nothing is, or -1.
 * @param dir  that a relative name begins at, as for openat() */
int crmpi_lookup_entry(struct crmpi_lookup *lookup, long dir, struct stat *about);

/** The same for the file that the name leads to, also over symbolic links that lead nowhere
 * yet.
 * @param makes  a file is made if there is none */
int crmpi_lookup_file(struct crmpi_lookup *lookup, long dir, int makes,
                      struct stat *about);

#endif
