#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# An error on a file whose handler is MPI_ERRORS_ARE_FATAL ends the job natively and under
# crmpi.  Run in the build tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-fatal-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
export CRMPI_DIR="$temporary/ckpt"
. "${srcdir:-.}/tests/launcher.sh"

for run in "" "$CRMPI_BIN/crmpi-run"; do
    # shellcheck disable=SC2086
    timeout 120 $run ${MPIRUN:-mpirun} -np 2 "$CRMPI_TESTS/errors" 2 "$temporary/file" \
        >"$temporary/log" 2>&1
    status=$?
    # the launcher does not always come to print what the library says
    if [ $status -ne 16 ] || ! grep -q "^digest" "$temporary/log"; then
        echo "FAILED: ${run:-natively}: status $status"
        cat "$temporary/log"
        exit 1
    fi
done
