# SPDX-License-Identifier: BSD-3-Clause
#
# For scripts that run commands and look at what they say.  Sourced by them with $test, their name: a
# folder that goes when they end, a file for what the last command has said, and failures.
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-$test-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
out=$temporary/out
failures=0

fail()
{
    echo "FAILED: $*"
    sed 's/^/    /' "$out"
    failures=$((failures + 1))
}
