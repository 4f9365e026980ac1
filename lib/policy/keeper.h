/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rank 0 knows of the checkpoints that ranks have taken alone, and the line that is
 * never given up.  Lower half and simulator; pure.
 *
 * The history begins with the base, the newest checkpoint that all ranks took together.
 * After each further checkpoint of a rank the line for the case that all ranks fail is
 * computed.  It only ever advances; a job that fails, wholly or in part, never goes back
 * behind it.  So older checkpoints of the ranks are of no use, nor are logged messages
 * that have been received in it.
 *
 * Memory: of each rank, what the checkpoints since the one in the line depend on: the
 * counters of its streams since the base, 80 bytes each, and of its communicators.  With
 * P ranks, s streams of a rank, and a line at most d checkpoints behind, that is
 * P * s * (d + 2) * 80 bytes, and half as much again while the line is computed.  s grows
 * until the next base with every new combination of communicator, peer and tag.
 */
#ifndef CRMPI_POLICY_KEEPER_H
#define CRMPI_POLICY_KEEPER_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "interaction/dependencies.h"

struct crmpi_keeper;

/* What has become of no use to a rank. */
typedef void crmpi_keeper_trim_fn(void *context, uint32_t world_rank, uint64_t sn,
                                  const struct crmpi_stream *arrived, size_t n_arrived);

/** NULL if there is no memory. */
struct crmpi_keeper *crmpi_keeper_create(uint32_t n_ranks);
void crmpi_keeper_destroy(struct crmpi_keeper *keeper);

/** All ranks have taken checkpoint @p base together, and their counters begin there: the
 * history begins anew.  If there is no memory, nothing will fit into it. */
void crmpi_keeper_reset(struct crmpi_keeper *keeper, uint64_t base);

/**
 * Add a checkpoint that @p world_rank has taken alone.
 * @param packed  by crmpi_dependencies_pack(), from that rank
 * Returns CRMPI_ERR_CORRUPT if it does not fit into the history, CRMPI_ERR_NOMEM.  The
 * history is then as it was; so the line may stay behind, which is safe.
 */
enum crmpi_status crmpi_keeper_add(struct crmpi_keeper *keeper, uint32_t world_rank,
                                   const void *packed, size_t n_bytes);

/**
 * Compute the line if that is due, and call @p trim for every rank for which something has
 * become of no use: its checkpoints before number sn, and the first `sent` messages of
 * each stream in `arrived`.  It is due after one checkpoint in sixteen ranks, and when the
 * line may be more than @p domino checkpoints behind: so the work grows as the number of
 * ranks, not as its square.
 */
enum crmpi_status crmpi_keeper_advance(struct crmpi_keeper *keeper, unsigned domino,
                                       crmpi_keeper_trim_fn *trim, void *context);

/** How many checkpoints the line, as far as it is known, is behind the newest one of a
 * rank, at most. */
size_t crmpi_keeper_lag(const struct crmpi_keeper *keeper);

#endif
