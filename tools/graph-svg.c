/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write the picture of a history as SVG: plain elements and one style sheet, which knows
 * light and dark; colours that colour-blind people can tell apart, and kinds that differ
 * in shape as well.  Tools.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "tools/explain.h"
#include "tools/graph.h"
#include "tools/svg.h"
#include "tools/text.h"
#include "tools/tool.h"

enum { STEPS_MAX = 16, BADGES_MAX = 256 };

static const double gap = 17; /* between checkpoints and what is drawn of intervals */

static const char *const kind_class[] = {"message", "collective", "window", "home"};

/* A link of two intervals is drawn before the first column that ends one of them, with
 * others side by side. */
struct lane_item {
    size_t low, high; /* columns where the later begins, and where the earlier ends: not in
                         this order if one ends before the other begins */
    uint32_t row[2];
    const struct graph_link *link; /* NULL: a collective of `members` */
    unsigned char *members;        /* by row */
    size_t lane;
};

struct drawing {
    const struct graph *graph;
    FILE *out;
    double *x; /* of columns, and of the present */
    double *y; /* of rows */
    double *before;  /* room that labels need left of each column */
    size_t *n_lanes; /* before each column */
    double left, top, right, bottom, width;
    double pitch, radius, number_size;
    struct lane_item *items;
    size_t n_items;
    struct {
        double x, y;
    } badges[BADGES_MAX];
    size_t n_badges;
};

/* ---- where everything goes ---- */

/* Whether numbers stand beside the marks of a column, instead of above it for all. */
static int column_has_labels(const struct graph *graph, size_t column)
{
    return column > 0 && !graph->columns[column].whole;
}

static void mark_texts(const struct drawing *drawing, const struct graph_row *row,
                       const struct graph_mark *mark, char number[32], const char **size)
{
    if (row->is_mixed && mark->n > 1)
        snprintf(number, 32, "%" PRIu32 "\u00d7", mark->n);
    else
        snprintf(number, 32, "%" PRIu64, mark->sn);
    *size = drawing->pitch > 50 && mark->bytes > 0 ? text_size((double)mark->bytes) : "";
}

static void labels_measure(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    for (size_t i = 0; i <= graph->n_columns; i++)
        drawing->before[i] = gap;
    for (size_t r = 0; r < graph->n_rows; r++)
        for (size_t i = 0; i < graph->rows[r].n_marks; i++) {
            const struct graph_mark *mark = &graph->rows[r].marks[i];
            double *before = &drawing->before[mark->column];
            char number[32];
            const char *size;
            if (graph->rows[r].is_segment || !column_has_labels(graph, mark->column))
                continue;
            mark_texts(drawing, &graph->rows[r], mark, number, &size);
            *before = fmax(*before, svg_text_width(number, drawing->number_size) + 16);
            *before = fmax(*before, svg_text_width(size, 9) + 16);
        }
}

static double columns_place(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    size_t n = graph->n_columns;
    double least = n <= 8 ? 104 : n <= 16 ? 84 : 70, span = 0;
    for (size_t i = 2; i < n; i++)
        span += fmax(0, graph->columns[i].time - graph->columns[i - 1].time);
    drawing->x[0] = drawing->left + 12;
    for (size_t i = 1; i <= n; i++) {
        double apart =
            i == 1 || i == n ? 0 : graph->columns[i].time - graph->columns[i - 1].time;
        double more = span > 0 ? fmin(fmax(apart / span * (double)n * 24, 0), 70) : 0;
        double lanes = fmin((double)drawing->n_lanes[i] * 15, 600);
        drawing->x[i] = drawing->x[i - 1] +
                        fmax(least, gap + lanes + drawing->before[i]) + more;
    }
    return drawing->x[n] + 34;
}

/* ---- lanes ---- */

static struct lane_item *item_add(struct drawing *drawing, const uint32_t row[2],
                                  const uint32_t column[2])
{
    const struct graph *graph = drawing->graph;
    struct lane_item *item = &drawing->items[drawing->n_items++];
    size_t begin[2];
    for (int i = 0; i < 2; i++)
        begin[i] = graph_interval_begin(&graph->rows[row[i]], column[i]);
    *item = (struct lane_item){.low = begin[begin[0] < begin[1]],
                               .high = column[column[0] > column[1]],
                               .row = {row[0], row[1]}};
    return item;
}

