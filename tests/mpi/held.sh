#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A job with synchronous messages on their way is killed and restarted in one state after the
# other, under each policy, and comes to the end of a native run.  Run in the build tree.

test=held
program=$CRMPI_TESTS/held
. "${srcdir:-.}/tests/mpi/restarts.sh"

# again: go on from the newest line in the background
again()
{
    "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 &
    job=$!
}

timeout 60 "$MPIRUN" -np 2 "$program" >native 2>&1 || exit 1
for policy in coordinated partial uncoordinated; do
    name=$policy
    CRMPI_POLICY=$policy CRMPI_INTERVAL=0.3 begin 2 "$program"
    for line in 3 5 7 9 11; do
        awaited 60 lines $line || break
        killed
        again
    done
    awaited 100 false
    wait "$job" || fail "status $?"
    [ "$(grep '^digest' "$log")" = "$(grep '^digest' native)" ] ||
        fail "not the digest of a native run"
    killed
done

[ $failures = 0 ]
