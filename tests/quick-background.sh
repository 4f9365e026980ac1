#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The part of the campaign that "make check" has time for with files that are written while
# threads go on, full ones and increments.
exec "${srcdir:-.}/tests/campaign" --save 'CRMPI_ASYNC=1 CRMPI_INCREMENTAL=0|3' --np 4 \
    -n 1 --time 70 --percent 40 \
    --only p2p,traffic,comms,rma_fence,rma_counter,files,nonblock,coll
