/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rank 0 takes demands from outside (crmpi-checkpoint) on its socket, in a thread of its
 * own, so that it answers also while the protocol thread saves.  Lower half.
 */
#ifndef CRMPI_ENGINE_REQUESTS_H
#define CRMPI_ENGINE_REQUESTS_H

#include <stdint.h>
#include "base/status.h"
#include "job/contact.h"
#include "job/stopped.h"

/**
 * Start the thread.
 * @param listener  a listening socket, taken over
 * @param wake      called by the thread when a demand has come for crmpi_requests_take()
 */
enum crmpi_status crmpi_requests_start(int listener, const unsigned char *key,
                                       void (*wake)(void));

/**
 * Take a demand for a checkpoint that has come; 0 if there is none.
 * @param[out] stop_out  whether the job is to end after it, and why
 * @param[out] of_out    a rank, or CRMPI_DEMAND_OF_ALL
 */
int crmpi_requests_take(enum crmpi_stop *stop_out, uint32_t *of_out);

/** Threads go on while a checkpoint of all is being written: who demands one from here on
 * waits for the next one. */
void crmpi_requests_resumed(void);
/** It is over. */
void crmpi_requests_ended(void);

/** Show those who wait how far it is, a few times a second at most. */
void crmpi_requests_progress(const char *text);

/** Tell those who have demanded a checkpoint of a rank, or of all ranks, the outcome:
 * "committed ..." or "failed ...". */
void crmpi_requests_report(uint32_t of, const char *text);

/** End the thread; whoever waits is told @p why. */
void crmpi_requests_stop(const char *why);

#endif
