/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shape of the binary tree that ranks form, and the members of a group: 0 is its root.
 */
#ifndef CRMPI_BASE_TREE_H
#define CRMPI_BASE_TREE_H

#define CRMPI_TREE_PARENT(rank) (((rank) - 1) / 2)
#define CRMPI_TREE_CHILD(rank, i) (2 * (rank) + 1 + (uint32_t)(i))
#define CRMPI_TREE_CHILDREN 2

#endif
