# SPDX-License-Identifier: BSD-3-Clause
#
# Unit tests of the container, with Check, a look at a checkpoint directory from outside, the
# public interface, the command lines of the tools, the configuration, the launchers' words
# and the parts of the policy.

EXTRA_DIST += tests/unit/main.h
storage_fixture = tests/unit/storage-fixture.c tests/unit/storage-fixture.h
storage_libs = libcrmpi-storage.a libcrmpi-recovery.a libcrmpi-base.a $(HDF5_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS)
storage_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/tests/unit $(HDF5_CPPFLAGS)

check_PROGRAMS += tests/unit/storage-sample
tests_unit_storage_sample_SOURCES = tests/unit/storage-sample.c tests/unit/increments.c \
	tests/unit/increments.h $(storage_fixture)
tests_unit_storage_sample_CPPFLAGS = $(storage_cppflags)
tests_unit_storage_sample_LDADD = $(storage_libs)

check_PROGRAMS += tests/unit/every-line
tests_unit_every_line_SOURCES = tests/unit/every-line.c
tests_unit_every_line_CPPFLAGS = $(storage_cppflags)
tests_unit_every_line_LDADD = $(storage_libs)

check_PROGRAMS += tests/unit/graph-sample
tests_unit_graph_sample_SOURCES = tests/unit/graph-sample.c $(crmpi_tool_sources) \
	$(crmpi_graph_sources)
tests_unit_graph_sample_LDADD = libcrmpi-recovery.a libcrmpi-base.a -lm
check_SCRIPTS += tests/unit/graph.sh
TESTS += tests/unit/graph.sh
EXTRA_DIST += tests/unit/graph.sh tests/unit/look-at-svg.py

check_PROGRAMS += tests/unit/stats-sample
tests_unit_stats_sample_SOURCES = tests/unit/stats-sample.c $(crmpi_tool_sources) \
	$(crmpi_stats_sources) tools/svg.c tools/svg.h tools/text.c tools/text.h
tests_unit_stats_sample_LDADD = $(storage_libs) -lm
check_SCRIPTS += tests/unit/stats.sh
TESTS += tests/unit/stats.sh
EXTRA_DIST += tests/unit/stats.sh

check_SCRIPTS += tests/unit/inspect.sh
TESTS += tests/unit/inspect.sh
EXTRA_DIST += tests/unit/inspect.sh tests/unit/read-container.py \
	tests/golden/version-2.b64 tests/golden/version-3.b64 \
	tests/golden/version-4.b64 tests/golden/version-5.b64

check_PROGRAMS += tests/unit/interface
tests_unit_interface_SOURCES = tests/unit/interface.c
tests_unit_interface_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
tests_unit_interface_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$(abs_builddir)'
tests_unit_interface_LDADD = libcrmpi.so $(MPI_LIBS)
check_SCRIPTS += tests/unit/interface.sh tests/unit/manual.sh tests/unit/state.sh
TESTS += tests/unit/interface.sh tests/unit/manual.sh tests/unit/state.sh
EXTRA_DIST += tests/unit/interface.sh tests/unit/manual.sh tests/unit/state.sh

if HAVE_CHECK
storage_tests = tests/unit/chain tests/unit/choose tests/unit/container tests/unit/damage \
	tests/unit/directory tests/unit/fault tests/unit/forged tests/unit/journal \
	tests/unit/single tests/unit/topology
check_PROGRAMS += $(storage_tests)
TESTS += $(storage_tests)
tests_unit_chain_SOURCES = tests/unit/chain.c tests/unit/increments.c \
	tests/unit/increments.h $(storage_fixture)
tests_unit_chain_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_chain_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_choose_SOURCES = tests/unit/choose.c tools/choose.c tools/timeline.c \
	$(storage_fixture)