/* Whether a row had a collective with all of a set. */
static int is_with_all(const unsigned char *linked, const unsigned char *members, size_t row,
                       size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (members[i] && !linked[row * n + i])
            return 0;
    return 1;
}

/* Draw collectives of a column as few sets of rows of which all had one with all. */
static void collectives_items(struct drawing *drawing, unsigned char *linked,
                              uint32_t column)
{
    const struct graph *graph = drawing->graph;
    size_t n = graph->n_rows;
    unsigned char *open = tool_alloc(n * n, 1);
    memcpy(open, linked, n * n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = i; j < n; j++) {
            if (!open[i * n + j])
                continue;
            struct lane_item *item =
                item_add(drawing, (uint32_t[]){i, j}, (uint32_t[]){column, column});
            item->members = tool_alloc(n, 1);
            item->members[i] = item->members[j] = 1;
            for (uint32_t k = i; k < n; k++)
                item->members[k] |= (unsigned char)is_with_all(linked, item->members, k, n);
            for (uint32_t k = i; k < n; k++)
                for (uint32_t l = k; l < n && item->members[k]; l++)
                    if (item->members[l])
                        open[k * n + l] = 0;
            for (uint32_t k = i; k < n; k++)
                item->row[1] = item->members[k] ? k : item->row[1];
        }
    free(open);
}

static int is_collective(const struct graph_link *link)
{
    return link->kind == GRAPH_COLLECTIVE && link->column[0] == link->column[1];
}

static void items_make(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    size_t n = graph->n_rows;
    unsigned char *linked = tool_alloc(n * n, 1);
    drawing->items = tool_alloc(graph->n_links * 2, sizeof *drawing->items);
    for (size_t i = 0; i < graph->n_links; i++)
        if (!is_collective(&graph->links[i]) || graph->links[i].step)
            item_add(drawing, graph->links[i].row, graph->links[i].column)->link =
                &graph->links[i];
    for (uint32_t column = 1; column <= graph->n_columns; column++) {
        int found = 0;
        memset(linked, 0, n * n);
        for (size_t i = 0; i < graph->n_links; i++) {
            const struct graph_link *link = &graph->links[i];
            if (!is_collective(link) || link->column[0] != column)
                continue;
            found = 1;
            linked[link->row[0] * n + link->row[1]] = 1;
            linked[link->row[1] * n + link->row[0]] = 1;
        }
        if (found)
            collectives_items(drawing, linked, column);
    }
    free(linked);
}

static int item_compare(const void *a, const void *b)
{
    const struct lane_item *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    if (x->row[0] != y->row[0])
        return x->row[0] < y->row[0] ? -1 : 1;
    return x->row[1] < y->row[1] ? -1 : x->row[1] > y->row[1];
}

/* Give each item the first lane that is free from its upper row on. */
static void lanes_make(struct drawing *drawing)
{
    size_t n = drawing->n_items;
    int64_t *busy = tool_alloc(n, sizeof *busy); /* by lane: down to which row */
    qsort(drawing->items, n, sizeof *drawing->items, item_compare);
    for (size_t i = 0; i < n; i++) {
        struct lane_item *item = &drawing->items[i];
        size_t *n_lanes = &drawing->n_lanes[item->high], lane = 0;
        if (item->low >= item->high)
            continue;
        while (lane < *n_lanes && busy[lane] >= item->row[0])
            lane++;
        *n_lanes += lane == *n_lanes;
        busy[lane] = item->row[1];
        item->lane = lane;
    }
    free(busy);
}

