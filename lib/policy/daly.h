/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often to take a checkpoint, and how often to copy one to a slower, safer place.
 * Pure.
 */
#ifndef CRMPI_POLICY_DALY_H
#define CRMPI_POLICY_DALY_H

/**
 * Return the time of work between two checkpoints that loses the least, in the unit of
 * the arguments, by the higher-order estimate of J. T. Daly, "A higher order estimate of
 * the optimum checkpoint interval for restart dumps", FGCS 22 (2006).
 * @param cost  time the job stands still for a checkpoint, >= 0
 * @param mtbf  mean time between failures, > 0
 */
double crmpi_daly_interval(double cost, double mtbf);

/* The share of failures that copies on other nodes do not survive, so that only the
 * global directory is left: of those of three clusters over years, A. Moody et al.,
 * "Design, modeling, and evaluation of a scalable multi-level checkpointing system",
 * SC10, found 15 %. */
#define CRMPI_DALY_GLOBAL_SHARE 0.15

/**
 * Return every how many checkpoints one should also go to the next level, 1 or more.
 *
 * The two-level model, after N. H. Vaidya, "A case for two-level recovery schemes", IEEE
 * Trans. Computers 47 (1998): failures come independently at two rates, and those of the
 * rarer kind throw the job back to the newest checkpoint of the next level.  To first
 * order each level then has an optimum of its own: this is Daly's for the next one, in
 * whole checkpoints of the lower.
 * @param interval  from one checkpoint to the next, > 0
 * @param cost      time the job loses by filling the next level once, >= 0
 * @param mtbf      mean time between failures that only the next level survives, > 0
 * @param fill      time that filling it takes, meanwhile it cannot be filled again, >= 0
 */
unsigned crmpi_daly_every(double interval, double cost, double mtbf, double fill);

/* When a checkpoint is also to go to the next level, filled in the background: seconds. */
struct crmpi_fill {
    double interval;  /* of checkpoints, smoothed; 0: there was one at most */
    double newest;    /* when the newest checkpoint was complete; 0: there is none */
    double seconds;   /* that filling takes, smoothed; 0: not known */
    unsigned waiting; /* checkpoints since the one that the level was filled with last */
};

/* The share of the time it takes that filling a level in the background is taken to cost
 * the application: it does not stand still, but shares the network and the processors. */
#define CRMPI_FILL_SHARE 0.1

/**
 * A checkpoint is complete: tell whether the next level is to be filled with it.  True for
 * the first one, which shows what filling takes.
 * @param now   any clock that only goes forward, > 0
 * @param mtbf  as in crmpi_daly_every()
 */
int crmpi_fill_due(struct crmpi_fill *fill, double now, double mtbf);

/** Note how long filling it has taken. */
void crmpi_fill_note(struct crmpi_fill *fill, double seconds);

/* What checkpoints have cost so far, in seconds. */
struct crmpi_cost {
    double blocked; /* that the application stood still; follows slowly */
    double whole; /* from the beginning to the commit; rises at once and sinks slowly, as
                       not every checkpoint holds everything */
    unsigned n;
};

/** Note a checkpoint.  @param whole  0: it does not tell how long one of all takes */
void crmpi_cost_note(struct crmpi_cost *cost, double blocked, double whole);

/**
 * Return the time from where the application went on to the next checkpoint: Daly's, but
 * such that the application stands still for a twentieth of its time at most, and that for
 * at most half of it a checkpoint is under way.
 */
double crmpi_cost_interval(const struct crmpi_cost *cost, double mtbf);

#endif
