/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How far the ranks are with loading their memory, for whoever sits in front of
 * crmpi-restart: each sends it a datagram a few times a second.  What is lost or late does no
 * harm.  Lower half, and the format for the tool.
 *
 * CRMPI_RESTORING tells where to: "PORT KEY HOST ADDRESS ADDRESS ...".
 */
#ifndef CRMPI_RESTART_TELLING_H
#define CRMPI_RESTART_TELLING_H

#include <stdint.h>
#include "job/contact.h"

#define CRMPI_TELLING_MAGIC "crmpi p1"

/* As it is on the wire. */
struct crmpi_told {
    char magic[8];
    unsigned char key[CRMPI_KEY_BYTES];
    uint64_t world_rank;
    uint64_t done_bytes, total_bytes;
};

/** Begin; nothing is told if nobody wants to know. */
void crmpi_telling_begin(uint32_t world_rank);

/** A crmpi_progress_fn. */
void crmpi_telling_progress(void *unused, uint64_t done_bytes, uint64_t total_bytes);

/** All of it is loaded. */
void crmpi_telling_end(void);

#endif