static void place(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    size_t n_ranks = 0;
    double label = 0, y;
    for (size_t i = 0; i < graph->n_rows; i++) {
        n_ranks += !graph->rows[i].is_segment;
        label = fmax(label, svg_text_width(graph->rows[i].label, 12));
    }
    drawing->pitch = n_ranks <= 12 ? 52 : n_ranks <= 24 ? 38 : 24;
    drawing->radius = n_ranks <= 24 ? 6.5 : 4.5;
    drawing->number_size = n_ranks <= 24 ? 11 : 8.5;
    drawing->left = 24 + label + 18;
    drawing->top = 156;
    y = drawing->top;
    for (size_t i = 0; i < graph->n_rows; i++) {
        if (i > 0)
            y += !graph->rows[i].is_segment ? drawing->pitch
                 : graph->rows[i - 1].is_segment ? 20
                                                 : drawing->pitch > 50 ? 34 : 20;
        drawing->y[i] = y;
    }
    drawing->bottom = y + 22;
    items_make(drawing);
    lanes_make(drawing);
    labels_measure(drawing);
    drawing->right = columns_place(drawing);
    drawing->width = fmax(drawing->right + 24, 800);
    const struct crmpi_recovery_line *line = graph->subject->line;
    for (size_t i = 0; i < line->n_steps && i < STEPS_MAX; i++)
        drawing->width = fmax(drawing->width,
                              fmin(1200, 84 + svg_text_width(explain_step_text(
                                                  graph->subject, i), 11)));
}

/* ---- pieces ---- */

static void arrow_head(struct drawing *drawing, const char *class, double x, double y,
                       double dx, double dy)
{
    double length = hypot(dx, dy), size = 6.5;
    if (length < 1e-3)
        return;
    dx *= size / length;
    dy *= size / length;
    fprintf(drawing->out,
            "<path class=\"%s-fill\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n", class, x, y,
            x - dx - dy * 0.45, y - dy + dx * 0.45, x - dx + dy * 0.45,
            y - dy - dx * 0.45);
}

static void badge_at(struct drawing *drawing, double x, double y, uint32_t step, int more)
{
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32 "%s", step, more ? "+" : "");
    double half = fmax(7, svg_text_width(number, 10) / 2 + 3);
    fprintf(drawing->out,
            "<rect class=\"badge\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" "
            "rx=\"7\"/>\n",
            x - half, y - 7, 2 * half);
    svg_text(drawing->out, x, y + 3.6, 10, "number", SVG_MIDDLE, number);
    if (drawing->n_badges < BADGES_MAX) {
        drawing->badges[drawing->n_badges].x = x;
        drawing->badges[drawing->n_badges++].y = y;
    }
}

/* Put a badge on a link, where there is no other yet. */
static void badge_on(struct drawing *drawing, const double from[2], const double to[2],
                     const struct graph_link *link)
{
    static const double parts[] = {0.5, 0.36, 0.64, 0.24, 0.76, 0.15, 0.85};
    double best_x = 0, best_y = 0, best = -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double x = from[0] + (to[0] - from[0]) * parts[i];
        double y = from[1] + (to[1] - from[1]) * parts[i], near = 26;
        for (size_t k = 0; k < drawing->n_badges; k++)
            near = fmin(near,
                        hypot(drawing->badges[k].x - x, drawing->badges[k].y - y));
        for (size_t k = 0; k < drawing->graph->n_rows; k++) /* keep off the rows */
            near = fmin(near, fabs(drawing->y[k] - y) * 1.4);
        if (near > best + 1) {
            best = near;
            best_x = x;
            best_y = y;
        }
    }
    badge_at(drawing, best_x, best_y, link->step, link->n_steps > 1);
}

/* ---- links ---- */

static void collective_draw(struct drawing *drawing, const struct lane_item *item, double x)
{
    fprintf(drawing->out, "<path class=\"collective\" d=\"M%.1f %.1fV%.1f\"/>\n", x,
            drawing->y[item->row[0]], drawing->y[item->row[1]]);
    for (uint32_t i = item->row[0]; i <= item->row[1]; i++)
        if (item->members[i])
            fprintf(drawing->out,
                    "<rect class=\"collective-fill\" x=\"%.1f\" y=\"%.1f\" width=\"7\" "
                    "height=\"7\"/>\n",
                    x - 3.5, drawing->y[i] - 3.5);
}

