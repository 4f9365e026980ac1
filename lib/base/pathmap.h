/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Folders that are elsewhere than they were at the checkpoint: crmpi-restart --map OLD=NEW.
 * Lower half and tools; set once, before there are threads.
 */
#ifndef CRMPI_BASE_PATHMAP_H
#define CRMPI_BASE_PATHMAP_H

#include <stddef.h>
#include "base/status.h"

/** Take a rule "OLD=NEW" of absolute paths; CRMPI_ERR_USAGE, without a message, if it is
 * none, or one too many. */
enum crmpi_status crmpi_path_map_add(const char *rule);

/** Replace the beginning of a path by the rule with the longest OLD that it begins with,
 * as whole folders; a path that would not fit stays. */
void crmpi_path_map(char *path, size_t bytes);

#endif
