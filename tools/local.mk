# SPDX-License-Identifier: BSD-3-Clause
#
# The programs users call.

crmpi_tool_sources = tools/tool.c tools/tool.h
crmpi_tool_restart_sources = $(crmpi_tool_sources) tools/attempts.c tools/attempts.h \
	tools/restart.c tools/restart.h \
	tools/choose.c tools/fetch.c tools/fetch.h \
	tools/timeline.c tools/timeline.h \
	tools/launch.c tools/launch.h tools/stop.c tools/stop.h

crmpi_graph_sources = tools/explain.c tools/explain.h tools/graph.c tools/graph.h \
	tools/graph-dot.c tools/graph-svg.c tools/svg.c tools/svg.h tools/text.c tools/text.h

crmpi_stats_sources = tools/plot.c tools/plot.h tools/stats.c tools/stats.h \
	tools/stats-svg.c

bin_PROGRAMS += crmpi-checkpoint crmpi-inspect crmpi-restart crmpi-run
crmpi_checkpoint_SOURCES = $(crmpi_tool_sources) tools/crmpi-checkpoint.c
crmpi_checkpoint_LDADD = libcrmpi-base.a $(XXHASH_LIBS) $(CRYPTO_LIBS)
crmpi_inspect_SOURCES = $(crmpi_tool_sources) tools/crmpi-inspect.c \
	tools/figures.c tools/figures.h \
	tools/look.c tools/look.h tools/nodes.c tools/nodes.h \
	tools/show.c tools/show.h $(crmpi_graph_sources) \
	$(crmpi_stats_sources)
crmpi_inspect_LDADD = libcrmpi-levels.a libcrmpi-storage.a libcrmpi-recovery.a \
	libcrmpi-base.a $(HDF5_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(ISAL_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS) -lm
crmpi_restart_SOURCES = $(crmpi_tool_restart_sources) tools/crmpi-restart.c \
	tools/restoring.c tools/restoring.h
crmpi_restart_LDADD = libcrmpi-storage.a libcrmpi-recovery.a libcrmpi-base.a $(HDF5_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS)
crmpi_run_SOURCES = $(crmpi_tool_restart_sources) tools/crmpi-run.c
crmpi_run_LDADD = $(crmpi_restart_LDADD)
