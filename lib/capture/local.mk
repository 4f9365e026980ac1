# SPDX-License-Identifier: BSD-3-Clause
#
# What is saved of a process.
