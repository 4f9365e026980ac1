/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What starting and restarting have in common (lib/host/main.c, lib/restart).
 */
#ifndef CRMPI_PROGRAM_HOST_H
#define CRMPI_PROGRAM_HOST_H

#include <stddef.h>
#include "base/status.h"

/** Refuse a machine that cannot run a split process. */
enum crmpi_status crmpi_host_check(void);

/** Set the members of the control page that point into this lower half. */
void crmpi_host_renew(void);

/** Give up this kernel thread's rseq area: the upper half's takes its place. */
void crmpi_host_rseq_release(void);

/** Prepare the environment the libraries below see. */
void crmpi_host_environment(void);

/** Load the configuration and log with the rank the launcher gave; 0, or -1 after saying
 * what is wrong. */
int crmpi_host_configure(void);

/** The features of this processor that a program may rely on, as words. */
const char *crmpi_cpu_features(void);

/** Tell whether this processor has all the features in @p saved (crmpi_cpu_features() of
 * the machine that took the checkpoint); if not, name one it lacks. */
int crmpi_cpu_suits(const char *saved, char *lacking_out, size_t lacking_bytes);

#endif
