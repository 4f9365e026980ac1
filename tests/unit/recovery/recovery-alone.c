/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the histories of ranks that save themselves alone, in random exchanges of
 * messages in several streams and collectives: what is derived from counters is what
 * messages would carry with them, lines are what trying all finds, late messages are
 * those that are missing.  Now and then all ranks take a checkpoint with empty channels.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "recovery/history.h"
#include "../main.h"
#include "draw.h"

#define CASES 1500
#define RANKS_MAX 4
#define TAGS 2
#define COMMS 2 /* of all; of all but the last */
#define SNAPS_MAX 7
#define MESSAGES_MAX 128
#define EVENTS 70

struct counts {
    uint64_t sent[COMMS][RANKS_MAX][TAGS], received[COMMS][RANKS_MAX][TAGS];
    uint64_t unlogged[COMMS][RANKS_MAX][TAGS];
    uint64_t collectives[COMMS];
};

struct snap { /* a checkpoint; or the running state */
    uint64_t sn;
    struct counts counts;
    size_t fed[RANKS_MAX]; /* the highest state of each rank that has sent it something */
    int is_lost;
};

struct rank {
    struct snap snaps[SNAPS_MAX + 1], now;
    size_t n; /* checkpoints: snaps[1] ... snaps[n]; [0] is the beginning */
    struct counts base;
    uint64_t base_sn;
};

static struct rank ranks[RANKS_MAX];
static uint32_t n_ranks;
/* With each message travels the state of its sender. */
static size_t carried[COMMS][RANKS_MAX][RANKS_MAX][TAGS][MESSAGES_MAX];
static struct crmpi_history history;
static uint64_t lines[SNAPS_MAX][RANKS_MAX];
static size_t n_lines;

static uint32_t n_members(unsigned comm)
{
    return comm == 0 ? n_ranks : n_ranks - 1;
}

static void send(uint32_t from, uint32_t to, unsigned comm, unsigned tag)
{
    uint64_t *n = &ranks[from].now.counts.sent[comm][to][tag];
    ck_assert_uint_lt(*n, MESSAGES_MAX);
    carried[comm][from][to][tag][(*n)++] = ranks[from].n + 1;
}

static void receive(uint32_t to, uint32_t from, unsigned comm, unsigned tag)
{
    uint64_t *n = &ranks[to].now.counts.received[comm][from][tag];
    if (*n == ranks[from].now.counts.sent[comm][to][tag])
        return;
    size_t state = carried[comm][from][to][tag][(*n)++];
    if (ranks[to].now.fed[from] < state)
        ranks[to].now.fed[from] = state;
}

/* A rank completes a collective that all others are at least inside of. */
static void collective(uint32_t rank, unsigned comm)
{
    uint64_t *count = &ranks[rank].now.counts.collectives[comm];
    for (uint32_t r = 0; r < n_members(comm); r++)
        if (rank >= n_members(comm) || ranks[r].now.counts.collectives[comm] < *count)
            return;
    (*count)++;
}

static void streams_note(const struct rank *rank, struct crmpi_dependencies *d)
{
    const struct counts *now = &rank->now.counts, *base = &rank->base;

    d->streams = calloc(COMMS * RANKS_MAX * TAGS, sizeof *d->streams);
    for (unsigned comm = 0; comm < COMMS; comm++)
        for (uint32_t peer = 0; peer < n_ranks; peer++)
            for (unsigned tag = 0; tag < TAGS; tag++) {
                struct crmpi_stream s = {
                    .comm = comm + 10, .peer = peer, .tag = (int32_t)tag};
                s.sent = now->sent[comm][peer][tag] - base->sent[comm][peer][tag];
                s.received =
                    now->received[comm][peer][tag] - base->received[comm][peer][tag];
                if (d->is_alone)
                    s.unlogged =
                        now->unlogged[comm][peer][tag] - base->sent[comm][peer][tag];
                if (s.sent || s.received)
                    d->streams[d->n_streams++] = s;
            }
}

/* The record of the rank's running state. */
static struct crmpi_dependencies note(uint32_t r, uint64_t sn, int is_alone)
{
    const struct rank *rank = &ranks[r];
    struct crmpi_dependencies d = {.world_rank = r,
                                   .n_ranks = n_ranks,
                                   .sn = sn,
                                   .interval = rank->snaps[rank->n].sn + 1,
                                   .base = rank->base_sn,
                                   .is_alone = (uint32_t)is_alone};

