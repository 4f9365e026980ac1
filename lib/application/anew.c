/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Restarts that start the program anew (see anew.h).  Lower half.
 *
 *   crmpi-host --restore DIR --at N   finds no process in the file: executes the program,
 *                                     with libcrmpi.so preloaded and N in CRMPI_ANEW
 *   MPI_Init                          opens the file again
 *   CRMPI_Restore                     fills the regions from it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "application/anew.h"
#include "base/config.h"
#include "base/log.h"
#include "base/own.h"
#include "capture/names.h"
#include "levels/levels.h"

static struct crmpi_reader *opened; /* NULL: this process was not started anew */
static int is_restored;

/*
 * Starting the program
 */

static enum crmpi_status environment_set(const char *dir, uint64_t line)
{
    const char *preload = getenv("LD_PRELOAD"), *refusal;
    char host[4096], library[4096], number[32];
    ssize_t n = readlink("/proc/self/exe", host, sizeof host - 1);
    char *both = NULL;

    host[n > 0 ? n : 0] = '\0';
    if (crmpi_own_find("CRMPI_LIB", CRMPI_LIBRARY_NAME, host, CRMPI_LIBEXECDIR,
                       CRMPI_LIBDIR, library, sizeof library) != 0) {
        crmpi_error("%s: %s; install crmpi, or say with CRMPI_LIB where it is", library,
                    strerror(errno));
        return CRMPI_ERR_USAGE;
    }
    if ((refusal = crmpi_own_preload_refusal(library))) {
        crmpi_error("%s: %s", library, refusal);
        return CRMPI_ERR_USAGE;
    }
    snprintf(number, sizeof number, "%llu", (unsigned long long)line);
    if (asprintf(&both, "%s%s%s", library, preload && *preload ? ":" : "",
                 preload ? preload : "") < 0)
        return CRMPI_ERR_NOMEM;
    setenv("LD_PRELOAD", both, 1);
    setenv("CRMPI_HOST", host, 0);
    setenv("CRMPI_DIR", dir, 1);
    setenv("CRMPI_SAVE", "named", 1);
    setenv("CRMPI_ANEW", number, 1);
    free(both);
    return CRMPI_OK;
}

/* The words of the command line, which lie behind the record's head. */
static char **words_of(struct crmpi_command *command, size_t bytes)
{
    char *text = (char *)(command + 1);
    char **words;
    size_t n = 0;

    if (bytes <= sizeof *command || command->directory[sizeof command->directory - 1])
        return NULL;
    bytes -= sizeof *command;
    for (size_t i = 0; i < bytes; i++)
        n += text[i] == '\0';
    if (text[bytes - 1] != '\0' || n != command->n_words)
        return NULL;
    words = calloc(n + 1, sizeof *words);
    for (size_t i = 0; words && i < n; i++, text += strlen(text) + 1)
        words[i] = text;
    return words;
}

enum crmpi_status crmpi_anew_start(struct crmpi_reader *reader, const char *dir,
                                   uint64_t line)
{
    char program[sizeof crmpi_reader_job(reader)->program];
    struct crmpi_command *command;
    size_t bytes;
    enum crmpi_status status = crmpi_reader_verify(reader, NULL, NULL);
    char **words;

    /* damage is found now, where another line can be tried */
    if (status == CRMPI_OK)
        status =
            crmpi_reader_record(reader, CRMPI_RECORD_COMMAND, (void **)&command, &bytes);
    if (status != CRMPI_OK)
        return status;
    if (!(words = words_of(command, bytes))) {
        crmpi_error("the checkpoint does not tell how the program was started");
        return CRMPI_ERR_CORRUPT;
    }
    snprintf(program, sizeof program, "%s", crmpi_reader_job(reader)->program);
    status = environment_set(dir, line);
    if (status != CRMPI_OK)
        return status;
    if (command->directory[0] && chdir(command->directory) != 0) {
        crmpi_error("cannot go to the working directory %s: %s", command->directory,
                    strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    crmpi_reader_close(reader);
    execv(program, words);
    crmpi_error("cannot start %s anew: %s", program, strerror(errno));
    return CRMPI_ERR_SYSTEM;
}

/*
 * In the program
 */

enum crmpi_status crmpi_anew_open(uint32_t world_rank, struct crmpi_job *job_out,
                                  int *found_out)
{
    const char *number = getenv("CRMPI_ANEW");
    uint64_t number_of_line = number ? strtoull(number, NULL, 10) : 0;
    uint64_t incarnation;
    int in_transit;
    enum crmpi_status status;

    *found_out = number != NULL;
    if (!number)
        return CRMPI_OK;
    status = crmpi_levels_open(crmpi_config.dir, world_rank, number_of_line, &opened,
                               &incarnation, &in_transit);
    if (status != CRMPI_OK)
        return status;
    *job_out = *crmpi_reader_job(opened);
    job_out->incarnation = incarnation + 1;
    job_out->restored = number_of_line;
    return CRMPI_OK;
}

int crmpi_anew_is(void)
{
    return opened != NULL;
}

int crmpi_anew_waits(void)
{
    return opened && !is_restored;
}

static const struct crmpi_named *find(const char *name, size_t *index_out)
{
    const struct crmpi_named *named;
    size_t n;

    crmpi_reader_named(opened, &named, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(named[i].name, name) == 0) {
            *index_out = i;
            return &named[i];
        }
    return NULL;
}

/* "float[10][20]" */
static const char *describe(const struct crmpi_named *named, char *text, size_t bytes)
{
    static const char *const types[] = {"?",      "int8",  "uint8",  "int16",
                                        "uint16", "int32", "uint32", "int64",
                                        "uint64", "float", "double"};
    size_t used = 0, n_types = sizeof types / sizeof types[0];

    used += (size_t)snprintf(text, bytes, "%s",
                             types[named->type < n_types ? named->type : 0]);
    for (uint32_t i = 0; i < named->n_dims && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "[%llu]",
                                 (unsigned long long)named->dims[i]);
    return text;
}

static int is_same(const struct crmpi_named *a, const struct crmpi_named *b)
{
    return a->type == b->type && a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, a->n_dims * sizeof a->dims[0]) == 0;
}

enum crmpi_status crmpi_anew_check(void)
{
    const struct crmpi_application *application = crmpi_control->application;
    enum crmpi_status status = CRMPI_OK;
    char is[256], was[256];
    size_t index;

    for (const struct crmpi_name *n = application ? application->names : NULL; n;
         n = n->next) {
        const struct crmpi_named *saved = find(n->named.name, &index);

        if (saved && is_same(saved, &n->named))
            continue;
        status = CRMPI_ERR_MISMATCH;
        if (!saved)
            crmpi_error("the checkpoint has no region named %s", n->named.name);
        else
            crmpi_error("the region named %s is %s, and was %s in the checkpoint",
                        n->named.name, describe(&n->named, is, sizeof is),
                        describe(saved, was, sizeof was));
    }
    return status;
}

enum crmpi_status crmpi_anew_restore(void)
{
    const struct crmpi_application *application = crmpi_control->application;
    enum crmpi_status status = CRMPI_OK;
    size_t index;

    for (const struct crmpi_name *n = application ? application->names : NULL;
         n && status == CRMPI_OK; n = n->next)
        if (find(n->named.name, &index))
            status = crmpi_reader_named_read(opened, index, (void *)n->named.start);
    is_restored = status == CRMPI_OK;
    return status;
}
