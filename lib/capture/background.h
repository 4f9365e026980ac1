/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pump in a process of its own, which has this one's memory as it was when it was split
 * off.  Lower half.
 *
 * It is made by clone() without an exit signal: the application neither gets a SIGCHLD nor
 * sees it when it waits for its children.  It ends with this process, and its memory and
 * descriptors are its own.
 */
#ifndef CRMPI_CAPTURE_BACKGROUND_H
#define CRMPI_CAPTURE_BACKGROUND_H

#include "capture/survey.h"

/**
 * Split a process off that deals with the units left.
 * @param[out] pid_out     for crmpi_background_wait()
 * @param[out] missing_out on CRMPI_ERR_UNSUPPORTED, a mapping whose memory it does not get
 *             (madvise: MADV_DONTFORK, MADV_WIPEONFORK); there is no process then
 * @return CRMPI_ERR_SYSTEM if there can be no process; not logged
 */
enum crmpi_status crmpi_background_start(struct crmpi_pump *pump,
                                         const struct crmpi_survey *survey, int *pid_out,
                                         struct crmpi_extent *missing_out);

/**
 * Wait for its end.
 * @param[out] why  if it ended otherwise than by itself
 */
enum crmpi_status crmpi_background_wait(struct crmpi_pump *pump, int pid, char *why,
                                        size_t why_bytes);

#endif
