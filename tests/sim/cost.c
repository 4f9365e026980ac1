/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a checkpoint costs in control messages, in jobs of up to 100,000 simulated ranks
 * that do nothing else: under the coordinated policy, and under the partial one for
 * groups of different sizes.  Messages between ranks that are no neighbours in the
 * control tree pass through those between; each link takes one unit of time, all else none.
 * The drain's own messages, by MPI, go between ranks that have communicated: a bookmark each
 * way, and its answer.
 *
 * Usage: sim-cost
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"
#include "sim/sim.h"

/* Whom each rank has interacted with since its last checkpoint. */
enum pattern { PAIRS, BLOCKS, CHAIN, PATTERNS };
static const char *const pattern_words[PATTERNS] = {
    [PAIRS] = "pairs",
    [BLOCKS] = "blocks of 64",
    [CHAIN] = "a chain",
};
#define BLOCK 64

struct sim_item {
    uint32_t rank, from;
    struct crmpi_message message;
    void *payload;
    size_t payload_bytes;
};

static struct job {
    const struct crmpi_policy_ops *ops;
    enum pattern pattern;
    uint32_t n_ranks;
    struct rank {
        struct crmpi_policy *policy;
        struct crmpi_event result; /* to be given next; kind TICK: none */
        uint64_t n_handled;        /* messages sent, passed on and taken */
    } *ranks;
    double now;
    uint64_t n_messages, n_links, n_saved, n_committed, most;
    uint64_t n_bookmarks; /* messages of the drains, between ranks that have communicated */
} job;

static void check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sim: %s: policy %s, %u ranks, %s\n", what, job.ops->name,
            job.n_ranks, pattern_words[job.pattern]);
    exit(1);
}

/* Count the links on the way, and what the ranks on it have to do. */
static unsigned travel(uint32_t from, uint32_t to)
{
    unsigned links = 0;

    job.ranks[from].n_handled++;
    job.ranks[to].n_handled++;
    for (; from != to; links++) { /* parents have smaller ranks */
        uint32_t *lower = from > to ? &from : &to;
        *lower = CRMPI_TREE_PARENT(*lower);
        if (from != to)
            job.ranks[*lower].n_handled++;
    }
    return links;
}

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    struct sim_item *item = calloc(1, sizeof *item);
    uint32_t from = (uint32_t)((struct rank *)context - job.ranks);
    unsigned links;

    check(item != NULL && to < job.n_ranks && to != from, "a message to nobody");
    *item = (struct sim_item){.rank = to, .from = from, .message = *message};
    if (payload_bytes > 0) {
        item->payload = malloc(payload_bytes);
        check(item->payload != NULL, "out of memory");
        memcpy(item->payload, payload, payload_bytes);
        item->payload_bytes = payload_bytes;
    }
    links = travel(from, to);
    job.n_messages++;
    job.n_links += links;
    sim_queue_add(job.now + links, item);
}

/* Those of a rank, itself among them, that are not in the group. */
static size_t neighbours_of(uint32_t r, const uint32_t *group, size_t n_group,
                            uint32_t *out)
{
    uint32_t first = job.pattern == PAIRS    ? r & ~1u
                     : job.pattern == BLOCKS ? r / BLOCK * BLOCK
                     : r > 0                 ? r - 1
                                             : 0;
    uint32_t size = job.pattern == PAIRS ? 2 : job.pattern == BLOCKS ? BLOCK : 3;
    size_t n = 0, i = 0;

    for (uint32_t other = first; other < first + size && other < job.n_ranks; other++) {
        while (i < n_group && group[i] < other)
            i++;
        if (i == n_group || group[i] != other)
            out[n++] = other;
    }
    return n;
}

static size_t neighbours(uint32_t r, const struct crmpi_action *action, uint32_t *out)
{
    return action->group ? neighbours_of(r, action->group, action->n_group, out) : 0;
}

static uint32_t neighbour_list[BLOCK];

/* Whom a rank tells, and is answered by. */
static uint64_t partners(uint32_t r)
{
    uint32_t list[BLOCK];

    return neighbours_of(r, NULL, 0, list) - 1; /* not itself */
}

static void act(void *context, const struct crmpi_action *action)
{
    struct rank *rank = context;
    uint32_t r = (uint32_t)(rank - job.ranks);
    static const enum crmpi_event_kind results[] = {
        [CRMPI_ACTION_PARK] = CRMPI_EVENT_PARKED,
        [CRMPI_ACTION_DRAIN] = CRMPI_EVENT_DRAINED,
        [CRMPI_ACTION_QUIET] = CRMPI_EVENT_QUIESCED,
        [CRMPI_ACTION_SAVE] = CRMPI_EVENT_SAVED,
        [CRMPI_ACTION_COMMIT] = CRMPI_EVENT_COMMITTED,
        [CRMPI_ACTION_RELEASE] = CRMPI_EVENT_TICK,
    };

    if (action->kind == CRMPI_ACTION_DRAIN)
        job.n_bookmarks += 2 * partners(r);
    if (action->kind == CRMPI_ACTION_COMMIT)
        job.n_saved = action->n_saved;
    job.n_committed += action->kind == CRMPI_ACTION_REPORT && action->committed;
    if (action->kind > CRMPI_ACTION_RELEASE)
        return;
    rank->result = (struct crmpi_event){.kind = results[action->kind], .line = 1};
    if (action->kind == CRMPI_ACTION_PARK) {
        rank->result.n_neighbours = neighbours(r, action, neighbour_list);
        rank->result.neighbours = neighbour_list; /* it is given before another's */
        rank->result.interval = 1;
    }
}

