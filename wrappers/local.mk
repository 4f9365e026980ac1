# SPDX-License-Identifier: BSD-3-Clause
#
# The MPI calls: table, generator, wrappers written by hand.
