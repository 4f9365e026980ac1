# SPDX-License-Identifier: BSD-3-Clause
#
# Unit tests, MPI programs, acceptance.
