/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of configuration variables, and how it is filled.  Lower half and tools.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/duration.h"
#include "base/policies.h"

#define WRONG(...) (snprintf(why, why_bytes, __VA_ARGS__), CRMPI_ERR_USAGE)

static enum crmpi_status parse_path(const struct crmpi_variable *variable,
                                    const char *text, void *field, char *why,
                                    size_t why_bytes)
{
    const size_t bytes = sizeof((struct crmpi_config *)0)->dir;
    char here[sizeof((struct crmpi_config *)0)->dir] = "";

    if (text[0] == '\0')
        return WRONG("%s is empty; it has to name a directory", variable->name);
    if (text[0] != '/' && getcwd(here, sizeof here) == NULL)
        return WRONG("%s=%s: the working directory is gone; give an absolute path",
                     variable->name, text);
    while (strncmp(text, "./", 2) == 0)
        text += 2;
    /* leave room for what crmpi puts below the directory */
    if (snprintf(field, bytes, "%s%s%s", here, here[0] ? "/" : "", text) >
        (int)bytes - 64)
        return WRONG("%s: the path is too long", variable->name);
    return CRMPI_OK;
}

static enum crmpi_status parse_number(const struct crmpi_variable *variable,
                                      const char *text, double *value_out, char *why,
                                      size_t why_bytes)
{
    char *end;
    double value = strtod(text, &end);
    int within = value >= variable->min && value <= variable->max; /* and not NaN */

    if (end == text || *end != '\0' || isspace((unsigned char)text[0]) || !within)
        return WRONG("%s=%s: has to be a number from %.12g to %.12g", variable->name,
                     text, variable->min, variable->max);
    *value_out = value;
    return CRMPI_OK;
}

static enum crmpi_status parse_seconds(const struct crmpi_variable *variable,
                                       const char *text, void *field, char *why,
                                       size_t why_bytes)
{
    return parse_number(variable, text, field, why, why_bytes);
}

static enum crmpi_status parse_interval(const struct crmpi_variable *variable,
                                        const char *text, void *field, char *why,
                                        size_t why_bytes)
{
    if (strcmp(text, "auto") == 0) {
        *(double *)field = CRMPI_INTERVAL_AUTO;
        return CRMPI_OK;
    }
    if (parse_number(variable, text, field, why, why_bytes) == CRMPI_OK)
        return CRMPI_OK;
    return WRONG("%s=%s: has to be a number of seconds (0: on request only) or auto",
                 variable->name, text);
}

static enum crmpi_status parse_time_limit(const struct crmpi_variable *variable,
                                          const char *text, void *field, char *why,
                                          size_t why_bytes)
{
    if (strcmp(text, "slurm") == 0)
        *(double *)field = CRMPI_TIME_LIMIT_SLURM;
    else if (crmpi_duration_parse(text, field) != CRMPI_OK)
        return WRONG("%s=%s: has to be a number of seconds (0: no limit), H:MM:SS, "
                     "D-HH:MM:SS, or slurm",
                     variable->name, text);
    return CRMPI_OK;
}

static enum crmpi_status parse_count(const struct crmpi_variable *variable,
                                     const char *text, void *field, char *why,
                                     size_t why_bytes)
{
    double value;
    if (parse_number(variable, text, &value, why, why_bytes) != CRMPI_OK)
        return CRMPI_ERR_USAGE;
    if (value != (double)(unsigned)value)
        return WRONG("%s=%s: has to be a whole number", variable->name, text);
    *(unsigned *)field = (unsigned)value;
    return CRMPI_OK;
}

static int choice_index(const struct crmpi_variable *variable, const char *text)
{
    for (int i = 0; variable->choices[i] != NULL; i++)
        if (strcmp(variable->choices[i], text) == 0)
            return i;
    return -1;
}

/* The index of the word: for enumerations in the order of the choices, for 0 and 1. */
static enum crmpi_status parse_choice(const struct crmpi_variable *variable,
                                      const char *text, void *field, char *why,
                                      size_t why_bytes)
{
    char choices[128] = "";
    int index = choice_index(variable, text);

    if (index >= 0) {
        *(int *)field = index;
        return CRMPI_OK;
    }
    for (int i = 0; variable->choices[i] != NULL; i++) {
        size_t used = strlen(choices);
        snprintf(choices + used, sizeof choices - used, "%s%s", i ? ", " : "",
                 variable->choices[i]);
    }
    return WRONG("%s=%s: has to be one of: %s", variable->name, text, choices);
}

