/* SPDX-License-Identifier: BSD-3-Clause */
#include "boundary/entries.h"

void *const *crmpi_calls;
