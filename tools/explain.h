/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A history and a recovery line in words.  Tools.
 */
#ifndef CRMPI_TOOLS_EXPLAIN_H
#define CRMPI_TOOLS_EXPLAIN_H

#include <stdio.h>
#include "tools/graph.h"

/* Each in one of a few buffers that take turns. */
/** "checkpoint 7", "the beginning", "the running state". */
const char *explain_sn_text(uint64_t sn);
/** Who went back and why: a sentence without the full stop. */
const char *explain_step_text(const struct graph_subject *subject, size_t step);
/** How many steps are told of. */
size_t explain_n_steps(const struct graph_subject *subject);
/** Who fails, and what becomes of it: likewise. */
const char *explain_outcome_text(const struct graph_subject *subject);

/* What a line has in transit. */
struct explain_transit {
    int is_unknown; /* what is needed to tell cannot be read */
    uint64_t n_messages, n_streams;
};

/** Write all there is to say, without @p transit if that is NULL; what went wrong is told by ferror(). */
void explain(const struct graph_subject *subject, const struct explain_transit *transit,
             FILE *out);

#endif
