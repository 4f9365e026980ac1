/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See pathmap.h.  Lower half and tools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pathmap.h"

#define MAX_RULES 64

static struct {
    char *from, *to;
} rules[MAX_RULES];
static size_t n_rules;

/* Without slashes at the end; the root is "". */
static char *folder_copy(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] == '/')
        length--;
    return strndup(text, length);
}

enum crmpi_status crmpi_path_map_add(const char *rule)
{
    const char *equals = strstr(rule, "=/");

    if (rule[0] != '/' || equals == NULL || n_rules == MAX_RULES)
        return CRMPI_ERR_USAGE;
    rules[n_rules].from = folder_copy(rule, (size_t)(equals - rule));
    rules[n_rules].to = folder_copy(equals + 1, strlen(equals + 1));
    if (rules[n_rules].from == NULL || rules[n_rules].to == NULL)
        return CRMPI_ERR_NOMEM;
    n_rules++;
    return CRMPI_OK;
}

void crmpi_path_map(char *path, size_t bytes)
{
    size_t best = n_rules, longest = 0;

    for (size_t i = 0; i < n_rules; i++) {
        size_t length = strlen(rules[i].from);
        if (strncmp(path, rules[i].from, length) == 0 &&
            (path[length] == '/' || path[length] == '\0') &&
            (best == n_rules || length > longest)) {
            best = i;
            longest = length;
        }
    }
    if (best == n_rules)
        return;
    size_t to = strlen(rules[best].to), rest = strlen(path + longest);

    if (to + rest + 1 > bytes || to + rest == 0)
        return;
    memmove(path + to, path + longest, rest + 1);
    memcpy(path, rules[best].to, to);
}
