/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tries all combinations of the checkpoints that a directory holds of ranks saved alone, by
 * the counters in them and nothing else, and compares the highest that loses no message and
 * none twice with the line that lib/recovery computes: of all files, without each one, and
 * without each two of them.  Prints that of all files: a number for each rank.  With a
 * second argument it prints the checkpoints of that line instead.  Test program.
 *
 * Usage: every-line DIR [LINE]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "storage/container.h"

#define RANKS_MAX 4
#define STATES_MAX 64

struct state {
    uint64_t sn, base;
    const struct crmpi_dependencies *counters; /* NULL: of the base itself, all are 0 */
};

static struct state states[RANKS_MAX][STATES_MAX];
static size_t n_states[RANKS_MAX];
static uint32_t n_ranks;

static void fail(const char *what)
{
    fprintf(stderr, "every-line: %s\n", what);
    exit(1);
}

static void gather(const struct crmpi_history *history)
{
    n_ranks = history->n_ranks;
    if (n_ranks > RANKS_MAX)
        fail("too many ranks");
    for (uint32_t rank = 0; rank < n_ranks; rank++) {
        const struct crmpi_entity *task = &history->entities[rank];
        n_states[rank] = 0;
        for (size_t i = 0; i < task->n_checkpoints; i++) {
            const struct crmpi_checkpoint *c = &task->checkpoints[i];
            const struct crmpi_dependencies *d =
                crmpi_history_dependencies(history, rank, c->sn);
            if (c->sn == 0 || c->lost)
                continue;
            if (d == NULL || n_states[rank] == STATES_MAX)
                fail("a checkpoint of which nothing is known, or too many");
            if (d->is_alone && (d->n_accesses || d->n_origins))
                fail("windows: these are not counted here");
            states[rank][n_states[rank]++] = (struct state){
                c->sn, d->is_alone ? d->base : c->sn, d->is_alone ? d : NULL};
        }
    }
}

static struct crmpi_stream stream_of(const struct crmpi_dependencies *d, uint64_t comm,
                                     uint32_t peer, int32_t tag)
{
    for (size_t i = 0; d != NULL && i < d->n_streams; i++)
        if (d->streams[i].comm == comm && d->streams[i].peer == peer &&
            d->streams[i].tag == tag)
            return d->streams[i];
    return (struct crmpi_stream){0};
}

static uint64_t collectives_of(const struct crmpi_dependencies *d, uint64_t comm)
{
    for (size_t i = 0; d != NULL && i < d->n_collectives; i++)
        if (d->collectives[i].comm == comm)
            return d->collectives[i].count;
    return 0;
}

static int is_member(const struct crmpi_dependencies *d,
                     const struct crmpi_collectives *c, uint32_t rank)
{
    for (uint32_t i = 0; i < c->n_members; i++)
        if (d->members[c->members + i] == rank)
            return 1;
    return c->n_members == 0;
}

/* No message from a to b was received and not sent, or is neither received nor logged; and
 * what a lists agrees with b. */
static int agree(uint32_t rank_a, const struct state *a, uint32_t rank_b,
                 const struct state *b)
{
    const struct crmpi_dependencies *da = a->counters, *db = b->counters;

    if (a->base != b->base)
        return 0;
    for (size_t i = 0; da != NULL && i < da->n_streams; i++) {
        const struct crmpi_stream *s = &da->streams[i];
        struct crmpi_stream other = stream_of(db, s->comm, rank_a, s->tag);
        if (s->tag < 0 || s->peer != rank_b)
            continue;
        if (s->received > other.sent || other.received > s->sent ||
            s->unlogged > other.received || other.unlogged > s->received)
            return 0;
    }
    for (size_t i = 0; da != NULL && i < da->n_collectives; i++)
        if (is_member(da, &da->collectives[i], rank_b) &&
            da->collectives[i].count != collectives_of(db, da->collectives[i].comm))
            return 0;
    return 1;
}