tests_unit_choose_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_choose_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_container_SOURCES = tests/unit/container.c $(storage_fixture)
tests_unit_container_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_container_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_container_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_damage_SOURCES = tests/unit/damage.c $(storage_fixture)
tests_unit_damage_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_damage_LDADD = $(tests_unit_container_LDADD)
tests_unit_directory_SOURCES = tests/unit/directory.c $(storage_fixture)
tests_unit_directory_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_directory_LDADD = $(tests_unit_container_LDADD)
tests_unit_topology_SOURCES = tests/unit/topology.c
tests_unit_topology_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_topology_LDADD = libcrmpi-levels.a $(tests_unit_container_LDADD)
tests_unit_fault_SOURCES = tests/unit/fault.c $(storage_fixture)
tests_unit_fault_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_fault_LDADD = $(tests_unit_container_LDADD)
tests_unit_forged_SOURCES = tests/unit/forged.c $(storage_fixture)
tests_unit_forged_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_forged_LDADD = $(tests_unit_container_LDADD)
tests_unit_single_SOURCES = tests/unit/single.c $(storage_fixture)
tests_unit_single_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_single_LDADD = $(tests_unit_container_LDADD)
tests_unit_journal_SOURCES = tests/unit/journal.c $(storage_fixture)
tests_unit_journal_CPPFLAGS = $(tests_unit_container_CPPFLAGS)
tests_unit_journal_LDADD = $(tests_unit_container_LDADD)
endif

check_SCRIPTS += tests/unit/tools.sh
TESTS += tests/unit/tools.sh
EXTRA_DIST += tests/unit/tools.sh

if HAVE_CHECK
check_PROGRAMS += tests/unit/config tests/unit/launcher tests/unit/policy
TESTS += tests/unit/config tests/unit/launcher tests/unit/policy
tests_unit_config_SOURCES = tests/unit/config.c
tests_unit_config_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_config_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_launcher_SOURCES = tests/unit/launcher.c
tests_unit_launcher_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_launcher_LDADD = libcrmpi-base.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_unit_policy_SOURCES = tests/unit/policy.c $(crmpi_policy_sources)
tests_unit_policy_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_policy_LDADD = $(CHECK_LIBS) -lm
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/interaction
TESTS += tests/unit/interaction
tests_unit_interaction_SOURCES = tests/unit/interaction.c \
	lib/interaction/log.c lib/interaction/saved.c lib/interaction/streams.c \
	lib/interaction/targets.c lib/boundary/heap.c
tests_unit_interaction_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_interaction_LDADD = $(CHECK_LIBS)
endif

if HAVE_CHECK
recovery_tests = tests/unit/dependencies tests/unit/line tests/unit/recovery-alone \
	tests/unit/recovery-groups
check_PROGRAMS += $(recovery_tests)
TESTS += $(recovery_tests)
tests_unit_dependencies_SOURCES = tests/unit/dependencies.c
tests_unit_dependencies_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_dependencies_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
tests_unit_line_SOURCES = tests/unit/line.c
tests_unit_line_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_line_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
tests_unit_recovery_alone_SOURCES = tests/unit/recovery-alone.c
tests_unit_recovery_alone_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_recovery_alone_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
tests_unit_recovery_groups_SOURCES = tests/unit/recovery-groups.c
tests_unit_recovery_groups_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_recovery_groups_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/handle
TESTS += tests/unit/handle
tests_unit_handle_SOURCES = tests/unit/handle.c lib/handle/handle.c lib/boundary/heap.c
tests_unit_handle_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_handle_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_handle_LDADD = libcrmpi-base.a $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/regions
TESTS += tests/unit/regions
tests_unit_regions_SOURCES = tests/unit/regions.c \
	lib/capture/attributes.c lib/capture/extents.c lib/capture/regions.c lib/capture/segments.c
