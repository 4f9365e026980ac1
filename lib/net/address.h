/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses of hosts, and connecting to one.  Lower half and tools.
 */
#ifndef CRMPI_NET_ADDRESS_H
#define CRMPI_NET_ADDRESS_H

#include <stdint.h>

#define CRMPI_ADDRESSES_MAX 8 /* of one host */

/** List this host's IPv4 addresses but the loopback's; returns how many. */
unsigned crmpi_addresses_list(uint32_t *addresses_out, unsigned max);

/** Connect to an IPv4 address within a limit; a blocking socket, or -1 with errno. */
int crmpi_address_connect(uint32_t address, uint16_t port, int limit_ms);

#endif
