/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Before a restart: the newest line whose files can be had, see fetch.h.  Lower half.
 *
 *   rank 0 reads the lines             the candidates, newest first
 *   each lists what its node has       then all have all lists
 *   for each candidate: copies that could be of use are read and checked, and the
 *     cheapest way to each file is found; the same for the files' parents
 *   files are brought, copies and shares made anew, the line's number written
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/fetch.h"
#include "levels/fetching.h"
#include "levels/gather.h"
#include "levels/levels.h"
#include "program/host.h"
#include "storage/container.h"
#include "storage/file.h"
#include "storage/lineage.h"
#include "storage/single.h"

struct options {
    uint64_t at, after;
};

/* ---- lines ---- */

/* What rank 0 tells of a line: this, and behind it the files. */
struct line_head {
    uint64_t number; /* 0: there is none */
    uint32_t n_ranks;
    char job_id[64];
};
struct line_file {
    uint64_t sn, digest, incarnation;
};

static int is_same_job(const struct crmpi_line *a, const struct crmpi_line *b)
{
    return strcmp(a->job.job_id, b->job.job_id) == 0 && a->job.n_ranks == b->job.n_ranks;
}

/* Whether a line is to be tried: first those of the execution that the newest is of, then
 * those that a restart gave up. */
static int is_candidate(const struct crmpi_lineage *all, const struct options *options,
                        size_t line, int given_up)
{
    enum crmpi_life life = all->lives[line];

    if (life == CRMPI_LIFE_UNREADABLE || all->numbers[line] <= options->after)
        return 0;
    if (options->at)
        return !given_up && all->numbers[line] == options->at;
    return (life == CRMPI_LIFE_OTHER) == given_up &&
           is_same_job(&all->lines[line], &all->lines[all->newest]);
}

/* The next candidate behind *turn; rank 0. */
static const struct crmpi_line *candidate_next(const struct crmpi_lineage *all,
                                               const struct options *options,
                                               size_t *turn)
{
    while (*turn < 2 * all->n) {
        size_t i = (*turn)++, line = all->n - 1 - i % all->n;
        if (is_candidate(all, options, line, i >= all->n))
            return &all->lines[line];
    }
    return NULL;
}

/* All get the line, or that there is none more.  Collective. */
static enum crmpi_status line_tell(struct crmpi_fetch *fetch,
                                   const struct crmpi_line *line,
                                   struct line_head *head_out)
{
    struct line_head head = {0};
    struct line_file *files = calloc(fetch->n_ranks, sizeof *files);
    struct crmpi_wants *wants = &fetch->generations[0];

    if (!files)
        PMPI_Abort(MPI_COMM_WORLD, 1);
    if (line) {
        head.number = line->job.sn;
        head.n_ranks = line->job.n_ranks;
        memcpy(head.job_id, line->job.job_id, sizeof head.job_id);
        for (uint32_t i = 0; i < fetch->n_ranks && i < head.n_ranks; i++)
            files[i] = (struct line_file){line->ranks[i].sn, line->ranks[i].digest,
                                          line->ranks[i].incarnation};
    }
    PMPI_Bcast(&head, sizeof head, MPI_BYTE, 0, MPI_COMM_WORLD);
    PMPI_Bcast(files, (int)(fetch->n_ranks * sizeof *files), MPI_BYTE, 0, MPI_COMM_WORLD);
    fetch->n_generations = 1;
    for (uint32_t i = 0; i < fetch->n_ranks; i++)
        wants->list[i] = (struct crmpi_want){.world_rank = i,
                                             .sn = files[i].sn,
                                             .digest = files[i].digest,
                                             .incarnation = files[i].incarnation};
    free(files);
    *head_out = head;
    return CRMPI_OK;
}

/* ---- what there is ---- */

static enum crmpi_status inventory_make(struct crmpi_fetch *fetch)
{
    const struct crmpi_topology *topology = &fetch->topology;
    static const enum crmpi_copy_kind kinds[] = {CRMPI_COPY_OWN, CRMPI_COPY_PARTNER,
                                                 CRMPI_COPY_SHARE};
    uint32_t node = topology->node_of[fetch->world_rank];
    struct crmpi_copy about = {.keeper = fetch->world_rank,
                               .node = node,
                               .kind = CRMPI_COPY_GLOBAL,
                               .world_rank = fetch->world_rank};
    enum crmpi_status status = crmpi_inventory_list_rank(&fetch->inventory, &about,
                                                         crmpi_config.dir, fetch->job_id);

