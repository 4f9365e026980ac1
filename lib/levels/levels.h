/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Levels: where the files of ranks are, and what is done that they survive the loss of
 * nodes (CRMPI_LEVELS).  With no level but the global one they are in CRMPI_DIR.  Else the
 * files of a rank are on its node:
 *
 *   LOCAL/NODE/JOB_ID/ranks/RRRRRR/NNNNNN.h5          its own: laid out as CRMPI_DIR is
 *   LOCAL/NODE/JOB_ID/partner/RRRRRR/NNNNNN.h5        copies of files of rank RRRRRR, which
 *                                                     is on another node
 *   LOCAL/NODE/JOB_ID/erasure/RRRRRR/NNNNNN.share     the share that rank RRRRRR, on this
 *                                                     node, keeps for its group (erasure.h)
 *
 * and a courier copies those of every so many-th line to CRMPI_DIR/ranks.  Lines are in
 * CRMPI_DIR/lines always.  Lower half; the names, tools too.
 */
#ifndef CRMPI_LEVELS_LEVELS_H
#define CRMPI_LEVELS_LEVELS_H

#include <stddef.h>
#include <stdint.h>
#include "base/config.h"
#include "base/status.h"
#include "levels/topology.h"
#include "storage/container.h"

#define CRMPI_SHARE_SUFFIX ".share"

/* ---- names ---- */

/** Whether ranks keep their files on their nodes. */
int crmpi_levels_are_local(void);

/** "LOCAL/NODE/JOB_ID" */
enum crmpi_status crmpi_levels_home_of(const char *node, const char *job_id,
                                       char *path_out, size_t path_bytes);
/** Make it, with all above and ranks, partner and erasure below; refuse what others may
 * write. */
enum crmpi_status crmpi_levels_home_create(const char *node, const char *job_id);
/** "HOME/partner/000003/000012.h5"; makes the folder if @p make. */
enum crmpi_status crmpi_partner_path(const char *home, uint32_t owner, uint64_t sn,
                                     int make, char *path_out, size_t path_bytes);
/** "HOME/erasure/000003/000012.share" */
enum crmpi_status crmpi_share_path(const char *home, uint32_t holder, uint64_t sn,
                                   int make, char *path_out, size_t path_bytes);

/* ---- in the running job ---- */

/**
 * Be ready to protect files; collective over all ranks.
 * @param job  its id, ranks, policy and incarnation; kept
 * @param key  the same random bytes in all ranks; CRMPI_KEY_BYTES
 * Logs why if it fails; ranks that do not are to stop again.
 */
enum crmpi_status crmpi_levels_start(const struct crmpi_job *job,
                                     const unsigned char *key);

/** @param is_over  the job has come to its end: what it has on nodes is of no use */
void crmpi_levels_stop(int is_over);

/** Remove what another job, which is to be given up, has on this node. */
void crmpi_levels_discard(const char *job_id);

/** Where this rank's files are: for crmpi_rank_path() and crmpi_rank_prune(). */
const char *crmpi_levels_home(void);

/** The levels that a file has when it is committed; of enum crmpi_level. */
unsigned crmpi_levels_reached(void);

/** Whether files are sent to other nodes. */
int crmpi_levels_send(void);

/* A file of this rank that is about to be committed. */
struct crmpi_protected {
    uint64_t attempt; /* no other drain in the job has it */
    uint64_t sn, file_bytes, digest;
};

/**
 * Have other nodes keep what the levels ask for, and wait until they do.  In the thread for
 * what takes time.
 * @param is_given_up  asked now and then: no answer is needed any more
 * @param[out] why  on failure
 */
enum crmpi_status crmpi_levels_protect(const struct crmpi_protected *file,
                                       int (*is_given_up)(void), char *why,
                                       size_t why_bytes);

/** This rank has no file for the checkpoint: tell those who wait for it.  After a failure to
 * save, of an attempt in which all have been told to save. */
void crmpi_levels_missing(uint64_t attempt, uint64_t sn);

/** Rank 0: line @p line is committed, and may have to be copied to CRMPI_DIR. */
void crmpi_levels_committed(uint64_t line, const struct crmpi_line_rank *ranks);

/** Rank 0: wait until the newest line is in CRMPI_DIR, if that is one of the levels; while the
 * other ranks are alive. */
void crmpi_levels_settle(void);

/** The files of this rank that are kept, of those it has: others in CRMPI_DIR can go. */
void crmpi_levels_kept(const uint64_t *sn, size_t n);

/** List the files that are being copied to CRMPI_DIR, and must not be dropped yet. */
size_t crmpi_levels_needed(uint64_t *sn_out, size_t max);

/** Rank 0: the time that copying a line to CRMPI_DIR takes; 0: not known, or never done. */
double crmpi_levels_fill_seconds(void);

/** Add to a list of files that are kept, of @p n, those of this rank that others of its
 * group need for theirs.
 * @param max  room behind the list
 * @return how many were added */
size_t crmpi_levels_group_needs(const char *home, uint32_t world_rank, uint64_t *keep,
                                size_t n, size_t max);

/** Rank 0: the line that is being copied to CRMPI_DIR; 0: none. */
uint64_t crmpi_levels_line(void);

/** Rank 0: lines may be written or dropped by one thread at a time. */
void crmpi_levels_lock(void);
void crmpi_levels_unlock(void);

/**
 * Open the file that a line has of a rank, where it is on this node.
 * @param[out] incarnation_out  of the line
 * @param[out] in_transit_out   whether messages are, between its checkpoints
 */
struct crmpi_reader;
enum crmpi_status crmpi_levels_open(const char *dir, uint32_t world_rank,
                                    uint64_t line_number,
                                    struct crmpi_reader **reader_out,
                                    uint64_t *incarnation_out, int *in_transit_out);

#endif
