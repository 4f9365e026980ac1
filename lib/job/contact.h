/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a running job can be reached: the file DIR/control, which rank 0 writes, and the
 * conversation with rank 0 over TCP.  Lower half and tools.
 *
 * Whoever asks greets rank 0 (greeting.h), and sends a struct crmpi_demand; rank 0 answers by
 * lines of text: "accepted", any number of "progress TEXT", then "committed TEXT", which says
 * what, or "failed TEXT".
 */
#ifndef CRMPI_JOB_CONTACT_H
#define CRMPI_JOB_CONTACT_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"
#include "net/address.h"
#include "net/greeting.h"

struct crmpi_contact {
    char job_id[64];
    int pid;
    char host[256];
    uint32_t addresses[CRMPI_ADDRESSES_MAX]; /* IPv4, network byte order */
    unsigned n_addresses;
    uint16_t port;
    unsigned char key[CRMPI_KEY_BYTES];
};

#define CRMPI_DEMAND_MAGIC "crmpi 3"
#define CRMPI_DEMAND_OF_ALL UINT32_MAX
enum crmpi_demand_kind { CRMPI_DEMAND_CHECKPOINT = 1, CRMPI_DEMAND_NOTHING };
struct crmpi_demand {
    char magic[8];
    uint32_t kind; /* NOTHING: only be told "accepted": the job lives */
    uint32_t stop; /* CHECKPOINT: enum crmpi_stop: end the job after it, and why */
    uint32_t of;   /* CHECKPOINT: of this rank and whom it has to be saved with; or
                      CRMPI_DEMAND_OF_ALL */
};

/**
 * Write DIR/control for a job that now begins, atomically and for its owner's eyes only.
 * @param[out] lock_out  a descriptor that marks the file as that of a living job
 * @param[out] why       on failure; CRMPI_ERR_PERMISSION: another running job uses DIR
 */
enum crmpi_status crmpi_contact_publish(const char *dir,
                                        const struct crmpi_contact *contact,
                                        int *lock_out, char *why, size_t why_bytes);

/** Remove what crmpi_contact_publish() wrote. */
void crmpi_contact_withdraw(const char *dir, int lock);

/** Read DIR/control; CRMPI_ERR_NOTFOUND: there is none.  CRMPI_ERR_PERMISSION: it is no regular
 * file of this user. */
enum crmpi_status crmpi_contact_read(const char *dir, struct crmpi_contact *contact_out,
                                     char *why, size_t why_bytes);

/**
 * Connect to rank 0 of the job that uses DIR, and make a demand.
 * @param[out] socket_out  a blocking socket on which "accepted" comes next, from somebody who
 *                         has proved to be that rank
 * @return CRMPI_ERR_NOTFOUND if there is none: the job is over, or has not yet begun
 */
enum crmpi_status crmpi_contact_call(const char *dir, const struct crmpi_demand *demand,
                                     int limit_ms, int *socket_out, char *why,
                                     size_t why_bytes);

/** Tell whether a job that uses DIR is running: it holds a lock on its file; where locks of
 * another host cannot be seen it has to answer.  Describes it in @p who ("job X, process N
 * on host Y"). */
int crmpi_contact_alive(const char *dir, char *who, size_t who_bytes);

#endif
