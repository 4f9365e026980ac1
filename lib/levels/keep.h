/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a rank keeps for others: copies of files, and its share of its group's.  Lower
 * half; the thread that serves the other ranks.
 */
#ifndef CRMPI_LEVELS_KEEP_H
#define CRMPI_LEVELS_KEEP_H

#include "levels/erasure.h"
#include "levels/exchange.h"
#include "levels/share.h"
#include "storage/file.h"

/* ---- a copy that is being received ---- */

struct crmpi_copy {
    struct crmpi_output output;
    uint64_t bytes, done;
};

/**
 * Begin a copy of a file of rank @p owner, in what was one that its owner has no more: all
 * of these are dropped.
 * @param numbers  checkpoints that the owner has files of
 */
enum crmpi_status crmpi_copy_begin(struct crmpi_copy *copy, const char *home,
                                   uint32_t owner, const struct crmpi_exchange_head *head,
                                   const uint64_t *numbers);

/**
 * Take bytes that have arrived; @p pipe is empty before and after.
 * @param[out] taken_out  how many bytes have left the socket, whatever the status; 0: none
 *                        is there now, or the connection has ended (*ended_out)
 */
enum crmpi_status crmpi_copy_take(struct crmpi_copy *copy, int fd, int pipe[2],
                                  size_t *taken_out, int *ended_out);

enum crmpi_status crmpi_copy_finish(struct crmpi_copy *copy);
void crmpi_copy_abandon(struct crmpi_copy *copy);

/* ---- the share that is being made ---- */

struct crmpi_assembly {
    char home[4096];
    char job_id[64];
    struct crmpi_erasure code;
    unsigned n, self; /* members, and this rank's place among them */
    uint32_t members[CRMPI_ERASURE_MEMBERS_MAX];
    uint64_t attempt;     /* that it is of; 0: none */
    uint64_t begun, done; /* bits: members who have begun, and whose streams are in it */
    int64_t moved_ms;     /* when something came for it */
    enum crmpi_status status;
    int is_complete, is_open;
    struct crmpi_output output;
    struct crmpi_share_member facts[CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char *memory, *touched;
    uint64_t n_blocks;
};

/** A member's stream begins, or there will be none (MISSING). */
enum crmpi_status crmpi_assembly_begin(struct crmpi_assembly *assembly, unsigned member,
                                       const struct crmpi_exchange_head *head);

/** Add a piece of it. */
void crmpi_assembly_add(struct crmpi_assembly *assembly,
                        const struct crmpi_erasure_piece *piece, const void *data);

/** A stream has ended; the last one puts the share into its place. */
void crmpi_assembly_end(struct crmpi_assembly *assembly, unsigned member);

/** It cannot be made. */
void crmpi_assembly_fail(struct crmpi_assembly *assembly, enum crmpi_status status);

#endif
