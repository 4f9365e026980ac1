#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The public interface: crmpi.h alone, in C and C++; what CRMPI_Checkpoint() returns with
# crmpi and without; that it takes checkpoints.  Run in the build tree.

set -u
test=interface
. "${srcdir:-.}/tests/checks.sh"
. "${srcdir:-.}/tests/launcher.sh"
export CRMPI_DIR="$temporary/ckpt"

# lines_are PATTERN N: the program has said it so many times
lines_are()
{
    [ "$(grep -Ec "^$1\$" "$out")" = "$2" ] || fail "not $2 times '$1'"
}

for language in c c++; do
    echo '#include <crmpi.h>' |
        ${CC:-cc} -x $language -Wall -Wextra -Werror -fsyntax-only -I"$srcdir/include" - \
            >"$out" 2>&1 || fail "crmpi.h in $language"
done

CRMPI_ACTIVE=1 timeout 60 "$MPIRUN" -np 2 -x CRMPI_ACTIVE ./tests/unit/upper/interface \
    >"$out" 2>&1 || fail "without crmpi: status $?"
lines_are 'before -1, one (0|-1), all -1, after -1' 2

timeout 60 "$MPIRUN" -np 2 ./tests/unit/upper/interface >"$out" 2>&1 ||
    fail "under crmpi: status $?"
lines_are 'before [1-9][0-9]*, one 0, all 0, after [1-9][0-9]*' 2
./crmpi-inspect >"$out" 2>&1 || fail "crmpi-inspect: status $?"
grep -Eq ' complete$' "$out" || fail "no complete line"

[ $failures = 0 ]
