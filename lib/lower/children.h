/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Child processes of the lower half, such as the daemon that Open MPI starts for a program
 * run without a launcher.  They are no part of the application.
 */
#ifndef CRMPI_LOWER_CHILDREN_H
#define CRMPI_LOWER_CHILDREN_H

/** Tell whether process @p pid was started by a library below. */
int crmpi_child_is_lower(int pid);

#endif
