#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The part of the campaign under the policy partial that "make check" has time for.
exec "${srcdir:-.}/tests/campaign" --policy partial --np 4 -n 1 --time 70 --percent 40 \
    --only p2p,traffic,comms,rma_fence,rma_counter,files,nonblock,coll
