/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often to take a checkpoint.  Pure.
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

#endif
