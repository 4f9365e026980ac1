#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Waits of 1.5 s end after their time, natively, with checkpoints every 0.2 s, and when the
# job is killed meanwhile and restarted.  Run in the build tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-waits-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
export CRMPI_DIR="$temporary/ckpt" CRMPI_INTERVAL=0.2
. "${srcdir:-.}/tests/launcher.sh"
program=$CRMPI_TESTS/waits
failures=0

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# lines N: at least so many checkpoints were taken
lines()
{
    newest=$(ls "$CRMPI_DIR/lines" | sed -n 's/^0*\([0-9]*\)\.h5$/\1/p' | tail -1)
    [ "${newest:-0}" -ge "$1" ]
}

timeout 60 "$MPIRUN" -np 2 "$program" || fail "natively: status $?"
timeout 60 "$CRMPI_BIN/crmpi-run" "$MPIRUN" -np 2 "$program" || fail "under crmpi: status $?"
lines 2 || fail "no checkpoints while it waited"

rm -rf "$CRMPI_DIR"
"$CRMPI_BIN/crmpi-run" "$MPIRUN" -np 2 "$program" 4000 &
job=$!
tries=0
until [ -d "$CRMPI_DIR/lines" ] && lines 2; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || break
    sleep 0.1
done
kill -9 $job
wait $job 2>/dev/null
sleep 1
timeout 60 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" || fail "restarted: status $?"

[ $failures = 0 ]
