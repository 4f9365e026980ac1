/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rank 0's memory of checkpoints that ranks have taken alone: see keeper.h.  Lower half
 * and simulator; pure.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/keeper.h"
#include "recovery/history.h"

#define SHARE_DUE 16

/* A checkpoint alone, since the one that is in the line. */
struct kept {
    uint64_t sn;
    struct crmpi_stream *streams; /* with messages received */
    size_t n_streams;
};

struct keeper_rank {
    uint64_t line;     /* number of its checkpoint in the line */
    struct kept *kept; /* by number; those from the line on */
    size_t n_kept;
};

struct crmpi_keeper {
    uint32_t n_ranks;
    uint64_t base;
    uint32_t n_new; /* checkpoints since the line was computed */
    struct crmpi_history history;
    struct keeper_rank *ranks;
};

/* ---- create, destroy, reset ---- */

static void kept_fini(struct keeper_rank *rank)
{
    for (size_t i = 0; i < rank->n_kept; i++)
        free(rank->kept[i].streams);
    free(rank->kept);
    rank->kept = NULL;
    rank->n_kept = 0;
}

struct crmpi_keeper *crmpi_keeper_create(uint32_t n_ranks)
{
    struct crmpi_keeper *keeper = calloc(1, sizeof *keeper);

    if (keeper == NULL)
        return NULL;
    keeper->n_ranks = n_ranks;
    keeper->ranks = calloc(n_ranks, sizeof *keeper->ranks);
    if (keeper->ranks != NULL &&
        crmpi_history_init(&keeper->history, n_ranks) == CRMPI_OK)
        return keeper;
    free(keeper->ranks);
    free(keeper);
    return NULL;
}

void crmpi_keeper_destroy(struct crmpi_keeper *keeper)
{
    for (uint32_t r = 0; r < keeper->n_ranks; r++)
        kept_fini(&keeper->ranks[r]);
    crmpi_history_fini(&keeper->history);
    free(keeper->ranks);
    free(keeper);
}

/* What a base depends on matters to none that comes after it. */
static enum crmpi_status add_bases(struct crmpi_keeper *keeper, uint64_t base)
{
    const struct crmpi_checkpoint about = {.sn = base};
    enum crmpi_status status = CRMPI_OK;

    for (uint32_t r = 0; r < keeper->n_ranks && status == CRMPI_OK; r++) {
        struct crmpi_dependencies d = {.world_rank = r,
                                       .n_ranks = keeper->n_ranks,
                                       .sn = base,
                                       .interval = base,
                                       .base = base};
        status = crmpi_history_add(&keeper->history, r, &about, &d);
    }
    return status;
}

void crmpi_keeper_reset(struct crmpi_keeper *keeper, uint64_t base)
{
    uint64_t *line = malloc(keeper->n_ranks * sizeof *line);

    keeper->base = keeper->n_new = 0;
    for (uint32_t r = 0; r < keeper->n_ranks; r++) {
        kept_fini(&keeper->ranks[r]);
        keeper->ranks[r] = (struct keeper_rank){.line = base};
        if (line != NULL)
            line[r] = base;
    }
    crmpi_history_fini(&keeper->history);
    if (line != NULL &&
        crmpi_history_init(&keeper->history, keeper->n_ranks) == CRMPI_OK &&
        crmpi_history_add_line(&keeper->history, base, line) == CRMPI_OK &&
        add_bases(keeper, base) == CRMPI_OK)
        keeper->base = base;
    free(line);
}

/* ---- adding ---- */

static int fits(const struct crmpi_keeper *keeper, uint32_t world_rank,
                const struct crmpi_dependencies *d)
{
    const struct keeper_rank *rank = &keeper->ranks[world_rank];
    uint64_t newest = rank->n_kept ? rank->kept[rank->n_kept - 1].sn : keeper->base;

    if (keeper->base == 0 || d->world_rank != world_rank || d->n_ranks != keeper->n_ranks)
        return 0;
    return d->is_alone && d->base == keeper->base && d->sn > newest;
}

static enum crmpi_status keep(struct keeper_rank *rank,
                              const struct crmpi_dependencies *d)
{
    struct kept *kept = realloc(rank->kept, (rank->n_kept + 1) * sizeof *kept), *new;

    if (kept == NULL)
        return CRMPI_ERR_NOMEM;
    rank->kept = kept;
    new = &kept[rank->n_kept];
    *new = (struct kept){.sn = d->sn,
                         .streams = malloc(d->n_streams * sizeof *d->streams + 1)};
    if (new->streams == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < d->n_streams; i++)
        if (d->streams[i].received > 0 && d->streams[i].tag != CRMPI_TAG_ROOTED)
            new->streams[new->n_streams++] = d->streams[i];
    rank->n_kept++;
    return CRMPI_OK;
}

static enum crmpi_status add(struct crmpi_keeper *keeper, uint32_t world_rank,
                             struct crmpi_dependencies *d)
{
    struct keeper_rank *rank = &keeper->ranks[world_rank];
    const struct crmpi_checkpoint about = {.sn = d->sn};
    enum crmpi_status status;

    if (!fits(keeper, world_rank, d))
        return CRMPI_ERR_CORRUPT;
    status = keep(rank, d);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_history_add(&keeper->history, world_rank, &about, d);
    if (status != CRMPI_OK) {
        free(rank->kept[--rank->n_kept].streams);
        return status == CRMPI_ERR_NOMEM ? status : CRMPI_ERR_CORRUPT;
    }
    keeper->n_new++;
    return CRMPI_OK;
}

