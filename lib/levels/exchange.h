/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ranks send each other of their files: over a TCP connection for each, after
 * greetings (net/tree.h), a head, the numbers that belong to it, the bytes, and then an
 * answer when what was asked for is done.  Numbers are as in memory: all ranks are of one
 * build.  Lower half.
 */
#ifndef CRMPI_LEVELS_EXCHANGE_H
#define CRMPI_LEVELS_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "levels/erasure.h"
#include "net/tree.h"

enum crmpi_exchange_kind {
    CRMPI_EXCHANGE_COPY = 1, /* keep a copy: the bytes are the file */
    CRMPI_EXCHANGE_STREAM,   /* add it to the share: the pieces that it needs (erasure.h);
                                also without bytes from the holder itself.  The answer
                                comes when the share is complete */
    CRMPI_EXCHANGE_MISSING,  /* there will be no stream */
    CRMPI_EXCHANGE_FLUSH,    /* copy your file to the global directory */
};

#define CRMPI_EXCHANGE_NUMBERS_MAX 65536
#define CRMPI_SENDINGS_MAX 72 /* at once */

struct crmpi_exchange_head {
    uint32_t kind;
    uint32_t n_numbers; /* COPY: checkpoints that the sender has files of */
    uint64_t attempt;   /* STREAM, MISSING: no other in the job has it */
    uint64_t sn, incarnation, file_bytes, digest, parent_sn, parent_digest;
};

struct crmpi_exchange_answer {
    uint64_t sn;
    uint32_t kind;
    uint32_t status; /* enum crmpi_status */
};

/* ---- the side that sends ---- */

/* Something to be sent to a rank. */
struct crmpi_sending {
    uint32_t to;
    struct crmpi_exchange_head head;
    const uint64_t *numbers;
    int file;                         /* COPY, STREAM: opened for reading */
    const struct crmpi_erasure *code; /* STREAM */
    unsigned member, holder;          /* STREAM: places in the group */
    /* of send.c */
    int fd, is_over, is_all_sent;
    uint64_t cursor, offset, left;
    size_t answered;
    struct crmpi_exchange_answer answer;
    enum crmpi_status status; /* when all is over */
};

/* How ranks find each other. */
struct crmpi_exchange_peers {
    const struct crmpi_address *all;
    const unsigned char *key;
    uint32_t self;
};

/** Those of this job; levels.c. */
struct crmpi_exchange_peers crmpi_levels_peers(void);

/**
 * Send all, at the same time, and wait for the answers.  A sending that fails leaves the
 * others alone; each has its status then.
 * @param is_given_up  asked now and then: nobody waits any more
 * @return CRMPI_OK if all have succeeded, or the first failure
 */
enum crmpi_status crmpi_exchange_send(const struct crmpi_exchange_peers *peers,
                                      struct crmpi_sending *sendings, unsigned n,
                                      int (*is_given_up)(void));

#endif