static enum crmpi_status parse_policy(const struct crmpi_variable *variable,
                                      const char *text, void *field, char *why,
                                      size_t why_bytes)
{
    if (choice_index(variable, text) < 0)
        return parse_choice(variable, text, NULL, why, why_bytes); /* it says why */
    snprintf(field, sizeof((struct crmpi_config *)0)->policy, "%s", text);
    return CRMPI_OK;
}

/* A directory that need not be given. */
static enum crmpi_status parse_optional_path(const struct crmpi_variable *variable,
                                             const char *text, void *field, char *why,
                                             size_t why_bytes)
{
    if (text[0] != '\0')
        return parse_path(variable, text, field, why, why_bytes);
    *(char *)field = '\0';
    return CRMPI_OK;
}

/* Read one of the words of CRMPI_LEVELS; 0 if it is none. */
static int parse_level(const char *word, struct crmpi_levels *levels)
{
    int end = 0;

    if (strcmp(word, "local") == 0) {
        levels->set |= CRMPI_LEVEL_LOCAL;
    } else if (strcmp(word, "partner") == 0) {
        levels->set |= CRMPI_LEVEL_LOCAL | CRMPI_LEVEL_PARTNER;
    } else if (sscanf(word, "erasure=%3u+%3u%n", &levels->k, &levels->m, &end) == 2 &&
               word[end] == '\0') {
        levels->set |= CRMPI_LEVEL_LOCAL | CRMPI_LEVEL_ERASURE;
        /* groups may have almost twice as many members, and a code 64 */
        return levels->k >= 1 && levels->k < 32 && levels->m >= 1 && levels->m < 32 &&
               levels->k + levels->m <= 32;
    } else if (strcmp(word, "global") == 0) {
        levels->set |= CRMPI_LEVEL_GLOBAL;
    } else if (strcmp(word, "global:auto") == 0) {
        levels->set |= CRMPI_LEVEL_GLOBAL;
        levels->every = CRMPI_LEVELS_AUTO;
    } else if (sscanf(word, "global:%6u%n", &levels->every, &end) == 1 &&
               word[end] == '\0') {
        levels->set |= CRMPI_LEVEL_GLOBAL;
        return levels->every >= 1 && levels->every < 1000000;
    } else {
        return 0;
    }
    return 1;
}

static enum crmpi_status parse_levels(const struct crmpi_variable *variable,
                                      const char *text, void *field, char *why,
                                      size_t why_bytes)
{
    struct crmpi_levels levels = {.every = 1};
    char copy[256], *rest = copy, *word;

    snprintf(copy, sizeof copy, "%s", text);
    while ((word = strsep(&rest, ",")) != NULL)
        if (!parse_level(word, &levels))
            return WRONG("%s=%s: has to be some of local, partner, erasure=K+M (together "
                         "at most 32), global, global:EVERY, global:auto, with commas "
                         "between",
                         variable->name, text);
    *(struct crmpi_levels *)field = levels;
    return CRMPI_OK;
}

/* Names of folders, with commas between. */
static enum crmpi_status parse_nodes(const struct crmpi_variable *variable,
                                     const char *text, void *field, char *why,
                                     size_t why_bytes)
{
    const size_t bytes = sizeof((struct crmpi_config *)0)->nodes;

    if (strlen(text) >= bytes)
        return WRONG("%s is longer than %zu bytes", variable->name, bytes - 1);
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == '/' ||
            ((c == text || c[-1] == ',') && (*c == '.' || *c == ',')))
            return WRONG("%s=%s: has to be names with commas between", variable->name,
                         text);
    if (text[0] != '\0' && text[strlen(text) - 1] == ',')
        return WRONG("%s=%s: ends with a comma", variable->name, text);
    strcpy(field, text);
    return CRMPI_OK;
}

