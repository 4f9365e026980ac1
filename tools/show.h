/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-inspect show: what a checkpoint depends on.  Tool.
 */
#ifndef CRMPI_TOOLS_SHOW_H
#define CRMPI_TOOLS_SHOW_H

#include "storage/container.h"

/** Print what a rank's checkpoint depends on, in short. */
enum crmpi_status show_dependencies(struct crmpi_reader *reader);

#endif
