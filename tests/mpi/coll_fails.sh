#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# While collectives fail in some ranks a job is saved, under each policy, and restarted to the
# end that a native run comes to.  Run in the build tree.

test=coll_fails
program=$CRMPI_TESTS/coll_fails
. "${srcdir:-.}/tests/mpi/restarts.sh"

if ! timeout 100 "$MPIRUN" -np 4 "$program" 20000 >native 2>&1; then
    echo "FAILED: natively"
    tail native
    exit 1
fi
for policy in coordinated partial uncoordinated; do
    name=$policy
    CRMPI_POLICY=$policy saved 4 "$program" 20000
    restarted
    [ "$(grep '^digest' "$log")" = "$(grep '^digest' native)" ] ||
        fail "not the digest of a native run"
done

[ $failures = 0 ]
