# SPDX-License-Identifier: BSD-3-Clause
#
# The cut, as the MPI layer offers it to the engine, and dependencies as plain data.

libcrmpi_recovery_a_SOURCES += \
	lib/interaction/dependencies.c lib/interaction/dependencies.h
crmpi_host_SOURCES += \
	lib/interaction/cut.c lib/interaction/cut.h lib/interaction/segments.h \
	lib/interaction/log.c lib/interaction/log.h \
	lib/interaction/saved.c lib/interaction/saved.h \
	lib/interaction/streams.c lib/interaction/streams.h \
	lib/interaction/targets.c lib/interaction/targets.h
