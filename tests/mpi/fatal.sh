#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# An error on a file whose handler is MPI_ERRORS_ARE_FATAL ends the job natively and under
# crmpi.  Run in the build tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-fatal-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
export CRMPI_DIR="$temporary/ckpt"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1

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