    streams_note(rank, &d);
    d.collectives = calloc(COMMS, sizeof *d.collectives);
    d.members = calloc(n_ranks, sizeof *d.members);
    d.n_members = n_ranks;
    for (uint32_t i = 0; i < n_ranks; i++)
        d.members[i] = i;
    for (unsigned comm = 0; comm < COMMS; comm++)
        if (r < n_members(comm))
            d.collectives[d.n_collectives++] =
                (struct crmpi_collectives){.comm = comm + 10,
                                           .count = rank->now.counts.collectives[comm] -
                                                    rank->base.collectives[comm],
                                           .n_members = n_members(comm),
                                           .rank = r};
    if (!is_alone) {
        d.cohort = calloc(n_ranks, sizeof *d.cohort);
        d.n_cohort = n_ranks;
        for (uint32_t i = 0; i < n_ranks; i++)
            d.cohort[i] = (struct crmpi_member){
                .rank = i, .interval = ranks[i].snaps[ranks[i].n].sn + 1};
    }
    return d;
}

static void add(uint32_t r, struct crmpi_dependencies *d, int is_lost)
{
    struct crmpi_checkpoint about = {.sn = d->sn, .lost = is_lost};
    ck_assert_int_eq(crmpi_history_add(&history, r, &about, d), CRMPI_OK);
    ck_assert_ptr_null(d->streams);
}

static void save_alone(uint32_t r, int losses)
{
    struct rank *rank = &ranks[r];
    if (rank->n == SNAPS_MAX)
        return;
    struct crmpi_dependencies d = note(r, rank->snaps[rank->n].sn + 1 + draw(3), 1);
    rank->snaps[++rank->n] = rank->now;
    rank->snaps[rank->n].sn = d.sn;
    rank->snaps[rank->n].is_lost = losses && draw(5) == 0;
    add(r, &d, rank->snaps[rank->n].is_lost);
}

/* All messages arrive, all collectives end, and all ranks save: logs begin anew. */
static void save_all(int losses)
{
    struct crmpi_dependencies d[RANKS_MAX];
    uint64_t sn = 0;

    for (uint32_t r = 0; r < n_ranks; r++) {
        if (ranks[r].n == SNAPS_MAX)
            return;
        if (sn <= ranks[r].snaps[ranks[r].n].sn)
            sn = ranks[r].snaps[ranks[r].n].sn + 1;
    }
    for (unsigned comm = 0; comm < COMMS; comm++)
        for (uint32_t r = 0; r < n_ranks; r++) {
            for (uint32_t i = 0; i < n_ranks; i++)
                for (unsigned n = 0; n < TAGS * MESSAGES_MAX; n++)
                    receive(r, i, comm, n % TAGS);
            for (uint32_t i = 0; i < n_members(comm); i++)
                if (r < n_members(comm) && ranks[r].now.counts.collectives[comm] <
                                               ranks[i].now.counts.collectives[comm])
                    ranks[r].now.counts.collectives[comm]++;
        }
    for (uint32_t r = 0; r < n_ranks; r++)
        d[r] = note(r, sn, 0);
    for (uint32_t r = 0; r < n_ranks; r++) {
        struct rank *rank = &ranks[r];
        memcpy(rank->now.counts.unlogged, rank->now.counts.sent,
               sizeof rank->now.counts.sent);
        rank->snaps[++rank->n] = rank->now;
        rank->snaps[rank->n].sn = sn;
        rank->snaps[rank->n].is_lost = losses && draw(5) == 0;
        rank->base = rank->now.counts;
        rank->base_sn = sn;
        lines[n_lines][r] = sn;
        add(r, &d[r], rank->snaps[rank->n].is_lost);
    }
    ck_assert_int_eq(crmpi_history_add_line(&history, sn, lines[n_lines++]), CRMPI_OK);
}

/* Messages of the log are dropped that any checkpoint of the receiver has. */
static void trim(uint32_t r)
{
    struct counts *counts = &ranks[r].now.counts;
    for (unsigned comm = 0; comm < COMMS; comm++)
        for (uint32_t peer = 0; peer < n_ranks; peer++)
            for (unsigned tag = 0; tag < TAGS; tag++) {
                const struct snap *newest = &ranks[peer].snaps[ranks[peer].n];
                uint64_t arrived = newest->counts.received[comm][r][tag];
                if (counts->unlogged[comm][peer][tag] < arrived)
                    counts->unlogged[comm][peer][tag] = arrived;
            }
}