    for (size_t i = 0; fetch->home[0] && i < sizeof kinds / sizeof *kinds; i++) {
        about.kind = kinds[i];
        if (status == CRMPI_OK)
            status =
                crmpi_inventory_list(&fetch->inventory, &about, fetch->home,
                                     fetch->job_id, topology->place_of[fetch->world_rank],
                                     topology->first[node + 1] - topology->first[node]);
    }
    status = crmpi_gather_status(status);
    return status == CRMPI_OK ? crmpi_gather_inventory(&fetch->inventory) : status;
}

static enum crmpi_status copy_check(const char *path, enum crmpi_copy_kind kind)
{
    struct crmpi_share share;
    uint64_t *checksums;
    int fd;
    enum crmpi_status status;

    if (kind != CRMPI_COPY_SHARE)
        return crmpi_single_check(path);
    status = crmpi_share_open(path, &share, &checksums, &fd);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_share_verify(path, &share, checksums, fd);
    free(checksums);
    close(fd);
    return status;
}

/* Check those of the marked copies that were not yet, each by its keeper; those in the
 * directory that all share only if @p global.  Collective. */
static enum crmpi_status copies_check(struct crmpi_fetch *fetch, int global)
{
    struct crmpi_inventory *inventory = &fetch->inventory;
    unsigned char *marks = calloc(inventory->n_copies + 1, 1);
    enum crmpi_status status = CRMPI_OK, found;
    char path[CRMPI_PATH_BYTES];

    if (!marks)
        PMPI_Abort(MPI_COMM_WORLD, 1);
    crmpi_plan_mark(inventory, &fetch->generations[fetch->n_generations - 1], marks);
    for (size_t i = 0; i < inventory->n_copies; i++) {
        struct crmpi_copy *copy = &inventory->copies[i];

        if (!marks[i] || copy->keeper != fetch->world_rank ||
            copy->state != CRMPI_COPY_UNSEEN ||
            (copy->kind == CRMPI_COPY_GLOBAL && !global))
            continue;
        found = crmpi_fetch_path(fetch, copy->kind, copy->world_rank, copy->sn, 0, path);
        if (found == CRMPI_OK)
            found = copy_check(path, copy->kind);
        copy->state = found == CRMPI_OK ? CRMPI_COPY_GOOD : CRMPI_COPY_DAMAGED;
        if (found == CRMPI_ERR_UNSUPPORTED) /* it may be right */
            status = found;
    }
    free(marks);
    status = crmpi_gather_status(status);
    return status == CRMPI_OK ? crmpi_gather_states(inventory, fetch->world_rank)
                              : status;
}

/* ---- a candidate ---- */

/* Make room for the parents of the newest generation, and fill in which they are. */
static int parents_add(struct crmpi_fetch *fetch)
{
    struct crmpi_wants *last, *next;
    int n = 0;

    next = realloc(fetch->generations,
                   (fetch->n_generations + 1) * sizeof *fetch->generations);
    if (next)
        fetch->generations = next;
    if (!next ||
        !(next[fetch->n_generations].list = calloc(fetch->n_ranks, sizeof *next->list)))
        PMPI_Abort(MPI_COMM_WORLD, 1);
    last = &fetch->generations[fetch->n_generations - 1];
    next = &fetch->generations[fetch->n_generations];
    next->n_ranks = fetch->n_ranks;
    for (uint32_t i = 0; i < fetch->n_ranks; i++) {
        next->list[i].world_rank = i;
        if (last->list[i].sn == 0 || last->list[i].parent_sn == 0)
            continue;
        next->list[i].sn = last->list[i].parent_sn;
        next->list[i].digest = last->list[i].parent_digest;
        n++;
    }
    if (n > 0)
        fetch->n_generations++;
    else
        free(next->list);
    return n;
}

static void generations_drop(struct crmpi_fetch *fetch)
{
    while (fetch->n_generations > 1)
        free(fetch->generations[--fetch->n_generations].list);
}

/* Whether there are shares, and nothing here that could use them. */
static int has_idle_shares(const struct crmpi_inventory *inventory)
{
    for (size_t i = 0; !CRMPI_HAVE_ISAL && i < inventory->n_copies; i++)
        if (inventory->copies[i].kind == CRMPI_COPY_SHARE)
            return 1;
    return 0;
}

/* Find out whether all of a line can be had, and how.
 * @return CRMPI_ERR_NOTFOUND: it cannot; CRMPI_ERR_UNSUPPORTED: perhaps by another build.
 *         Collective, the same in all */
static enum crmpi_status candidate_look(struct crmpi_fetch *fetch)
{
    enum crmpi_status status = CRMPI_OK;

