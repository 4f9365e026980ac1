/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-inspect show: what a checkpoint depends on.  Tool.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "tools/show.h"
#include "tools/text.h"
#include "tools/tool.h"

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Members of a communicator are by their ranks in it. */
static const char *ranks_text(const uint32_t *ranks, size_t n)
{
    static char copy[192];
    uint32_t *sorted = tool_alloc(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = ranks[i];
    qsort(sorted, n, sizeof *sorted, compare);
    snprintf(copy, sizeof copy, "%s", text_ranks(sorted, n));
    free(sorted);
    return copy;
}

static void cohort_print(const struct crmpi_dependencies *all)
{
    uint32_t *ranks = tool_alloc(all->n_cohort, sizeof *ranks);
    for (size_t i = 0; i < all->n_cohort; i++)
        ranks[i] = all->cohort[i].rank;
    printf("\n  taken       ");
    if (all->is_alone)
        printf("alone\n");
    else if (all->n_cohort == 0 || all->n_cohort == all->n_ranks)
        printf("with all ranks\n");
    else
        printf("with others, by %s\n", ranks_text(ranks, all->n_cohort));
    free(ranks);
    if (all->base > 0)
        printf("  counts from checkpoint %" PRIu64 ", when nothing was in transit\n",
               all->base);
}

static int stream_compare(const void *a, const void *b)
{
    const struct crmpi_stream *x = a, *y = b;
    return x->peer < y->peer ? -1 : x->peer > y->peer;
}

/* One row for each rank, whatever communicators and tags it used. */
static void streams_print(const struct crmpi_dependencies *all)
{
    struct crmpi_stream *streams = tool_alloc(all->n_streams, sizeof *streams);
    for (size_t i = 0; i < all->n_streams; i++)
        streams[i] = all->streams[i];
    qsort(streams, all->n_streams, sizeof *streams, stream_compare);
    for (size_t i = 0, end; i < all->n_streams; i = end) {
        uint64_t sent = 0, received = 0;
        for (end = i; end < all->n_streams && streams[end].peer == streams[i].peer; end++) {
            sent += streams[end].sent;
            received += streams[end].received;
        }
        printf("  messages    rank %" PRIu32 ": %" PRIu64 " to it, %" PRIu64
               " from it, in %zu stream%s\n",
               streams[i].peer, sent, received, end - i, end - i == 1 ? "" : "s");
    }
    free(streams);
}

static void collectives_print(const struct crmpi_dependencies *all)
{
    for (size_t i = 0; i < all->n_collectives; i++) {
        const struct crmpi_collectives *one = &all->collectives[i];
        if (one->flow == 0)
            continue;
        printf("  collectives communicator %" PRIu64 " of %s: %" PRIu64 "%s\n", one->comm,
               ranks_text(all->members + one->members, one->n_members), one->count,
               one->is_freed ? ", freed" : "");
    }
}

static void how_print(uint32_t how)
{
    static const struct {
        uint32_t how;
        const char *text;
    } names[] = {{CRMPI_HOW_READ, "read"},
                 {CRMPI_HOW_WRITE, "write"},
                 {CRMPI_HOW_ATOMIC, "atomic"},
                 {CRMPI_HOW_SYNC, "synchronise"}};
    const char *separator = ": ";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (how & names[i].how) {
            printf("%s%s", separator, names[i].text);
            separator = ", ";
        }
    printf("\n");
}

static void accesses_print(const struct crmpi_dependencies *all)
{
    for (size_t i = 0; i < all->n_accesses; i++) {
        printf("  accesses    to window %" PRIu64 " of rank %" PRIu32,
               all->accesses[i].window, all->accesses[i].rank);
        how_print(all->accesses[i].how);
    }
    for (size_t i = 0; i < all->n_origins; i++) {
        printf("  accesses    by rank %" PRIu32 " to its window %" PRIu64,
               all->origins[i].rank, all->origins[i].window);
        how_print(all->origins[i].how);
    }
}

enum crmpi_status show_dependencies(struct crmpi_reader *reader)
{
    struct crmpi_dependencies all;
    enum crmpi_status status = crmpi_reader_dependencies(reader, &all);
    if (status != CRMPI_OK)
        return status;
    cohort_print(&all);
    streams_print(&all);
    collectives_print(&all);
    accesses_print(&all);
    crmpi_dependencies_fini(&all);
    return CRMPI_OK;
}
