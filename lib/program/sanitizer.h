/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that cannot be split because they are built to have all addresses to
 * themselves.  Lower half.
 */
#ifndef CRMPI_PROGRAM_SANITIZER_H
#define CRMPI_PROGRAM_SANITIZER_H

#include "base/status.h"

/** Refuse @p program, with what to do instead, if it is one. */
enum crmpi_status crmpi_sanitizer_check(const char *program);

#endif