    do {
        struct crmpi_wants *wants = &fetch->generations[fetch->n_generations - 1];
        int global = fetch->at_home == CRMPI_COPY_GLOBAL;

        status = copies_check(fetch, global);
        if (status == CRMPI_OK && crmpi_plan_find(&fetch->inventory, &fetch->topology,
                                                  fetch->at_home, wants) > 0) {
            status = copies_check(fetch, 1);
            if (status == CRMPI_OK && crmpi_plan_find(&fetch->inventory, &fetch->topology,
                                                      fetch->at_home, wants) > 0)
                status = has_idle_shares(&fetch->inventory) ? CRMPI_ERR_UNSUPPORTED
                                                            : CRMPI_ERR_NOTFOUND;
        }
    } while (status == CRMPI_OK && parents_add(fetch) > 0);
    return status;
}

/* ---- the result ---- */

static enum crmpi_status result_write(uint64_t number)
{
    char path[CRMPI_PATH_BYTES], text[32];
    struct iovec iov = {
        text, (size_t)snprintf(text, sizeof text, "%llu\n", (unsigned long long)number)};
    struct crmpi_output output;
    enum crmpi_status status;

    if (snprintf(path, sizeof path, "%s/" CRMPI_FETCHED_NAME, crmpi_config.dir) >=
        (int)sizeof path)
        return CRMPI_ERR_USAGE;
    status = crmpi_output_open(path, &output);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_output_write(&output, &iov, 1, 0);
    if (status == CRMPI_OK)
        return crmpi_output_commit(&output, iov.iov_len, 0);
    crmpi_output_abandon(&output);
    return status;
}

/* All is known: do it.  Collective. */
static enum crmpi_status fetch_line(struct crmpi_fetch *fetch, uint64_t number,
                                    int is_older)
{
    unsigned made[2] = {0};
    enum crmpi_status status = CRMPI_OK;

    if (fetch->at_home == CRMPI_COPY_OWN)
        status = crmpi_levels_home_create(
            fetch->topology.names[fetch->topology.node_of[fetch->world_rank]],
            fetch->job_id);
    status = crmpi_gather_status(status);
    if (status == CRMPI_OK)
        status = crmpi_fetch_bring(fetch);
    if (status != CRMPI_OK) {
        if (fetch->world_rank == 0)
            crmpi_error("the files of line %llu could not be brought to their nodes: %s",
                        (unsigned long long)number, crmpi_status_text(status));
        return status;
    }
    status = crmpi_fetch_protect(fetch);
    if (status == CRMPI_OK)
        crmpi_fetch_tidy(fetch);
    else if (fetch->world_rank == 0)
        crmpi_warn("not all copies and shares of line %llu could be made anew (%s): what "
                   "there is protects it until the next checkpoint",
                   (unsigned long long)number, crmpi_status_text(status));
    unsigned mine[2] = {fetch->n_copies_made, fetch->n_shares_made};
    PMPI_Reduce(mine, made, 2, MPI_UNSIGNED, MPI_SUM, 0, MPI_COMM_WORLD);
    status = CRMPI_OK;
    if (fetch->world_rank == 0) {
        crmpi_fetch_report(fetch, number, is_older, made[0], made[1]);
        status = result_write(number);
    }
    return crmpi_gather_status(status);
}

/* ---- all of it ---- */

static enum crmpi_status job_take(struct crmpi_fetch *fetch, const struct line_head *head)
{
    enum crmpi_status status = CRMPI_OK;

    if (head->n_ranks != fetch->n_ranks) {
        if (fetch->world_rank == 0)
            crmpi_error("the job had %u ranks, and cannot be restarted with %u",
                        head->n_ranks, fetch->n_ranks);
        return CRMPI_ERR_MISMATCH;
    }
    memcpy(fetch->job_id, head->job_id, sizeof fetch->job_id);
    if (crmpi_config.local[0])
        status = crmpi_levels_home_of(
            fetch->topology.names[fetch->topology.node_of[fetch->world_rank]],
            fetch->job_id, fetch->home, sizeof fetch->home);
    status = crmpi_gather_status(status);
    return status == CRMPI_OK ? inventory_make(fetch) : status;
}

