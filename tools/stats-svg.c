/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints of whole runs, drawn: execution times and checkpointing times as bars, and
 * each checkpoint's time and size over the run.  Tool.
 */
#include <stdlib.h>
#include <string.h>
#include "tools/plot.h"
#include "tools/stats.h"
#include "tools/svg.h"
#include "tools/text.h"
#include "tools/tool.h"

#define WIDTH 600.0
#define LEFT 48.0
#define RIGHT (WIDTH - 16)
#define TITLE_SIZE 14.0
#define TEXT_SIZE 11.5
#define PLOT_HEIGHT 170.0
#define BAR_HEIGHT 13.0
#define BAR_ROW 36.0
#define POINTS_MAX 400 /* of a run: of more, the slowest of each few is drawn */

/* ---- pieces ---- */

static void title(FILE *out, double *y, const char *text)
{
    *y += 34;
    svg_text(out, 14, *y, TITLE_SIZE, "text bold", SVG_START, text);
}

static void bar(FILE *out, const char *class, const struct plot_axis *x, double from,
                double to, double y)
{
    double left = plot_at(x, from), right = plot_at(x, to);
    fprintf(out,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            class, left, y, right - left > 0.5 ? right - left : 0.5, BAR_HEIGHT);
}

static void square(FILE *out, const char *class, double x, double y)
{
    fprintf(out,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\"/>\n",
            class, x, y - 9);
}

/* Words beside a square; returns where the next may begin. */
static double key(FILE *out, double x, double y, const char *class, const char *words)
{
    square(out, class, x, y);
    svg_text(out, x + 15, y, TEXT_SIZE, "muted", SVG_START, words);
    return x + 15 + svg_text_width(words, TEXT_SIZE) + 12;
}

/* ---- the effect of checkpoints on execution time ---- */

/* The quickest run without checkpoints, which others are compared with; 0: none. */
static double base_seconds(const struct stats *stats)
{
    double base = 0;
    for (size_t i = 0; i < stats->n_runs; i++) {
        const struct stats_run *run = &stats->runs[i];
        if (run->is_ended && run->n_lines == 0 && (base == 0 || run->seconds < base))
            base = run->seconds;
    }
    return base;
}

static void execution_bar(FILE *out, const struct plot_axis *x, double y,
                          const struct stats_run *run, double base)
{
    char text[160], ratio[32] = "", count[64] = "";
    double blocked =
        run->blocked_seconds < run->seconds ? run->blocked_seconds : run->seconds;
    if (base > 0)
        snprintf(ratio, sizeof ratio, ", %.3f times", run->seconds / base);
    if (run->n_lines > 0)
        snprintf(count, sizeof count, ", %zu checkpoint%s", run->n_lines,
                 run->n_lines == 1 ? "" : "s");
    if (run->seconds < 600)
        snprintf(text, sizeof text, "%.1f s%s%s", run->seconds, ratio, count);
    else
        snprintf(text, sizeof text, "%s%s%s", text_duration(run->seconds), ratio, count);
    double room = RIGHT - LEFT - svg_text_width(text, TEXT_SIZE) - 12;
    svg_text_cut(out, LEFT, y - 4, TEXT_SIZE, "text halo", room, run->label);
    svg_text(out, RIGHT, y - 4, TEXT_SIZE, "muted halo", SVG_END, text);
    bar(out, "bar-light", x, 0, run->seconds - blocked, y);
    if (blocked > 0)
        bar(out, "bar-dark", x, run->seconds - blocked, run->seconds, y);
    if (base > 0)
        fprintf(out, "<path class=\"restart\" d=\"M%.1f %.1fv%.1f\"/>\n",
                plot_at(x, base), y - 1, BAR_HEIGHT + 2);
}

static void draw_execution(FILE *out, double *y, const struct stats *stats)
{
    double most = 0, base = base_seconds(stats), top;
    size_t n = 0;
    for (size_t i = 0; i < stats->n_runs; i++)
        if (stats->runs[i].is_ended) {
            most = stats->runs[i].seconds > most ? stats->runs[i].seconds : most;
            n++;
        }
    if (n < 2)
        return;
    struct plot_axis x = plot_axis(PLOT_SECONDS, 0, most, 0, LEFT, RIGHT);
    title(out, y, "Effect of checkpoints on execution time");
    *y += 20;
    double next = key(out, LEFT, *y, "bar-light", "running");
    key(out, next, *y, "bar-dark", "stopped by checkpoints");
    top = *y + 6;
    plot_scale(out, &x, top, top + (double)n * BAR_ROW + 4, "execution time");
    *y = top + 22;
    for (size_t i = 0; i < stats->n_runs; i++)
        if (stats->runs[i].is_ended) {
            execution_bar(out, &x, *y, &stats->runs[i], base);
            *y += BAR_ROW;
        }
    *y = top + (double)n * BAR_ROW + 36;
}

