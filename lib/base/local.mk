# SPDX-License-Identifier: BSD-3-Clause
#
# Status, log and what else both the host program and the tools use.
