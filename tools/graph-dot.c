/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write the picture of a history for Graphviz: a node for each checkpoint, an edge for
 * each dependency, a cluster for those who took one together.  Tools.
 */
#include <inttypes.h>
#include "tools/explain.h"
#include "tools/graph.h"
#include "tools/svg.h"

/* A string of DOT.  It goes through the rules of XML, too, which keeps out what is no
 * character; Graphviz takes XML's entities for what they are. */
static void quote(FILE *out, const char *text)
{
    char part[1024];
    size_t n = 0;
    for (; *text && n < sizeof part - 2; text++) {
        if (*text == '\\')
            part[n++] = '\\';
        part[n++] = *text;
    }
    part[n] = '\0';
    fputc('"', out);
    svg_escape(out, part);
    fputc('"', out);
}

static void node_name(FILE *out, size_t row, size_t column)
{
    fprintf(out, "r%zu_c%zu", row, column);
}

static void node(const struct graph *graph, FILE *out, size_t r,
                 const struct graph_mark *mark)
{
    const struct graph_row *row = &graph->rows[r];
    char text[96];
    fputs("  ", out);
    node_name(out, r, mark->column);
    if (mark->column == 0)
        snprintf(text, sizeof text, graph->is_cut ? "earlier" : "begin");
    else if (mark->n > 1)
        snprintf(text, sizeof text, "%" PRIu64 " (%" PRIu32 ")", mark->sn, mark->n);
    else
        snprintf(text, sizeof text, "%" PRIu64, mark->sn);
    fputs(" [label=", out);
    quote(out, text);
    if (row->is_segment)
        fputs(", shape=diamond", out);
    if (mark->n_lost)
        fputs(", style=dashed, color=\"#b93c00\", fontcolor=\"#b93c00\", xlabel=\"lost\"",
              out);
    else if (mark->n_line)
        fputs(", style=filled, fillcolor=\"#f3dcf3\", color=\"#8e3a8e\", penwidth=2", out);
    else if (mark->column > row->line)
        fputs(", color=\"#8c959f\", fontcolor=\"#8c959f\"", out);
    fputs("];\n", out);
}

static void row(const struct graph *graph, FILE *out, size_t r)
{
    const struct graph_row *one = &graph->rows[r];
    fprintf(out, "  r%zu [shape=plaintext, label=", r);
    quote(out, one->label);
    fputs("];\n", out);
    for (size_t i = 0; i < one->n_marks; i++)
        node(graph, out, r, &one->marks[i]);
    fputs("  ", out);
    node_name(out, r, graph->n_columns);
    fprintf(out, " [shape=plaintext, label=\"%s\"%s];\n", one->is_failed ? "fails" : "runs",
            one->line == graph->n_columns ? ", fontcolor=\"#8e3a8e\"" : "");
    fprintf(out, "  r%zu", r);
    for (size_t i = 0; i < one->n_marks; i++) {
        fputs(" -> ", out);
        node_name(out, r, one->marks[i].column);
    }
    fputs(" -> ", out);
    node_name(out, r, graph->n_columns);
    fputs(" [arrowhead=none, color=\"#8c959f\", weight=100];\n", out);
}

static void cluster(const struct graph *graph, FILE *out, uint32_t g)
{
    const struct graph_group *group = &graph->groups[g];
    int whole = group->n_ranks == graph->subject->history->n_ranks;
    uint32_t last = UINT32_MAX;
    fprintf(out, "  subgraph cluster_%" PRIu32 " {\n    label=\"%s %" PRIu64 "\";\n", g,
            whole ? "all:" : "cohort:", group->sn);
    for (size_t i = 0; i < group->n_places; i++) {
        uint32_t r = graph->row_of[graph->places[group->first_place + i].entity];
        if (r == last || graph->rows[r].is_mixed)
            continue;
        fputs("    ", out);
        node_name(out, last = r, group->column);
        fputs(";\n", out);
    }
    fputs("  }\n", out);
}

static void link(FILE *out, const struct graph_link *one)
{
    static const char *const looks[] = {"color=\"#0072b2\"", "color=\"#b77900\", style=bold",
                                        "color=\"#00795a\", style=dashed",
                                        "color=\"#8c959f\", style=dotted"};
    static const char *const directions[] = {"none", "forward", "back", "both"};
    fputs("  ", out);
    node_name(out, one->row[0], one->column[0]);
    fputs(" -> ", out);
    node_name(out, one->row[1], one->column[1]);
    fprintf(out, " [constraint=false, dir=%s, %s", directions[one->flow], looks[one->kind]);
    if (one->step)
        fprintf(out, ", penwidth=3, color=\"#c44600\", fontcolor=\"#c44600\", label=\"%" PRIu32
                "\"", one->step);
    fputs("];\n", out);
}

void graph_dot(const struct graph *graph, FILE *out)
{
    const struct graph_subject *subject = graph->subject;
    char title[1024];
    snprintf(title, sizeof title, "%.300s, job %.64s, policy %.32s. %.400s",
             subject->program, subject->job_id, subject->policy,
             explain_outcome_text(subject));
    fputs("digraph crmpi {\n  label=", out);
    quote(out, title);
    fputs(";\n  labelloc=t;\n  rankdir=LR;\n  fontname=\"sans-serif\";\n"
          "  node [shape=circle, fontname=\"sans-serif\", fontsize=11];\n"
          "  edge [fontname=\"sans-serif\", fontsize=11];\n"
          "  graph [style=rounded, color=\"#8c959f\", fontcolor=\"#57606a\"];\n",
          out);
    for (size_t r = 0; r < graph->n_rows; r++)
        row(graph, out, r);
    for (uint32_t g = 1; g < graph->n_groups; g++)
        if (graph->groups[g].column > 0 &&
            graph->groups[g].first_row != graph->groups[g].last_row)
            cluster(graph, out, g);
    for (size_t i = 0; i < graph->n_links; i++)
        link(out, &graph->links[i]);
    fputs("}\n", out);
}
