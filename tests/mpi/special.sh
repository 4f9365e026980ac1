#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Mappings that a checkpoint is refused for, with words; those that a restart needs
# something for; and programs with sanitizers.  Run in the build tree.

test=special
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/special

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
    timeout 60 $run 1 ./heap-thread 5 >"$log" 2>&1 && fail "it has been run"
    grep -q "heap-thread is built with ThreadSanitizer, which needs the addresses" "$log" ||
        fail "not said"
fi

[ $failures = 0 ]
