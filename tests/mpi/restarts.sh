# SPDX-License-Identifier: BSD-3-Clause
#
# For scripts that run a program under crmpi, see it refused or saved, kill it, and restart
# it.  Sourced by them with $test, their name; they work in a folder of their own.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-$test-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
source=$(cd "${srcdir:-.}/tests/mpi" && pwd)
export CRMPI_DIR="$temporary/ckpt"
. "${srcdir:-.}/tests/launcher.sh"
run="$CRMPI_BIN/crmpi-run $MPIRUN -np"
log=$temporary/log
failures=0
cd "$temporary" || exit 1

fail()
{
    echo "FAILED: $name: $*"
    sed 's/^/    /' "$log"
    failures=$((failures + 1))
}

# lines N: at least so many checkpoints were taken
lines()
{
    [ -d "$CRMPI_DIR/lines" ] || return 1
    newest=$(ls "$CRMPI_DIR/lines" | sed -n 's/^0*\([0-9]*\)\.h5$/\1/p' | tail -1)
    [ "${newest:-0}" -ge "$1" ]
}

# awaited SECONDS COMMAND...: until the command says yes, or the job has ended
awaited()
{
    tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] && kill -0 "$job" 2>/dev/null || return 1
        sleep 0.05
    done
}

# begin NP COMMAND...: run it in the background
begin()
{
    rm -rf "$CRMPI_DIR"
    # shellcheck disable=SC2086
    $run "$@" >"$log" 2>&1 &
    job=$!
}

# ranks: the processes of the job's ranks
ranks()
{
    grep -lsz "^CRMPI_DIR=$CRMPI_DIR\$" /proc/[0-9]*/environ | while read -r environment; do
        grep -qsz "^OMPI_COMM_WORLD_RANK=" "$environment" && echo "$environment"
    done | sed -n 's|/proc/\([0-9]*\)/environ|\1|p'
}

# launchers: the processes that have started them
launchers()
{
    grep -lsz "^CRMPI_DIR=$CRMPI_DIR\$" /proc/[0-9]*/cmdline | sed 's|/proc/\([0-9]*\)/.*|\1|'
}

# killed: end the job as a crash would; its ranks are gone then.  Launchers end with them, but for
# Open MPI 5.0's now and then, after a spawn
killed()
{
    kill -9 "$job" 2>/dev/null
    wait "$job" 2>/dev/null
    tries=200
    while left=$(ranks) && [ -n "$left" ] && [ $tries -gt 0 ]; do
        # shellcheck disable=SC2086
        kill -9 $left 2>/dev/null
        tries=$((tries - 1))
        sleep 0.05
    done
    tries=100
    while left=$(launchers) && [ -n "$left" ] && [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.05
    done
    # shellcheck disable=SC2086
    [ -z "$left" ] || kill -9 $left 2>/dev/null
}

# saved NP COMMAND...: run it until it has been saved twice, and kill it
saved()
{
    CRMPI_INTERVAL=0.2 begin "$@"
    awaited 30 lines 2
    killed
    grep "^no .* here" "$log" && return
    lines 2 || fail "no checkpoint"
}

# restarted [OPTION...]: to its end
restarted()
{
    timeout 100 "$CRMPI_BIN/crmpi-restart" "$@" "$CRMPI_DIR" >>"$log" 2>&1 ||
        fail "restarted: status $?"
    grep -q "^digest" "$log" || fail "it did not come to its end"
}

# refused KIND WORDS: the program ends well, and is told why it is not saved
refused()
{
    name=$1
    rm -rf "$CRMPI_DIR"
    # shellcheck disable=SC2086
    CRMPI_INTERVAL=0.2 timeout 60 $run 1 "$program" "$1" 40 >"$log" 2>&1 ||
        fail "status $?"
    grep "^no $1 here" "$log" && return
    grep -q "^digest $test" "$log" || fail "it did not come to its end"
    grep -Eq "no checkpoint was taken: .*$2" "$log" || fail "not said: $2"
    ! lines 1 || fail "a checkpoint was taken"
}

# restored NAME MEANWHILE WORDS COMMAND...: save, kill, do something, restart; it may say so
restored()
{
    name=$1 meanwhile=$2 words=$3
    shift 3
    saved 1 "$@"
    grep -q "^no .* here" "$log" && return
    eval "$meanwhile"
    restarted
    [ -z "$words" ] || grep -Eq "$words" "$log" || fail "not said: $words"
}
