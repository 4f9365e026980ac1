# SPDX-License-Identifier: BSD-3-Clause
#
# The policies in simulated jobs.

sim_ranks = tests/sim/phase.c tests/sim/phase.h tests/sim/ranks.c tests/sim/ranks.h \
	tests/sim/sim.c tests/sim/sim.h
check_PROGRAMS += tests/sim/coordinated
TESTS += tests/sim/coordinated
tests_sim_coordinated_SOURCES = tests/sim/coordinated.c $(sim_ranks) \
	$(crmpi_policy_sources)
tests_sim_coordinated_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_sim_coordinated_LDADD = -lm

check_PROGRAMS += tests/sim/uncoordinated
TESTS += tests/sim/uncoordinated
tests_sim_uncoordinated_SOURCES = tests/sim/uncoordinated.c tests/sim/uncoordinated.h \
	tests/sim/uncoordinated_actions.c tests/sim/uncoordinated_program.c $(sim_ranks) \
	tests/sim/disk.c tests/sim/disk.h tests/sim/traffic.c tests/sim/traffic.h \
	$(crmpi_policy_sources) $(crmpi_policy_alone_sources)
tests_sim_uncoordinated_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_sim_uncoordinated_LDADD = libcrmpi-recovery.a -lm

check_PROGRAMS += tests/sim/partial
TESTS += tests/sim/partial
tests_sim_partial_SOURCES = tests/sim/partial.c $(sim_ranks) \
	tests/sim/world.c tests/sim/world.h $(crmpi_policy_sources)
tests_sim_partial_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_sim_partial_LDADD = libcrmpi-recovery.a -lm

check_PROGRAMS += tests/sim/cost
TESTS += tests/sim/cost
tests_sim_cost_SOURCES = tests/sim/cost.c tests/sim/sim.c tests/sim/sim.h \
	$(crmpi_policy_sources)
tests_sim_cost_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_sim_cost_LDADD = -lm

check_PROGRAMS += tests/sim/memory
TESTS += tests/sim/memory
tests_sim_memory_SOURCES = tests/sim/memory.c \
	lib/interaction/streams.c lib/boundary/heap.c

check_PROGRAMS += tests/sim/interval
TESTS += tests/sim/interval
tests_sim_interval_SOURCES = tests/sim/interval.c lib/policy/daly.c lib/policy/daly.h
tests_sim_interval_LDADD = -lm
