#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A job is killed and restarted in namespaces of process ids that begin anew each time, so
# that ids which the program knows are given again, and by and by to its own threads and
# children.  Left out where such namespaces are not allowed.  Run in the build tree.

test=identities
. "${srcdir:-.}/tests/mpi/restarts.sh"

apart="unshare --pid --fork --kill-child --mount-proc"
$apart true 2>/dev/null || apart="unshare --user --map-root-user ${apart#unshare }"
if ! $apart true 2>/dev/null; then
    echo "left out: no namespaces of process ids here"
    exit 77
fi

# Open MPI 5.0's launcher does not start where one that was killed, of the same id, has left its
# folder.
again()
{
    rm -rf "$temporary/tmp"
    mkdir "$temporary/tmp"
}
export TMPDIR="$temporary/tmp"

# in_time STATUS COMMAND...
in_time()
{
    wanted=$1
    shift
    again
    # shellcheck disable=SC2086
    timeout -s KILL 100 $apart "$@" >>"$log" 2>&1
    status=$?
    [ $status = "$wanted" ] || fail "status $status of: $*"
}

for np in 1 2; do
    name="np $np"
    rm -rf "$CRMPI_DIR"
    : >"$log"
    again
    # shellcheck disable=SC2086
    CRMPI_INTERVAL=0.3 $apart $run $np "$CRMPI_TESTS/identities" 600 collide >>"$log" 2>&1 &
    job=$!
    for n in 2 4 6; do
        awaited 60 lines $n || fail "no checkpoint"
        kill -9 $job
        wait $job 2>/dev/null
        again
        CRMPI_INTERVAL=0.3 $apart "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 &
        job=$!
    done
    awaited 60 lines 8 || fail "no checkpoint"
    kill -9 $job
    wait $job 2>/dev/null
    in_time 0 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR"
    grep -q "^digest identities np=$np steps=600" "$log" || fail "it did not come to its end"
done
[ $failures = 0 ]
