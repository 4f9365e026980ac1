/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes of trying to restore a line: how the ranks tell the tool that restarts the job,
 * as the launcher's status does not tell whose it is, nor why.  Lower half and tools.
 *
 *   DIR/restoring  text: the tool has begun; rank 0 removes it when all ranks are restored
 *   DIR/refused    text: the line cannot be restored, and why, by the first rank that found
 *
 * Both name the attempt, which the tool makes known to the ranks by CRMPI_ATTEMPT.
 */
#ifndef CRMPI_STORAGE_ATTEMPT_H
#define CRMPI_STORAGE_ATTEMPT_H

#include <stddef.h>
#include <stdint.h>

#define CRMPI_ATTEMPT_BYTES 40
#define CRMPI_REASON_BYTES 2048

enum crmpi_attempt_outcome {
    CRMPI_ATTEMPT_RESTORED, /* or it cannot be told */
    CRMPI_ATTEMPT_REFUSED,  /* a rank has said so */
    CRMPI_ATTEMPT_CUT,      /* it was ended otherwise before all ranks were restored */
};

struct crmpi_refusal {
    int exit_status; /* CRMPI_EXIT_DAMAGED, CRMPI_EXIT_UNFIT, or another one */
    uint32_t world_rank;
    char host[256];
    char reason[CRMPI_REASON_BYTES]; /* one line */
};

/** The tool begins: makes a name for the attempt and puts it into the environment. */
void crmpi_attempt_begin(const char *dir);

/** The tool, when the launcher has ended: what came of it.  Removes both files. */
enum crmpi_attempt_outcome crmpi_attempt_end(const char *dir,
                                             struct crmpi_refusal *refusal_out);

/** A rank: whether a tool will read and tell what crmpi_attempt_refuse() says. */
int crmpi_attempt_is_watched(void);

/** A rank refuses. */
void crmpi_attempt_refuse(const char *dir, const struct crmpi_refusal *refusal);

/** Rank 0: all ranks are restored. */
void crmpi_attempt_succeed(const char *dir);

#endif
