/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simplest content: extents written as they are, one after the other, straight from
 * their addresses.  Lower half and tools.
 */
#ifndef CRMPI_STORAGE_PLAIN_H
#define CRMPI_STORAGE_PLAIN_H

#include "storage/container.h"

/**
 * Write the bytes of extents, at the speed of write(2), and say what they are.
 * @param[in,out] data_end  where to write in the file; behind what was written
 * @param progress  may be NULL
 * @param[out] content_out  for crmpi_plain_free(), after the writer's close
 */
enum crmpi_status crmpi_plain_write(struct crmpi_writer *writer,
                                    const struct crmpi_extent *extents, size_t n,
                                    uint64_t *data_end, crmpi_progress_fn progress,
                                    void *context, struct crmpi_content *content_out);
void crmpi_plain_free(struct crmpi_content *content);

#endif
