# SPDX-License-Identifier: BSD-3-Clause
#
# Unit tests of the container, with Check, a look at a checkpoint directory from outside, the
# public interface, the command lines of the tools, the configuration, the launchers' words
# and the parts of the policy.

EXTRA_DIST += tests/unit/main.h tests/unit/lower/mappings_library.c
storage_fixture = tests/unit/storage/storage-fixture.c tests/unit/storage/storage-fixture.h
storage_libs = libcrmpi-storage.a libcrmpi-recovery.a libcrmpi-base.a $(HDF5_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS)
storage_cppflags = $(AM_CPPFLAGS) $(HDF5_CPPFLAGS)

check_PROGRAMS += tests/unit/storage/storage-sample
tests_unit_storage_storage_sample_SOURCES = tests/unit/storage/storage-sample.c tests/unit/storage/increments.c \
	tests/unit/storage/increments.h $(storage_fixture)
tests_unit_storage_storage_sample_CPPFLAGS = $(storage_cppflags)
tests_unit_storage_storage_sample_LDADD = $(storage_libs)

check_PROGRAMS += tests/unit/storage/every-line
tests_unit_storage_every_line_SOURCES = tests/unit/storage/every-line.c
tests_unit_storage_every_line_CPPFLAGS = $(storage_cppflags)
tests_unit_storage_every_line_LDADD = $(storage_libs)

check_PROGRAMS += tests/unit/tools/graph-sample
tests_unit_tools_graph_sample_SOURCES = tests/unit/tools/graph-sample.c $(crmpi_tool_sources) \
	$(crmpi_graph_sources)
tests_unit_tools_graph_sample_LDADD = libcrmpi-recovery.a libcrmpi-base.a -lm
check_SCRIPTS += tests/unit/tools/graph.sh
TESTS += tests/unit/tools/graph.sh
EXTRA_DIST += tests/unit/tools/graph.sh tests/unit/tools/pictures.sh tests/unit/tools/look-at-svg.py

check_PROGRAMS += tests/unit/tools/stats-sample
tests_unit_tools_stats_sample_SOURCES = tests/unit/tools/stats-sample.c $(crmpi_tool_sources) \
	$(crmpi_stats_sources) tools/svg.c tools/svg.h tools/text.c tools/text.h
tests_unit_tools_stats_sample_LDADD = $(storage_libs) -lm
check_SCRIPTS += tests/unit/tools/stats.sh
TESTS += tests/unit/tools/stats.sh
EXTRA_DIST += tests/unit/tools/stats.sh

check_SCRIPTS += tests/unit/tools/inspect.sh
TESTS += tests/unit/tools/inspect.sh
EXTRA_DIST += tests/unit/tools/inspect.sh tests/unit/storage/read-container.py \
	tests/golden/version-2.b64 tests/golden/version-3.b64 \
	tests/golden/version-4.b64 tests/golden/version-5.b64

check_PROGRAMS += tests/unit/upper/interface
tests_unit_upper_interface_SOURCES = tests/unit/upper/interface.c
tests_unit_upper_interface_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
tests_unit_upper_interface_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$(abs_builddir)'
tests_unit_upper_interface_LDADD = libcrmpi.so $(MPI_LIBS)
check_SCRIPTS += tests/unit/upper/interface.sh tests/unit/tools/manual.sh tests/unit/capture/state.sh
TESTS += tests/unit/upper/interface.sh tests/unit/tools/manual.sh tests/unit/capture/state.sh
EXTRA_DIST += tests/unit/upper/interface.sh tests/unit/tools/manual.sh tests/unit/capture/state.sh

if HAVE_CHECK
storage_tests = tests/unit/storage/chain tests/unit/tools/choose tests/unit/storage/container tests/unit/storage/damage \
	tests/unit/storage/directory tests/unit/base/fault tests/unit/storage/forged tests/unit/storage/journal \
	tests/unit/storage/single tests/unit/levels/topology
check_PROGRAMS += $(storage_tests)
TESTS += $(storage_tests)
tests_unit_storage_chain_SOURCES = tests/unit/storage/chain.c tests/unit/storage/increments.c \
	tests/unit/storage/increments.h $(storage_fixture)
tests_unit_storage_chain_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_storage_chain_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_tools_choose_SOURCES = tests/unit/tools/choose.c tools/choose.c tools/timeline.c \
	$(storage_fixture)