/* ---- the effect of the destination on checkpointing time ---- */

static void group_bar(FILE *out, const struct plot_axis *x, double y,
                      const struct stats_group *group)
{
    char words[160], text[160], rate[48] = "";
    if (group->seconds > 0)
        snprintf(rate, sizeof rate, " at %s/s",
                 text_size(group->file_bytes / group->seconds));
    snprintf(text, sizeof text, "%.3f s, %s%s", group->seconds,
             text_size(group->file_bytes), rate);
    snprintf(words, sizeof words, "%s: %s", group->destination, group->mode);
    double room = RIGHT - LEFT - svg_text_width(text, TEXT_SIZE) - 12;
    svg_text_cut(out, LEFT, y - 4, TEXT_SIZE, "text halo", room, words);
    svg_text(out, RIGHT, y - 4, TEXT_SIZE, "muted halo", SVG_END, text);
    double blocked =
        group->blocked_seconds < group->seconds ? group->blocked_seconds : group->seconds;
    bar(out, "bar-dark", x, 0, blocked, y);
    if (group->seconds > blocked)
        bar(out, "bar-light", x, blocked, group->seconds, y);
}

/* Whether another run has more checkpoints of the same kind: they share a bar. */
static int is_drawn(const struct stats *stats, size_t which)
{
    const struct stats_group *group = &stats->groups[which];
    for (size_t i = 0; i < stats->n_groups; i++) {
        const struct stats_group *other = &stats->groups[i];
        if (strcmp(other->mode, group->mode) == 0 &&
            strcmp(other->destination, group->destination) == 0 &&
            (other->n > group->n || (other->n == group->n && i < which)))
            return 1;
    }
    return 0;
}

static void draw_destinations(FILE *out, double *y, const struct stats *stats)
{
    double most = 0, top;
    size_t n = 0;
    for (size_t i = 0; i < stats->n_groups; i++) {
        most = stats->groups[i].seconds > most ? stats->groups[i].seconds : most;
        n += !is_drawn(stats, i);
    }
    if (n == 0)
        return;
    struct plot_axis x = plot_axis(PLOT_SECONDS, 0, most, 0, LEFT, RIGHT);
    title(out, y, "Effect of the destination on checkpointing time");
    *y += 20;
    double next = key(out, LEFT, *y, "bar-dark", "program stopped");
    key(out, next, *y, "bar-light", "until committed");
    top = *y + 6;
    plot_scale(out, &x, top, top + (double)n * BAR_ROW + 4,
               "time of a checkpoint, median");
    *y = top + 22;
    for (size_t i = 0; i < stats->n_groups; i++)
        if (!is_drawn(stats, i)) {
            group_bar(out, &x, *y, &stats->groups[i]);
            *y += BAR_ROW;
        }
    *y = top + (double)n * BAR_ROW + 36;
}

/* ---- over the run ---- */

/* What is drawn of a checkpoint: two values, of which the first is filled. */
struct point {
    double when, values[2];
    int is_line, is_increment;
};

struct cloud {
    struct point *points;
    size_t n;
    size_t colour;
    const char *label;
};

/* Checkpoints of one colour: a run's, or if there is one run only those of a way to save. */
struct clouds {
    struct cloud *list;
    size_t n;
    double span; /* to the last of them, and a little more */
};

enum { SECONDS, BYTES };

static struct point point_of(const struct stats_run *run,
                             const struct crmpi_journal_row *row, int which)
{
    struct point point = {.when = row->time - run->begin,
                          .is_line = stats_is_checkpoint(row),
                          .is_increment = row->n_increments > 0};
    point.values[0] = which == SECONDS ? row->blocked_seconds : (double)row->file_bytes;
    point.values[1] = which == SECONDS ? stats_seconds(row) : (double)row->memory_bytes;
    return point;
}