static int is_consistent(const size_t *chosen)
{
    for (uint32_t a = 0; a < n_ranks; a++)
        for (uint32_t b = 0; b < n_ranks; b++)
            if (a != b && !agree(a, &states[a][chosen[a]], b, &states[b][chosen[b]]))
                return 0;
    return 1;
}

static int advance(size_t *chosen)
{
    uint32_t rank = 0;

    while (rank < n_ranks && ++chosen[rank] == n_states[rank])
        chosen[rank++] = 0;
    return rank < n_ranks;
}

/* The highest of all that are consistent; there is one above all others. */
static int try_all(uint64_t *sn_out)
{
    size_t chosen[RANKS_MAX] = {0};
    int found = 0;

    memset(sn_out, 0, RANKS_MAX * sizeof *sn_out);
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        if (n_states[rank] == 0)
            return 0;
    do {
        if (!is_consistent(chosen))
            continue;
        found = 1;
        for (uint32_t rank = 0; rank < n_ranks; rank++)
            if (states[rank][chosen[rank]].sn > sn_out[rank])
                sn_out[rank] = states[rank][chosen[rank]].sn;
    } while (advance(chosen));
    return found;
}

static void print(const char *what, const uint64_t *sn, FILE *out)
{
    fprintf(out, "%s", what);
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        fprintf(out, " %" PRIu64, sn[rank]);
    fprintf(out, "\n");
}

/* @param lost  files that are not to be used */
static void compare(const char *dir, const struct crmpi_rank_file *lost, size_t n_lost,
                    uint64_t *sn_out)
{
    struct crmpi_recovery_line line;
    struct crmpi_history history;
    int differs = 0;

    if (crmpi_history_read_without(dir, lost, n_lost, &history) != CRMPI_OK ||
        crmpi_recovery_line(&history, NULL, NULL, NULL, &line) != CRMPI_OK)
        fail("the history cannot be read");
    gather(&history);
    if (!try_all(sn_out))
        memset(sn_out, 0, RANKS_MAX * sizeof *sn_out); /* the beginning */
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        differs |= line.sn[rank] != sn_out[rank];
    if (differs) {
        for (size_t i = 0; i < n_lost; i++)
            fprintf(stderr, "without checkpoint %" PRIu64 " of rank %u:\n", lost[i].sn,
                    lost[i].world_rank);
        print("computed", line.sn, stderr);
        print("tried", sn_out, stderr);
        fail("another line than by trying all");
    }
    crmpi_recovery_line_fini(&line);
    crmpi_history_fini(&history);
}

static void compare_all(const char *dir)
{
    struct crmpi_rank_file files[RANKS_MAX * STATES_MAX];
    uint64_t sn[RANKS_MAX], other[RANKS_MAX];
    size_t n = 0;

    compare(dir, NULL, 0, sn);
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        for (size_t i = 0; i < n_states[rank]; i++)
            files[n++] =
                (struct crmpi_rank_file){.world_rank = rank, .sn = states[rank][i].sn};
    for (size_t i = 0; i < n; i++)
        for (size_t k = i; k < n; k++) {
            struct crmpi_rank_file lost[2] = {files[i], files[k]};
            compare(dir, lost, i == k ? 1 : 2, other);
        }
    print("", sn, stdout);
}

static void show_line(const char *dir, uint64_t number)
{
    struct crmpi_line line;
    uint64_t sn[RANKS_MAX];

    if (crmpi_line_read(dir, number, &line) != CRMPI_OK || line.job.n_ranks > RANKS_MAX)
        fail("no such line");
    n_ranks = line.job.n_ranks;
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        sn[rank] = line.ranks[rank].sn;
    print("", sn, stdout);
    crmpi_line_free(&line);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        show_line(argv[1], strtoull(argv[2], NULL, 10));
    else if (argc == 2)
        compare_all(argv[1]);
    else
        fail("every-line DIR [LINE]");
    return 0;
}
