/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rank 0 takes demands from outside (crmpi-checkpoint) on its socket, in a thread of its
 * own, so that it answers also while the protocol thread saves.  Lower half.
 */
#ifndef CRMPI_ENGINE_REQUESTS_H
#define CRMPI_ENGINE_REQUESTS_H

#include <stdint.h>
#include "base/status.h"
#include "engine/contact.h"

/**
 * Start the thread.
 * @param listener  a listening socket, taken over
 * @param wake      called by the thread when a demand has come for crmpi_requests_take()
 */
enum crmpi_status crmpi_requests_start(int listener, const unsigned char *key,
                                       void (*wake)(void));

/** Take the demands for a checkpoint that have come; 0 if there are none.
 * @param[out] stop_out  1 if one of them wants the job to end after it */
int crmpi_requests_take(int *stop_out);

/** Show those who wait how far it is, a few times a second at most. */
void crmpi_requests_progress(const char *text);

/** Tell those whose demands were taken the outcome: @p why is NULL if line @p sn was
 * committed. */
void crmpi_requests_report(uint64_t sn, const char *why);

/** End the thread; whoever waits is told @p why. */
void crmpi_requests_stop(const char *why);

#endif