/* Try one line after the other.  Collective. */
static enum crmpi_status candidates_try(struct crmpi_fetch *fetch,
                                        const struct crmpi_lineage *all,
                                        const struct options *options)
{
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;
    struct line_head head;
    size_t turn = 0;
    int n_lost = 0;

    while (status == CRMPI_ERR_NOTFOUND) {
        generations_drop(fetch);
        line_tell(fetch, fetch->world_rank ? NULL : candidate_next(all, options, &turn),
                  &head);
        if (head.number == 0)
            break;
        if (!fetch->job_id[0] && (status = job_take(fetch, &head)) != CRMPI_OK)
            break;
        status = candidate_look(fetch);
        n_lost += status == CRMPI_ERR_NOTFOUND;
        if (status == CRMPI_ERR_NOTFOUND && fetch->world_rank == 0)
            crmpi_fetch_report_lost(fetch, head.number);
    }
    if (status == CRMPI_OK)
        return fetch_line(fetch, head.number, n_lost > 0);
    if (status == CRMPI_ERR_UNSUPPORTED && fetch->world_rank == 0)
        crmpi_error("the files of line %llu cannot be had by this crmpi, which was built "
                    "without%s%s%s",
                    (unsigned long long)head.number, CRMPI_HAVE_LZ4 ? "" : " lz4",
                    CRMPI_HAVE_ZSTD ? "" : " zstd", CRMPI_HAVE_ISAL ? "" : " ISA-L");
    if (status == CRMPI_ERR_NOTFOUND && fetch->world_rank == 0)
        crmpi_error("%s has no recovery line that can be had", crmpi_config.dir);
    return status;
}

static enum crmpi_status fetch_begin(struct crmpi_fetch *fetch,
                                     struct crmpi_lineage *lines)
{
    char why[512];
    int rank, n_ranks;
    enum crmpi_status status;

    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    if (rank == 0)
        crmpi_log_init(crmpi_config.log, -1); /* it speaks for all */
    fetch->world_rank = (uint32_t)rank;
    fetch->n_ranks = (uint32_t)n_ranks;
    fetch->at_home = crmpi_levels_are_local() ? CRMPI_COPY_OWN : CRMPI_COPY_GLOBAL;
    fetch->generations = calloc(1, sizeof *fetch->generations);
    if (!fetch->generations || !(fetch->generations->list = calloc(
                                     fetch->n_ranks, sizeof *fetch->generations->list)))
        PMPI_Abort(MPI_COMM_WORLD, 1);
    fetch->generations->n_ranks = fetch->n_ranks;
    fetch->n_generations = 1;
    status = crmpi_gather_status(
        crmpi_gather_topology(fetch->world_rank, fetch->n_ranks, &fetch->topology));
    if (status == CRMPI_OK &&
        crmpi_topology_refusal(&fetch->topology, crmpi_config.levels.set,
                               crmpi_config.levels.k, crmpi_config.levels.m, why,
                               sizeof why)) {
        if (rank == 0)
            crmpi_error("%s: set CRMPI_LEVELS to what these nodes can do", why);
        status = CRMPI_ERR_UNSUPPORTED;
    }
    if (status == CRMPI_OK && rank == 0)
        status = crmpi_lineage_read(crmpi_config.dir, lines);
    return crmpi_gather_status(status);
}

static void fetch_end(struct crmpi_fetch *fetch, struct crmpi_lineage *lines)
{
    crmpi_lineage_fini(lines);
    generations_drop(fetch);
    free(fetch->generations->list);
    free(fetch->generations);
    crmpi_inventory_fini(&fetch->inventory);
    crmpi_topology_fini(&fetch->topology);
}

static int options_parse(int argc, char **argv, struct options *options_out)
{
    struct options options = {0};

    if (argc < 3 || argc % 2 != 1 || strlen(argv[2]) >= sizeof crmpi_config.dir)
        return -1;
    strcpy(crmpi_config.dir, argv[2]);
    for (int i = 3; i < argc; i += 2)
        if (strcmp(argv[i], "--at") == 0)
            options.at = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--after") == 0)
            options.after = strtoull(argv[i + 1], NULL, 10);
        else
            return -1;
    *options_out = options;
    return 0;
}

int crmpi_fetch_main(int argc, char **argv)
{
    struct crmpi_fetch fetch = {0};
    struct crmpi_lineage lines = {0};
    struct options options;
    enum crmpi_status status;

    if (options_parse(argc, argv, &options) != 0) {
        fprintf(stderr, "crmpi-host --fetch is for crmpi-restart\n");
        return 2;
    }
    crmpi_host_environment();
    if (PMPI_Init(NULL, NULL) != MPI_SUCCESS)
        return 1;
    status = fetch_begin(&fetch, &lines);
    if (status == CRMPI_OK)
        status = candidates_try(&fetch, &lines, &options);
    fetch_end(&fetch, &lines);
    PMPI_Finalize();
    return 0; /* why there is no result was said: the launcher need not add to it */
}
