/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pieces of an SVG that know nothing of checkpoints: the page with its style sheet,
 * and texts.  Tools.
 */
#ifndef CRMPI_TOOLS_SVG_H
#define CRMPI_TOOLS_SVG_H

#include <stdio.h>

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

/** About how wide a text is; rather too much. */
double svg_text_width(const char *text, double size);

/** Write a text as XML: what is not UTF-8, or not allowed in XML, as '?'. */
void svg_escape(FILE *out, const char *text);

void svg_text(FILE *out, double x, double y, double size, const char *class,
              enum svg_anchor anchor, const char *text);
/** The same, from x on and with at most so much of it as the width holds. */
void svg_text_cut(FILE *out, double x, double y, double size, const char *class,
                  double width, const char *text);

/** A stream into memory for what is on the page; ends the process if there is no memory,
 * now or when it is closed. */
FILE *svg_body_open(char **body_out, size_t *bytes_out);
void svg_body_close(FILE *body);

void svg_page(FILE *out, double width, double height, const char *body, size_t bytes);

#endif
