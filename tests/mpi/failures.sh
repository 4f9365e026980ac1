#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Errors that nobody handles end a job with the words that it has natively.  Run in the build
# tree.

test=failures
. "${srcdir:-.}/tests/mpi/restarts.sh"

export OMPI_MCA_orte_base_help_aggregate=0 PRTE_MCA_prte_base_help_aggregate=0

# words FILE: what Open MPI says of an error, without processes and numbers of objects
words()
{
    sed -n 's/^\[[^]]*\] \*\*\* \(An error occurred\|on \|MPI_ERR\)/\1/p' "$1" |
        sed 's/ [0-9][0-9]*\>//g' | sort -u
}

# told FILE COMMAND...: run it until its words come through, as mpirun loses some
told()
{
    file=$1 tries=10
    shift
    while [ $tries -gt 0 ]; do
        rm -rf "$CRMPI_DIR"
        timeout 60 "$@" >"$file" 2>&1 && fail "it goes on"
        [ -z "$(words "$file")" ] || return
        tries=$((tries - 1))
    done
    fail "nothing is said"
}

for name in 0 1 2 3 4 5 6; do
    told native "$MPIRUN" -np 2 "$CRMPI_TESTS/failures" 1 0 $name
    # shellcheck disable=SC2086
    told "$log" $run 2 "$CRMPI_TESTS/failures" 1 0 $name
    [ "$(words native)" = "$(words "$log")" ] || fail "not '$(words native)'"
done

# a library of another version, whose file has the same name
name="another libmpi"
cat >other.c <<'EOF'
#include <string.h>
int PMPI_Get_library_version(char *version, int *length);
int PMPI_Get_library_version(char *version, int *length)
{
    *length = (int)strlen(strcpy(version, "Open MPI v3.1.2, package: another"));
    return 0;
}
EOF
${CC:-cc} -shared -fPIC other.c -o libother.so || fail "cannot build it"
LD_PRELOAD="$PWD/libother.so" "$CRMPI_BIN/crmpi-host" --restore "$CRMPI_DIR" >"$log" 2>&1 &&
    fail "it is accepted"
grep -q 'built for Open MPI [45].[01], and libmpi.so is "Open MPI v3.1.2";' "$log" ||
    fail "it is not named"

[ $failures = 0 ]
