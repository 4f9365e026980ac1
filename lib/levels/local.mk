# SPDX-License-Identifier: BSD-3-Clause
#
# Levels: files on nodes, who keeps what for whom, and what is kept of them on others.

libcrmpi_levels_a_SOURCES += \
	lib/levels/erasure.c lib/levels/erasure.h \
	lib/levels/levels.h \
	lib/levels/paths.c \
	lib/levels/share.c lib/levels/share.h \
	lib/levels/topology.c lib/levels/topology.h
