#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Some of the restarts from files on nodes, for "make check".
only='lost-partner-b-*,permuted-partner'
case ${BUILT_WITH-isal} in
*isal*) only=$only,'lost-erasure=2+2-bd*,too_many_lost-erasure=2+2*,older_line-erasure*' ;;
esac
exec "${srcdir:-.}/tests/levels/restart" --time 120 --only "$only"