/* Those that were given up are nobody's: the first of several colours has them. */
static int is_of(const struct stats_group *group, const struct crmpi_journal_row *row,
                 int is_first)
{
    if (!stats_is_checkpoint(row))
        return row->event == CRMPI_JOURNAL_GIVEN_UP && is_first;
    return !group || (strcmp(group->mode, stats_mode(row)) == 0 &&
                      strcmp(group->destination, stats_destination(row)) == 0);
}

/* Take the points of a run, or those of a group of it. */
static struct cloud cloud_make(const struct stats_run *run,
                               const struct stats_group *group, int which, int is_first)
{
    struct cloud cloud = {.points = tool_alloc(run->n_rows, sizeof *cloud.points)};
    size_t n = run->n_lines + run->n_given_up, step = n / POINTS_MAX + 1, seen = 0;
    for (size_t i = 0; i < run->n_rows; i++) {
        const struct crmpi_journal_row *row = &run->rows[i];
        if (!is_of(group, row, is_first))
            continue;
        struct point point = point_of(run, row, which);
        struct point *last = cloud.n ? &cloud.points[cloud.n - 1] : NULL;
        if (seen++ % step == 0)
            cloud.points[cloud.n++] = point;
        else if (point.is_line && point.values[1] > last->values[1])
            *last = point;
    }
    return cloud;
}

static struct clouds clouds_make(const struct stats *stats, int which)
{
    struct clouds all = {0};
    int by_group = stats->n_runs == 1;
    size_t n = by_group ? stats->n_groups : stats->n_runs;
    all.list = tool_alloc(n, sizeof *all.list);
    for (size_t i = 0; i < n; i++) {
        const struct stats_group *group = by_group ? &stats->groups[i] : NULL;
        const struct stats_run *run = by_group ? group->run : &stats->runs[i];
        if (run->n_lines + run->n_given_up == 0)
            continue;
        all.list[all.n] = cloud_make(run, group, which, !by_group || i == 0);
        all.list[all.n].label = by_group ? group->mode : run->label;
        all.list[all.n].colour = all.n % PLOT_COLOURS;
        for (size_t k = 0; k < all.list[all.n].n; k++)
            if (all.list[all.n].points[k].when * 1.02 > all.span)
                all.span = all.list[all.n].points[k].when * 1.02;
        all.n++;
    }
    return all;
}

static void clouds_fini(struct clouds *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->list[i].points);
    free(all->list);
}

static void clouds_range(const struct clouds *all, double *least_out, double *most_out)
{
    *least_out = *most_out = 0;
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->list[i].n; k++)
            for (int v = 0; v < 2; v++) {
                const struct point *point = &all->list[i].points[k];
                double value = point->values[v];
                if (!point->is_line || value <= 0)
                    continue;
                *most_out = value > *most_out ? value : *most_out;
                *least_out = *least_out == 0 || value < *least_out ? value : *least_out;
            }
}

/* Full ones are squares, increments discs. */
static void mark(FILE *out, const char *kind, size_t colour, int is_disc, double x,
                 double y)
{
    if (is_disc)
        fprintf(out, "<circle class=\"%s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\"/>\n",
                kind, colour, x, y);
    else
        fprintf(out,
                "<rect class=\"%s%zu\" x=\"%.1f\" y=\"%.1f\" width=\"6.4\" "
                "height=\"6.4\"/>\n",
                kind, colour, x - 3.2, y - 3.2);
}

static void draw_point(FILE *out, const struct plot_axis *x, const struct plot_axis *y,
                       const struct point *point, size_t colour)
{
    double at = plot_at(x, point->when);
    if (!point->is_line) {
        fprintf(out, "<path class=\"cross\" d=\"M%.1f %.1fl7 7m0 -7l-7 7\"/>\n", at - 3.5,
                y->from - 10);
        return;
    }
    double filled = plot_at(y, point->values[0]), hollow = plot_at(y, point->values[1]);
    if (point->values[0] > 0 && point->values[1] > 0 && filled - hollow > 7) {
        fprintf(out, "<path class=\"stem%zu\" d=\"M%.1f %.1fV%.1f\"/>\n", colour, at,
                filled - 3, hollow + 3);
        mark(out, "hollow", colour, point->is_increment, at, hollow);
    }
    if (point->values[0] > 0)
        mark(out, "series", colour, point->is_increment, at, filled);
    else if (point->values[1] > 0) /* it is not known how long the program was stopped */
        mark(out, "hollow", colour, point->is_increment, at, hollow);
}

