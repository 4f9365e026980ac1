#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What MPI-4 has and a checkpoint is refused for, with words; and is taken when it is gone.  Run
# in the build tree.

test=partitioned
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/partitioned
[ -x "$program" ] || exit 77 # not in this MPI

refused used "partitioned communication .* is in use"
refused revoked "MPIX_Comm_revoke was called"
restored freed "" "" "$program" freed

# Under other policies it is not known what came of it.
export CRMPI_POLICY=partial
refused freed "partitioned communication .* is in use"

[ $failures = 0 ]
