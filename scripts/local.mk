# SPDX-License-Identifier: BSD-3-Clause
#
# What a fresh clone is set up, shown and tested by.
