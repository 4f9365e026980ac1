/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of lines that are kept on nodes, see nodes.h.  Tools.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "levels/inventory.h"
#include "storage/directory.h"
#include "tools/nodes.h"
#include "tools/text.h"
#include "tools/tool.h"

/* What the launcher's words "-x NAME=VALUE" say; NULL: nothing. */
static const char *setting_of(const struct crmpi_line *line, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; line->launcher && i < line->launcher_bytes;
         i += strlen(line->launcher + i) + 1) {
        const char *word = line->launcher + i;
        if (strncmp(word, name, length) == 0 && word[length] == '=')
            return word + length + 1;
    }
    return NULL;
}

const char *nodes_levels(const struct crmpi_line *line)
{
    static const struct {
        unsigned level;
        const char *name;
    } names[] = {{CRMPI_LEVEL_LOCAL, "local"},
                 {CRMPI_LEVEL_PARTNER, "partner"},
                 {CRMPI_LEVEL_ERASURE, "erasure"},
                 {CRMPI_LEVEL_GLOBAL, "global"}};
    static char text[64];
    unsigned levels = crmpi_line_levels(line);

    text[0] = '\0';
    if (levels & (CRMPI_LEVEL_PARTNER | CRMPI_LEVEL_ERASURE))
        levels &= ~(unsigned)CRMPI_LEVEL_LOCAL; /* which is understood */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (levels & names[i].level)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                     *text ? ", " : "", names[i].name);
    return *text ? text : "global";
}

int nodes_has_files(const struct crmpi_line *line)
{
    return (crmpi_line_levels(line) & CRMPI_LEVEL_LOCAL) != 0;
}

typedef int node_fn(const char *home, void *context);

/* Call for the line's job in each node's folder that is here, until one returns 1. */
static void each_node(const struct crmpi_line *line, node_fn *call, void *context)
{
    const char *local =
        crmpi_config.local[0] ? crmpi_config.local : setting_of(line, "CRMPI_LOCAL");
    char home[CRMPI_PATH_BYTES];
    struct dirent *entry;
    DIR *folder;
    int end = 0;

    if (!local || strchr(line->job.job_id, '/') || !(folder = opendir(local)))
        return;
    while (!end && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' &&
            snprintf(home, sizeof home, "%s/%s/%s", local, entry->d_name,
                     line->job.job_id) < (int)sizeof home &&
            access(home, F_OK) == 0)
            end = call(home, context);
    closedir(folder);
}

struct search {
    uint32_t world_rank;
    uint64_t sn;
    char *home;
};

static int is_in(const char *home, void *context)
{
    struct search *search = context;
    char path[CRMPI_PATH_BYTES];

    if (crmpi_rank_path(home, search->world_rank, search->sn, 0, path, sizeof path) !=
            CRMPI_OK ||
        access(path, F_OK) != 0)
        return 0;
    strcpy(search->home, home);
    return 1;
}

const char *nodes_home(const char *dir, const struct crmpi_line *line,
                       uint32_t world_rank)
{
    static char home[CRMPI_PATH_BYTES];
    struct search search = {world_rank, line->ranks[world_rank].sn, home};

    home[0] = '\0';
    if (is_in(dir, &search))
        return home;
    if (nodes_has_files(line))
        each_node(line, is_in, &search);
    return home[0] ? home : NULL;
}

/* Files of the line: which ranks' own, copies, shares. */
struct here {
    const struct crmpi_line *line;
    unsigned char *seen[3]; /* by rank */
};

static int node_look(const char *home, void *context)
{
    static const enum crmpi_copy_kind kinds[] = {CRMPI_COPY_OWN, CRMPI_COPY_PARTNER,
                                                 CRMPI_COPY_SHARE};
    struct here *here = context;

    for (int kind = 0; kind < 3; kind++) {
        struct crmpi_inventory found = {0};
        struct crmpi_copy about = {.kind = kinds[kind]};

        crmpi_inventory_list(&found, &about, home, here->line->job.job_id, 0, 1);
        for (size_t i = 0; i < found.n_copies; i++) {
            uint32_t rank = found.copies[i].world_rank;
            if (rank < here->line->job.n_ranks &&
                found.copies[i].sn == here->line->ranks[rank].sn &&
                (kind == 2 || found.copies[i].digest == here->line->ranks[rank].digest))
                here->seen[kind][rank] = 1;
        }
        crmpi_inventory_fini(&found);
    }
    return 0;
}

void nodes_print(const struct crmpi_line *line)
{
    static const char *const names[] = {"files of", "copies for", "shares of"};
    struct here here = {.line = line};
    uint32_t *ranks = tool_alloc(line->job.n_ranks, sizeof *ranks);
    const char *between = "";

    for (int kind = 0; kind < 3; kind++)
        here.seen[kind] = tool_alloc(line->job.n_ranks, 1);
    each_node(line, node_look, &here);
    printf("on this node ");
    for (int kind = 0; kind < 3; kind++) {
        size_t n = 0;
        for (uint32_t rank = 0; rank < line->job.n_ranks; rank++)
            if (here.seen[kind][rank])
                ranks[n++] = rank;
        if (n > 0) {
            printf("%s%s %s", between, names[kind], text_ranks(ranks, n));
            between = "; ";
        }
        free(here.seen[kind]);
    }
    printf("%s\n", *between ? "" : "nothing");
    free(ranks);
}
