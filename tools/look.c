/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-inspect graph and explain: look at the history that a directory holds.  Tool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/container.h"
#include "tools/explain.h"
#include "tools/graph.h"
#include "tools/look.h"
#include "tools/tool.h"

/* All that is needed of a directory. */
struct look {
    struct crmpi_line newest; /* for its job */
    struct crmpi_history history;
    struct crmpi_recovery_line line;
    int *failed; /* by entity; NULL: all */
    unsigned char *wanted;
    struct crmpi_edge **now; /* by entity */
    size_t *n_now;
};

/* ---- lists of ranks ---- */

/* Take "A" or "A-B" and the comma behind it; 0: that is something else. */
static int list_next(const char **list, unsigned long *from_out, unsigned long *to_out)
{
    char *end;
    errno = 0;
    if (**list < '0' || **list > '9')
        return 0;
    *from_out = *to_out = strtoul(*list, &end, 10);
    if (*end == '-') {
        if (end[1] < '0' || end[1] > '9')
            return 0;
        *to_out = strtoul(end + 1, &end, 10);
    }
    if (errno != 0 || *to_out < *from_out || (*end != '\0' && (*end != ',' || !end[1])))
        return 0;
    *list = *end ? end + 1 : end;
    return 1;
}

void look_list_check(const char *tool, const char *option, const char *list)
{
    const char *at = list;
    unsigned long from, to;
    do {
        if (!list_next(&at, &from, &to))
            tool_usage(tool, "%s %s: has to be ranks, such as 3 or 0-7,12", option, list);
    } while (*at);
}

/* Mark the ranks of a checked list. */
static enum crmpi_status list_mark(const char *list, uint32_t n_ranks, unsigned char *marks)
{
    unsigned long from, to;
    while (*list && list_next(&list, &from, &to)) {
        if (to >= n_ranks) {
            crmpi_error("there is no rank %lu, but 0 to %u only", to, n_ranks - 1);
            return CRMPI_ERR_USAGE;
        }
        memset(marks + from, 1, to - from + 1);
    }
    return CRMPI_OK;
}

/* ---- what running ranks have done ---- */

static uint64_t newest_sn(const struct crmpi_history *history, uint32_t entity)
{
    const struct crmpi_entity *one = &history->entities[entity];
    return one->checkpoints[one->n_checkpoints - 1].sn;
}

static size_t n_members(const struct crmpi_dependencies *all)
{
    size_t n = 0;
    for (size_t i = 0; all && i < all->n_collectives; i++)
        n += all->collectives[i].flow ? all->collectives[i].n_members : 0;
    return n;
}

/* No file tells what an entity has done since its newest checkpoint.  Suppose that it was
 * what it had done before that. */
static void now_suppose(struct look *look, uint32_t e)
{
    const struct crmpi_history *history = &look->history;
    const struct crmpi_entity *entity = &history->entities[e];
    const struct crmpi_checkpoint *newest = &entity->checkpoints[entity->n_checkpoints - 1];
    const struct crmpi_dependencies *all =
        entity->kind == CRMPI_ENTITY_TASK
            ? crmpi_history_dependencies(history, entity->rank, newest->sn)
            : NULL;
    struct crmpi_edge *edges = tool_alloc(newest->n_edges + n_members(all), sizeof *edges);
    size_t n = 0;
    for (; n < newest->n_edges; n++)
        edges[n] = newest->edges[n];
    for (size_t i = 0; all && i < all->n_collectives; i++) {
        const struct crmpi_collectives *one = &all->collectives[i];
        for (size_t k = 0; one->flow && k < one->n_members; k++) {
            uint32_t member = all->members[one->members + k];
            if (member != entity->rank && member < history->n_ranks)
                edges[n++] =
                    (struct crmpi_edge){.entity = member, .how = CRMPI_HOW_COLLECTIVE};
        }
    }
    for (size_t i = 0; i < n; i++)
        edges[i].interval = newest_sn(history, edges[i].entity) + 1;
    look->now[e] = edges;
    look->n_now[e] = n;
}

/* ---- reading ---- */

/* The newest line that can be read. */
static enum crmpi_status newest_read(const char *dir, struct crmpi_line *line_out)
{
    enum crmpi_status status;
    uint64_t *numbers;
    size_t n;
    status = crmpi_lines_list(dir, &numbers, &n);
    if (status != CRMPI_OK)
        return status;
    if (n == 0)
        crmpi_error("%s has no recovery line", dir);
    for (status = CRMPI_ERR_NOTFOUND; n > 0 && status != CRMPI_OK; n--)
        status = crmpi_line_read(dir, numbers[n - 1], line_out);
    free(numbers);
    return status;
}

static void look_fini(struct look *look)
{
    for (size_t i = 0; look->now && i < look->history.n_entities; i++)
        free(look->now[i]);
    free(look->now);
    free(look->n_now);
    free(look->failed);
    free(look->wanted);
    crmpi_recovery_line_fini(&look->line);
    crmpi_history_fini(&look->history);
    crmpi_line_free(&look->newest);
}