/* Within a band: a small arc over its row. */
static void inner_draw(struct drawing *drawing, const struct lane_item *item, double x)
{
    double y = drawing->y[item->row[0]];
    const char *class = item->link->step ? "step" : kind_class[item->link->kind];
    double from[2] = {x - 7, y - 1}, to[2] = {x + 7, y - 1};
    fprintf(drawing->out, "<path class=\"%s\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n",
            class, x - 7, y - 1, x - 9, y - 14, x + 9, y - 14, x + 7, y - 1);
    arrow_head(drawing, class, x + 7, y - 1, -0.4, 1);
    if (item->link->step)
        badge_on(drawing, from, to, item->link);
}

static void link_draw(struct drawing *drawing, const struct lane_item *item, double x,
                      double slant)
{
    const struct graph_link *link = item->link;
    const char *class = link->step ? "step" : kind_class[link->kind];
    double from[2] = {x, drawing->y[link->row[0]]}, to[2] = {x, drawing->y[link->row[1]]};
    if (item->high <= item->low) { /* intervals one after the other */
        int later = link->column[0] > link->column[1];
        (later ? to : from)[0] = drawing->x[item->high] - gap;
        (later ? from : to)[0] = drawing->x[item->low] + gap;
    } else if (link->flow != 3) { /* what is sent arrives later */
        from[0] += link->flow & 1 ? -slant : slant;
        to[0] += link->flow & 1 ? slant : -slant;
    }
    double dx = to[0] - from[0], dy = to[1] - from[1];
    fprintf(drawing->out, "<path class=\"%s%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", class,
            drawing->n_lanes[item->high] > 40 && !link->step ? " faint" : "", from[0],
            from[1], to[0], to[1]);
    if (link->flow & 1)
        arrow_head(drawing, class, to[0], to[1], dx, dy);
    if (link->flow & 2)
        arrow_head(drawing, class, from[0], from[1], -dx, -dy);
    if (link->step)
        badge_on(drawing, from, to, link);
}

/* Those that forced somebody back come last, over the others. */
static void items_draw(struct drawing *drawing, int forced)
{
    for (size_t i = 0; i < drawing->n_items; i++) {
        const struct lane_item *item = &drawing->items[i];
        if (item->high == 0) /* too old to be drawn */
            continue;
        double low = drawing->x[item->high - 1] + gap;
        double high = drawing->x[item->high] - drawing->before[item->high];
        double width = (high - low) / fmax((double)drawing->n_lanes[item->high], 1);
        double x = low + width * ((double)item->lane + 0.5);
        if (forced != (item->link && item->link->step != 0))
            continue;
        if (!item->link)
            collective_draw(drawing, item, x);
        else if (item->row[0] == item->row[1])
            inner_draw(drawing, item, x);
        else
            link_draw(drawing, item, x, fmax(0, fmin(9, width * 0.3)));
    }
}

/* ---- rows and checkpoints ---- */

/* A line for all ranks' checkpoints, and hulls around those of a cohort. */
static void groups_draw(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    double r = drawing->radius + 5;
    for (uint32_t g = 1; g < graph->n_groups; g++) {
        const struct graph_group *group = &graph->groups[g];
        double x = drawing->x[group->column];
        if (group->column == 0 || group->n_ranks < 2)
            continue;
        if (group->n_ranks == graph->subject->history->n_ranks) {
            fprintf(drawing->out,
                    "<rect class=\"whole\" x=\"%.1f\" y=\"%.1f\" width=\"6\" "
                    "height=\"%.1f\"/>\n",
                    x - 3, drawing->top - 26, drawing->bottom - drawing->top + 18);
            continue;
        }
        fprintf(drawing->out, "<path class=\"cohort-line\" d=\"M%.1f %.1fV%.1f\"/>\n", x,
                drawing->y[group->first_row], drawing->y[group->last_row]);
        unsigned char *in = tool_alloc(graph->n_rows, 1);
        for (size_t i = 0; i < group->n_places; i++)
            in[graph->row_of[graph->places[group->first_place + i].entity]] = 1;
        for (size_t i = 0, end; i < graph->n_rows; i = end + 1) {
            for (end = i; end < graph->n_rows && in[end]; end++)
                continue;
            if (end > i)
                fprintf(drawing->out,
                        "<rect class=\"cohort\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                        "height=\"%.1f\" rx=\"%.1f\"/>\n",
                        x - r, drawing->y[i] - r, 2 * r,
                        drawing->y[end - 1] - drawing->y[i] + 2 * r, r);
        }
        free(in);
    }
}

