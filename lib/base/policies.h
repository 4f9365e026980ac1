/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policies that there are, by CRMPI_POLICY: each is crmpi_policy_NAME of lib/policy.
 */
#ifndef CRMPI_BASE_POLICIES_H
#define CRMPI_BASE_POLICIES_H

#define CRMPI_POLICIES(X) X(coordinated) X(partial) X(uncoordinated) X(none)

#endif