static enum crmpi_status parse_signal(const struct crmpi_variable *variable,
                                      const char *text, void *field, char *why,
                                      size_t why_bytes)
{
    static const int numbers[] = {0, SIGTERM, SIGUSR1, SIGUSR2};
    int index;
    enum crmpi_status status = parse_choice(variable, text, &index, why, why_bytes);

    if (status == CRMPI_OK)
        *(int *)field = numbers[index];
    return status;
}

#define POLICY_NAME(name) #name,
static const char *const policies[] = {CRMPI_POLICIES(POLICY_NAME) NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const signals[] = {"none", "TERM", "USR1", "USR2", NULL};
static const char *const changes[] = {"auto", "pagemap", "hash", NULL};
static const char *const saves[] = {"image", "named", NULL};
static const char *const compress[] = {"none", "lz4", "zstd", "auto", NULL};
static const char *const off_on[] = {"0", "1", NULL};
static const char *const sync_words[] = {"none", "fsync", NULL};
static const char *const affinity_words[] = {"keep", "drop", NULL};

#define FIELD(name) offsetof(struct crmpi_config, name)
#define CENTURY 3155760000.0

const struct crmpi_variable crmpi_variables[] = {
    {"CRMPI_DIR", "DIR", "./crmpi.ckpt", "Directory that checkpoints go to", parse_path,
     FIELD(dir), 0, 0, NULL},
    {"CRMPI_INTERVAL", "SECONDS", "0",
     "Seconds between checkpoints; 0: on request only; auto: computed from the measured "
     "cost of a checkpoint and CRMPI_MTBF",
     parse_interval, FIELD(interval_seconds), 0, CENTURY, NULL},
    {"CRMPI_MTBF", "SECONDS", "86400",
     "Mean time between failures of all nodes of the job together, for "
     "CRMPI_INTERVAL=auto",
     parse_seconds, FIELD(mtbf_seconds), 1, CENTURY, NULL},
    {"CRMPI_POLICY", "NAME", "coordinated", "How ranks are brought to one recovery line",
     parse_policy, FIELD(policy), 0, 0, policies},
    {"CRMPI_LOG_LIMIT", "MIB", "256",
     "MiB of messages that a rank logs, for checkpoints without the other ranks",
     parse_count, FIELD(log_limit_mib), 0, 1 << 20, NULL},
    {"CRMPI_DOMINO", "N", "3",
     "Checkpoints of a rank alone that the recovery line may fall behind", parse_count,
     FIELD(domino), 1, 1000, NULL},
    {"CRMPI_KEEP", "N", "2", "Recovery lines that are kept", parse_count, FIELD(keep), 1,
     1000000, NULL},
    {"CRMPI_INCREMENTAL", "N", "0",
     "Increments that may follow a full checkpoint; 0: all are full", parse_count,
     FIELD(incremental), 0, 200, NULL},
    {"CRMPI_CHANGES", "HOW", "auto",
     "How changed memory is found: pagemap (the kernel tracks writes), hash, or auto: the "
     "first where it can be relied on",
     parse_choice, FIELD(changes), 0, 0, changes},
    {"CRMPI_COMPRESS", "HOW", "none",
     "Compression of checkpoints: none, lz4, zstd, or auto: where it makes saving faster",
     parse_choice, FIELD(compress), 0, 0, compress},
    {"CRMPI_ASYNC", "0|1", "0", "Let the program go on while memory is being written",
     parse_choice, FIELD(async), 0, 0, off_on},
    {"CRMPI_ASYNC_MEMORY", "MIB", "0",
     "MiB of a rank that may be in memory twice meanwhile; 0: its share of half of what is "
     "available",
     parse_count, FIELD(async_memory_mib), 0, 1 << 30, NULL},
    {"CRMPI_LOG", "LEVEL", "warn", "Messages shown: error, warn, info or debug",
     parse_choice, FIELD(log), 0, 0, levels},
    {"CRMPI_TRUNCATE", "0|1", "1",
     "At a restart, cut files that have grown since the checkpoint to their length at it",
     parse_choice, FIELD(truncate), 0, 0, off_on},
    {"CRMPI_FILE_LIMIT", "MIB", "256",
     "MiB of files open for writing that are saved with a rank; of larger ones, what is "
     "appended",
     parse_count, FIELD(file_limit_mib), 0, 1 << 19, NULL},
    {"CRMPI_FILE_JOURNAL", "0|1", "1",
     "Note which other files the program changes after a checkpoint, to undo that at a "
     "restart",
     parse_choice, FIELD(file_journal), 0, 0, off_on},
    {"CRMPI_AFFINITY", "keep|drop", "keep",
     "Whether a restart binds threads to processors as the program had, or leaves them "
     "where the launcher puts the rank",
     parse_choice, FIELD(affinity_drop), 0, 0, affinity_words},
    {"CRMPI_QUIESCE_LIMIT", "SECONDS", "60",
     "Seconds until a checkpoint that cannot bring all ranks to rest is given up",
     parse_seconds, FIELD(quiesce_limit_seconds), 0.1, 1000000, NULL},
    {"CRMPI_SYNC", "none|fsync", "none",
     "When a checkpoint counts as saved: when it is written, or when the disk has it",
     parse_choice, FIELD(sync), 0, 0, sync_words},
    {"CRMPI_SAVE", "WHAT", "image",
     "What is saved: image: the whole process; named: only memory that the program has "
     "named, and a restart starts the program anew",
     parse_choice, FIELD(save), 0, 0, saves},
    {"CRMPI_LEVELS", "LIST", "global",
     "Where checkpoints are kept: local, partner, erasure=K+M, global[:EVERY|:auto], with "
     "commas between",
     parse_levels, FIELD(levels), 0, 0, NULL},
    {"CRMPI_LOCAL", "DIR", "", "Directory on each node for CRMPI_LEVELS other than global",
     parse_optional_path, FIELD(local), 0, 0, NULL},
    {"CRMPI_NODES", "LIST", "",
     "Names of what fails together, for the ranks in their order, if not the hosts",
     parse_nodes, FIELD(nodes), 0, 0, NULL},
    {"CRMPI_TIME_LIMIT", "DURATION", "0",
     "Time that the job has: it is checkpointed and ends before; seconds, H:MM:SS, or "
     "slurm: what Slurm says; 0: no limit",
     parse_time_limit, FIELD(time_limit_seconds), 0, 0, NULL},
    {"CRMPI_TIME_MARGIN", "SECONDS", "10",
     "Seconds that have to be left of the time limit when that checkpoint is complete",
     parse_seconds, FIELD(time_margin_seconds), 0, 1000000, NULL},
    {"CRMPI_STOP_SIGNAL", "NAME", "none",
     "Signal to a rank that checkpoints the job and ends it: none, TERM, USR1 or USR2",
     parse_signal, FIELD(stop_signal), 0, 0, signals},
};
const size_t crmpi_n_variables = sizeof crmpi_variables / sizeof crmpi_variables[0];

struct crmpi_config crmpi_config = {
    .dir = "crmpi.ckpt",
    .interval_seconds = 0,
    .mtbf_seconds = 86400,
    .policy = "coordinated",
    .log_limit_mib = 256,
    .domino = 3,
    .keep = 2,
    .log = CRMPI_LOG_WARN,
    .truncate = 1,
    .file_limit_mib = 256,
    .file_journal = 1,
    .quiesce_limit_seconds = 60,
    .levels = {.set = CRMPI_LEVEL_GLOBAL, .every = 1},
    .time_margin_seconds = 10,
};

void crmpi_variable_option(const struct crmpi_variable *variable, char *option_out,
                           size_t option_bytes)
{
    snprintf(option_out, option_bytes, "--%s", variable->name + strlen("CRMPI_"));
    for (char *c = option_out; *c != '\0'; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
}

const struct crmpi_variable *crmpi_variable_find(const char *name_or_option)
{
    for (size_t i = 0; i < crmpi_n_variables; i++) {
        char option[64];
        crmpi_variable_option(&crmpi_variables[i], option, sizeof option);
        if (strcmp(crmpi_variables[i].name, name_or_option) == 0 ||
            strcmp(option, name_or_option) == 0)
            return &crmpi_variables[i];
    }
    return NULL;
}

enum crmpi_status crmpi_config_check(const struct crmpi_variable *variable,
                                     const char *text, char *why, size_t why_bytes)
{
    struct crmpi_config scratch;
    return variable->parse(variable, text, (char *)&scratch + variable->offset, why,
                           why_bytes);
}

static char *trim(char *text)
{
    char *end;
    while (isspace((unsigned char)*text))
        text++;
    end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/* Put a line NAME = VALUE into the environment unless the name is there already. */
static enum crmpi_status take_line(const char *path, unsigned number, char *line,
                                   char *why, size_t why_bytes)
{
    char *name = trim(line), *equals = strchr(name, '='), *value;
    const struct crmpi_variable *variable;

    if (name[0] == '\0' || name[0] == '#')
        return CRMPI_OK;
    if (equals == NULL)
        return WRONG("%s line %u: has to be NAME=VALUE", path, number);
    *equals = '\0';
    name = trim(name);
    value = trim(equals + 1);
    variable = crmpi_variable_find(name);
    if (variable == NULL)
        return WRONG("%s line %u: there is no variable \"%s\"", path, number, name);
    if (crmpi_config_check(variable, value, why, why_bytes) != CRMPI_OK) {
        char reason[512];
        snprintf(reason, sizeof reason, "%s", why);
        return WRONG("%s line %u: %s", path, number, reason);
    }
    if (setenv(variable->name, value, 0) != 0)
        return WRONG("%s line %u: no memory", path, number);
    return CRMPI_OK;
}

static enum crmpi_status load_file(const char *path, char *why, size_t why_bytes)
{
    enum crmpi_status status = CRMPI_OK;
    char line[8192];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return WRONG("CRMPI_CONFIG=%s: cannot be read: %s", path, strerror(errno));
    for (unsigned number = 1; status == CRMPI_OK && fgets(line, sizeof line, file);
         number++) {
        if (strchr(line, '\n') == NULL && !feof(file))
            status = WRONG("%s line %u: too long", path, number);
        else
            status = take_line(path, number, line, why, why_bytes);
    }
    if (status == CRMPI_OK && ferror(file))
        status = WRONG("CRMPI_CONFIG=%s: cannot be read: %s", path, strerror(errno));
    fclose(file);
    return status;
}

enum crmpi_status crmpi_config_load(char *why, size_t why_bytes)
{
    struct crmpi_config loaded;
    const char *file = getenv("CRMPI_CONFIG");
    enum crmpi_status status;

    memset(&loaded, 0, sizeof loaded);
    if (file != NULL) {
        status = load_file(file, why, why_bytes);
        if (status != CRMPI_OK)
            return status;
    }
    for (size_t i = 0; i < crmpi_n_variables; i++) {
        const struct crmpi_variable *variable = &crmpi_variables[i];
        const char *text = getenv(variable->name);
        status = variable->parse(variable, text != NULL ? text : variable->fallback,
                                 (char *)&loaded + variable->offset, why, why_bytes);
        if (status != CRMPI_OK)
            return status;
    }
    if (loaded.levels.set & CRMPI_LEVEL_LOCAL && loaded.local[0] == '\0')
        return WRONG("CRMPI_LEVELS other than global needs CRMPI_LOCAL, a directory on "
                     "each node");
    if ((loaded.compress == CRMPI_COMPRESS_LZ4 && !CRMPI_HAVE_LZ4) ||
        (loaded.compress == CRMPI_COMPRESS_ZSTD && !CRMPI_HAVE_ZSTD))
        return WRONG("CRMPI_COMPRESS=%s: this crmpi was built without it",
                     compress[loaded.compress]);
    if (loaded.levels.set & CRMPI_LEVEL_ERASURE && !CRMPI_HAVE_ISAL)
        return WRONG("CRMPI_LEVELS=erasure: this crmpi was built without ISA-L; partner "
                     "needs none");
    if (loaded.save == CRMPI_SAVE_NAMED && strcmp(loaded.policy, "coordinated") != 0 &&
        strcmp(loaded.policy, "none") != 0)
        return WRONG("CRMPI_SAVE=named saves all ranks together, not by "
                     "CRMPI_POLICY=%s: that has to be coordinated",
                     loaded.policy);
    crmpi_config = loaded;
    return CRMPI_OK;
}