static void job_run(int is_mixed, int losses)
{
    memset(ranks, 0, sizeof ranks);
    n_lines = 0;
    n_ranks = 2 + draw(RANKS_MAX - 1);
    ck_assert_int_eq(crmpi_history_init(&history, n_ranks), CRMPI_OK);
    for (unsigned i = 0; i < EVENTS; i++) {
        uint32_t r = draw(n_ranks), peer = draw(n_ranks);
        unsigned comm = draw(COMMS), tag = draw(TAGS), what = draw(40);
        if (r >= n_members(comm) || peer >= n_members(comm))
            comm = 0;
        if (what < 15)
            send(r, peer, comm, tag);
        else if (what < 29)
            receive(r, peer, comm, tag);
        else if (what < 31)
            collective(r, comm);
        else if (what < 38)
            save_alone(r, losses);
        else if (what < 39 && is_mixed)
            trim(r);
        else if (is_mixed)
            save_all(losses);
    }
    ck_assert_int_eq(crmpi_history_link(&history), CRMPI_OK);
}

/* ---- what is true ---- */

/* No message received and not sent, none lost, all collectives ended. */
static int is_consistent(const size_t *states)
{
    for (uint32_t i = 0; i < n_ranks; i++)
        for (uint32_t j = 0; j < n_ranks; j++)
            for (unsigned comm = 0; comm < COMMS; comm++) {
                const struct counts *a = &ranks[i].snaps[states[i]].counts;
                const struct counts *b = &ranks[j].snaps[states[j]].counts;
                if (i < n_members(comm) && j < n_members(comm) &&
                    a->collectives[comm] != b->collectives[comm])
                    return 0;
                for (unsigned tag = 0; tag < TAGS; tag++)
                    if (b->received[comm][i][tag] > a->sent[comm][j][tag] ||
                        b->received[comm][i][tag] < a->unlogged[comm][j][tag])
                        return 0;
            }
    return 1;
}

/* The highest line by trying all: all ranks at a checkpoint, or none is. */
static void try_all(size_t *best)
{
    size_t states[RANKS_MAX];
    uint32_t r = 0;

    memset(best, 0, RANKS_MAX * sizeof *best);
    for (r = 0; r < n_ranks; r++) {
        states[r] = 1;
        if (ranks[r].n == 0)
            return;
    }
    while (r > 0) {
        int is_usable = 1;
        for (uint32_t i = 0; i < n_ranks; i++)
            is_usable &= !ranks[i].snaps[states[i]].is_lost;
        for (uint32_t i = 0; is_usable && is_consistent(states) && i < n_ranks; i++)
            if (best[i] < states[i])
                best[i] = states[i];
        for (r = n_ranks; r > 0; r--) {
            if (++states[r - 1] <= ranks[r - 1].n)
                break;
            states[r - 1] = 1;
        }
    }
}

/* The states of a line; 0 if one is none of ours. */
static void states_of(const uint64_t *sn, size_t *states)
{
    for (uint32_t r = 0; r < n_ranks; r++) {
        for (states[r] = 0; ranks[r].snaps[states[r]].sn != sn[r]; states[r]++)
            ck_assert_uint_lt(states[r], ranks[r].n);
        ck_assert(!ranks[r].snaps[states[r]].is_lost);
    }
}

static void expect_late(const uint64_t *sn, const size_t *states)
{
    struct crmpi_late *late;
    size_t n, k = 0;

    ck_assert_int_eq(crmpi_recovery_late(&history, sn, &late, &n), CRMPI_OK);
    for (uint32_t i = 0; i < n_ranks; i++)
        for (unsigned comm = 0; comm < COMMS; comm++)
            for (uint32_t j = 0; j < n_ranks; j++)
                for (unsigned tag = 0; tag < TAGS; tag++) {
                    const struct counts *a = &ranks[i].snaps[states[i]].counts;
                    const struct counts *b = &ranks[j].snaps[states[j]].counts;
                    uint64_t sent = a->sent[comm][j][tag];
                    uint64_t received = b->received[comm][i][tag];
                    if (sent == received)
                        continue;
                    ck_assert_uint_lt(k, n);
                    ck_assert_uint_eq(late[k].sender, i);
                    ck_assert_uint_eq(late[k].receiver, j);
                    ck_assert_uint_eq(late[k].comm, comm + 10);
                    ck_assert_int_eq(late[k].tag, (int)tag);
                    ck_assert_uint_eq(late[k].sent - late[k].received, sent - received);
                    k++;
                }
    ck_assert_uint_eq(k, n);
    free(late);
}