/* What filled and hollow marks are, to the right of the title. */
static void draw_meaning(FILE *out, double y, const char *filled, const char *hollow)
{
    double x = RIGHT - svg_text_width(hollow, TEXT_SIZE);
    svg_text(out, x, y, TEXT_SIZE, "muted", SVG_START, hollow);
    mark(out, "hollow-", 0, 1, x - 9, y - 4);
    x -= 24 + svg_text_width(filled, TEXT_SIZE);
    svg_text(out, x, y, TEXT_SIZE, "muted", SVG_START, filled);
    mark(out, "series-", 0, 1, x - 9, y - 4);
}

static void draw_clouds(FILE *out, double *y, const struct clouds *all, int which)
{
    double least, most;
    clouds_range(all, &least, &most);
    title(out, y,
          which == SECONDS ? "Time of each checkpoint" : "Size of each checkpoint");
    draw_meaning(out, *y, which == SECONDS ? "program stopped" : "files",
                 which == SECONDS ? "until committed" : "data in memory");
    struct plot_axis x = plot_axis(PLOT_SECONDS, 0, all->span, 0, LEFT, RIGHT);
    struct plot_axis up = plot_axis(which == SECONDS ? PLOT_SECONDS : PLOT_BYTES, least,
                                    most, 1, *y + 28 + PLOT_HEIGHT, *y + 28);
    plot_frame(out, &x, &up, "time since the start");
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->list[i].n; k++)
            draw_point(out, &x, &up, &all->list[i].points[k], all->list[i].colour);
    *y += PLOT_HEIGHT + 28 + 34;
}

static void draw_restarts(FILE *out, const struct stats *stats, const struct clouds *all,
                          double top)
{
    const struct stats_run *run = stats->runs;
    struct plot_axis x = plot_axis(PLOT_SECONDS, 0, all->span, 0, LEFT, RIGHT);
    if (stats->n_runs > 1)
        return;
    for (size_t i = 1; i < run->n_rows; i++)
        if (run->rows[i].event == CRMPI_JOURNAL_START)
            fprintf(out,
                    "<path class=\"restart\" d=\"M%.1f %.1fv%.1f\"><title>restart"
                    "</title></path>\n",
                    plot_at(&x, run->rows[i].time - run->begin), top, PLOT_HEIGHT);
}

static void draw_legend(FILE *out, double *y, const struct stats *stats,
                        const struct clouds *all)
{
    int given_up = 0, restarts = 0;
    for (size_t i = 0; i < stats->n_runs; i++) {
        given_up |= stats->runs[i].n_given_up > 0;
        restarts |= stats->n_runs == 1 && stats->runs[i].n_restarts > 0;
    }
    for (size_t i = 0; i < all->n; i++) {
        char class[32];
        *y += 18;
        snprintf(class, sizeof class, "series%zu", all->list[i].colour);
        square(out, class, LEFT, *y);
        svg_text_cut(out, LEFT + 16, *y, TEXT_SIZE, "text", RIGHT - LEFT - 16,
                     all->list[i].label);
    }
    *y += 20;
    char text[200];
    snprintf(text, sizeof text, "squares: full; discs: incremental%s%s",
             given_up ? "; crosses: given up" : "", restarts ? "; dashed: restarts" : "");
    svg_text(out, LEFT, *y, TEXT_SIZE, "muted", SVG_START, text);
}

static void draw_over_the_run(FILE *out, double *y, const struct stats *stats)
{
    for (int which = SECONDS; which <= BYTES; which++) {
        struct clouds all = clouds_make(stats, which);
        if (all.n > 0) {
            draw_restarts(out, stats, &all, *y + 34 + 28);
            draw_clouds(out, y, &all, which);
            if (which == BYTES)
                draw_legend(out, y, stats, &all);
        }
        clouds_fini(&all);
    }
}

void stats_svg(const struct stats *stats, FILE *out)
{
    char *body;
    size_t bytes;
    double y = 0;
    FILE *page = svg_body_open(&body, &bytes);
    draw_execution(page, &y, stats);
    draw_destinations(page, &y, stats);
    draw_over_the_run(page, &y, stats);
    if (y == 0) {
        y = 34;
        svg_text(page, 14, y, TITLE_SIZE, "text", SVG_START,
                 "No checkpoint has been taken.");
    }
    svg_body_close(page);
    svg_page(out, WIDTH, y + 18, body, bytes);
    free(body);
}
