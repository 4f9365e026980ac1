/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the histories of groups that take checkpoints with empty channels, in
 * random jobs that exchange messages, do collectives and access each other's windows, and
 * are restarted now and then.  Files are lost and lines dropped: what is found is
 * consistent, and no older than it has to be.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "recovery/history.h"
#include "../main.h"
#include "draw.h"

#define CASES 3000
#define RANKS_MAX 4
#define STATES_MAX 7
#define EVENTS 60
#define WINDOW 77

/* Something that two ranks did together, each before its checkpoint of an index. */
struct event {
    uint32_t a, b;
    size_t a_state, b_state;
    int is_read; /* a needs b; else each needs the other */
};

struct rank {
    struct crmpi_dependencies saved[STATES_MAX + 1];
    uint64_t restored[STATES_MAX + 1]; /* [0]: now */
    int is_lost[STATES_MAX + 1];       /* 2: and nothing is known of it */
    size_t n;                          /* checkpoints */
    uint64_t interval;
    uint64_t count[2]; /* collectives since then: of all; of ranks 0 and 1 */
    uint64_t sent[RANKS_MAX], received[RANKS_MAX];
    uint64_t waiting[RANKS_MAX]; /* sent to us by each rank, and not received */
    int flow[2];
    uint32_t accessed[RANKS_MAX], origin[RANKS_MAX]; /* how */
    int is_touched[RANKS_MAX];                       /* whom it has interacted with */
};

static struct rank ranks[RANKS_MAX];
static uint32_t n_ranks;
static struct event events[EVENTS * RANKS_MAX * RANKS_MAX];
static size_t n_events;
static struct {
    uint64_t number, sn[RANKS_MAX];
    size_t states[RANKS_MAX];
} lines[EVENTS];
static size_t n_lines;
static struct crmpi_history history;

static void event(uint32_t a, uint32_t b, int is_read)
{
    if (a == b)
        return;
    ck_assert_uint_lt(n_events, sizeof events / sizeof *events);
    events[n_events++] = (struct event){.a = a,
                                        .b = b,
                                        .a_state = ranks[a].n + 1,
                                        .b_state = ranks[b].n + 1,
                                        .is_read = is_read};
    ranks[a].is_touched[b] = ranks[b].is_touched[a] = 1;
}

static void send(uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    ranks[from].sent[to]++;
    ranks[to].waiting[from]++;
    ranks[from].is_touched[to] = 1; /* who has to receive it knows nothing of it yet */
}

static void receive(uint32_t to, uint32_t from)
{
    if (ranks[to].waiting[from] == 0)
        return;
    ranks[to].waiting[from]--;
    ranks[to].received[from]++;
    event(from, to, 0);
}

static void collective(int comm)
{
    uint32_t n = comm ? 2 : n_ranks;
    for (uint32_t a = 0; a < n; a++) {
        ranks[a].count[comm]++;
        ranks[a].flow[comm] = 1;
        for (uint32_t b = 0; b < a; b++)
            event(a, b, 0);
    }
}

static void access_window(uint32_t from, uint32_t to, uint32_t how)
{
    if (from == to)
        return;
    ranks[from].accessed[to] |= how;
    ranks[to].origin[from] |= how;
    event(from, to, how == CRMPI_HOW_READ);
}

/* ---- checkpoints ---- */

/* All that a member of the group has interacted with join it. */
static void group_close(int *is_in)
{
    for (int is_growing = 1; is_growing;) {
        is_growing = 0;
        for (uint32_t a = 0; a < n_ranks; a++)
            for (uint32_t b = 0; b < n_ranks; b++)
                if (is_in[a] && ranks[a].is_touched[b] && !is_in[b])
                    is_in[b] = is_growing = 1;
    }
}

static struct crmpi_access *accesses_note(const uint32_t *how, size_t *n_out)
{
    struct crmpi_access *accesses = calloc(n_ranks, sizeof *accesses);
    for (uint32_t i = 0; i < n_ranks; i++)
        if (how[i])
            accesses[(*n_out)++] =
                (struct crmpi_access){.window = WINDOW, .rank = i, .how = how[i]};
    return accesses;
}

