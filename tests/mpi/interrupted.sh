#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Checkpoints one after the other, and no restart: nothing is otherwise than without them, in
# some seventy kinds of calls that wait, and signals end them as ever.  Run in the build tree.

test=interrupted
. "${srcdir:-.}/tests/mpi/restarts.sh"

# undisturbed NP LINES SETTING...: to its end, with at least so many checkpoints
undisturbed()
{
    name="np $1 $3"
    np=$1 least=$2
    shift 2
    rm -rf "$CRMPI_DIR"
    # shellcheck disable=SC2086
    env CRMPI_INTERVAL=0.03 CRMPI_KEEP=2 "$@" timeout 100 $run $np $program \
        >"$log" 2>&1 || fail "status $?"
    grep -q "^digest" "$log" || fail "it did not come to its end"
    lines "$least" || fail "only $(ls "$CRMPI_DIR/lines") were taken"
}

program="$CRMPI_TESTS/threads_many 100 sysv"
undisturbed 1 50 CRMPI_ASYNC=0
undisturbed 2 30 CRMPI_ASYNC=1 CRMPI_INCREMENTAL=1
program="$CRMPI_TESTS/struck 600"
undisturbed 1 50 CRMPI_INTERVAL=0.01
# threads stand still for ten seconds of twelve
program="$CRMPI_TESTS/delayed 1 12"
undisturbed 1 1 CRMPI_INTERVAL=1 CRMPI_FAULT=engine.save:1=wait
[ $failures = 0 ]
