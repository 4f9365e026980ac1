/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Axes of diagrams, as pieces of an SVG.  Tools.
 */
#ifndef CRMPI_TOOLS_PLOT_H
#define CRMPI_TOOLS_PLOT_H

#include <stddef.h>
#include <stdio.h>

#define PLOT_COLOURS                                                                     \
    8 /* classes series0 to series7 of the page, and hollow0 to hollow7 */

enum plot_quantity { PLOT_SECONDS, PLOT_BYTES };

struct plot_axis {
    double min, max; /* what lies at its ends */
    int is_log;
    double unit; /* what numbers are divided by */
    const char *unit_name;
    double from, to; /* where its ends are on the page */
};

/**
 * An axis for values from @p least to @p most, which are not negative: from 0 on, or
 * logarithmic if that is allowed, and they differ a lot.  There is always something
 * between its ends.
 */
struct plot_axis plot_axis(enum plot_quantity quantity, double least, double most,
                           int may_be_log, double from, double to);

/** Where a value lies; what is beyond an end, at the end. */
double plot_at(const struct plot_axis *axis, double value);

/** Values that get a number; returns how many of at most @p room. */
size_t plot_ticks(const struct plot_axis *axis, double *ticks_out, size_t room);

/** The frame with grid lines and the axes' numbers and units.  @p x_words stands before the
 * unit of x; the y axis has its unit above it. */
void plot_frame(FILE *out, const struct plot_axis *x, const struct plot_axis *y,
                const char *x_words);

/** Numbers and grid lines of a horizontal axis only, for bars from @p top to @p bottom. */
void plot_scale(FILE *out, const struct plot_axis *x, double top, double bottom,
                const char *words);

#endif