static struct crmpi_dependencies note(uint32_t r, uint64_t sn, const int *is_in)
{
    const struct rank *rank = &ranks[r];
    struct crmpi_dependencies d = {.world_rank = r,
                                   .n_ranks = n_ranks,
                                   .sn = sn,
                                   .interval = rank->interval,
                                   .base = rank->n ? rank->saved[rank->n].sn : 0};

    d.streams = calloc(n_ranks, sizeof *d.streams);
    d.cohort = calloc(n_ranks, sizeof *d.cohort);
    for (uint32_t i = 0; i < n_ranks; i++) {
        if (rank->sent[i] || rank->received[i])
            d.streams[d.n_streams++] =
                (struct crmpi_stream){.comm = 10,
                                      .peer = i,
                                      .sent = rank->sent[i],
                                      .received = rank->received[i]};
        if (is_in[i])
            d.cohort[d.n_cohort++] =
                (struct crmpi_member){.rank = i, .interval = ranks[i].interval};
    }
    d.collectives = calloc(2, sizeof *d.collectives);
    d.members = calloc(n_ranks, sizeof *d.members);
    d.n_members = n_ranks;
    for (uint32_t i = 0; i < n_ranks; i++)
        d.members[i] = i;
    for (uint32_t comm = 0; comm < 2; comm++)
        if (comm == 0 || r < 2)
            d.collectives[d.n_collectives++] = (struct crmpi_collectives){
                .comm = 10 + comm,
                .count = rank->count[comm],
                .rank = r,
                .n_members = comm ? 2 : n_ranks,
                .flow = rank->flow[comm] ? CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL : 0u};
    d.accesses = accesses_note(rank->accessed, &d.n_accesses);
    d.origins = accesses_note(rank->origin, &d.n_origins);
    d.windows = malloc(sizeof *d.windows);
    d.windows[d.n_windows++] = WINDOW;
    return d;
}

static void begin_anew(struct rank *rank)
{
    memset(rank->sent, 0, sizeof rank->sent);
    memset(rank->received, 0, sizeof rank->received);
    memset(rank->count, 0, sizeof rank->count);
    memset(rank->flow, 0, sizeof rank->flow);
    memset(rank->accessed, 0, sizeof rank->accessed);
    memset(rank->origin, 0, sizeof rank->origin);
    memset(rank->is_touched, 0, sizeof rank->is_touched);
}

/* The group drains and saves; what others have sent to it stays in transit. */
static void group_save(const int *is_in, uint64_t sn)
{
    struct crmpi_dependencies d[RANKS_MAX];

    for (uint32_t a = 0; a < n_ranks; a++)
        for (uint32_t b = 0; is_in[a] && b < n_ranks; b++)
            while (is_in[b] && ranks[a].waiting[b])
                receive(a, b);
    for (uint32_t r = 0; r < n_ranks; r++)
        if (is_in[r])
            d[r] = note(r, sn, is_in);
    for (uint32_t r = 0; r < n_ranks; r++)
        if (is_in[r]) {
            ranks[r].saved[++ranks[r].n] = d[r];
            ranks[r].restored[ranks[r].n] = ranks[r].restored[0];
            ranks[r].interval = sn + 1;
            begin_anew(&ranks[r]);
        }
    lines[n_lines].number =
        n_lines && lines[n_lines - 1].number >= sn ? lines[n_lines - 1].number + 1 : sn;
    for (uint32_t r = 0; r < n_ranks; r++) {
        lines[n_lines].states[r] = ranks[r].n;
        lines[n_lines].sn[r] = ranks[r].saved[ranks[r].n].sn;
    }
    n_lines++;
}

static void checkpoint(void)
{
    int is_in[RANKS_MAX] = {0};
    uint64_t sn = 1;

    is_in[draw(n_ranks)] = 1;
    group_close(is_in);
    for (uint32_t r = 0; r < n_ranks; r++)
        if (n_lines == 0)
            is_in[r] = 1; /* MPI_Init */
    for (uint32_t r = 0; r < n_ranks; r++) {
        if (is_in[r] && ranks[r].n == STATES_MAX)
            return;
        if (is_in[r] && sn < ranks[r].interval)
            sn = ranks[r].interval;
    }
    group_save(is_in, sn + draw(2));
}

