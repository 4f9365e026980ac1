/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-inspect graph and explain: look at the history that a directory holds.  Tool.
 */
#ifndef CRMPI_TOOLS_LOOK_H
#define CRMPI_TOOLS_LOOK_H

/* Lists of ranks are "A-B,C,..."; NULL: not given. */
struct look_options {
    const char *failed; /* all ranks */
    const char *ranks;  /* to have rows of their own */
    const char *output; /* standard output */
    int as_dot;
};

/** Check a list of ranks, or end with a usage error. */
void look_list_check(const char *tool, const char *option, const char *list);

/** Draw, or explain, on standard output or into the file; the exit status. */
int look_graph(const char *dir, const struct look_options *options);
int look_explain(const char *dir, const struct look_options *options);

#endif
