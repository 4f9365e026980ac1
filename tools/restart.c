/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a recovery line to the command that restarts the job.  Tools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/own.h"
#include "tools/restart.h"
#include "tools/tool.h"

/* ---- the command ---- */

static int has_word(const struct crmpi_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->items[i], word) == 0)
            return 1;
    return 0;
}

void tool_line_settings(const struct crmpi_line *line)
{
    struct crmpi_words record = {0};

    if (line->launcher == NULL ||
        crmpi_words_split(&record, line->launcher, line->launcher_bytes) != CRMPI_OK)
        return;
    for (size_t i = 1; i + 1 < record.n; i++) {
        char *value = strchr(record.items[i + 1], '=');
        if (strcmp(record.items[i], "-x") != 0 || value == NULL)
            continue;
        *value++ = '\0';
        if (crmpi_variable_find(record.items[i + 1]) != NULL)
            setenv(record.items[i + 1], value, 0);
    }
    crmpi_words_fini(&record);
}

/* What is behind -x is crmpi's own, or names a variable that is not set: mpirun would
 * complain. */
static int setting_is_stale(const char *setting)
{
    return strncmp(setting, "CRMPI_", 6) == 0 ||
           (strchr(setting, '=') == NULL && getenv(setting) == NULL);
}

static void add_recorded(const struct crmpi_words *record, struct crmpi_words *words)
{
    for (size_t i = 1; i < record->n; i++) {
        if (strcmp(record->items[i], "-x") == 0 && i + 1 < record->n &&
            setting_is_stale(record->items[i + 1])) {
            i++;
            continue;
        }
        tool_words_add(words, record->items[i]);
    }
}

static void make_mpirun(const struct crmpi_line *line, const struct crmpi_words *record,
                        struct crmpi_words *words)
{
    char n_ranks[16];

    snprintf(n_ranks, sizeof n_ranks, "%u", line->job.n_ranks);
    tool_words_add(words, record->n > 0 ? record->items[0] : "mpirun");
    tool_words_add_settings(words);
    if (record->n > 0)
        add_recorded(record, words);
    else
        tool_words_add(words, "--oversubscribe");
    if (geteuid() == 0 && !has_word(words, "--allow-run-as-root"))
        tool_words_add(words, "--allow-run-as-root");
    tool_words_add2(words, "-np", n_ranks);
}

static struct crmpi_words host_options;

void tool_host_option(const char *option, const char *value)
{
    tool_words_add(&host_options, option);
    if (value != NULL)
        tool_words_add(&host_options, value);
}

void tool_host_command(uint64_t sn, int truncate, struct crmpi_words *words)
{
    char host[4096], number[32];

    tool_path_find("CRMPI_HOST", CRMPI_HOST_NAME, CRMPI_LIBEXECDIR, host, sizeof host);
    snprintf(number, sizeof number, "%llu", (unsigned long long)sn);
    tool_words_add(words, host);
    tool_words_add2(words, "--restore", crmpi_config.dir);
    tool_words_add2(words, "--at", number);
    if (!truncate)
        tool_words_add(words, "--no-truncate");
    for (size_t i = 0; i < host_options.n; i++)
        tool_words_add(words, host_options.items[i]);
}

void tool_launcher_command(const struct crmpi_line *line, char *const *extra,
                           struct crmpi_words *words)
{
    struct crmpi_words record = {0};

    if (line->launcher != NULL &&
        crmpi_words_split(&record, line->launcher, line->launcher_bytes) != CRMPI_OK)
        crmpi_warn("the line does not tell how the job was launched: using mpirun");
    if (record.n > 0 && !crmpi_launcher_is_mpirun(record.items[0])) {
        for (size_t i = 0; i < record.n; i++)
            tool_words_add(words, record.items[i]);
    } else {
        make_mpirun(line, &record, words);
        if (extra != NULL)
            crmpi_launcher_replace(words, extra);
    }
    for (; extra != NULL && *extra != NULL; extra++)
        tool_words_add(words, *extra);
    crmpi_words_fini(&record);
}

void tool_restart_command(const struct crmpi_line *line, char *const *extra, int truncate,
                          struct crmpi_words *words_out)
{
    struct crmpi_words words = {0};

    tool_launcher_command(line, extra, &words);
    tool_host_command(line->job.sn, truncate, &words);
    *words_out = words;
}

void tool_preload_clean(void)
{
    const char *preload = getenv("LD_PRELOAD");
    char *copy = preload != NULL ? strdup(preload) : NULL, *rest = copy, *item;
    char kept[8192] = "";

    while ((item = strsep(&rest, ": ")) != NULL) {
        const char *slash = strrchr(item, '/');
        size_t used = strlen(kept);
        const char *name = slash != NULL ? slash + 1 : item;
        if (item[0] != '\0' && strcmp(name, "libcrmpi.so") != 0 &&
            strcmp(name, CRMPI_LIBRARY_NAME) != 0)
            snprintf(kept + used, sizeof kept - used, "%s%s", used ? ":" : "", item);
    }
    free(copy);
    if (preload != NULL && kept[0] == '\0')
        unsetenv("LD_PRELOAD");
    else if (preload != NULL)
        setenv("LD_PRELOAD", kept, 1);
}