/* From the newest line: what came after it has never been. */
static void restart(void)
{
    size_t n_left = 0;

    if (n_lines == 0)
        return;
    for (size_t i = 0; i < n_events; i++) {
        int is_over = events[i].a_state > ranks[events[i].a].n;
        ck_assert_int_eq(is_over, events[i].b_state > ranks[events[i].b].n);
        if (!is_over)
            events[n_left++] = events[i];
    }
    n_events = n_left;
    for (uint32_t r = 0; r < n_ranks; r++) {
        struct rank *rank = &ranks[r];
        begin_anew(rank);
        memset(rank->waiting, 0, sizeof rank->waiting);
        rank->restored[0] = lines[n_lines - 1].number;
        rank->interval = lines[n_lines - 1].number + 1;
    }
}

static void job_run(void)
{
    memset(ranks, 0, sizeof ranks);
    n_lines = n_events = 0;
    n_ranks = 2 + draw(RANKS_MAX - 1);
    for (uint32_t r = 0; r < n_ranks; r++)
        ranks[r].interval = 1;
    for (unsigned i = 0; i < EVENTS; i++) {
        uint32_t a = draw(n_ranks), b = draw(n_ranks);
        unsigned what = draw(60);
        if (what < 14)
            send(a, b);
        else if (what < 27)
            receive(a, b);
        else if (what < 29)
            collective(what == 27);
        else if (what < 35)
            access_window(a, b, 1u << (3 + draw(4)));
        else if (what < 58)
            checkpoint();
        else
            restart();
    }
    checkpoint();
}

/* ---- the history ---- */

/* Whether a kept line has a checkpoint. */
static int is_kept(const int *is_line_kept, uint32_t r, size_t state)
{
    for (size_t i = 0; i < n_lines; i++)
        if (is_line_kept[i] && lines[i].states[r] == state)
            return 1;
    return 0;
}

static struct crmpi_dependencies copy_of(const struct crmpi_dependencies *d)
{
    struct crmpi_dependencies copy;
    void *bytes;
    size_t n;

    ck_assert_int_eq(crmpi_dependencies_pack(d, &bytes, &n), 0);
    ck_assert_int_eq(crmpi_dependencies_unpack(&copy, bytes, n), 0);
    free(bytes);
    return copy;
}

static void history_make(const int *is_line_kept)
{
    ck_assert_int_eq(crmpi_history_init(&history, n_ranks), CRMPI_OK);
    for (uint32_t r = n_ranks; r-- > 0;)
        for (size_t k = 1; k <= ranks[r].n; k++) {
            size_t state = ranks[r].n + 1 - k; /* newest first */
            struct crmpi_dependencies d = copy_of(&ranks[r].saved[state]);
            struct crmpi_checkpoint about = {.sn = d.sn,
                                             .restored = ranks[r].restored[state],
                                             .lost = ranks[r].is_lost[state] > 0};
            if (is_kept(is_line_kept, r, state) && ranks[r].is_lost[state] < 2)
                ck_assert_int_eq(crmpi_history_add(&history, r, &about, &d), CRMPI_OK);
            crmpi_dependencies_fini(&d);
        }
    for (size_t i = 0; i < n_lines; i++)
        if (is_line_kept[i])
            ck_assert_int_eq(
                crmpi_history_add_line(&history, lines[i].number, lines[i].sn), CRMPI_OK);
    ck_assert_int_eq(crmpi_history_link(&history), CRMPI_OK);
}

static void job_fini(void)
{
    for (uint32_t r = 0; r < n_ranks; r++)
        for (size_t k = 1; k <= ranks[r].n; k++)
            crmpi_dependencies_fini(&ranks[r].saved[k]);
    crmpi_history_fini(&history);
}

