# SPDX-License-Identifier: BSD-3-Clause
#
# The cut, as the MPI layer offers it to the engine.
