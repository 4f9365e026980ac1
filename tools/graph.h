/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pictures of a history: what there is to draw, as rows, columns and links between them
 * (graph.c), and how it is written down, as SVG (graph-svg.c) or for Graphviz
 * (graph-dot.c).  Tools.
 *
 * A row is a rank, or a band of ranks that behave alike; below it come rows of segments.
 * A column is a moment in which checkpoints were taken: of all ranks, of a cohort, or of
 * some ranks alone that happened to be close in time.
 */
#ifndef CRMPI_TOOLS_GRAPH_H
#define CRMPI_TOOLS_GRAPH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "recovery/history.h"

/* What is asked for.  Texts may hold anything; they are escaped. */
struct graph_subject {
    const struct crmpi_history *history;
    const struct crmpi_recovery_line *line;
    const int *failed;           /* by entity; NULL: all */
    const unsigned char *wanted; /* by rank: has a row of its own in any case; or NULL */
    const char *job_id, *program, *policy;
};

/* The checkpoints of a row in a column. */
struct graph_mark {
    size_t column;
    uint64_t sn;     /* of the newest of them */
    double time;
    uint64_t bytes;  /* of all of them */
    uint32_t group;  /* of the newest */
    uint32_t n, n_lost, n_line; /* how many: in all, lost, in the recovery line */
    uint32_t step;   /* that found it lost; 0: none */
};

struct graph_row {
    int is_segment;
    int is_mixed;  /* a band of ranks that do not behave alike: too many for rows */
    int is_failed; /* the running state of some is lost */
    uint32_t *entities;
    size_t n_entities;
    struct graph_mark *marks; /* by column */
    size_t n_marks;
    size_t line; /* column of the recovery line, the earliest; n_columns: the present */
    uint32_t failed_step; /* that says so; 0: none */
    char label[64];
};

/* Ranks that took a checkpoint together, or one that took it alone. */
struct graph_group {
    uint64_t sn, incarnation, bytes;
    double time; /* 0: nobody knows */
    size_t column;
    uint32_t n_ranks, first_row, last_row;
    size_t first_place, n_places; /* in graph.places */
};

struct graph_column {
    double time;
    uint64_t incarnation;
    uint32_t whole; /* the group, if it is of all ranks; else 0 */
};

enum graph_kind { GRAPH_MESSAGE, GRAPH_COLLECTIVE, GRAPH_WINDOW, GRAPH_HOME };

/* Dependencies between an interval of one row and one of another.  An interval goes by
 * the column of the checkpoint that ends it; n_columns: by none so far. */
struct graph_link {
    uint32_t row[2]; /* the upper, the lower; may be the same in a band */
    uint32_t column[2];
    enum graph_kind kind;
    unsigned flow;    /* bit 0: data flowed down; bit 1: up */
    uint32_t n;
    uint32_t step, n_steps; /* the first that it forced; 0: none */
};

/* A checkpoint of an entity. */
struct graph_place {
    uint32_t entity, index;
};

struct graph {
    const struct graph_subject *subject;
    struct graph_row *rows;
    size_t n_rows;
    uint32_t *row_of; /* by entity */
    struct graph_group *groups; /* 0: the beginning of the program; by number */
    size_t n_groups;
    struct graph_place *places; /* by group */
    size_t *first_of;  /* by entity: its first checkpoint in group_of */
    uint32_t *group_of;
    struct graph_column *columns; /* 0: the beginning, and what is too old to be drawn */
    size_t n_columns;
    int is_cut; /* something is too old */
    struct graph_link *links; /* by rows, columns, kind */
    size_t n_links;
};

/** Lay out; ends the process if there is no memory. */
void graph_make(const struct graph_subject *subject, struct graph *graph_out);
void graph_fini(struct graph *graph);

/** Write a picture; what went wrong is told by ferror(). */
void graph_svg(const struct graph *graph, FILE *out);
void graph_dot(const struct graph *graph, FILE *out);

/** The column of the checkpoint that ends an interval. */
size_t graph_interval_column(const struct graph *graph, uint32_t entity,
                             uint64_t interval);
/** Where the interval begins that ends in @p column: the column before in which the row
 * has a checkpoint. */
size_t graph_interval_begin(const struct graph_row *row, size_t column);

/** Whether a step has a number and is told of: not that memory goes with its rank. */
int graph_step_is_told(const struct crmpi_history *history, const struct crmpi_step *step);

#endif