static void give(uint32_t r, struct crmpi_event event)
{
    struct rank *rank = &job.ranks[r];

    event.now_ms = 0;
    job.ops->event(rank->policy, &event);
    while (rank->result.kind != CRMPI_EVENT_TICK) {
        event = rank->result;
        rank->result.kind = CRMPI_EVENT_TICK;
        job.ops->event(rank->policy, &event);
    }
}

static unsigned depth_of(uint32_t n)
{
    unsigned depth = 0;
    while ((n - 1) >> depth > 0)
        depth++;
    return depth;
}

static void check_cost(void)
{
    unsigned depth = depth_of(job.n_ranks), growths = 2 * depth + 3;
    uint64_t n = job.n_ranks;

    check(job.n_committed == 1, "the checkpoint was not taken");
    check(job.n_bookmarks <= 2 * job.n_saved *
                                 (job.pattern == BLOCKS ? BLOCK - 1
                                  : job.pattern == PAIRS ? 1
                                                         : 2),
          "the bookmarks go to others than neighbours");
    if (job.ops == &crmpi_policy_coordinated) {
        /* five phases down and up, over three links at most, and the request */
        check(job.n_saved == n && job.most <= 2 * 5 * 3 + 2 && job.now <= 11 * depth,
              "the cost of a checkpoint of all");
    } else if (job.pattern == CHAIN) { /* few ranks grow, then all take part */
        check(job.n_saved == n && job.n_links <= 12 * n + 256 * depth * depth &&
                  job.now <= (double)(12 + 2 * growths) * depth * depth,
              "the cost of a checkpoint that grew to all");
    } else {
        n = job.pattern == PAIRS ? 2 : BLOCK;
        check(job.n_saved == n && job.n_messages <= 12 * n + 2 &&
                  job.n_links <= job.n_messages * 2 * depth &&
                  job.now <= (double)(12 * (depth_of((uint32_t)n) + 1) * 2 * depth),
              "the cost of a partial checkpoint");
    }
}

/* One checkpoint, asked for in the middle of the job, where groups are small, and all
 * messages travel far. */
static void run(const struct crmpi_policy_ops *ops, uint32_t n_ranks,
                enum pattern pattern)
{
    struct crmpi_policy_parameters parameters = {.next_sn = 1, .limit_ms = 1000};
    struct sim_item *item;

    job = (struct job){.ops = ops, .pattern = pattern, .n_ranks = n_ranks};
    job.ranks = calloc(n_ranks, sizeof *job.ranks);
    check(job.ranks != NULL, "out of memory");
    for (uint32_t r = 0; r < n_ranks; r++) {
        struct crmpi_policy_env env = {
            .context = &job.ranks[r], .send = send_message, .act = act};
        job.ranks[r].policy = ops->create(r, n_ranks, &parameters, &env);
        check(job.ranks[r].policy != NULL, "out of memory");
    }
    give(n_ranks / 2, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST});
    while ((item = sim_queue_take(&job.now)) != NULL) {
        give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_MESSAGE,
                                              .from = item->from,
                                              .message = &item->message,
                                              .payload = item->payload,
                                              .payload_bytes = item->payload_bytes});
        free(item->payload);
        free(item);
    }
    for (uint32_t r = 0; r < n_ranks; r++) {
        if (job.ranks[r].n_handled > job.most)
            job.most = job.ranks[r].n_handled;
        ops->destroy(job.ranks[r].policy);
    }
    free(job.ranks);
    printf("%6u ranks, %s, %-12s: %6llu saved, %8llu messages over %9llu links, at most "
           "%6llu handled by a rank, depth %5.0f; %8llu of the drain\n",
           n_ranks, ops->name,
           ops == &crmpi_policy_partial ? pattern_words[pattern] : "all",
           (unsigned long long)job.n_saved, (unsigned long long)job.n_messages,
           (unsigned long long)job.n_links, (unsigned long long)job.most, job.now,
           (unsigned long long)job.n_bookmarks);
    check_cost();
}

int main(void)
{
    for (uint32_t n_ranks = 1000; n_ranks <= 100000; n_ranks *= 10) {
        run(&crmpi_policy_coordinated, n_ranks, PAIRS);
        for (unsigned pattern = 0; pattern < PATTERNS; pattern++)
            run(&crmpi_policy_partial, n_ranks, pattern);
    }
    return 0;
}
