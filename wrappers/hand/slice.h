/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A part of the data that a count and a datatype describe (lower half), so that a call
 * with much data can be made in parts, between which its thread may park.
 *
 * Positions are bytes of data from the beginning.  Those at which data may be cut are where
 * an element ends, or a block in one, as the recipe of the type says.
 */
#ifndef CRMPI_WRAPPERS_HAND_SLICE_H
#define CRMPI_WRAPPERS_HAND_SLICE_H

#include "wrappers/objects.h"

/* What a call is given for a part. */
struct crmpi_slice {
    MPI_Aint offset;   /* to add to the address */
    int count;
    MPI_Datatype type; /* lower */
    int is_made;       /* the type, for the slice: to be freed */
};

/* So many pieces of memory that lie together are not worth another call. */
#define CRMPI_SLICE_PIECES 8192
#define CRMPI_SLICE_BYTES (16 << 20) /* and so many bytes */

/** Tell cheaply whether the data may be too much for one call. */
static inline int crmpi_is_much(int count, MPI_Datatype type)
{
    const struct crmpi_type *recipe = CRMPI_EXTRA(type, type);

    return recipe && count > 0 && count * recipe->size > CRMPI_SLICE_PIECES;
}

/** Bytes of data; -1: not for @p type and @p count, which may be anything, to be cut. */
int64_t crmpi_slice_bytes(int count, MPI_Datatype type);

/** How many bytes one call should have at most. */
int64_t crmpi_slice_limit(int count, MPI_Datatype type);

/** The first position not before @p at where the data can be cut. */
int64_t crmpi_slice_cut(int count, MPI_Datatype type, int64_t at);

/** The data between two such positions.  Returns MPI_SUCCESS or an error. */
int crmpi_slice_make(MPI_Datatype type, int64_t from, int64_t to, struct crmpi_slice *out);

/** The same with nothing to add to the address. */
int crmpi_slice_place(struct crmpi_slice *slice);

void crmpi_slice_free(struct crmpi_slice *slice);

#endif