START_TEST(test_counters_tell_what_messages_would)
{
    unsigned n_fed = 0;

    for (uint64_t this = 1; this <= CASES; this ++) {
        seed = this;
        job_run(0, 0);
        for (uint32_t r = 0; r < n_ranks; r++) {
            size_t fed[RANKS_MAX] = {0};
            for (size_t k = 1; k <= ranks[r].n; k++) {
                const struct crmpi_checkpoint *one = &history.entities[r].checkpoints[k];
                for (size_t i = 0; i < one->n_edges; i++) {
                    const struct crmpi_entity *to =
                        &history.entities[one->edges[i].entity];
                    size_t state = 0;
                    while (state < to->n_checkpoints &&
                           to->checkpoints[state].sn < one->edges[i].interval)
                        state++;
                    if (fed[to->rank] < state)
                        fed[to->rank] = state;
                    n_fed++;
                }
                fed[r] = ranks[r].snaps[k].fed[r]; /* from itself: no dependency */
                for (uint32_t i = 0; i < n_ranks; i++)
                    ck_assert_uint_eq(fed[i], ranks[r].snaps[k].fed[i]);
            }
        }
        crmpi_history_fini(&history);
    }
    ck_assert_uint_gt(n_fed, CASES);
}
END_TEST

START_TEST(test_lines_are_the_highest)
{
    unsigned n_late = 0, n_back = 0;

    for (uint64_t this = 1; this <= CASES; this ++) {
        struct crmpi_recovery_line line;
        size_t best[RANKS_MAX], states[RANKS_MAX];
        seed = this;
        job_run(0, this % 2);
        try_all(best);
        ck_assert_int_eq(crmpi_recovery_line(&history, NULL, NULL, NULL, &line),
                         CRMPI_OK);
        states_of(line.sn, states);
        for (uint32_t r = 0; r < n_ranks; r++) {
            ck_assert_uint_eq(states[r], best[r]);
            n_back += best[r] > 0 && best[r] < ranks[r].n;
        }
        if (line.sn[0] > 0) {
            expect_late(line.sn, states);
            n_late++;
        }
        crmpi_recovery_line_fini(&line);
        crmpi_history_fini(&history);
    }
    ck_assert_uint_gt(n_late, CASES / 10);
    ck_assert_uint_gt(n_back, CASES / 10);
}
END_TEST

/* With checkpoints of all between them, and logs that were trimmed: sound, and not behind
 * a checkpoint of all that is whole. */
START_TEST(test_mixed)
{
    unsigned n_mixed = 0;

    for (uint64_t this = 1; this <= CASES; this ++) {
        struct crmpi_recovery_line line;
        size_t states[RANKS_MAX];
        seed = this;
        job_run(1, this % 2);
        ck_assert_int_eq(crmpi_recovery_line(&history, NULL, NULL, NULL, &line),
                         CRMPI_OK);
        states_of(line.sn, states);
        for (uint32_t r = 1; r < n_ranks; r++)
            ck_assert_int_eq(line.sn[r] == 0, line.sn[0] == 0);
        if (line.sn[0] > 0) {
            ck_assert(is_consistent(states));
            expect_late(line.sn, states);
        }
        for (size_t i = 0; i < n_lines; i++) {
            int is_whole = 1;
            for (uint32_t r = 1; r < n_ranks; r++) /* all count from the same base */
                ck_assert_int_eq(line.sn[r] < lines[i][r], line.sn[0] < lines[i][0]);
            for (uint32_t r = 0; r < n_ranks; r++)
                for (size_t k = 1; k <= ranks[r].n; k++)
                    is_whole &=
                        ranks[r].snaps[k].sn != lines[i][r] || !ranks[r].snaps[k].is_lost;
            for (uint32_t r = 0; is_whole && r < n_ranks; r++) {
                ck_assert_uint_ge(line.sn[r], lines[i][r]);
                n_mixed += line.sn[r] > lines[i][r];
            }
        }
        crmpi_recovery_line_fini(&line);
        crmpi_history_fini(&history);
    }
    ck_assert_uint_gt(n_mixed, CASES / 10);
}
END_TEST

