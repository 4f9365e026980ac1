/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Axes of diagrams.  Tools.
 */
#include <math.h>
#include "tools/plot.h"
#include "tools/svg.h"

#define TICK_SIZE 10.5
#define LOG_FROM 20.0 /* a logarithmic axis if the values differ by more */
#define TICKS_MAX 32
#define DECADES_MAX 6 /* of a logarithmic axis: what is less lies at its end */

struct unit {
    double size;
    const char *name;
};

/* The largest unit of which there is at least one, or three of those of time. */
static struct unit unit_choose(enum plot_quantity quantity, double most)
{
    static const struct unit seconds[] = {
        {1e-3, "ms"}, {1, "s"}, {60, "min"}, {3600, "h"}, {86400, "d"}};
    static const struct unit bytes[] = {{1, "B"},        {0x1p10, "KiB"},
                                        {0x1p20, "MiB"}, {0x1p30, "GiB"},
                                        {0x1p40, "TiB"}, {0x1p50, "PiB"}};
    const struct unit *units = quantity == PLOT_SECONDS ? seconds : bytes;
    size_t n = quantity == PLOT_SECONDS ? sizeof seconds / sizeof *seconds
                                        : sizeof bytes / sizeof *bytes;
    size_t i = 0;
    while (i + 1 < n &&
           most >= units[i + 1].size *
                       (units[i + 1].size > 1 && quantity == PLOT_SECONDS ? 3 : 1))
        i++;
    return units[i];
}

/* 1, 2 or 5 times a power of ten, at least so much. */
static double step_above(double value)
{
    double power = pow(10, floor(log10(value)));
    for (int i = 0; i < 3; i++)
        if (value <= (double)(i == 2 ? 5 : i + 1) * power * 1.0001)
            return (double)(i == 2 ? 5 : i + 1) * power;
    return 10 * power;
}

/* The step of a linear axis: there is room for so many numbers. */
static double step_linear(const struct plot_axis *axis)
{
    double room = fabs(axis->to - axis->from) / 64;
    return step_above((axis->max - axis->min) / axis->unit / (room > 5 ? room : 5)) *
           axis->unit;
}

struct plot_axis plot_axis(enum plot_quantity quantity, double least, double most,
                           int may_be_log, double from, double to)
{
    struct plot_axis axis = {.from = from, .to = to};
    double tiny = quantity == PLOT_SECONDS ? 1e-4 : 1024;
    if (most < tiny)
        most = tiny;
    struct unit unit = unit_choose(quantity, most);
    axis.unit = unit.size;
    axis.unit_name = unit.name;
    axis.max = most;
    if (least < most * pow(10, -DECADES_MAX))
        least = least > 0 ? most * pow(10, -DECADES_MAX) : 0;
    if (may_be_log && least > 0 && most / least > LOG_FROM) {
        axis.is_log = 1;
        axis.min = unit.size * pow(10, floor(log10(least / unit.size) + 1e-9));
        axis.max = unit.size * pow(10, log10(most / unit.size) + 0.12);
    } else {
        double step = step_linear(&axis);
        axis.max = quantity == PLOT_SECONDS && from < to
                       ? most /* time goes to the end of the page */
                       : step * ceil(most * 1.02 / step);
    }
    return axis;
}

double plot_at(const struct plot_axis *axis, double value)
{
    double part =
        axis->is_log
            ? (value > 0 ? log(value / axis->min) / log(axis->max / axis->min) : 0)
            : (value - axis->min) / (axis->max - axis->min);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    return axis->from + part * (axis->to - axis->from);
}

size_t plot_ticks(const struct plot_axis *axis, double *ticks_out, size_t room)
{
    size_t n = 0;
    if (!axis->is_log) {
        double step = step_linear(axis);
        for (double i = ceil(axis->min / step);
             n < room && i * step <= axis->max * 1.0001; i++)
            ticks_out[n++] = i * step;
        return n;
    }
    double decades = log10(axis->max / axis->min);
    for (double power = axis->min; n < room && power <= axis->max; power *= 10)
        for (int i = 0; i < (decades < 2.5 ? 3 : 1) && n < room; i++) {
            double value = power * (i == 2 ? 5 : i + 1);
            if (value <= axis->max)
                ticks_out[n++] = value;
        }
    return n;
}

static void number(FILE *out, double x, double y, enum svg_anchor anchor, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.10g", value);
    svg_text(out, x, y, TICK_SIZE, "muted", anchor, text);
}

static void line(FILE *out, double x1, double y1, double x2, double y2)
{
    fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", x1, y1, x2, y2);
}

void plot_scale(FILE *out, const struct plot_axis *x, double top, double bottom,
                const char *words)
{
    double ticks[TICKS_MAX];
    size_t n = plot_ticks(x, ticks, TICKS_MAX);
    char text[128];
    for (size_t i = 0; i < n; i++) {
        double at = plot_at(x, ticks[i]);
        line(out, at, top, at, bottom);
        number(out, at, bottom + 13, SVG_MIDDLE, ticks[i] / x->unit);
    }
    snprintf(text, sizeof text, "%s (%s)", words, x->unit_name);
    svg_text(out, (x->from + x->to) / 2, bottom + 28, TICK_SIZE, "muted", SVG_MIDDLE,
             text);
}

void plot_frame(FILE *out, const struct plot_axis *x, const struct plot_axis *y,
                const char *x_words)
{
    double ticks[TICKS_MAX];
    size_t n = plot_ticks(y, ticks, TICKS_MAX);
    for (size_t i = 0; i < n; i++) {
        double at = plot_at(y, ticks[i]);
        line(out, x->from, at, x->to, at);
        number(out, x->from - 6, at + 4, SVG_END, ticks[i] / y->unit);
    }
    svg_text(out, x->from - 6, y->to - 9, TICK_SIZE, "muted", SVG_END, y->unit_name);
    plot_scale(out, x, y->to, y->from, x_words);
}
