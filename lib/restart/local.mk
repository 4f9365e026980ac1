# SPDX-License-Identifier: BSD-3-Clause
#
# ELF parser, loader, restart.
