# SPDX-License-Identifier: BSD-3-Clause
#
# Levels: files on nodes, and what is kept of them on others.

libcrmpi_levels_a_SOURCES += \
	lib/levels/erasure.c lib/levels/erasure.h \
	lib/levels/share.c lib/levels/share.h
