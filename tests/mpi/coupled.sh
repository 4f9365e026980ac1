#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A job of two programs: after a restart each is the one that it was, and checkpoints are taken
# as often as before.  Run in the build tree.

test=coupled
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/coupled
# Open MPI 5.0.7's launcher crashes when it is given two programs (in PMIx 5.0.7)
"$MPIRUN" -np 1 true : -np 1 true >/dev/null 2>&1 || exit 77

for policy in coordinated partial uncoordinated; do
    name=$policy
    rm -f end
    CRMPI_POLICY=$policy saved 1 --mca mpi_warn_on_fork 0 "$program" a : -np 2 \
        --mca mpi_param_check 1 "$program" b
    "$CRMPI_BIN/crmpi-restart" --dry-run "$CRMPI_DIR" >dry 2>&1
    grep -q -- "--mca mpi_warn_on_fork 0" dry && grep -q -- "--mca mpi_param_check 1" dry ||
        fail "options are lost: $(cat dry)"
    before=$newest
    "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 &
    job=$!
    awaited 60 lines $((before + 2)) || fail "no checkpoint after the restart"
    touch end
    wait "$job" || fail "restarted: status $?"
    grep -q "^digest" "$log" || fail "it did not come to its end"
done

[ $failures = 0 ]
