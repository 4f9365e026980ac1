/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks and leases on files: flock(), fcntl(F_SETLK), fcntl(F_OFD_SETLK), F_SETLEASE.
 * Lower half.
 */
#ifndef CRMPI_DESCRIPTORS_LOCKS_H
#define CRMPI_DESCRIPTORS_LOCKS_H

#include "descriptors/descriptors.h"

#define CRMPI_RECORD_LOCKS "/task/locks"

/**
 * What locks the descriptors hold.
 * @param[out] data_out  the record, from malloc(); NULL: there are none
 */
enum crmpi_status crmpi_locks_save(const struct crmpi_descriptor *list, size_t n,
                                   void **data_out, size_t *bytes_out, char *why,
                                   size_t why_bytes);

/**
 * Take them again, when all descriptors are in their places and none of their files will
 * be closed by us any more.
 * @return CRMPI_ERR_UNFIT if somebody else has one, which is said
 */
enum crmpi_status crmpi_locks_restore(const void *data, size_t bytes);

#endif
