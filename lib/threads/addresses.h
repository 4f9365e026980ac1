/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the application's mappings lie: mmap and mremap as the trap makes them.  Lower
 * half; signal safe, on any TLS base.
 */
#ifndef CRMPI_THREADS_ADDRESSES_H
#define CRMPI_THREADS_ADDRESSES_H

/** mmap(2): at an address of the upper range, unless the application wants another one.
 * Returns the address or -errno. */
long crmpi_addresses_mmap(unsigned long address, unsigned long bytes, long prot,
                          long flags, long fd, long offset);

/** mremap(2), likewise. */
long crmpi_addresses_mremap(unsigned long old, unsigned long old_bytes,
                            unsigned long new_bytes, long flags, unsigned long address);

#endif
