/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Choosing a recovery line and making the command that restarts a job from it.  Tools.
 */
#ifndef CRMPI_TOOLS_RESTART_H
#define CRMPI_TOOLS_RESTART_H

#include "job/launcher.h"
#include "storage/container.h"

/* Which line to choose.  One that is computed is written. */
struct tool_choice {
    uint64_t at;     /* this one; 0: the newest, or if there is more, or some of it is
                        lost, the newest checkpoints that go together */
    uint64_t after;  /* and numbered above this one */
    int verify;      /* a restart has found damage: read all files of the line */
    int dry;         /* write no line */
    int glance;      /* every rank of a job is choosing: open no rank files, and take one of
                        the lines there are */
    uint32_t world_rank; /* glance: which rank */
};

/**
 * Choose a line of DIR and read it, telling why newer ones cannot be used.  Logs why there
 * is none.
 */
enum crmpi_status tool_line_choose(const char *dir, const struct tool_choice *choice,
                                   struct crmpi_line *line_out);

/** Put what was configured when the line was made into the environment, unless it is set
 * there; the configuration has to be loaded again. */
void tool_line_settings(const struct crmpi_line *line);

/** Append the words that launch something in all ranks of a line's job.
 * @param extra  options for the launcher, or NULL */
void tool_launcher_command(const struct crmpi_line *line, char *const *extra,
                           struct crmpi_words *words);

/**
 * Make the command line that restarts @p line under its launcher.
 * @param extra  options for the launcher, or NULL
 * @param truncate  whether files are cut to the length they had
 */
void tool_restart_command(const struct crmpi_line *line, char *const *extra, int truncate,
                          struct crmpi_words *words_out);

/** Make the command that a rank itself runs, under a launcher's words or alone. */
void tool_host_command(uint64_t sn, int truncate, struct crmpi_words *words);

/** Give the host one more option, with a value unless that is NULL. */
void tool_host_option(const char *option, const char *value);

/** Tell whether a checksum in the line's files is wrong, after saying which.  Reads
 * all. */
int tool_line_is_damaged(const char *dir, const struct crmpi_line *line);

/** Tell whether the line's files are there, as far as a glance tells; says what is not. */
int tool_line_is_whole(const char *dir, const struct crmpi_line *line);

/** Take libcrmpi.so out of LD_PRELOAD: the host must not have it. */
void tool_preload_clean(void);

#endif
