/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words before the program on a launcher's command line: found when a job starts,
 * kept in its recovery lines, used by crmpi-restart to start it the same way.  Lower half
 * and tools.
 *
 * A record is the words one after the other, each ended by a zero byte: the launcher,
 * then "-x CRMPI_...=VALUE" for what was configured, then its options but the number of
 * ranks.  Of several programs (mpirun ./a : ./b) those of the first, and those of the others
 * that are for all.
 */
#ifndef CRMPI_JOB_LAUNCHER_H
#define CRMPI_JOB_LAUNCHER_H

#include <stddef.h>
#include "base/status.h"

/* Words that grow; ended by NULL for execvp(). */
struct crmpi_words {
    char **items;
    size_t n;
};

/** Append a copy of @p word. */
enum crmpi_status crmpi_words_add(struct crmpi_words *words, const char *word);
void crmpi_words_fini(struct crmpi_words *words);

/** Make words of a block of strings that are each ended by a zero byte. */
enum crmpi_status crmpi_words_split(struct crmpi_words *words_out, const char *bytes,
                                    size_t n);
/** The opposite: one block from malloc(). */
enum crmpi_status crmpi_words_join(const struct crmpi_words *words, char **bytes_out,
                                   size_t *n_out);

/** Encode words as the text of one environment variable, from malloc(); and back. */
char *crmpi_words_encode(const struct crmpi_words *words);
enum crmpi_status crmpi_words_decode(struct crmpi_words *words_out, const char *text);

/** Tell whether @p word is, by its last component, the launcher of Open MPI. */
int crmpi_launcher_is_mpirun(const char *word);

/** How many of mpirun's words, itself included, come before the program; 0: unclear. */
size_t crmpi_launcher_options_end(char *const *words, size_t n);

/**
 * Take out of mpirun's words the options that @p options, ended by NULL, set anew: of an option
 * that is there twice Open MPI 5.0 takes the first, or ends with an error.  Whatever says which hosts
 * there are counts as one; an MCA parameter and a variable (-x) are options of their own.
 */
void crmpi_launcher_replace(struct crmpi_words *words, char *const *options);

/** Have the files and folders that mpirun's options name, for whichever of its programs, seen from
 * anywhere: they are relative to @p cwd. */
enum crmpi_status crmpi_launcher_absolute(struct crmpi_words *words, const char *cwd);

/**
 * Make the record of the job that this process, rank 0, belongs to: from CRMPI_LAUNCHER
 * or from the command line of the mpirun among its ancestors.
 * @param[out] bytes_out  from malloc(); NULL if the launcher is not known
 */
enum crmpi_status crmpi_launcher_record(char **bytes_out, size_t *n_out);

#endif