/* The states of the highest line; 0 if there is none. */
static void find(size_t *states)
{
    struct crmpi_recovery_line line;

    ck_assert_int_eq(crmpi_recovery_line(&history, NULL, NULL, NULL, &line), CRMPI_OK);
    for (uint32_t e = 0; e < history.n_entities; e++) {
        uint32_t r = history.entities[e].rank;
        ck_assert_uint_eq(line.sn[e], line.sn[r]); /* a segment, as its task */
    }
    for (uint32_t r = 0; r < n_ranks; r++) {
        states[r] = 0;
        while (line.sn[r] && ranks[r].saved[states[r]].sn != line.sn[r])
            ck_assert_uint_le(++states[r], ranks[r].n);
        ck_assert_int_eq(line.sn[r] == 0, line.sn[0] == 0);
        ck_assert(!ranks[r].is_lost[states[r]]);
    }
    crmpi_recovery_line_fini(&line);
}

static int is_consistent(const size_t *states)
{
    for (size_t i = 0; i < n_events; i++) {
        int a = states[events[i].a] >= events[i].a_state;
        int b = states[events[i].b] >= events[i].b_state;
        if ((a && !b) || (b && !a && !events[i].is_read))
            return 0;
    }
    return 1;
}

static void try_all(size_t *best)
{
    size_t states[RANKS_MAX];
    uint32_t r;

    memset(best, 0, RANKS_MAX * sizeof *best);
    for (r = 0; r < n_ranks; r++)
        states[r] = 1;
    while (r > 0) {
        int is_usable = 1;
        for (uint32_t i = 0; i < n_ranks; i++)
            is_usable &= !ranks[i].is_lost[states[i]];
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

static void lose(unsigned one_in, int how)
{
    for (uint32_t r = 0; r < n_ranks; r++)
        for (size_t k = 1; k <= ranks[r].n; k++)
            if (draw(one_in) == 0)
                ranks[r].is_lost[k] = how ? how : 1 + (int)draw(2);
}

START_TEST(test_lines_are_the_highest)
{
    unsigned n_back = 0, n_apart = 0;

    for (uint64_t this = 1; this <= CASES; this ++) {
        size_t states[RANKS_MAX], best[RANKS_MAX];
        int is_line_kept[EVENTS];
        seed = this;
        job_run();
        if (this % 4)
            lose(6, 1);
        for (size_t i = 0; i < n_lines; i++)
            is_line_kept[i] = 1;
        history_make(is_line_kept);
        find(states);
        try_all(best);
        for (uint32_t r = 0; r < n_ranks; r++) {
            ck_assert_uint_eq(states[r], best[r]);
            n_back += best[r] && best[r] < ranks[r].n;
            n_apart += best[r] && best[r] == ranks[r].n;
            if (this % 4 == 0)
                ck_assert_uint_eq(states[r], ranks[r].n);
        }
        job_fini();
    }
    ck_assert_uint_gt(n_back, CASES / 10);
    ck_assert_uint_gt(n_apart, CASES / 10);
}
END_TEST

/* Lines were dropped, and of some files nothing is known: it may go back farther than it
 * would have to, but never behind a line that is whole. */
START_TEST(test_gaps)
{
    unsigned n_above = 0;

    for (uint64_t this = 1; this <= CASES; this ++) {
        size_t states[RANKS_MAX];
        int is_line_kept[EVENTS];
        seed = this;
        job_run();
        lose(8, 0);
        for (size_t i = 0; i < n_lines; i++)
            is_line_kept[i] = i + 1 == n_lines || draw(3) == 0;
        history_make(is_line_kept);
        find(states);
        if (states[0] > 0)
            ck_assert(is_consistent(states));
        for (size_t i = 0; i < n_lines; i++) {
            int is_whole = is_line_kept[i];
            for (uint32_t r = 0; r < n_ranks; r++)
                is_whole &= !ranks[r].is_lost[lines[i].states[r]];
            for (uint32_t r = 0; is_whole && r < n_ranks; r++) {
                ck_assert_uint_ge(states[r], lines[i].states[r]);
                n_above += states[r] > lines[i].states[r];
            }
        }
        job_fini();
    }
    ck_assert_uint_gt(n_above, CASES / 10);
}
END_TEST

UNIT_TESTS("recovery of groups")
{
    CASE("groups", .seconds = 120);
    TEST(test_lines_are_the_highest);
    TEST(test_gaps);
}
