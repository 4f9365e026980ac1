#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The part of the campaign that "make check" has time for.
exec "${srcdir:-.}/tests/campaign" --quick --np 2,4 -n 1 --time 150 --percent 60
