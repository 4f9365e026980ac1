/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which file descriptors belong to the lower half: those its libraries opened.  All others
 * are the application's and are saved.
 */
#ifndef CRMPI_LOWER_DESCRIPTORS_H
#define CRMPI_LOWER_DESCRIPTORS_H

/** Tell whether @p fd was opened below and is still the same object; or is gone. */
int crmpi_descriptor_is_lower(int fd);

/** Say that @p fd is the lower half's, though it was not opened through libc. */
void crmpi_descriptor_take(int fd);

/** Say that @p fd, opened below, is the application's from now on. */
void crmpi_descriptor_give(int fd);

#endif
