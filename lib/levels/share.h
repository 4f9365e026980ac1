/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A share: the parity that one rank holds for the files of its group's checkpoint, as a
 * file (doc/format.md).  All numbers are little endian.
 *
 *   0        4096                     4096 + n_blocks * block_bytes      file_bytes
 *   | header | parity blocks          | checksums, XXH3-64 of each block |
 *
 * It is made in a mapping of its file: the blocks first, as the streams come (erasure.h),
 * then all else by crmpi_share_seal().  Lower half and tools.
 */
#ifndef CRMPI_LEVELS_SHARE_H
#define CRMPI_LEVELS_SHARE_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "levels/erasure.h"

#define CRMPI_SHARE_MAGIC "crmpi-s\x1a" /* 8 bytes */
#define CRMPI_SHARE_VERSION 1
#define CRMPI_SHARE_DATA_OFFSET ((uint64_t)4096)

/* A member of the group, and its file of the checkpoint.  It need not have one: then all
 * but its rank is zero, and so is what it adds. */
struct crmpi_share_member {
    uint32_t world_rank;
    uint32_t unused;
    uint64_t sn, incarnation;
    uint64_t file_bytes;
    uint64_t digest;                   /* of the file's seal */
    uint64_t parent_sn, parent_digest; /* of the file it is an increment of; sn 0: none */
};

/* The header as stored; members behind the last are all zero, as is the rest of the
 * page. */
struct crmpi_share {
    char magic[8];
    uint32_t version;
    uint32_t k, m;
    uint32_t holder; /* which of the members has this share */
    uint64_t file_bytes;
    uint64_t block_bytes;
    uint64_t n_blocks;
    uint64_t
        digest; /* XXH3-64 of the page but these 8 bytes, and the checksums behind the
                        blocks, taken as one */
    char job_id[64];
    struct crmpi_share_member members[CRMPI_ERASURE_MEMBERS_MAX];
};

/** The number in the names of a group's shares: the highest of its files'. */
uint64_t crmpi_share_number(const struct crmpi_share *share);

/** Size of the file of a share with so many blocks. */
uint64_t crmpi_share_file_bytes(uint64_t n_blocks);

/** Where in the file a block is. */
static inline uint64_t crmpi_share_block_offset(uint64_t block)
{
    return CRMPI_SHARE_DATA_OFFSET + block * CRMPI_ERASURE_BLOCK_BYTES;
}

/**
 * Finish a share: clear the blocks that nothing was added to, and write checksums and
 * header.  The numbers of blocks and bytes, and the digest, are computed.
 * @param share  k, m, holder, job_id and members
 * @param touched  for each block whether something was added to it
 * @param memory  the mapping of the whole file: crmpi_share_file_bytes(n_blocks), with
 *                n_blocks = crmpi_erasure_blocks() of the largest member's file
 * @return CRMPI_ERR_INTERNAL: the share does not make sense
 */
enum crmpi_status crmpi_share_seal(const struct crmpi_share *share,
                                   const unsigned char *touched, void *memory,
                                   uint64_t memory_bytes);

/**
 * Open a share for reading: a regular file nobody else may write, with every number
 * checked and the right digest.  Logs what is wrong.
 * @param[out] checksums_out  from malloc(); may be NULL
 */
enum crmpi_status crmpi_share_open(const char *path, struct crmpi_share *share_out,
                                   uint64_t **checksums_out, int *fd_out);

/** Check every block of a share that was opened; reads it all.  Logs what is wrong. */
enum crmpi_status crmpi_share_verify(const char *path, const struct crmpi_share *share,
                                     const uint64_t *checksums, int fd);

#endif
