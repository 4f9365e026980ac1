/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tools share: options, paths, errors.  Tools.
 */
#ifndef CRMPI_TOOLS_TOOL_H
#define CRMPI_TOOLS_TOOL_H

#include <stddef.h>
#include "job/launcher.h"

enum { TOOL_FAILED = 1, TOOL_USAGE = 2 };

/** Take --help and --version, wherever they stand before a "--": print and exit. */
void tool_common_options(int argc, char **argv, const char *usage);

/** Print "crmpi: MESSAGE" and a hint at --help, and exit with TOOL_USAGE. */
void tool_usage(const char *tool, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/** If *@p i is @p option, with its value after it or behind "=": step over it and return
 * the value; NULL if it is another option.  A missing value is a usage error. */
const char *tool_option_value(const char *tool, int argc, char **argv, int *i,
                              const char *option);

/** Parse a whole number, or end with a usage error. */
unsigned long long tool_number(const char *tool, const char *option, const char *text);

/** calloc(), of at least one byte, that ends the process if there is no memory. */
void *tool_alloc(size_t n, size_t bytes);

/** Load the configuration, with CRMPI_DIR set to @p dir unless that is NULL; a wrong
 * value is a usage error. */
void tool_config_load(const char *tool, const char *dir);

/** crmpi_own_find() (base/own.h); ends the process if the file is not there. */
void tool_path_find(const char *variable, const char *name, const char *installed_dir,
                    char *path_out, size_t path_bytes);

/** Append a word, or two; end the process if there is no memory. */
void tool_words_add(struct crmpi_words *words, const char *word);
void tool_words_add2(struct crmpi_words *words, const char *first, const char *second);

/** Append "-x NAME=VALUE". */
void tool_words_add_setting(struct crmpi_words *words, const char *name,
                            const char *value);

/** Append "-x NAME=VALUE" for every configuration variable that is set, and for what else the
 * tools tell the ranks. */
void tool_words_add_settings(struct crmpi_words *words);

/** Append "-x CRMPI_LAUNCHER=..." with the command line @p launcher. */
void tool_words_add_launcher(struct crmpi_words *words,
                             const struct crmpi_words *launcher);

#endif
