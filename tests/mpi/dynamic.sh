#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A job that is connected to another one: why it is not saved is told once, and once that it
# can be again; who asks is told.  Then it is saved, killed and restarted; also when what it
# has spawned aborts.  What is spawned does not touch the job's folder.  Run in the build tree.
#
# Open MPI 4.1 now and then hangs itself when it spawns (the child in PMIx_Init): then it is
# tried again.

test=dynamic
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/dynamic

# said N WORDS: so often
said()
{
    n=$(grep -Ec "$2" "$log")
    [ "$n" = "$1" ] || fail "said $n times instead of $1: $2"
}

# begun POLICY NP [NAME]: a job that is connected
begun()
{
    policy=$1 np=$2
    shift 2
    for try in 1 2 3; do
        rm -f spawn go end abort
        CRMPI_POLICY=$policy CRMPI_INTERVAL=0.2 begin "$np" "$program" held "$@"
        awaited 30 lines 2 || fail "no checkpoint before"
        touch spawn
        awaited 20 grep -q "^connected" "$log" && return
        killed
    done
    fail "not connected, $try times"
}

# restarted_surely: to its end, at which it spawns
restarted_surely()
{
    for try in 1 2 3; do
        timeout -k 5 40 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1
        status=$?
        killed
        [ $status = 124 ] || [ $status = 137 ] || break
    done
    [ $status = 0 ] || fail "restarted: status $status"
    grep -q "^digest" "$log" || fail "it did not come to its end"
}

# connected POLICY NP WORDS [NAME]: it is, and refuses
connected()
{
    policy=$1 np=$2 words=$3
    shift 3
    begun "$policy" "$np" "$@"
    sleep 1
    "$CRMPI_BIN/crmpi-checkpoint" "$CRMPI_DIR" --wait --timeout 30 >answer 2>&1 &&
        fail "it was saved"
    grep -Eq "connections to other jobs: $words" answer || fail "answer: $(cat answer)"
}

# gone: not any more, and it is saved again, killed and restarted to its end
gone()
{
    before=$newest
    touch go
    awaited 30 lines $((before + 3)) || fail "no checkpoint after $before"
    said 1 "no checkpoints for now: rank [0-9]+ has "
    said 1 "checkpoints are possible again"
    # Open MPI 5.0's launcher does not give what is spawned the variables of -x: no crmpi is in it
    case $("$MPIRUN" --version) in
    *" 5."*) ;;
    *) said 1 "spawned by job .*: not checkpointed" ;;
    esac
    said 0 "no checkpoint was taken|another running job"
    killed
    touch end
    restarted_surely
}

unnamed="an intercommunicator with processes of another job \\(made by MPI_Comm_(spawn|dup)\\)"
for policy in coordinated partial uncoordinated; do
    name="$policy"
    connected $policy 2 "$unnamed"
    gone
done

name="with a name"
connected coordinated 2 'the intercommunicator "ocean" with processes of another job' ocean
gone

name="what is spawned aborts"
connected coordinated 1 "$unnamed"
touch abort go
wait "$job" && fail "it is not known that it has failed"
killed
rm abort
touch end
restarted_surely

# With all that comes and goes, killed at some time; the digest is that of a native run.
native=
for try in 1 2 3; do
    native=$(timeout -k 5 40 "$MPIRUN" -np 3 "$program" 2>/dev/null) && break
done
for policy in coordinated partial uncoordinated; do
    name="killed, $policy"
    for time in 1 2; do
        CRMPI_POLICY=$policy CRMPI_INTERVAL=0.2 begin 3 "$program"
        awaited 30 lines 1 || fail "no checkpoint"
        sleep "$(awk "BEGIN { srand($$ + $time); print 3 * rand() }")"
        killed
        restarted_surely
        grep -qxF "$native" "$log" || fail "not the digest of a native run: $native"
    done
done

[ $failures = 0 ]