static void row_draw(struct drawing *drawing, size_t r)
{
    const struct graph_row *row = &drawing->graph->rows[r];
    size_t n = drawing->graph->n_columns;
    double y = drawing->y[r], end = drawing->x[n];
    svg_text(drawing->out, drawing->left - 10, y + 4, row->is_segment ? 10.5 : 12,
             row->is_segment ? "muted" : "text", SVG_END, row->label);
    fprintf(drawing->out, "<path class=\"%s\" d=\"M%.1f %.1fH%.1f\"/>\n",
            row->is_segment ? "track thin" : "track", drawing->x[0], y, drawing->x[row->line]);
    if (row->line < n)
        fprintf(drawing->out, "<path class=\"undone%s\" d=\"M%.1f %.1fH%.1f\"/>\n",
                row->is_segment ? " thin" : "", drawing->x[row->line], y, end);
    if (row->is_segment)
        return;
    if (row->is_failed)
        fprintf(drawing->out,
                "<path class=\"failed\" d=\"M%.1f %.1fl10 10m0 -10l-10 10\"/>\n", end - 5,
                y - 5);
    else
        arrow_head(drawing, "track", end + 8, y, 1, 0);
    if (row->failed_step)
        badge_at(drawing, end + 17, y, row->failed_step, 0);
}

static void mark_title(struct drawing *drawing, const struct graph_row *row,
                       const struct graph_mark *mark)
{
    char text[256];
    snprintf(text, sizeof text, "%s, checkpoint %" PRIu64 ", %s%s%s%s", row->label, mark->sn,
             text_time(mark->time), mark->bytes ? ", " : "",
             mark->bytes ? text_size((double)mark->bytes) : "",
             mark->n_lost ? ", lost" : "");
    fputs("<title>", drawing->out);
    svg_escape(drawing->out, text);
    fputs("</title>", drawing->out);
}

static void mark_draw(struct drawing *drawing, size_t r, const struct graph_mark *mark)
{
    const struct graph_row *row = &drawing->graph->rows[r];
    double x = drawing->x[mark->column], y = drawing->y[r];
    double radius = row->is_segment ? drawing->radius - 2 : drawing->radius;
    const char *class = mark->n_lost            ? "lost"
                        : mark->column > row->line ? "given-up"
                                                   : "mark";
    fputs("<g>", drawing->out);
    if (mark->column > 0)
        mark_title(drawing, row, mark);
    if (mark->column == 0)
        fprintf(drawing->out, "<path class=\"track\" d=\"M%.1f %.1fv%.1f\"/>", x, y - radius,
                2 * radius);
    else if (row->is_segment)
        fprintf(drawing->out, "<path class=\"%s\" d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f "
                "%.1fZ\"/>", class, x - radius, y, radius, -radius, radius, radius, -radius,
                radius);
    else
        fprintf(drawing->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>",
                class, x, y, radius);
    if (mark->n_lost)
        fprintf(drawing->out, "<path class=\"cross\" d=\"M%.1f %.1fl%.1f %.1fm0 %.1fl%.1f "
                "%.1f\"/>", x - radius - 2, y - radius - 2, 2 * radius + 4, 2 * radius + 4,
                -2 * radius - 4, -2 * radius - 4, 2 * radius + 4);
    fputs("</g>\n", drawing->out);
}

