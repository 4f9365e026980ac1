#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Some of the restarts from files on nodes, for "make check".
exec "${srcdir:-.}/tests/levels/restart" --time 120 --only \
    'lost-partner-b-*,lost-erasure=2+2-bd*,too_many_lost-erasure=2+2*,permuted-partner,older_line-erasure*'