tests_unit_regions_CPPFLAGS = $(storage_cppflags) $(MPI_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_regions_LDADD = $(storage_libs) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/changes
TESTS += tests/unit/changes
tests_unit_changes_SOURCES = tests/unit/changes.c \
	lib/capture/attributes.c lib/capture/background.c lib/capture/capture.c lib/capture/contents.c \
	lib/capture/datamap.c lib/capture/extents.c lib/capture/limit.c lib/capture/pump.c \
	lib/capture/regions.c lib/capture/segments.c lib/capture/survey.c \
	lib/capture/tracking.c lib/capture/workers.c lib/capture/writes.c
tests_unit_changes_CPPFLAGS = $(tests_unit_regions_CPPFLAGS) $(HWLOC_CPPFLAGS)
tests_unit_changes_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_changes_LDADD = $(tests_unit_regions_LDADD) $(HWLOC_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/erasure tests/unit/plan
TESTS += tests/unit/erasure tests/unit/plan
tests_unit_erasure_SOURCES = tests/unit/erasure.c
tests_unit_erasure_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_erasure_LDADD = libcrmpi-levels.a libcrmpi-storage.a libcrmpi-base.a \
	$(ISAL_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_unit_plan_SOURCES = tests/unit/plan.c
tests_unit_plan_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_plan_LDADD = libcrmpi-levels.a $(storage_libs) $(ISAL_LIBS) $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/cpus tests/unit/greeting tests/unit/kept tests/unit/limit tests/unit/route tests/unit/xstate
TESTS += tests/unit/cpus tests/unit/greeting tests/unit/kept tests/unit/limit tests/unit/route tests/unit/xstate
tests_unit_cpus_SOURCES = tests/unit/cpus.c lib/capture/cpus.c
tests_unit_cpus_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_cpus_LDADD = $(CHECK_LIBS)
tests_unit_xstate_SOURCES = tests/unit/xstate.c lib/threads/xstate.c
tests_unit_xstate_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_xstate_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_greeting_SOURCES = tests/unit/greeting.c
tests_unit_greeting_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_greeting_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_greeting_LDADD = libcrmpi-base.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_unit_limit_SOURCES = tests/unit/limit.c lib/capture/limit.c
tests_unit_limit_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_limit_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_kept_SOURCES = tests/unit/kept.c lib/engine/kept.c lib/boundary/heap.c
tests_unit_kept_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_kept_LDADD = $(CHECK_LIBS)
tests_unit_route_SOURCES = tests/unit/route.c lib/net/link.c lib/net/route.c
tests_unit_route_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_route_LDADD = $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/restoring
TESTS += tests/unit/restoring
tests_unit_restoring_SOURCES = tests/unit/restoring.c lib/restart/telling.c \
	tools/restoring.c tools/restoring.h $(crmpi_tool_sources)
tests_unit_restoring_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_restoring_LDADD = libcrmpi-base.a $(CRYPTO_LIBS) $(CHECK_LIBS)
endif

if HAVE_CHECK
files_tests = tests/unit/descriptors tests/unit/inodes tests/unit/pathmap tests/unit/undo
check_PROGRAMS += $(files_tests)
TESTS += $(files_tests)
tests_unit_pathmap_SOURCES = tests/unit/pathmap.c
tests_unit_pathmap_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_pathmap_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_descriptors_SOURCES = tests/unit/descriptors.c $(crmpi_descriptors_sources) \
	lib/files/inodes.c $(storage_fixture)
tests_unit_descriptors_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_descriptors_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_inodes_SOURCES = tests/unit/inodes.c lib/files/inodes.c $(storage_fixture)
tests_unit_inodes_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_inodes_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_undo_SOURCES = tests/unit/undo.c lib/files/journal.c lib/files/lookup.c lib/files/undo.c lib/files/undone.c \
	lib/lower/apart.c $(storage_fixture)
tests_unit_undo_CPPFLAGS = $(storage_cppflags) $(MPI_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_undo_LDADD = $(storage_libs) $(CHECK_LIBS)
endif