/* Numbers and sizes, where the head of the column does not tell them for all. */
static void mark_label(struct drawing *drawing, size_t r, const struct graph_mark *mark)
{
    const struct graph_row *row = &drawing->graph->rows[r];
    double x = drawing->x[mark->column], y = drawing->y[r], radius = drawing->radius;
    char number[32];
    const char *size;
    if (row->is_segment || mark->column == 0)
        return;
    if (mark->step)
        badge_at(drawing, x + radius + 12, y - radius - 5, mark->step, 0);
    if (!column_has_labels(drawing->graph, mark->column))
        return;
    mark_texts(drawing, row, mark, number, &size);
    svg_text(drawing->out, x - radius - 6, y - 5, drawing->number_size, "text halo", SVG_END,
             number);
    if (*size)
        svg_text(drawing->out, x - radius - 6, y + 12, 9, "muted halo", SVG_END, size);
}

static void line_draw(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    size_t last = graph->n_rows - 1;
    double x0 = drawing->x[graph->rows[0].line], x = x0;
    fprintf(drawing->out, "<path class=\"line\" d=\"M%.1f %.1f", x0, drawing->top - 26);
    for (size_t i = 0; i <= last; i++) {
        x = drawing->x[graph->rows[i].line];
        fprintf(drawing->out, "L%.1f %.1f", x, drawing->y[i]);
    }
    fprintf(drawing->out, "V%.1f\"/>\n", drawing->bottom);
    for (size_t i = 0; i <= last; i++)
        if (graph->rows[i].line < graph->n_columns)
            fprintf(drawing->out,
                    "<circle class=\"line\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n",
                    drawing->x[graph->rows[i].line], drawing->y[i],
                    drawing->radius + (graph->rows[i].is_segment ? 1 : 3));
    svg_text(drawing->out, fmin(x, drawing->right - 40), drawing->bottom + 14, 11,
             "line-text", SVG_MIDDLE, "recovery line");
}

/* ---- heads, legend, texts ---- */

static void heads_draw(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    double y = drawing->top - 36;
    svg_text(drawing->out, drawing->x[0], y, 10, "muted", SVG_MIDDLE,
             graph->is_cut ? "earlier" : "begin");
    svg_text(drawing->out, drawing->x[graph->n_columns], y, 10, "muted", SVG_MIDDLE, "now");
    for (size_t i = 1; i < graph->n_columns; i++) {
        const struct graph_column *column = &graph->columns[i];
        double x = drawing->x[i];
        if (text_time_is_known(column->time))
            svg_text(drawing->out, x, y, 10, "muted", SVG_MIDDLE, text_clock(column->time));
        if (column->whole) {
            const struct graph_group *group = &graph->groups[column->whole];
            char number[24];
            snprintf(number, sizeof number, "%" PRIu64, group->sn);
            svg_text(drawing->out, x, y - 26, 12, "text bold", SVG_MIDDLE, number);
            svg_text(drawing->out, x, y - 13, 9, "muted", SVG_MIDDLE,
                     text_size((double)group->bytes));
        }
        if (column->incarnation > graph->columns[i - 1].incarnation) {
            double middle = drawing->x[i - 1] + 14;
            char text[48];
            snprintf(text, sizeof text, "restart %" PRIu64, column->incarnation);
            fprintf(drawing->out, "<path class=\"restart\" d=\"M%.1f %.1fV%.1f\"/>\n",
                    middle, drawing->top - 20, drawing->bottom);
            svg_text(drawing->out, middle, drawing->bottom + 28, 10, "muted", SVG_MIDDLE,
                     text);
        }
    }
}

static void title_draw(struct drawing *drawing)
{
    const struct graph_subject *subject = drawing->graph->subject;
    const struct crmpi_history *history = subject->history;
    const struct graph *graph = drawing->graph;
    size_t n_segments = history->n_entities - history->n_ranks;
    const char *program = strrchr(subject->program, '/');
    char text[1024];
    int n;

    snprintf(text, sizeof text, "Checkpoints of %s",
             program ? program + 1 : subject->program);
    svg_text_cut(drawing->out, 24, 34, 17, "text bold", drawing->width - 48, text);
    n = snprintf(text, sizeof text, "job %.64s \u00b7 policy %.32s \u00b7 %" PRIu32 " rank%s",
                 subject->job_id, subject->policy, history->n_ranks,
                 history->n_ranks == 1 ? "" : "s");
    if (n_segments > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, ", %zu segment%s of windows",
                      n_segments, n_segments == 1 ? "" : "s");
    if (graph->n_columns > 1 && text_time_is_known(graph->columns[1].time))
        snprintf(text + n, sizeof text - (size_t)n, " \u00b7 %s to %s",
                 text_time(graph->columns[1].time),
                 text_clock(graph->columns[graph->n_columns - 1].time));
    svg_text_cut(drawing->out, 24, 54, 11.5, "muted", drawing->width - 48, text);
    svg_text_cut(drawing->out, 24, 75, 12, "line-text", drawing->width - 48,
                 explain_outcome_text(subject));
}

