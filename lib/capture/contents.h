/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a container is told of memory that the pump has dealt with.  Lower half.
 */
#ifndef CRMPI_CAPTURE_CONTENTS_H
#define CRMPI_CAPTURE_CONTENTS_H

#include "capture/extents.h"
#include "capture/pump.h"

/* Memory of a content, apart from its spans, that is what it was in the base: ascending,
 * each within one region or segment. */
struct crmpi_unchanged {
    uint64_t owner; /* see datamap.h */
    struct crmpi_extents extents;
};

struct crmpi_contents {
    struct crmpi_content *list;
    size_t n;
    struct crmpi_datamap map; /* of all data, for the next checkpoint; empty unless there
                                 are hashes */
    uint64_t stored_bytes, kept_bytes;
};

/**
 * Describe contents 0 to @p n - 1, the first @p n_whole of spans that are stored whole.
 * @param pump       at its end; its blocks are put in order
 * @param unchanged  of each content; none unless there is a base
 */
enum crmpi_status crmpi_contents_make(struct crmpi_pump *pump, size_t n, size_t n_whole,
                                      const struct crmpi_unchanged *unchanged,
                                      struct crmpi_contents *contents_out);

void crmpi_contents_fini(struct crmpi_contents *contents);

#endif
