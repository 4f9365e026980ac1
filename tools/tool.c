/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tools share.  Tools.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/own.h"
#include "tools/tool.h"

void tool_common_options(int argc, char **argv, const char *usage)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(fflush(stdout) == 0 ? 0 : TOOL_FAILED);
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("crmpi %s\n", PACKAGE_VERSION);
            exit(fflush(stdout) == 0 ? 0 : TOOL_FAILED);
        }
    }
}

void tool_usage(const char *tool, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    crmpi_error("%s", text);
    fprintf(stderr, "Try '%s --help'.\n", tool);
    exit(TOOL_USAGE);
}

const char *tool_option_value(const char *tool, int argc, char **argv, int *i,
                              const char *option)
{
    size_t n = strlen(option);

    if (strncmp(argv[*i], option, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (argv[*i][n] != '\0')
        return NULL;
    if (*i + 1 >= argc)
        tool_usage(tool, "%s needs a value", option);
    return argv[++*i];
}

unsigned long long tool_number(const char *tool, const char *option, const char *text)
{
    unsigned long long number;
    char *end;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        tool_usage(tool, "%s %s: has to be a whole number", option, text);
    return number;
}

void *tool_alloc(size_t n, size_t bytes)
{
    void *memory = calloc(n > 0 ? n : 1, bytes);

    if (memory != NULL)
        return memory;
    crmpi_error("out of memory");
    exit(TOOL_FAILED);
}

void tool_config_load(const char *tool, const char *dir)
{
    char why[1024];

    if (dir != NULL && setenv("CRMPI_DIR", dir, 1) != 0) {
        crmpi_error("out of memory");
        exit(TOOL_FAILED);
    }
    if (crmpi_config_load(why, sizeof why) != CRMPI_OK)
        tool_usage(tool, "%s", why);
    crmpi_log_init(crmpi_config.log, -1);
}

void tool_path_find(const char *variable, const char *name, const char *installed_dir,
                    char *path_out, size_t path_bytes)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = '\0';
    if (crmpi_own_find(variable, name, self, CRMPI_BINDIR, installed_dir, path_out,
                       path_bytes) == 0)
        return;
    crmpi_error("%s: %s; install crmpi, or say with %s where %s is", path_out,
                strerror(errno), variable, name);
    exit(TOOL_FAILED);
}

void tool_words_add(struct crmpi_words *words, const char *word)
{
    if (crmpi_words_add(words, word) == CRMPI_OK)
        return;
    crmpi_error("out of memory");
    exit(TOOL_FAILED);
}

void tool_words_add2(struct crmpi_words *words, const char *first, const char *second)
{
    tool_words_add(words, first);
    tool_words_add(words, second);
}

void tool_words_add_setting(struct crmpi_words *words, const char *name,
                            const char *value)
{
    char *setting;

    if (asprintf(&setting, "%s=%s", name, value) < 0) {
        crmpi_error("out of memory");
        exit(TOOL_FAILED);
    }
    tool_words_add2(words, "-x", setting);
    free(setting);
}

void tool_words_add_settings(struct crmpi_words *words)
{
    static const char *const own[] = {"CRMPI_ATTEMPT", "CRMPI_DISCARD", "CRMPI_END_TIME",
                                      "CRMPI_RESTORING"};

    tool_words_add_setting(words, "CRMPI_DIR", crmpi_config.dir);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (getenv(own[i]) != NULL)
            tool_words_add_setting(words, own[i], getenv(own[i]));
    for (size_t i = 0; i < crmpi_n_variables; i++) {
        const char *name = crmpi_variables[i].name, *value = getenv(name);
        if (value != NULL && strcmp(name, "CRMPI_DIR") != 0)
            tool_words_add_setting(words, name, value);
    }
}

void tool_words_add_launcher(struct crmpi_words *words,
                             const struct crmpi_words *launcher)
{
    struct crmpi_words absolute = {0};
    char cwd[4096], *text = NULL;

    for (size_t i = 0; i < launcher->n; i++)
        tool_words_add(&absolute, launcher->items[i]);
    if (getcwd(cwd, sizeof cwd) == NULL ||
        crmpi_launcher_absolute(&absolute, cwd) == CRMPI_OK)
        text = crmpi_words_encode(&absolute);
    crmpi_words_fini(&absolute);
    if (text == NULL) {
        crmpi_error("out of memory");
        exit(TOOL_FAILED);
    }
    tool_words_add_setting(words, "CRMPI_LAUNCHER", text);
    free(text);
}