static enum crmpi_status options_take(struct look *look, const struct look_options *options)
{
    const struct crmpi_history *history = &look->history;
    unsigned char *failed = tool_alloc(history->n_ranks, 1);
    enum crmpi_status status = CRMPI_OK;
    look->now = tool_alloc(history->n_entities, sizeof *look->now);
    look->n_now = tool_alloc(history->n_entities, sizeof *look->n_now);
    look->wanted = tool_alloc(history->n_ranks, 1);
    if (options->ranks)
        status = list_mark(options->ranks, history->n_ranks, look->wanted);
    if (status == CRMPI_OK && options->failed) {
        status = list_mark(options->failed, history->n_ranks, failed);
        look->failed = tool_alloc(history->n_entities, sizeof *look->failed);
    }
    for (uint32_t e = 0; look->failed && e < history->n_entities; e++) {
        look->failed[e] = failed[history->entities[e].rank];
        if (!look->failed[e])
            now_suppose(look, e);
    }
    free(failed);
    return status;
}

static enum crmpi_status look_read(const char *dir, const struct look_options *options,
                                   struct look *look, struct graph_subject *subject_out)
{
    *look = (struct look){0};
    enum crmpi_status status = newest_read(dir, &look->newest);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_history_read(dir, &look->history);
    if (status == CRMPI_OK)
        status = options_take(look, options);
    if (status == CRMPI_OK) {
        status = crmpi_recovery_line(&look->history, look->failed,
                                     (const struct crmpi_edge *const *)look->now,
                                     look->n_now, &look->line);
        if (status != CRMPI_OK)
            crmpi_error("cannot compute a recovery line of %s: %s", dir,
                        crmpi_status_text(status));
    }
    *subject_out = (struct graph_subject){.history = &look->history,
                                          .line = &look->line,
                                          .failed = look->failed,
                                          .wanted = look->wanted,
                                          .job_id = look->newest.job.job_id,
                                          .program = look->newest.job.program,
                                          .policy = look->newest.job.policy};
    if (status != CRMPI_OK)
        look_fini(look);
    return status;
}

/* ---- writing ---- */

static FILE *output_open(const struct look_options *options)
{
    FILE *out = options->output ? fopen(options->output, "w") : stdout;
    if (!out)
        crmpi_error("cannot write %s: %s", options->output, strerror(errno));
    return out;
}

/* What goes wrong with standard output is for the caller to see. */
static int output_close(const struct look_options *options, FILE *out)
{
    if (!options->output)
        return 0;
    int wrong = ferror(out) != 0;
    if (fclose(out) == 0 && !wrong)
        return 0;
    crmpi_error("cannot write %s: %s", options->output, strerror(errno));
    return TOOL_FAILED;
}

static int is_dot(const struct look_options *options)
{
    const char *end = options->output ? strrchr(options->output, '.') : NULL;
    return options->as_dot || (end && (strcmp(end, ".dot") == 0 || strcmp(end, ".gv") == 0));
}

int look_graph(const char *dir, const struct look_options *options)
{
    struct look look;
    struct graph_subject subject;
    struct graph graph;
    int result = TOOL_FAILED;
    if (look_read(dir, options, &look, &subject) != CRMPI_OK)
        return TOOL_FAILED;
    FILE *out = output_open(options);
    if (out) {
        graph_make(&subject, &graph);
        (is_dot(options) ? graph_dot : graph_svg)(&graph, out);
        graph_fini(&graph);
        result = output_close(options, out);
    }
    look_fini(&look);
    return result;
}

/* What a restart from the line would send again; not if some ranks run on. */
static int transit_count(const struct look *look, struct explain_transit *transit_out)
{
    struct crmpi_late *late;
    size_t n;
    *transit_out = (struct explain_transit){0};
    for (uint32_t rank = 0; rank < look->history.n_ranks; rank++)
        if (look->line.sn[rank] == CRMPI_SN_NOW)
            return 0;
    if (crmpi_recovery_late(&look->history, look->line.sn, &late, &n) != CRMPI_OK) {
        transit_out->is_unknown = 1;
        return 1;
    }
    transit_out->n_streams = n;
    for (size_t i = 0; i < n; i++)
        transit_out->n_messages += late[i].sent - late[i].received;
    free(late);
    return 1;
}

int look_explain(const char *dir, const struct look_options *options)
{
    struct look look;
    struct graph_subject subject;
    struct explain_transit transit;
    if (look_read(dir, options, &look, &subject) != CRMPI_OK)
        return TOOL_FAILED;
    int is_counted = transit_count(&look, &transit);
    explain(&subject, is_counted ? &transit : NULL, stdout);
    look_fini(&look);
    return 0;
}
