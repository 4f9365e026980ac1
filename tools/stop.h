/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs that have to end before they are finished: because of the time limit, which is made
 * known to them, or because this tool gets a signal.  Tools.
 */
#ifndef CRMPI_TOOLS_STOP_H
#define CRMPI_TOOLS_STOP_H

/* The job has ended with a checkpoint because its time was up: EX_TEMPFAIL. */
enum { TOOL_UNFINISHED = 75 };

/**
 * Find out when the time of this job ends by CRMPI_TIME_LIMIT, and tell the ranks by
 * CRMPI_END_TIME in the environment.
 * @return 0, or -1 if Slurm does not tell, which has been logged
 */
int tool_stop_plan(void);

/** Tell whether that time is over. */
int tool_stop_is_late(void);

/** A job is about to be launched. */
void tool_stop_watch(void);

/**
 * This process got SIGTERM or SIGUSR1: ask the job to end with a checkpoint.  To be called
 * again and again from then on.
 * @param[out] fd_out  what to poll for input meanwhile, or -1
 * @param[out] wait_ms_out  call again after this time; -1: only if @p fd_out has something
 * @return a signal to pass on to the launcher instead, or 0
 */
int tool_stop_go_on(int signal, int *fd_out, int *wait_ms_out);

/** The exit status to pass on for a launcher's: TOOL_UNFINISHED, after saying so, if the
 * job has ended with status 0 because its time was up. */
int tool_stop_exit_status(int launcher_status);

#endif
