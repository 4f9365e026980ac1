/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interval between checkpoints by Daly's formula, at one level and at two.  Pure.
 */
#include <math.h>
#include "policy/daly.h"

#define EVERY_MAX 1000000

/* What a checkpoint is thought to cost before the first one. */
#define FIRST_COST 10.0

double crmpi_daly_interval(double cost, double mtbf)
{
    double ratio = cost / (2 * mtbf);

    if (ratio >= 1)
        return mtbf;
    return sqrt(2 * cost * mtbf) * (1 + sqrt(ratio) / 3 + ratio / 9) - cost;
}

/* The share of time lost to filling the level and to going back to it. */
static double lost(double time, double cost, double mtbf)
{
    return cost / time + time / (2 * mtbf);
}

unsigned crmpi_daly_every(double interval, double cost, double mtbf, double fill)
{
    double best = floor(crmpi_daly_interval(cost, mtbf) / interval);
    double least = fmax(1, ceil(fill / interval));

    best = fmax(best, least);
    if (lost((best + 1) * interval, cost, mtbf) < lost(best * interval, cost, mtbf))
        best++;
    return (unsigned)fmin(best, EVERY_MAX);
}

int crmpi_fill_due(struct crmpi_fill *fill, double now, double mtbf)
{
    double interval = now - fill->newest;
    int first = fill->newest == 0;

    fill->waiting++;
    fill->newest = now;
    if (!first && fill->interval == 0)
        fill->interval = interval;
    else if (!first)
        fill->interval += (interval - fill->interval) / 4;
    if (!first && (fill->seconds == 0 ||
                   fill->waiting < crmpi_daly_every(fmax(fill->interval, 1e-3),
                                                    CRMPI_FILL_SHARE * fill->seconds,
                                                    mtbf, fill->seconds)))
        return 0;
    fill->waiting = 0;
    return 1;
}

void crmpi_fill_note(struct crmpi_fill *fill, double seconds)
{
    if (fill->seconds == 0)
        fill->seconds = seconds;
    fill->seconds += (seconds - fill->seconds) / 4;
}

void crmpi_cost_note(struct crmpi_cost *cost, double blocked, double whole)
{
    if (cost->n == 0)
        cost->blocked = blocked;
    cost->blocked += (blocked - cost->blocked) / 4;
    if (whole > 0)
        cost->whole += (whole - cost->whole) / (whole > cost->whole ? 1 : 32);
    cost->n++;
}

double crmpi_cost_interval(const struct crmpi_cost *cost, double mtbf)
{
    if (cost->n == 0)
        return crmpi_daly_interval(FIRST_COST, mtbf);
    return fmax(crmpi_daly_interval(cost->blocked, mtbf),
                fmax(20 * cost->blocked, 2 * cost->whole));
}