/* What was forgotten as garbage changes no line, whichever of the rest is lost. */
START_TEST(test_forget)
{
    unsigned n_forgotten = 0;

    for (uint64_t this = 1; this <= CASES; this ++) {
        struct crmpi_recovery_line before, after;
        uint64_t keep[RANKS_MAX];
        seed = this;
        job_run(1, 0);
        ck_assert_int_eq(crmpi_recovery_garbage(&history, keep), CRMPI_OK);
        ck_assert_int_eq(crmpi_recovery_line(&history, NULL, NULL, NULL, &before),
                         CRMPI_OK);
        crmpi_history_forget(&history, keep);
        ck_assert_int_eq(crmpi_history_link(&history), CRMPI_OK);
        ck_assert_int_eq(crmpi_recovery_line(&history, NULL, NULL, NULL, &after),
                         CRMPI_OK);
        for (uint32_t r = 0; r < n_ranks; r++) {
            ck_assert_uint_eq(before.sn[r], keep[r]);
            ck_assert_uint_eq(after.sn[r], keep[r]);
            n_forgotten += history.entities[r].n_checkpoints < ranks[r].n + 1;
        }
        crmpi_recovery_line_fini(&before);
        crmpi_recovery_line_fini(&after);
        crmpi_history_fini(&history);
    }
    ck_assert_uint_gt(n_forgotten, CASES / 10);
}
END_TEST

/* Two ranks with two checkpoints each; rank 1 loses its newest. */
START_TEST(test_words)
{
    static const char *const expected[] = {
        "rank 1 goes back from 5 to checkpoint 2: its checkpoint 5 is lost",
        "rank 0 goes back from 7 to checkpoint 3: its checkpoint 7 has received messages "
        "that rank 1 sent after checkpoint 2, and rank 1 goes back to that because its "
        "checkpoint 5 is lost"};
    struct crmpi_recovery_line line;
    struct crmpi_checkpoint about;
    uint64_t keep[2];
    char text[512];

    ck_assert_int_eq(crmpi_history_init(&history, 2), CRMPI_OK);
    for (uint32_t r = 0; r < 2; r++)
        for (unsigned k = 0; k < 2; k++) {
            static const uint64_t numbers[2][2] = {{3, 7}, {2, 5}};
            struct crmpi_dependencies d = {.world_rank = r,
                                           .n_ranks = 2,
                                           .is_alone = 1,
                                           .sn = numbers[r][k],
                                           .interval = 1 + 3 * k};
            d.streams = calloc(1, sizeof *d.streams);
            d.n_streams = k;
            d.streams[0] =
                (struct crmpi_stream){.peer = 1 - r, .sent = r == 1, .received = r == 0};
            about = (struct crmpi_checkpoint){.sn = d.sn, .lost = r == 1 && k == 1};
            ck_assert_int_eq(crmpi_history_add(&history, r + 2, &about, &d),
                             CRMPI_ERR_MISMATCH);
            ck_assert_int_eq(crmpi_history_add(&history, r, &about, &d), CRMPI_OK);
        }
    ck_assert_int_eq(crmpi_history_link(&history), CRMPI_OK);
    ck_assert_int_eq(crmpi_recovery_line(&history, NULL, NULL, NULL, &line), CRMPI_OK);
    ck_assert_uint_eq(line.n_steps, 2);
    for (size_t i = 0; i < 2; i++) {
        int n = crmpi_recovery_explain(&history, &line, i, text, sizeof text);
        ck_assert_str_eq(text, expected[i]);
        ck_assert_int_eq(n, (int)strlen(expected[i]));
        ck_assert_int_eq(crmpi_recovery_explain(&history, &line, i, text, 8), n);
        ck_assert_uint_eq(strlen(text), 7);
    }
    ck_assert_int_eq(crmpi_recovery_garbage(&history, keep), CRMPI_OK);
    ck_assert_uint_eq(keep[0], 3);
    ck_assert_uint_eq(keep[1], 2);
    crmpi_recovery_line_fini(&line);
    crmpi_history_fini(&history);
}
END_TEST

UNIT_TESTS("recovery of ranks saved alone")
{
    CASE("alone", .seconds = 120);
    TEST(test_counters_tell_what_messages_would);
    TEST(test_lines_are_the_highest);
    TEST(test_mixed);
    TEST(test_forget);
    TEST(test_words);
}