static double legend_next(struct drawing *drawing, double *x, double *y, const char *text)
{
    double width = 30 + svg_text_width(text, 10.5) + 18, at;
    if (*x + width > drawing->width - 16) {
        *x = 24;
        *y += 20;
    }
    at = *x;
    svg_text(drawing->out, at + 30, *y + 3.6, 10.5, "muted", SVG_START, text);
    *x += width;
    return at;
}

static void legend_links(struct drawing *drawing, double *x, double *y)
{
    static const char *const texts[] = {"messages", "a collective", "accesses to a window"};
    const struct graph *graph = drawing->graph;
    int found[4] = {0};
    for (size_t i = 0; i < graph->n_links; i++)
        found[graph->links[i].kind] = 1;
    for (int kind = GRAPH_MESSAGE; kind <= GRAPH_WINDOW; kind++) {
        if (!found[kind])
            continue;
        double at = legend_next(drawing, x, y, texts[kind]);
        fprintf(drawing->out, "<path class=\"%s\" d=\"M%.1f %.1fh22\"/>\n", kind_class[kind],
                at, *y);
        if (kind != GRAPH_COLLECTIVE)
            arrow_head(drawing, kind_class[kind], at + 24, *y, 1, 0);
        for (int i = 0; i < 2 && kind == GRAPH_COLLECTIVE; i++)
            fprintf(drawing->out, "<rect class=\"collective-fill\" x=\"%.1f\" y=\"%.1f\" "
                    "width=\"7\" height=\"7\"/>\n", at + 16 * i, *y - 3.5);
    }
}

static void legend_marks(struct drawing *drawing, double *x, double *y)
{
    const struct graph *graph = drawing->graph;
    int lost = 0, given_up = 0, segments = 0, cohorts = 0, wholes = 0;
    for (size_t r = 0; r < graph->n_rows; r++)
        for (size_t i = 0; i < graph->rows[r].n_marks; i++) {
            lost |= graph->rows[r].marks[i].n_lost > 0;
            given_up |= graph->rows[r].marks[i].column > graph->rows[r].line;
            segments |= graph->rows[r].is_segment;
        }
    for (size_t g = 1; g < graph->n_groups; g++) {
        int whole = graph->groups[g].n_ranks == graph->subject->history->n_ranks;
        wholes |= whole;
        cohorts |= !whole && graph->groups[g].n_ranks > 1;
    }
    double at = legend_next(drawing, x, y, "checkpoint");
    fprintf(drawing->out, "<circle class=\"mark\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>\n",
            at + 14, *y);
    if (segments) {
        at = legend_next(drawing, x, y, "segment of a window");
        fprintf(drawing->out,
                "<path class=\"mark\" d=\"M%.1f %.1fl5 -5l5 5l-5 5Z\"/>\n", at + 9, *y);
    }
    if (wholes) {
        at = legend_next(drawing, x, y, "of all ranks");
        fprintf(drawing->out, "<rect class=\"whole\" x=\"%.1f\" y=\"%.1f\" width=\"6\" "
                "height=\"16\"/>\n", at + 11, *y - 8);
    }
    if (cohorts) {
        at = legend_next(drawing, x, y, "of a cohort");
        fprintf(drawing->out, "<rect class=\"cohort\" x=\"%.1f\" y=\"%.1f\" width=\"22\" "
                "height=\"14\" rx=\"7\"/>\n", at + 3, *y - 7);
    }
    if (lost) {
        at = legend_next(drawing, x, y, "lost");
        fprintf(drawing->out, "<circle class=\"lost\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>"
                "<path class=\"cross\" d=\"M%.1f %.1fl16 16m0 -16l-16 16\"/>\n", at + 14, *y,
                at + 6, *y - 8);
    }
    if (given_up) {
        at = legend_next(drawing, x, y, "given up");
        fprintf(drawing->out, "<circle class=\"given-up\" cx=\"%.1f\" cy=\"%.1f\" "
                "r=\"6\"/>\n", at + 14, *y);
    }
    at = legend_next(drawing, x, y, "work that is lost");
    fprintf(drawing->out, "<path class=\"undone\" d=\"M%.1f %.1fh24\"/>\n", at + 2, *y);
    if (explain_n_steps(graph->subject) > 0) {
        at = legend_next(drawing, x, y, "what forced a rank back");
        fprintf(drawing->out, "<path class=\"step\" d=\"M%.1f %.1fh24\"/>\n", at + 2, *y);
        badge_at(drawing, at + 13, *y, 1, 0);
    }
}

