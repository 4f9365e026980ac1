/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of a checkpoint: descriptors and their files, threads, and the process
 * (process.h).  Lower half.
 */
#ifndef CRMPI_CAPTURE_RECORDS_H
#define CRMPI_CAPTURE_RECORDS_H

#include "capture/regions.h"
#include "files/inodes.h"
#include "storage/container.h"

/* What is taken before the memory is surveyed. */
struct crmpi_records {
    void *descriptors, *locks; /* packed */
    size_t descriptors_bytes, locks_bytes;
    struct crmpi_inodes inodes;
};

/**
 * Describe the descriptors, and map what is to be saved of their files into the upper
 * range, with all application threads parked.
 * @param records  all zero; for crmpi_records_fini(), when the memory has been written
 * @param[out] why  on CRMPI_ERR_UNSUPPORTED what cannot be saved, by name
 */
enum crmpi_status crmpi_records_take(struct crmpi_records *records, char *why,
                                     size_t why_bytes);

/** Give the writer all records.
 * @param memory  that has been surveyed since */
enum crmpi_status crmpi_records_save(struct crmpi_writer *writer,
                                     const struct crmpi_records *records,
                                     const struct crmpi_memory *memory);

void crmpi_records_fini(struct crmpi_records *records);

#endif
