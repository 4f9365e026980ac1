#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A tool that is preloaded sees the same calls natively and under crmpi.  Run in the build
# tree.

set -u
temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-tool-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
export CRMPI_DIR="$temporary/ckpt"
. "${srcdir:-.}/tests/launcher.sh"

for run in "" "$CRMPI_BIN/crmpi-run"; do
    # shellcheck disable=SC2086
    if ! timeout 120 $run ${MPIRUN:-mpirun} -np 2 -x LD_PRELOAD="$CRMPI_TESTS/tool_library.so" \
        "$CRMPI_TESTS/tool_alone" 100 >"$temporary/log" 2>&1; then
        echo "FAILED: ${run:-natively}"
        cat "$temporary/log"
        exit 1
    fi
    grep digest "$temporary/log" >>"$temporary/digests"
done
[ "$(wc -l <"$temporary/digests")" = 2 ] && [ "$(sort -u "$temporary/digests" | wc -l)" = 1 ] ||
    { cat "$temporary/digests"; exit 1; }
