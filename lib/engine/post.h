/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between any two ranks, over the control tree.  Lower half, protocol thread.
 */
#ifndef CRMPI_ENGINE_POST_H
#define CRMPI_ENGINE_POST_H

#include <stddef.h>
#include <stdint.h>
#include "net/link.h"

/* A message for this rank. */
struct crmpi_letter {
    struct crmpi_letter *next;
    struct crmpi_envelope envelope;
    unsigned char bytes[]; /* envelope.bytes */
};

/** Send a message of two parts to a rank, which may be this one. */
void crmpi_post_send(uint32_t to, enum crmpi_channel channel, const void *head,
                     size_t head_bytes, const void *body, size_t body_bytes);

/** A connection has ended that is needed still. */
void crmpi_post_break_off(const struct crmpi_link *link);

/** Take in what a link has brought: others' messages are passed on. */
void crmpi_post_receive(struct crmpi_link *link);

/** The oldest message for this rank, for free(); NULL: none. */
struct crmpi_letter *crmpi_post_next(void);
/** Tell whether there is one. */
int crmpi_post_waits(void);

/** Go on sending what a link could not take. */
void crmpi_post_flush(struct crmpi_link *link);
/** Drop what has not been taken. */
void crmpi_post_fini(void);

#endif
