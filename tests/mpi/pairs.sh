#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Policy partial: a checkpoint of one pair of ranks does not concern the others, two pairs
# take theirs at the same time, and a restart from checkpoints of different times goes on
# to the same end.  Run in the build tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-pairs-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
export CRMPI_DIR="$temporary/ckpt" CRMPI_POLICY=partial CRMPI_LOG=info
. "${srcdir:-.}/tests/launcher.sh"
program="$CRMPI_TESTS/pairs"
steps=8000
failures=0

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ask ANSWER ARGUMENT...: a checkpoint is taken, and of so many ranks
ask()
{
    answer=$1
    shift
    said=$(timeout 60 "$CRMPI_BIN/crmpi-checkpoint" --wait "$@") || fail "ask $*: status $?"
    echo "$said" | grep -q "$answer" || fail "ask $*: '$said' is not '$answer'"
}

# files RANK: how many checkpoints there are of it
files()
{
    ls "$CRMPI_DIR/ranks/00000$1" | grep -c '^[0-9]*\.h5$'
}

timeout 100 "$MPIRUN" -np 8 "$program" $steps >"$temporary/native" || fail "natively: $?"

"$CRMPI_BIN/crmpi-run" "$MPIRUN" -np 8 "$program" $steps 2>"$temporary/log" &
job=$!
ask 'committed line 1$'
[ "$(files 2)" = 1 ] || fail "$(files 2) files of rank 2 after the first checkpoint"
ask 'with 2 of 8 ranks$' --rank 2
[ "$(files 2) $(files 3)" = "2 2" ] || fail "the pair was not saved"
(ask 'with 2 of 8 ranks$' --rank 4; [ $failures = 0 ]) &
other=$!
ask 'with 2 of 8 ranks$' --rank 7
wait $other || fail "the other pair was not saved"
for rank in 0 1; do
    [ "$(files $rank)" = 1 ] || fail "rank $rank was saved with others"
done
for rank in 4 5 6 7; do
    [ "$(files $rank)" = 2 ] || fail "rank $rank was not saved"
done
kill -9 $job
wait $job 2>/dev/null
[ "$(grep -c ': 2 of 8 ranks, quiesced in' "$temporary/log")" = 3 ] ||
    fail "not three lines of pairs: $(cat "$temporary/log")"
sleep 1
timeout 100 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >"$temporary/restarted" ||
    fail "restarted: status $?"
cmp "$temporary/native" "$temporary/restarted" || fail "another end than natively"

[ $failures = 0 ]
