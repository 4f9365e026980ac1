# SPDX-License-Identifier: BSD-3-Clause
#
# Status, log and what else both the host program and the tools use.

libcrmpi_base_a_SOURCES += \
	lib/base/checksum.c lib/base/checksum.h \
	lib/base/clock.h \
	lib/base/config.c lib/base/config.h \
	lib/base/duration.c lib/base/duration.h \
	lib/base/fault.c lib/base/fault.h lib/base/figures.h \
	lib/base/log.c lib/base/log.h \
	lib/base/own.c lib/base/own.h \
	lib/base/pathmap.c lib/base/pathmap.h lib/base/policies.h \
	lib/base/status.c lib/base/status.h lib/base/tree.h lib/base/ucx.h
