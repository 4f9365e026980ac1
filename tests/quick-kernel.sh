#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# On a kernel as Linux 5.15 is: newer calls fail as they do there.  Changes are found by hashing,
# timers get their numbers by and by.
export CRMPI_FAULT='kernel.userfault:1+=EINVAL,kernel.scan:1+=ENOTTY,kernel.timer_id:1+=EINVAL,kernel.noexec:1+=EINVAL'
exec "${srcdir:-.}/tests/campaign" --save 'CRMPI_ASYNC=0|1 CRMPI_INCREMENTAL=3' --np 2,4 \
    -n 1 --time 50 --only memory,mappings,timers,queued,files,rma_fence,kinds
