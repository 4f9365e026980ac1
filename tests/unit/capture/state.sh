#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The table of all state: every row has its test, every kind in the code its row, and
# doc/limits.md is what the table says.
exec "${PYTHON3:-python3}" "${srcdir:-.}/scripts/state-table" --check