tests_unit_tools_choose_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_tools_choose_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_storage_container_SOURCES = tests/unit/storage/container.c $(storage_fixture)
tests_unit_storage_container_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_storage_container_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_storage_container_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_storage_damage_SOURCES = tests/unit/storage/damage.c $(storage_fixture)
tests_unit_storage_damage_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_storage_damage_LDADD = $(tests_unit_storage_container_LDADD)
tests_unit_storage_directory_SOURCES = tests/unit/storage/directory.c $(storage_fixture)
tests_unit_storage_directory_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_storage_directory_LDADD = $(tests_unit_storage_container_LDADD)
tests_unit_levels_topology_SOURCES = tests/unit/levels/topology.c
tests_unit_levels_topology_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_levels_topology_LDADD = libcrmpi-levels.a $(tests_unit_storage_container_LDADD)
tests_unit_base_fault_SOURCES = tests/unit/base/fault.c $(storage_fixture)
tests_unit_base_fault_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_base_fault_LDADD = $(tests_unit_storage_container_LDADD)
tests_unit_storage_forged_SOURCES = tests/unit/storage/forged.c $(storage_fixture)
tests_unit_storage_forged_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_storage_forged_LDADD = $(tests_unit_storage_container_LDADD)
tests_unit_storage_single_SOURCES = tests/unit/storage/single.c $(storage_fixture)
tests_unit_storage_single_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_storage_single_LDADD = $(tests_unit_storage_container_LDADD)
tests_unit_storage_journal_SOURCES = tests/unit/storage/journal.c $(storage_fixture)
tests_unit_storage_journal_CPPFLAGS = $(tests_unit_storage_container_CPPFLAGS)
tests_unit_storage_journal_LDADD = $(tests_unit_storage_container_LDADD)
endif

check_SCRIPTS += tests/unit/tools/tools.sh
TESTS += tests/unit/tools/tools.sh
EXTRA_DIST += tests/unit/tools/tools.sh

if HAVE_CHECK
check_PROGRAMS += tests/unit/base/config tests/unit/job/launcher tests/unit/policy/policy
TESTS += tests/unit/base/config tests/unit/job/launcher tests/unit/policy/policy
tests_unit_base_config_SOURCES = tests/unit/base/config.c
tests_unit_base_config_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_base_config_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_job_launcher_SOURCES = tests/unit/job/launcher.c
tests_unit_job_launcher_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_job_launcher_LDADD = libcrmpi-base.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_unit_policy_policy_SOURCES = tests/unit/policy/policy.c $(crmpi_policy_sources)
tests_unit_policy_policy_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_policy_policy_LDADD = $(CHECK_LIBS) -lm
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/interaction/interaction
TESTS += tests/unit/interaction/interaction
tests_unit_interaction_interaction_SOURCES = tests/unit/interaction/interaction.c \
	lib/interaction/log.c lib/interaction/saved.c lib/interaction/streams.c \
	lib/interaction/targets.c lib/boundary/heap.c
tests_unit_interaction_interaction_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_interaction_interaction_LDADD = $(CHECK_LIBS)
endif

if HAVE_CHECK
recovery_tests = tests/unit/interaction/dependencies tests/unit/recovery/line tests/unit/recovery/recovery-alone \
	tests/unit/recovery/recovery-groups
check_PROGRAMS += $(recovery_tests)
TESTS += $(recovery_tests)
tests_unit_interaction_dependencies_SOURCES = tests/unit/interaction/dependencies.c
tests_unit_interaction_dependencies_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_interaction_dependencies_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
tests_unit_recovery_line_SOURCES = tests/unit/recovery/line.c tests/unit/recovery/draw.h
tests_unit_recovery_line_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_recovery_line_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
tests_unit_recovery_recovery_alone_SOURCES = tests/unit/recovery/recovery-alone.c tests/unit/recovery/draw.h
tests_unit_recovery_recovery_alone_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_recovery_recovery_alone_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
tests_unit_recovery_recovery_groups_SOURCES = tests/unit/recovery/recovery-groups.c tests/unit/recovery/draw.h
tests_unit_recovery_recovery_groups_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_recovery_recovery_groups_LDADD = libcrmpi-recovery.a $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/handle/handle
TESTS += tests/unit/handle/handle
tests_unit_handle_handle_SOURCES = tests/unit/handle/handle.c lib/handle/handle.c lib/boundary/heap.c
tests_unit_handle_handle_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_handle_handle_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_handle_handle_LDADD = libcrmpi-base.a $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/capture/regions
TESTS += tests/unit/capture/regions
tests_unit_capture_regions_SOURCES = tests/unit/capture/regions.c tests/unit/capture/no-files.c \
	lib/capture/attributes.c lib/capture/extents.c lib/capture/regions.c lib/capture/segments.c \
	lib/capture/tracking.c