static double steps_list(struct drawing *drawing, double y)
{
    const struct graph_subject *subject = drawing->graph->subject;
    size_t n = explain_n_steps(subject);
    uint32_t number = 0;
    char text[64];
    for (size_t i = 0; i < subject->line->n_steps && number < STEPS_MAX; i++) {
        if (!graph_step_is_told(subject->history, &subject->line->steps[i]))
            continue;
        badge_at(drawing, 36, y - 3.6, ++number, 0);
        svg_text_cut(drawing->out, 54, y, 11, "text", drawing->width - 78,
                     explain_step_text(subject, i));
        y += 19;
    }
    if (n > STEPS_MAX) {
        snprintf(text, sizeof text, "and %zu more steps", n - STEPS_MAX);
        svg_text(drawing->out, 54, y, 11, "muted", SVG_START, text);
        y += 19;
    }
    return y;
}

/* ---- all of it ---- */

static void chart_draw(struct drawing *drawing)
{
    const struct graph *graph = drawing->graph;
    groups_draw(drawing);
    for (size_t i = 0; i < graph->n_rows; i++)
        row_draw(drawing, i);
    items_draw(drawing, 0);
    line_draw(drawing);
    for (size_t r = 0; r < graph->n_rows; r++)
        for (size_t i = 0; i < graph->rows[r].n_marks; i++)
            mark_draw(drawing, r, &graph->rows[r].marks[i]);
    for (size_t r = 0; r < graph->n_rows; r++)
        for (size_t i = 0; i < graph->rows[r].n_marks; i++)
            mark_label(drawing, r, &graph->rows[r].marks[i]);
    items_draw(drawing, 1);
}

void graph_svg(const struct graph *graph, FILE *out)
{
    struct drawing drawing = {.graph = graph, .out = out};
    char *body = NULL;
    size_t n_body = 0;
    double x = 24, y;

    drawing.x = tool_alloc(graph->n_columns + 1, sizeof *drawing.x);
    drawing.y = tool_alloc(graph->n_rows, sizeof *drawing.y);
    drawing.before = tool_alloc(graph->n_columns + 1, sizeof *drawing.before);
    drawing.n_lanes = tool_alloc(graph->n_columns + 1, sizeof *drawing.n_lanes);
    place(&drawing);
    drawing.out = svg_body_open(&body, &n_body); /* how high it is turns out at the end */
    title_draw(&drawing);
    heads_draw(&drawing);
    chart_draw(&drawing);
    y = drawing.bottom + 56;
    legend_links(&drawing, &x, &y);
    legend_marks(&drawing, &x, &y);
    y = steps_list(&drawing, y + 34);
    svg_body_close(drawing.out);
    svg_page(out, drawing.width, y, body, n_body);
    free(body);
    for (size_t i = 0; i < drawing.n_items; i++)
        free(drawing.items[i].members);
    free(drawing.items);
    free(drawing.x);
    free(drawing.y);
    free(drawing.before);
    free(drawing.n_lanes);
}
