/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: one table (config.c) defines, documents and validates every
 * variable. A variable is set in the environment, by the option of crmpi-run of the same
 * name (CRMPI_KEEP: --keep), or by a line NAME=VALUE of the file named by CRMPI_CONFIG;
 * the option wins over the environment and that over the file.  Lower half and tools.
 */
#ifndef CRMPI_BASE_CONFIG_H
#define CRMPI_BASE_CONFIG_H

#include <stddef.h>
#include "base/log.h"
#include "base/status.h"

#define CRMPI_INTERVAL_AUTO (-1.0)
#define CRMPI_TIME_LIMIT_SLURM (-1.0)

/* Bits: what the files of ranks get (lib/levels). */
enum crmpi_level {
    CRMPI_LEVEL_LOCAL = 1, /* on the rank's node: with all but GLOBAL alone */
    CRMPI_LEVEL_PARTNER = 2,
    CRMPI_LEVEL_ERASURE = 4,
    CRMPI_LEVEL_GLOBAL = 8, /* in CRMPI_DIR */
};
#define CRMPI_LEVELS_AUTO 0
struct crmpi_levels {
    unsigned set;  /* of enum crmpi_level */
    unsigned k, m; /* of erasure=K+M; 0, 0 without */
    unsigned every; /* lines; CRMPI_LEVELS_AUTO: as often as pays */
};

/* How increments find out what has changed. */
enum crmpi_changes { CRMPI_CHANGES_AUTO, CRMPI_CHANGES_PAGEMAP, CRMPI_CHANGES_HASH };

/* What a checkpoint has. */
enum crmpi_save {
    CRMPI_SAVE_IMAGE, /* the whole process */
    CRMPI_SAVE_NAMED, /* memory with a name */
};

enum crmpi_compress {
    CRMPI_COMPRESS_NONE,
    CRMPI_COMPRESS_LZ4,
    CRMPI_COMPRESS_ZSTD,
    CRMPI_COMPRESS_AUTO,
};

struct crmpi_config {
    char dir[4096];          /* absolute */
    double interval_seconds; /* 0: on request; CRMPI_INTERVAL_AUTO: by Daly's formula */
    double mtbf_seconds;     /* mean time between failures of the job's nodes together */
    char policy[32];
    unsigned log_limit_mib; /* of messages that a rank keeps for others' restarts */
    unsigned domino;        /* checkpoints that the line may fall behind a rank */
    unsigned keep;
    unsigned incremental;      /* increments between full checkpoints, at most */
    enum crmpi_changes changes;
    enum crmpi_compress compress;
    int async;                 /* threads go on while memory is being written */
    unsigned async_memory_mib; /* that this may take; 0: what there is room for */
    enum crmpi_log_level log;
    int truncate;
    unsigned file_limit_mib; /* of files that are saved with a rank */
    int file_journal;        /* other files that change are noted */
    int affinity_drop;       /* a restart does not bind threads as the program had */
    double quiesce_limit_seconds;
    int sync; /* 1: a file is durable when it is in its place (fsync) */
    struct crmpi_levels levels;
    char local[4096]; /* absolute; "": none */
    char nodes[4096]; /* names with commas between; "": nodes are hosts */
    double time_limit_seconds; /* 0: none; CRMPI_TIME_LIMIT_SLURM: what Slurm says */
    double time_margin_seconds;
    enum crmpi_save save;
    int stop_signal; /* to a rank: checkpoint the job and end it; 0: none */
};

/* A row of the table. */
struct crmpi_variable {
    const char *name;     /* "CRMPI_KEEP" */
    const char *argument; /* what its value is called in a help text: "N" */
    const char *fallback; /* the default, as text */
    const char *help;     /* one sentence without the full stop */
    enum crmpi_status (*parse)(const struct crmpi_variable *variable, const char *text,
                               void *field, char *why, size_t why_bytes);
    size_t offset;              /* of the field in struct crmpi_config */
    double min, max;            /* of a number */
    const char *const *choices; /* of a word, ended by NULL */
};
extern const struct crmpi_variable crmpi_variables[];
extern const size_t crmpi_n_variables;

/** The process's configuration; the defaults until crmpi_config_load() fills it. */
extern struct crmpi_config crmpi_config;

/**
 * Fill crmpi_config from the defaults, the file named by CRMPI_CONFIG (its variables are
 * put into the environment, unless they are there) and the environment.
 * @param[out] why  on CRMPI_ERR_USAGE, which variable is wrong and what it may be
 * The configuration is unchanged on failure.  Not thread safe: call it first thing in
 * main.
 */
enum crmpi_status crmpi_config_load(char *why, size_t why_bytes);

/** Check a value without keeping it; @p why as in crmpi_config_load(). */
enum crmpi_status crmpi_config_check(const struct crmpi_variable *variable,
                                     const char *text, char *why, size_t why_bytes);

/** The option of crmpi-run for a variable: "--quiesce-limit" for CRMPI_QUIESCE_LIMIT. */
void crmpi_variable_option(const struct crmpi_variable *variable, char *option_out,
                           size_t option_bytes);

/** Find a variable by its name or by its option; NULL if there is none. */
const struct crmpi_variable *crmpi_variable_find(const char *name_or_option);

#endif