enum crmpi_status crmpi_keeper_add(struct crmpi_keeper *keeper, uint32_t world_rank,
                                   const void *packed, size_t n_bytes)
{
    struct crmpi_dependencies d;
    enum crmpi_status status;

    if (world_rank >= keeper->n_ranks ||
        crmpi_dependencies_unpack(&d, packed, n_bytes) != 0)
        return CRMPI_ERR_CORRUPT;
    status = add(keeper, world_rank, &d);
    crmpi_dependencies_fini(&d);
    return status;
}

/* ---- the line ---- */

size_t crmpi_keeper_lag(const struct crmpi_keeper *keeper)
{
    size_t most = 0;

    for (uint32_t r = 0; r < keeper->n_ranks; r++) {
        const struct keeper_rank *rank = &keeper->ranks[r];
        size_t lag = rank->n_kept;
        if (lag > 0 && rank->kept[0].sn == rank->line)
            lag--;
        if (lag > most)
            most = lag;
    }
    return most;
}

/* What arrived at each rank, sorted by who sent it. */
struct arrivals {
    struct arrival {
        uint32_t sender;
        struct crmpi_stream stream;
    } * items;
    size_t n;
};

static int arrival_compare(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;

    if (x->sender != y->sender)
        return x->sender < y->sender ? -1 : 1;
    return crmpi_stream_compare(&x->stream, &y->stream);
}

/* The receivers whose checkpoint in the line is another one than before. */
static enum crmpi_status arrivals_list(const struct crmpi_keeper *keeper,
                                       const uint64_t *line, struct arrivals *out)
{
    size_t n = 0;

    for (int fill = 0; fill < 2; fill++) {
        if (fill && (out->items = malloc(n * sizeof *out->items + 1)) == NULL)
            return CRMPI_ERR_NOMEM;
        n = 0;
        for (uint32_t r = 0; r < keeper->n_ranks; r++) {
            const struct keeper_rank *rank = &keeper->ranks[r];
            size_t k = 0;
            while (k < rank->n_kept && rank->kept[k].sn != line[r])
                k++;
            if (line[r] == rank->line || k == rank->n_kept)
                continue;
            for (size_t i = 0; i < rank->kept[k].n_streams && fill; i++) {
                const struct crmpi_stream *s = &rank->kept[k].streams[i];
                out->items[n + i] = (struct arrival){
                    .sender = s->peer,
                    .stream = {
                        .comm = s->comm, .peer = r, .tag = s->tag, .sent = s->received}};
            }
            n += rank->kept[k].n_streams;
        }
    }
    qsort(out->items, n, sizeof *out->items, arrival_compare);
    out->n = n;
    return CRMPI_OK;
}

static void tell(const struct crmpi_keeper *keeper, const uint64_t *line,
                 const struct arrivals *arrivals, struct crmpi_stream *streams,
                 crmpi_keeper_trim_fn *trim, void *context)
{
    size_t at = 0;

    for (uint32_t r = 0; r < keeper->n_ranks; r++) {
        size_t n = 0;
        for (; at < arrivals->n && arrivals->items[at].sender == r; at++)
            streams[n++] = arrivals->items[at].stream;
        if (n > 0 || line[r] != keeper->ranks[r].line)
            trim(context, r, line[r], streams, n);
    }
}

static void drop(struct keeper_rank *rank, uint64_t line)
{
    size_t n = 0;

    while (n < rank->n_kept && rank->kept[n].sn < line)
        free(rank->kept[n++].streams);
    rank->n_kept -= n;
    if (n > 0)
        memmove(rank->kept, rank->kept + n, rank->n_kept * sizeof *rank->kept);
    rank->line = line;
}

static enum crmpi_status advance(struct crmpi_keeper *keeper, const uint64_t *line,
                                 crmpi_keeper_trim_fn *trim, void *context)
{
    struct arrivals arrivals = {0};
    struct crmpi_stream *streams;
    enum crmpi_status status = arrivals_list(keeper, line, &arrivals);

    if (status != CRMPI_OK)
        return status;
    streams = malloc(arrivals.n * sizeof *streams + 1);
    if (streams != NULL) {
        tell(keeper, line, &arrivals, streams, trim, context);
        crmpi_history_forget(&keeper->history, line);
        for (uint32_t r = 0; r < keeper->n_ranks; r++)
            drop(&keeper->ranks[r], line[r]);
    }
    free(streams);
    free(arrivals.items);
    return streams != NULL ? CRMPI_OK : CRMPI_ERR_NOMEM;
}

enum crmpi_status crmpi_keeper_advance(struct crmpi_keeper *keeper, unsigned domino,
                                       crmpi_keeper_trim_fn *trim, void *context)
{
    uint64_t *line;
    enum crmpi_status status;

    if (keeper->n_new <= keeper->n_ranks / SHARE_DUE &&
        crmpi_keeper_lag(keeper) <= domino)
        return CRMPI_OK;
    status = crmpi_history_link(&keeper->history);
    if (status != CRMPI_OK)
        return status;
    keeper->n_new = 0;
    line = malloc((keeper->history.n_entities + 1) * sizeof *line);
    if (line == NULL)
        return CRMPI_ERR_NOMEM;
    status = crmpi_recovery_garbage(&keeper->history, line);
    for (uint32_t r = 0; r < keeper->n_ranks && status == CRMPI_OK; r++)
        if (line[r] < keeper->ranks[r].line)
            status = CRMPI_ERR_CORRUPT; /* a line never falls back */
    if (status == CRMPI_OK)
        status = advance(keeper, line, trim, context);
    free(line);
    return status;
}
