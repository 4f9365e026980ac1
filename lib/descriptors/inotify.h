/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What inotify watches: the kernel tells inodes only, so names are noted as they are given.
 * Lower half.
 */
#ifndef CRMPI_DESCRIPTORS_INOTIFY_H
#define CRMPI_DESCRIPTORS_INOTIFY_H

/** Note that the application watches a name; on its TLS base, signal safe. */
void crmpi_inotify_note(const char *path);

#endif
