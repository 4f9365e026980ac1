/* SPDX-License-Identifier: BSD-3-Clause */
#include "interaction/cut.h"

struct crmpi_cut crmpi_cut;
