# SPDX-License-Identifier: BSD-3-Clause
#
# The HDF5 container.
