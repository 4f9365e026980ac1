/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a history was told: the checkpoints of each rank with what they depend on, and
 * lines.  Private to lib/recovery.
 */
#ifndef CRMPI_RECOVERY_RECORDS_H
#define CRMPI_RECOVERY_RECORDS_H

#include "recovery/history.h"

struct crmpi_record {
    struct crmpi_checkpoint about; /* without edges */
    int is_known;                  /* what it depends on */
    struct crmpi_dependencies dependencies;
};

struct crmpi_task_records {
    struct crmpi_record *items; /* by number */
    size_t n, room;
};

struct crmpi_known_line {
    uint64_t number;
    uint64_t *sn; /* of each rank */
};

struct crmpi_records {
    struct crmpi_task_records *tasks; /* by rank */
    struct crmpi_known_line *lines;   /* by number */
    size_t n_lines;
};

/** The record of a checkpoint; NULL if there is none. */
struct crmpi_record *crmpi_record_find(const struct crmpi_task_records *task, uint64_t sn);

/** The line of this number; NULL if it is not known. */
const struct crmpi_known_line *crmpi_known_line(const struct crmpi_records *records,
                                                uint64_t number);

/** The stream of a key; NULL if there is none. */
const struct crmpi_stream *crmpi_stream_find(const struct crmpi_dependencies *dependencies,
                                             uint64_t comm, uint32_t peer, int32_t tag);

/** Derive the edges of a history whose entities are there: recovery/derive.c. */
enum crmpi_status crmpi_history_derive(const struct crmpi_history *history,
                                       struct crmpi_graph *graph);

#endif
