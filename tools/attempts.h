/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines that a job was tried to be restarted from, and why they could not be restored;
 * and which one to try then.  Tools.
 */
#ifndef CRMPI_TOOLS_ATTEMPTS_H
#define CRMPI_TOOLS_ATTEMPTS_H

#include <stddef.h>
#include <stdint.h>

enum tool_outcome {
    TOOL_RAN,     /* all ranks were restored; what came then is the program's business */
    TOOL_DAMAGED, /* the line's files are damaged */
    TOOL_UNFIT,   /* the line cannot be restored here */
    TOOL_CUT,     /* it was ended before, and nobody has said why */
    TOOL_WRONG,   /* nor could any other line be */
};

#define TOOL_ATTEMPTS_MAX 64 /* lines that are told of in the end */

struct tool_attempts {
    uint64_t line;   /* that is being tried, by its number in the directory */
    unsigned n_cuts; /* attempts at it that were cut */
    struct {
        uint64_t line;
        char reason[512];
    } given_up[TOOL_ATTEMPTS_MAX];
    size_t n_given_up;
};

/** A line is about to be tried. */
void tool_attempt_begin(struct tool_attempts *attempts, uint64_t line);

/** The launcher has ended.  Says, once, why the line could not be restored. */
enum tool_outcome tool_attempt_end(struct tool_attempts *attempts, int exit_status);

/**
 * Find the newest line before the one that was tried that may do, of the same job.
 * @param after       no line up to this one
 * @param elsewhere   the files are on nodes: do not look for them
 * @return its number, or 0
 */
uint64_t tool_attempts_older(const struct tool_attempts *attempts, uint64_t after,
                             int elsewhere);

/** Give up the line that was tried for a reason that was not told by the ranks. */
void tool_attempts_give_up(struct tool_attempts *attempts, const char *reason);

/** Tell of all lines that were given up, if there are several. */
void tool_attempts_sum_up(const struct tool_attempts *attempts);

/** "line 7 of 2026-01-02 03:04:05"; a static buffer. */
const char *tool_line_text(uint64_t line);

#endif
