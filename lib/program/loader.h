/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a program up as the upper half, as the kernel's execve would.  Lower half.
 */
#ifndef CRMPI_PROGRAM_LOADER_H
#define CRMPI_PROGRAM_LOADER_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

struct crmpi_start {
    uint64_t entry; /* of ld.so */
    uint64_t stack; /* pointer: argc, argv, environment, auxiliary vector */
};

/** Map the control page, fresh and zeroed but for its magic. */
enum crmpi_status crmpi_control_map(void);

/** Map crmpi's vdso at its address. */
enum crmpi_status crmpi_vdso_map(void);

/** Find the functions of this process's own vdso for the table in the control page. */
void crmpi_vdso_renew(void);

/**
 * Map @p program, its interpreter and a stack.
 * @param envp  the environment the program shall see
 */
enum crmpi_status crmpi_program_load(const char *program, int argc, char **argv,
                                     char **envp, struct crmpi_start *start_out);

/** Let /proc, and so ps, show the arguments and the environment of the program, where it
 * can change them, instead of the host's; they stay as they are where that is not
 * possible.  Also of a restored program. */
void crmpi_program_show(void);

/** Leave the lower half for ld.so, for good; the caller's stack is forgotten. */
void crmpi_program_enter(const struct crmpi_start *start) __attribute__((noreturn));

#endif
