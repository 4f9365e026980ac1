# SPDX-License-Identifier: BSD-3-Clause
#
# Unit tests, MPI programs, acceptance.

include tests/sim/local.mk
include tests/unit/local.mk
include tests/mpi/local.mk
include tests/mpi/rma.mk
include tests/api/local.mk

# All tests use what is in the build tree.
crmpi_here = CRMPI_BIN='$(abs_builddir)' CRMPI_LIB='$(abs_builddir)/libcrmpi.so' \
	CRMPI_HOST='$(abs_builddir)/crmpi-host' CRMPI_TESTS='$(abs_builddir)/tests/mpi' \
	BUILT_WITH='$(BUILT_WITH)'
AM_TESTS_ENVIRONMENT = export $(crmpi_here) MPIRUN='$(MPIRUN)' MPICC='$(MPICC)' CC='$(CC)';

# The order of rooms, in sources and objects.
TESTS += tests/house/rooms tests/house/flags tests/house/interface tests/install.sh
EXTRA_DIST += tests/house/rooms tests/house/flags tests/house/interface tests/install.sh \
	tests/golden/interface-0

quick_tests = tests/quick.sh tests/quick-levels.sh tests/quick-partial.sh \
	tests/quick-uncoordinated.sh tests/quick-background.sh tests/quick-kernel.sh
EXTRA_DIST += lib/rooms tests/across tests/checks.sh
EXTRA_DIST += tests/campaign tests/launcher.sh tests/testlist $(quick_tests) tests/fault/run \
	tests/levels/restart tests/promise/run
TESTS += $(quick_tests) tests/promise/run tests/api/run

check_PROGRAMS += tests/time-limit/paced
tests_time_limit_paced_SOURCES = tests/time-limit/paced.c
tests_time_limit_paced_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
tests_time_limit_paced_LDADD = $(MPI_LIBS)
EXTRA_DIST += tests/time-limit/run

check_PROGRAMS += tests/jobs/phases
tests_jobs_phases_SOURCES = tests/jobs/phases.c
tests_jobs_phases_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
tests_jobs_phases_LDADD = $(MPI_LIBS)
EXTRA_DIST += tests/jobs/run tests/jobs/lines tests/jobs/apart tests/jobs/strangers
TESTS += tests/time-limit/run tests/jobs/run tests/jobs/lines tests/jobs/apart tests/jobs/strangers

check_PROGRAMS += tests/levels/steps tests/levels/shares
tests_levels_steps_SOURCES = tests/levels/steps.c
tests_levels_steps_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
tests_levels_steps_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$(abs_builddir)'
tests_levels_steps_LDADD = libcrmpi.so $(MPI_LIBS)
tests_levels_shares_SOURCES = tests/levels/shares.c
tests_levels_shares_LDADD = libcrmpi-levels.a libcrmpi-storage.a libcrmpi-base.a \
	$(HDF5_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS) $(ISAL_LIBS)
EXTRA_DIST += tests/levels/run
TESTS += tests/levels/run

# Over hosts made of namespaces.
EXTRA_DIST += tests/hosts/cluster tests/hosts/run
TESTS += tests/hosts/run

# Those that start no MPI job.
unit_tests = $(filter-out %.sh,$(filter tests/sim/% tests/unit/%,$(TESTS)))
.PHONY: check-unit print-unit-tests
print-unit-tests:
	@echo $(unit_tests)
check-unit:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(unit_tests)'

.PHONY: check-long
check-long: check
	$(crmpi_here) $(srcdir)/tests/fault/run --time 600
	$(crmpi_here) $(srcdir)/tests/levels/restart --time 600
	$(crmpi_here) $(srcdir)/tests/campaign --levels partner -n 5 --np 2,4,7 --time 600
	$(crmpi_here) $(srcdir)/tests/campaign --levels erasure=2+2 -n 5 --np 4,7 --time 600
	$(crmpi_here) $(srcdir)/tests/campaign -n 20 --time 1200
	$(crmpi_here) $(srcdir)/tests/campaign --policy partial -n 20 --time 900
	$(crmpi_here) $(srcdir)/tests/campaign --policy uncoordinated -n 20 --time 600
	$(crmpi_here) $(srcdir)/tests/campaign --hosts 4 --np 4,8 -n 5 --time 900 || test $$? = 77
	$(crmpi_here) $(srcdir)/tests/campaign --hosts 4 --policy partial --np 8 -n 5 \
	--time 300 || test $$? = 77
	for policy in coordinated partial uncoordinated; do \
	$(crmpi_here) $(srcdir)/tests/campaign --policy $$policy -n 20 --time 600 \
	--save 'CRMPI_ASYNC=1|0 CRMPI_INCREMENTAL=0|3 CRMPI_COMPRESS=none|lz4' || exit 1; done