tests_unit_capture_regions_CPPFLAGS = $(storage_cppflags) $(MPI_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_capture_regions_LDADD = $(storage_libs) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/capture/changes
TESTS += tests/unit/capture/changes
tests_unit_capture_changes_SOURCES = tests/unit/capture/changes.c tests/unit/capture/no-files.c \
	lib/capture/attributes.c lib/capture/background.c lib/capture/capture.c lib/capture/contents.c \
	lib/capture/datamap.c lib/capture/extents.c lib/capture/limit.c lib/capture/pump.c \
	lib/capture/regions.c lib/capture/segments.c lib/capture/survey.c \
	lib/capture/tracking.c lib/capture/workers.c lib/capture/writes.c
tests_unit_capture_changes_CPPFLAGS = $(tests_unit_capture_regions_CPPFLAGS) $(HWLOC_CPPFLAGS)
tests_unit_capture_changes_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_capture_changes_LDADD = $(tests_unit_capture_regions_LDADD) $(HWLOC_LIBS)
endif

if HAVE_CHECK
if WITH_ISAL
check_PROGRAMS += tests/unit/levels/erasure tests/unit/levels/plan
TESTS += tests/unit/levels/erasure tests/unit/levels/plan
tests_unit_levels_erasure_SOURCES = tests/unit/levels/erasure.c
tests_unit_levels_erasure_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_levels_erasure_LDADD = libcrmpi-levels.a libcrmpi-storage.a libcrmpi-base.a \
	$(ISAL_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_unit_levels_plan_SOURCES = tests/unit/levels/plan.c
tests_unit_levels_plan_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_levels_plan_LDADD = libcrmpi-levels.a $(storage_libs) $(ISAL_LIBS) $(CHECK_LIBS)
endif
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/capture/cpus tests/unit/net/greeting tests/unit/engine/kept tests/unit/capture/limit tests/unit/net/route tests/unit/threads/xstate
TESTS += tests/unit/capture/cpus tests/unit/net/greeting tests/unit/engine/kept tests/unit/capture/limit tests/unit/net/route tests/unit/threads/xstate
tests_unit_capture_cpus_SOURCES = tests/unit/capture/cpus.c lib/capture/cpus.c
tests_unit_capture_cpus_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_capture_cpus_LDADD = $(CHECK_LIBS)

# A library calls what the program stands in for.
check_PROGRAMS += tests/unit/lower/mappings
TESTS += tests/unit/lower/mappings
tests_unit_lower_mappings_SOURCES = tests/unit/lower/mappings.c lib/lower/mappings.c
tests_unit_lower_mappings_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_lower_mappings_LDFLAGS = $(AM_LDFLAGS) -rdynamic \
	-Wl,-rpath,'$(abs_builddir)/tests/unit/lower'
tests_unit_lower_mappings_LDADD = tests/unit/lower/mappings_library.so $(CHECK_LIBS)
CLEANFILES += tests/unit/lower/mappings_library.so
tests/unit/lower/mappings_library.so: $(srcdir)/tests/unit/lower/mappings_library.c
	@$(MKDIR_P) tests/unit/lower
	$(AM_V_GEN)$(CC) -D_GNU_SOURCE $(CPPFLAGS) $(CFLAGS) $(WARN_CFLAGS) -shared -fPIC $< -o $@

tests_unit_threads_xstate_SOURCES = tests/unit/threads/xstate.c lib/threads/xstate.c
tests_unit_threads_xstate_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_threads_xstate_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_net_greeting_SOURCES = tests/unit/net/greeting.c
tests_unit_net_greeting_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_net_greeting_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_net_greeting_LDADD = libcrmpi-base.a $(CRYPTO_LIBS) $(CHECK_LIBS)
tests_unit_capture_limit_SOURCES = tests/unit/capture/limit.c lib/capture/limit.c
tests_unit_capture_limit_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_capture_limit_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_engine_kept_SOURCES = tests/unit/engine/kept.c lib/engine/kept.c lib/boundary/heap.c
tests_unit_engine_kept_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_engine_kept_LDADD = $(CHECK_LIBS)
tests_unit_net_route_SOURCES = tests/unit/net/route.c lib/net/link.c lib/net/route.c
tests_unit_net_route_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_net_route_LDADD = $(CHECK_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += tests/unit/restart/restoring
TESTS += tests/unit/restart/restoring
tests_unit_restart_restoring_SOURCES = tests/unit/restart/restoring.c lib/restart/telling.c \
	tools/restoring.c tools/restoring.h $(crmpi_tool_sources)
tests_unit_restart_restoring_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_restart_restoring_LDADD = libcrmpi-base.a $(CRYPTO_LIBS) $(CHECK_LIBS)
endif

if HAVE_CHECK
files_tests = tests/unit/descriptors/descriptors tests/unit/files/inodes tests/unit/base/pathmap tests/unit/files/undo
check_PROGRAMS += $(files_tests)
TESTS += $(files_tests)
tests_unit_base_pathmap_SOURCES = tests/unit/base/pathmap.c
tests_unit_base_pathmap_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_base_pathmap_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_descriptors_descriptors_SOURCES = tests/unit/descriptors/descriptors.c $(crmpi_descriptors_sources) \
	lib/files/inodes.c $(storage_fixture)
tests_unit_descriptors_descriptors_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_descriptors_descriptors_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_files_inodes_SOURCES = tests/unit/files/inodes.c lib/files/inodes.c $(storage_fixture)
tests_unit_files_inodes_CPPFLAGS = $(storage_cppflags) $(CHECK_CPPFLAGS)
tests_unit_files_inodes_LDADD = $(storage_libs) $(CHECK_LIBS)
tests_unit_files_undo_SOURCES = tests/unit/files/undo.c lib/files/journal.c lib/files/lookup.c lib/files/undo.c lib/files/undone.c \
	lib/lower/apart.c $(storage_fixture)
tests_unit_files_undo_CPPFLAGS = $(storage_cppflags) $(MPI_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_files_undo_LDADD = $(storage_libs) $(CHECK_LIBS)
endif
