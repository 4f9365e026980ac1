#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A checkpoint that is asked for in the middle of a call of seconds is taken in the middle of
# it, and the job that is killed then and restarted has what a whole call gives.  Run in the
# build tree.

test=longcalls
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/longcalls
# Fast boxes make Open MPI 5.0.7 itself hang in one-sided operations of so many pieces.
export OMPI_MCA_btl_sm_fbox_max=0

says()
{
    grep -q "$name $1" "$log"
}

# in_the_middle SIZE: 1 if the call was over too early to tell
in_the_middle()
{
    rm -f longcalls.bin
    : >"$log"
    begin 2 "$program" 1 "$1" "$name"
    awaited 60 says begins || fail "it does not begin"
    sleep 0.3
    if says "is over"; then
        killed
        return 1
    fi
    before=$(date +%s%N)
    timeout 60 "$CRMPI_BIN/crmpi-checkpoint" --wait "$CRMPI_DIR" >>"$log" 2>&1 ||
        fail "no checkpoint"
    echo "$name: a checkpoint in $((($(date +%s%N) - before) / 1000000)) ms"
    says "is over" && fail "the checkpoint has waited for the end of the call"
    killed
    restarted
}

for name in put get accumulate get_accumulate write; do
    in_the_middle 20 || in_the_middle 100 || fail "the call takes no time"
done

# A rank that is saved alone in the middle of a put, after a checkpoint of all in the middle:
# what it has put in between is put again.
name=fenced
export CRMPI_POLICY=uncoordinated CRMPI_LOG=info
begin 2 "$program" 1 100 $name
awaited 60 says begins || fail "it does not begin"
timeout 60 "$CRMPI_BIN/crmpi-checkpoint" --wait "$CRMPI_DIR" || fail "no checkpoint of all"
sleep 1.5 # a signal just after a checkpoint asks for the same
for rank in $(ranks); do
    grep -qsxz OMPI_COMM_WORLD_RANK=0 "/proc/$rank/environ" && kill -USR1 "$rank"
done
awaited 20 [ -f "$CRMPI_DIR/ranks/000000/000002.h5" ] || fail "no checkpoint of rank 0"
says "is over" && fail "the checkpoints have waited for the end of the call"
killed
restarted
grep -q "1 puts of an open epoch are done again" "$log" || fail "the put is not done again"
unset CRMPI_POLICY CRMPI_LOG

# Of one that is not made in parts it is said for how long it has been going on, over both
# attempts.
name=raccumulate
export CRMPI_QUIESCE_LIMIT=2
begin 2 "$program" 1 200 $name
awaited 60 says begins || fail "it does not begin"
words="rank 0.*a thread has been in MPI_Raccumulate .*for at least"
for least in '[1-9]' '[3-9]\|[1-9][0-9]'; do
    said=$(timeout 60 "$CRMPI_BIN/crmpi-checkpoint" --wait "$CRMPI_DIR" 2>&1)
    echo "$said"
    echo "$said" | grep -q "$words \($least\) s, where" ||
        fail "not said: $words"
done
killed
[ $failures = 0 ]
