/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a job's files to the nodes that its ranks are on now, before a restart.  Lower
 * half.
 */
#ifndef CRMPI_LEVELS_FETCH_H
#define CRMPI_LEVELS_FETCH_H

/* Of DIR: the number of the line that was fetched, as text. */
#define CRMPI_FETCHED_NAME "fetched"

/**
 * crmpi-host --fetch DIR [--at N] [--after N]: by all ranks of the job, where they will be
 * restarted.  Find the newest line (or line N; numbered above N) whose files can be had,
 * bring them to the ranks' nodes, make lost copies and shares anew, and write the line's
 * number to DIR/fetched.  If there is none that is said, nothing is changed, and there is no
 * such file.  Returns the exit status: 0 in either case.
 */
int crmpi_fetch_main(int argc, char **argv);

#endif
