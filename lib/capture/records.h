/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of a checkpoint: threads, files, and the process (process.h).  Lower half.
 */
#ifndef CRMPI_CAPTURE_RECORDS_H
#define CRMPI_CAPTURE_RECORDS_H

#include "capture/regions.h"
#include "storage/container.h"

/**
 * Give the writer all records, with all application threads parked.
 * @param memory  that has been surveyed
 * @param[out] why  on CRMPI_ERR_UNSUPPORTED what cannot be saved, by name
 */
enum crmpi_status crmpi_records_save(struct crmpi_writer *writer,
                                     const struct crmpi_memory *memory, char *why,
                                     size_t why_bytes);

#endif
