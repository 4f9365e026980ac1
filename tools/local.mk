# SPDX-License-Identifier: BSD-3-Clause
#
# The programs users call.
