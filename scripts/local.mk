# SPDX-License-Identifier: BSD-3-Clause
#
# What a fresh clone is set up, shown and tested by.
dist_noinst_SCRIPTS += scripts/demo scripts/install-deps scripts/state-table scripts/test .ci/run
EXTRA_DIST += scripts/lib.sh lib/capture/state.txt
