/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reed-Solomon codes over a group of k + m files, one of each member, such that any m of
 * the members may be lost with all they have: their files and what they hold for others.
 *
 * A file is cut into blocks, and k of them make a row.  Block d of row r in the file of
 * member i is element d of row r in stripe (i - m - d) mod (k + m).  The m parity blocks of
 * stripe s go to members s, s + 1, ..., s + m - 1, the k elements are of the others: no two
 * blocks of a stripe are at one member, and every member has as much to do.
 *
 *   k = 2, m = 2: who has what of each stripe (p0 p1: parity, d0 d1: data)
 *
 *             member 0   member 1   member 2   member 3
 *   stripe 0     p0         p1         d0         d1
 *   stripe 1     d1         p0         p1         d0
 *   stripe 2     d0         d1         p0         p1
 *   stripe 3     p1         d0         d1         p0
 *
 * A member's share has m blocks for each row: parity p of stripe (holder - p) mod (k + m) is
 * block r * m + p.  So neither the files' sizes nor their order have to be known while the
 * shares are made; what is behind a file's end counts as zero.
 *
 * The code is systematic, with a Cauchy matrix; the arithmetic is ISA-L's.  Pure: no
 * files, no memory but the caller's, no logs.  Lower half.
 */
#ifndef CRMPI_LEVELS_ERASURE_H
#define CRMPI_LEVELS_ERASURE_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#define CRMPI_ERASURE_MEMBERS_MAX 64                  /* k + m */
#define CRMPI_ERASURE_BLOCK_BYTES ((uint64_t)1 << 18) /* fits in a core's cache, twice */
#define CRMPI_ERASURE_FILE_MAX ((uint64_t)1 << 56)
#define CRMPI_ERASURE_TABLE_BYTES 32 /* ISA-L's, for a coefficient */

struct crmpi_erasure {
    unsigned k, m;
    unsigned char matrix[CRMPI_ERASURE_MEMBERS_MAX * CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char tables[CRMPI_ERASURE_TABLE_BYTES * CRMPI_ERASURE_MEMBERS_MAX *
                         CRMPI_ERASURE_MEMBERS_MAX / 4];
};

/** Make the code; CRMPI_ERR_USAGE unless k and m are at least 1 and k + m is at most
 * CRMPI_ERASURE_MEMBERS_MAX, CRMPI_ERR_UNSUPPORTED if ISA-L was not built in. */
enum crmpi_status crmpi_erasure_init(struct crmpi_erasure *code, unsigned k, unsigned m);

/** How many blocks the shares have, if the largest file of the group has so many bytes
 * (at most CRMPI_ERASURE_FILE_MAX). */
uint64_t crmpi_erasure_blocks(const struct crmpi_erasure *code, uint64_t largest_bytes);

/* ---- making shares ---- */

/* A piece of a member's file, and the block of a holder's share that it goes into. */
struct crmpi_erasure_piece {
    uint64_t offset; /* in the file */
    size_t bytes;    /* a block, or what there is of the last one */
    uint64_t block;  /* of the share */
    unsigned element, parity;
};

/**
 * Tell the next piece of a member's file that a holder needs, in the file's order.  The
 * sender and the holder of a stream walk along it with the same pieces.
 * @param[in,out] cursor  0 before the first
 * @return 0 at the end; there are none for a holder of its own file
 */
int crmpi_erasure_next(const struct crmpi_erasure *code, unsigned member, unsigned holder,
                       uint64_t file_bytes, uint64_t *cursor,
                       struct crmpi_erasure_piece *piece_out);

/**
 * Add a piece's bytes to its block.  In any order, but not two to one block at a time.
 * @param block  CRMPI_ERASURE_BLOCK_BYTES of the share
 * @param is_first  nothing was added to this block yet, whatever it holds
 */
void crmpi_erasure_add(const struct crmpi_erasure *code,
                       const struct crmpi_erasure_piece *piece, const void *data,
                       int is_first, void *block);

/* ---- rebuilding files ---- */

/* Where one of the blocks is that an element is computed from. */
struct crmpi_erasure_source {
    unsigned member; /* whose file or share it is in */
    int is_share;
    unsigned element; /* the element of a row, of a share: the parity */
};

/* How one element of a member's rows is computed from k blocks of others. */
struct crmpi_erasure_recipe {
    unsigned n; /* k */
    struct crmpi_erasure_source sources[CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char tables[CRMPI_ERASURE_TABLE_BYTES * CRMPI_ERASURE_MEMBERS_MAX];
};

/**
 * Find how element @p element of the rows of a lost file is computed: files are preferred
 * to shares.
 * @param files, shares  a bit for each member whose file or share there is
 * @return CRMPI_ERR_NOTFOUND: too much is lost
 */
enum crmpi_status crmpi_erasure_recipe(const struct crmpi_erasure *code, unsigned member,
                                       unsigned element, uint64_t files, uint64_t shares,
                                       struct crmpi_erasure_recipe *recipe_out);

/** How many members too many are lost for a lost file to be computed: 0 if it can be. */
unsigned crmpi_erasure_excess(const struct crmpi_erasure *code, unsigned member,
                              uint64_t files, uint64_t shares);

/** Where the block of a source begins in row @p row: a byte of the file, or of the share's
 * blocks. */
uint64_t crmpi_erasure_offset(const struct crmpi_erasure *code,
                              const struct crmpi_erasure_source *source, uint64_t row);

/**
 * Compute the element's first @p bytes.
 * @param blocks  of the recipe's sources, in its order; zeros behind a file's end
 */
void crmpi_erasure_rebuild(const struct crmpi_erasure_recipe *recipe,
                           const unsigned char *const *blocks, size_t bytes, void *out);

#endif
