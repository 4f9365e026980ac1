/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interval between checkpoints by Daly's formula.  Pure.
 */
#include <math.h>
#include "policy/daly.h"

double crmpi_daly_interval(double cost, double mtbf)
{
    double ratio = cost / (2 * mtbf);

    if (ratio >= 1)
        return mtbf;
    return sqrt(2 * cost * mtbf) * (1 + sqrt(ratio) / 3 + ratio / 9) - cost;
}
