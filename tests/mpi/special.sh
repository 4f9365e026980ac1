#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Mappings that a checkpoint is refused for, with words; those that a restart needs
# something for; and programs with sanitizers.  Run in the build tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-special-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
source=$(cd "${srcdir:-.}/tests/mpi" && pwd)
export CRMPI_DIR="$temporary/ckpt"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
program=$CRMPI_TESTS/special
run="$CRMPI_BIN/crmpi-run $MPIRUN -np 1"
log=$temporary/log
failures=0
cd "$temporary" || exit 1

fail()
{
    echo "FAILED: $name: $*"
    sed 's/^/    /' "$log"
    failures=$((failures + 1))
}

lines()
{
    [ -d "$CRMPI_DIR/lines" ] || return 1
    newest=$(ls "$CRMPI_DIR/lines" | sed -n 's/^0*\([0-9]*\)\.h5$/\1/p' | tail -1)
    [ "${newest:-0}" -ge "$1" ]
}

# refused KIND WORDS: the program ends well, and is told why it is not saved
refused()
{
    name=$1
    rm -rf "$CRMPI_DIR"
    CRMPI_INTERVAL=0.2 timeout 60 $run "$program" "$1" 40 >"$log" 2>&1 ||
        fail "status $?"
    grep "^no $1 here" "$log" && return
    grep -q "^digest special" "$log" || fail "it did not come to its end"
    grep -Eq "no checkpoint was taken: .*$2" "$log" || fail "not said: $2"
    ! lines 1 || fail "a checkpoint was taken"
}

# restored NAME MEANWHILE WORDS COMMAND...: save, kill, do something, restart; it may say so
restored()
{
    name=$1 meanwhile=$2 words=$3
    shift 3
    rm -rf "$CRMPI_DIR"
    CRMPI_INTERVAL=0.2 $run "$@" >"$log" 2>&1 &
    job=$!
    tries=0
    until lines 2; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $job 2>/dev/null || break
        sleep 0.1
    done
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    grep "^no .* here" "$log" && return
    lines 2 || fail "no checkpoint"
    sleep 1
    eval "$meanwhile"
    timeout 100 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 ||
        fail "restarted: status $?"
    grep -q "^digest" "$log" || fail "it did not come to its end"
    [ -z "$words" ] || grep -Eq "$words" "$log" || fail "not said: $words"
}

refused userfaultfd "(userfaultfd|is watched by a userfaultfd of the program)"
refused io_uring "rings of io_uring are mapped"
refused perf_event "anon_inode:\[perf_event\] is"
refused aio "asynchronous I/O exists \(io_setup\)"
refused huge_shared "in huge pages"
refused pkey "has the protection key"
refused file_guards "has guards"

restored mlockall "" "" "$program" mlockall
restored mlock "" "" "$program" mlock
if [ -d "$CRMPI_DIR/lines" ] && ! grep -q "^no mlock" "$log"; then
    name="mlock without permission"
    drop=$([ "$(id -u)" = 0 ] && echo "setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock")
    # shellcheck disable=SC2086
    timeout 100 $drop sh -c "ulimit -l 64; exec $CRMPI_BIN/crmpi-restart $CRMPI_DIR" \
        >"$log" 2>&1 && fail "restarted"
    grep -q "has locked 512 KiB of memory, and only 64 KiB may be locked here" "$log" ||
        fail "not said"
fi
restored "huge pages" "" "" "$program" huge
restored droppable "" "" "$program" droppable
restored "a file that stays" "" "" "$program" file
restored "a file that is gone" "rm special.file" "" "$program" file
restored "another file" "cp special.file another; mv another special.file" "" \
    "$program" file
restored "a file that was written" "echo else >special.file" "" "$program" file

# AddressSanitizer works; the others need the addresses
build()
{
    ${MPICC:-mpicc} -std=gnu11 -g -O1 -fsanitize=$1 -I"$source" "$source/heap.c" -o "heap-$1" \
        >/dev/null 2>&1 && ASAN_OPTIONS=detect_leaks=0 \
        CRMPI_ACTIVE=1 timeout 60 "$MPIRUN" -np 1 "./heap-$1" 5 >/dev/null 2>&1
}
export ASAN_OPTIONS=detect_leaks=0
if build address; then
    restored AddressSanitizer "" "" ./heap-address 400
fi
if build thread; then
    name=ThreadSanitizer
    timeout 60 $run ./heap-thread 5 >"$log" 2>&1 && fail "it has been run"
    grep -q "heap-thread is built with ThreadSanitizer, which needs the addresses" "$log" ||
        fail "not said"
fi

[ $failures = 0 ]
