# SPDX-License-Identifier: BSD-3-Clause
#
# What a fresh clone is set up, shown and tested by; and what looks after the sources.
dist_noinst_SCRIPTS += scripts/coverage scripts/deb scripts/demo scripts/try-packages scripts/gdb scripts/in-root scripts/install-deps scripts/sanitize \
	scripts/state-table scripts/test scripts/tidy .ci/run
EXTRA_DIST += scripts/lib.sh lib/capture/state.txt .clang-tidy

.PHONY: coverage tidy
coverage:
	$(PYTHON3) $(srcdir)/scripts/coverage
tidy:
	$(srcdir)/scripts/tidy
