/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The intervals that lib/policy/daly.c chooses, against jobs that really fail: for many
 * costs and rates of failures the time that a simulated job takes with the chosen
 * intervals is compared with what any others would have made of it.  Test.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include "policy/daly.h"

#define N_JOBS 6
#define FAILURES 1500 /* of each job */
#define WITHIN 1.02   /* of the best, in the whole time */

static uint64_t state;

/* xorshift64*; from 0 to 1, without 0. */
static double random_share(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return ((double)(state * 0x2545f4914f6cdd1dul >> 11) + 0.5) / 9007199254740992.0;
}

static double time_to(double mtbf)
{
    return -mtbf * log(random_share());
}

struct world {
    double cost, mtbf;               /* of the local level, and of all failures */
    double global_cost, global_mtbf; /* of the failures that it does not survive */
    double restart;
};

/* Where a job has got to. */
struct job {
    double now, next_local, next_global; /* failures of the two kinds */
    double work, saved, global; /* done; in the newest checkpoint of each level */
    unsigned n;                 /* local checkpoints since the last global one */
};

/* The job spends some time; 0 if a failure threw it back. */
static int pass(const struct world *world, struct job *job, double seconds)
{
    int is_global = job->next_global < job->next_local;
    double failure = is_global ? job->next_global : job->next_local;

    if (failure > job->now + seconds) {
        job->now += seconds;
        return 1;
    }
    job->now = failure + world->restart;
    if (is_global) {
        job->saved = job->global;
        job->n = 0;
    }
    job->work = job->saved;
    /* the rates have no memory, and nothing fails during a restart */
    job->next_local = job->now + time_to(1 / (1 / world->mtbf - 1 / world->global_mtbf));
    job->next_global = job->now + time_to(world->global_mtbf);
    return 0;
}

/* The time that a job takes, by the time of its work. */
static double run(const struct world *world, double interval, unsigned every, double work,
                  uint64_t seed)
{
    struct job job = {0};

    state = seed;
    job.next_local = time_to(1 / (1 / world->mtbf - 1 / world->global_mtbf));
    job.next_global = time_to(world->global_mtbf);
    while (job.work < work) {
        double from = job.work;
        if (!pass(world, &job, interval))
            continue;
        job.work = from + interval;
        if (!pass(world, &job, world->cost))
            continue;
        job.saved = job.work;
        if (++job.n < every || !pass(world, &job, world->global_cost))
            continue;
        job.global = job.saved;
        job.n = 0;
    }
    return job.now / job.work;
}

static double mean_time(const struct world *world, double interval, unsigned every)
{
    double sum = 0;

    for (uint64_t i = 0; i < N_JOBS; i++)
        sum += run(world, interval, every, FAILURES * world->mtbf,
                   88172645463325252u + i * 7919);
    return sum / N_JOBS;
}

static unsigned n_wrong;

static void compare(const char *what, const struct world *world, double interval,
                    unsigned every, double found, double best, double best_at)
{
    if (found <= best * WITHIN)
        return;
    n_wrong++;
    printf("FAILED: %s: cost %g, mtbf %g, global %g, %g: interval %g, every %u: %.4f, "
           "but %.4f with %g\n",
           what, world->cost, world->mtbf, world->global_cost, world->global_mtbf,
           interval, every, found, best, best_at);
}

/* One level: the interval.  A failure never needs the other level. */
static void check_interval(double cost, double mtbf)
{
    struct world world = {
        .cost = cost, .mtbf = mtbf, .global_mtbf = 1e30, .restart = 2 * cost};
    double interval = crmpi_daly_interval(cost, mtbf);
    double found = mean_time(&world, interval, 1), best = found, best_at = interval;

    for (double part = 0.25; part < 4; part *= 1.25) {
        double time = mean_time(&world, interval * part, 1);
        if (time < best) {
            best = time;
            best_at = interval * part;
        }
    }
    compare("interval", &world, interval, 1, found, best, best_at);
}

/* Two levels: every how many. */
static void check_every(double cost, double mtbf, double global_cost, double share)
{
    struct world world = {.cost = cost,
                          .mtbf = mtbf,
                          .global_cost = global_cost,
                          .global_mtbf = mtbf / share,
                          .restart = 2 * cost};
    double interval = crmpi_daly_interval(cost, mtbf), found, best, best_at;
    unsigned every =
        crmpi_daly_every(interval + cost, global_cost, world.global_mtbf, global_cost);

    best = found = mean_time(&world, interval, every);
    best_at = every;
    for (unsigned other = 1; other <= 4 * every + 4; other += 1 + other / 4) {
        double time = mean_time(&world, interval, other);
        if (time < best) {
            best = time;
            best_at = other;
        }
    }
    compare("every", &world, interval, every, found, best, best_at);
}

int main(void)
{
    static const double costs[] = {1, 5, 60}, mtbfs[] = {3600, 86400},
                        shares[] = {0.02, CRMPI_DALY_GLOBAL_SHARE, 0.5},
                        ratios[] = {1, 10, 60};
    unsigned n = 0;

    for (int c = 0; c < 3; c++)
        for (int m = 0; m < 2; m++) {
            check_interval(costs[c], mtbfs[m]);
            n++;
            for (int s = 0; s < 3; s++)
                for (int r = 0; r < 3; r++, n++)
                    check_every(costs[c], mtbfs[m], costs[c] * ratios[r], shares[s]);
        }
    printf("%u choices of intervals, %u of them not good\n", n, n_wrong);
    return n_wrong != 0;
}
