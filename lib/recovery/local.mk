# SPDX-License-Identifier: BSD-3-Clause
#
# Histories and recovery lines: pure; for the host program, the tools and the simulator.

libcrmpi_recovery_a_SOURCES += \
	lib/recovery/derive.c \
	lib/recovery/explain.c \
	lib/recovery/graph.c lib/recovery/graph.h \
	lib/recovery/history.c lib/recovery/history.h \
	lib/recovery/late.c \
	lib/recovery/line.c \
	lib/recovery/records.h
