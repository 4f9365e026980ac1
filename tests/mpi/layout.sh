#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Unusual layouts of addresses: the program runs, is saved, killed and restarted with an
# unlimited stack, said before mpirun or in a wrapper that mpirun starts, in the legacy
# layout, and without randomness; also where a restart has another one than the start.
# Run in the build tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-layout-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
export CRMPI_DIR="$temporary/ckpt"
. "${srcdir:-.}/tests/launcher.sh"
program=$CRMPI_TESTS/layout
own=$(cat /proc/self/personality)
failures=0

fail()
{
    echo "FAILED: $name: $*"
    sed 's/^/    /' "$temporary/log"
    failures=$((failures + 1))
}

lines()
{
    [ -d "$CRMPI_DIR/lines" ] || return 1
    newest=$(ls "$CRMPI_DIR/lines" | sed -n 's/^0*\([0-9]*\)\.h5$/\1/p' | tail -1)
    [ "${newest:-0}" -ge "$1" ]
}

# try NAME STACK PERSONALITY RESTART COMMAND...: start, save twice, kill, restart
try()
{
    name=$1 LAYOUT_STACK=$2 LAYOUT_PERSONALITY=$3 restart=$4
    export LAYOUT_STACK LAYOUT_PERSONALITY
    shift 4
    rm -rf "$CRMPI_DIR"
    CRMPI_INTERVAL=0.3 "$@" >"$temporary/log" 2>&1 &
    job=$!
    tries=0
    until lines 2; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $job 2>/dev/null || break
        sleep 0.1
    done
    lines 2 || fail "no checkpoint"
    kill -9 $job
    wait $job 2>/dev/null
    sleep 1
    timeout 100 sh -c "$restart" >>"$temporary/log" 2>&1 || fail "restarted: status $?"
    grep -q "^digest layout" "$temporary/log" || fail "it did not come to its end"
}

run="$CRMPI_BIN/crmpi-run $MPIRUN"
again="$CRMPI_BIN/crmpi-restart $CRMPI_DIR"
usual=$(ulimit -s)
flag() { printf %08x $((0x$own | $1)); }

for np in 1 2; do
    try "unlimited, np $np" unlimited "$own" "ulimit -s unlimited; exec $again" \
        sh -c "ulimit -s unlimited; exec $run -np $np $program"
done
try "unlimited, restarted otherwise" unlimited "$own" "ulimit -S -s 8192; exec $again" \
    sh -c "ulimit -s unlimited; exec $run -np 2 $program"
try "otherwise, restarted unlimited" "$usual" "$own" "ulimit -s unlimited; exec $again" \
    $run -np 2 "$program"
try "in a wrapper" unlimited "$own" "exec $again" \
    $run -np 2 bash -c "ulimit -s unlimited; exec $program"
try "in a shell" unlimited "$own" "exec $again" \
    $run -np 2 bash -c "ulimit -s unlimited; $program; exit \$?"
if setarch -L true 2>/dev/null && setarch -R true 2>/dev/null; then
    try "legacy" "$usual" "$(flag 0x200000)" "exec setarch -L $again" \
        $run -np 2 setarch -L "$program"
    try "legacy, restarted otherwise" "$usual" "$(flag 0x200000)" "exec $again" \
        setarch -L $run -np 1 "$program"
    try "not random" "$usual" "$(flag 0x40000)" "exec setarch -R $again" \
        setarch -R $run -np 2 "$program"
    try "not random, restarted otherwise" "$usual" "$(flag 0x40000)" "exec $again" \
        $run -np 2 setarch -R "$program"
    try "restarted not random" "$usual" "$own" "exec setarch -R $again" \
        $run -np 1 "$program"
fi

[ $failures = 0 ]
